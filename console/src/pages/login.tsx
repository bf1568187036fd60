import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { login } from "../api/session.ts";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";

/** Asked for where the server wants a key. The key goes to the server once; the browser keeps a cookie that no script reads. */
export function LoginPage() {
  const client = useQueryClient();
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setIsBusy(true);
    try {
      client.setQueryData(["session"], await login(key.trim()));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "the server refused the key");
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <main className="flex h-full items-center justify-center p-4">
      <form className="card w-full max-w-sm p-6" onSubmit={(event) => void submit(event)}>
        <img src="/favicon.svg" alt="" className="mb-4 size-8" />
        <h1 className="text-lg font-semibold tracking-tight">Log in to Pawl</h1>
        <p className="mt-1 mb-4 text-soft">
          Paste an API key. <code className="font-mono text-xs text-ink">pawl up</code> prints one for development;{" "}
          <code className="font-mono text-xs text-ink">pawl keys create</code> makes more.
        </p>
        <label htmlFor="key" className="label">
          API key
        </label>
        <input
          id="key"
          type="password"
          autoComplete="current-password"
          className="field mt-1 font-mono"
          placeholder="pawl_…"
          value={key}
          onChange={(event) => setKey(event.target.value)}
          required
          autoFocus
        />
        <p role="alert" className="mt-2 min-h-5 text-xs text-bad">
          {problem === null ? null : (
            <span className="flex items-start gap-1">
              <Icon name="warn" className="mt-px size-3.5!" /> {problem}
            </span>
          )}
        </p>
        <Button type="submit" look="main" className="mt-2 w-full" isBusy={isBusy} disabled={key.trim() === ""}>
          Log in
        </Button>
      </form>
    </main>
  );
}
