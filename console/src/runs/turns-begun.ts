import type { RunSummary } from "../api/types.ts";

/** Turns that began: the totals count those that ended, and a run's last turn ends with the run itself. */
export function turnsBegun({ totals, status }: Pick<RunSummary, "totals" | "status">): number {
  if (status === "running") return totals.turns + 1;
  return Math.max(totals.turns, Math.min(totals.modelCalls, totals.turns + 1));
}
