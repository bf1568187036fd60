import { useState } from "react";
import { useRefreshRun } from "../api/runs.ts";
import { useToast } from "../ui/toast.tsx";

/** Does something to a run, says how it went, and asks again for what it changed. */
export function useRunAction(runId: string) {
  const refresh = useRefreshRun(runId);
  const say = useToast();
  const [isBusy, setIsBusy] = useState(false);
  /** @returns true where the server did it */
  const attempt = async (said: string, action: () => Promise<unknown>): Promise<boolean> => {
    setIsBusy(true);
    try {
      await action();
      say(said);
      return true;
    } catch (error) {
      say(error instanceof Error ? error.message : "the server refused", true);
      return false;
    } finally {
      setIsBusy(false);
      refresh();
    }
  };
  return {
    isBusy,
    attempt,
    run: (said: string, action: (runId: string) => Promise<unknown>) => attempt(said, () => action(runId)),
  };
}
