import type { RunSummary } from "../api/types.ts";

const within: readonly RunSummary["status"][] = [
  "running",
  "sleeping",
  "awaiting_approval",
  "awaiting_signal",
  "awaiting_child",
  "awaiting_budget",
  "completed",
  "failed",
];

/** Turns that began: the totals count those that ended, and a run's last turn ends with the run itself. */
export function turnsBegun({ totals, status }: Pick<RunSummary, "totals" | "status">): number {
  if (within.includes(status)) return totals.turns + 1;
  return Math.max(totals.turns, Math.min(totals.modelCalls, totals.turns + 1));
}
