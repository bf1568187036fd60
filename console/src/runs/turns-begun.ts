import type { RunSummary } from "../api/types.ts";

/** Turns that began: the totals count those that ended, and a run's last turn ends with the run itself. */
export function turnsBegun({ totals }: Pick<RunSummary, "totals">): number {
  return Math.max(totals.turns, Math.min(totals.modelCalls, totals.turns + 1));
}
