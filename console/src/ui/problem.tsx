import { ClientError } from "../api/client.ts";
import { Icon } from "./icon.tsx";

export function problemText(error: unknown): string {
  if (error instanceof ClientError) return error.message;
  return "The server does not answer. It is asked again.";
}

/** A refusal in the server's own words, with its code. */
export function Problem({ error }: { readonly error: unknown }) {
  const code = error instanceof ClientError ? error.code : "UNREACHABLE";
  return (
    <div role="alert" className="m-4 flex items-start gap-2 rounded-md bg-bad-wash px-3 py-2 text-bad">
      <Icon name="warn" className="mt-0.5" />
      <span className="min-w-0 wrap-anywhere">
        <code className="mr-2 font-mono text-xs font-semibold">{code}</code>
        {problemText(error)}
      </span>
    </div>
  );
}
