import type { EndStatus, RunStatus } from "../api/types.ts";

const ends: readonly RunStatus[] = ["completed", "stopped", "failed", "cancelled"];
export function isEnd(status: RunStatus): status is EndStatus {
  return ends.includes(status);
}

const words: { readonly [status in EndStatus]: string } = {
  completed: "completed",
  stopped: "was stopped",
  failed: "failed",
  cancelled: "was cancelled",
};

/** What became of a question that nobody answered before the run was over. */
export function closedText(closedBy: EndStatus): string {
  return `Not decided: the run ${words[closedBy]}.`;
}
