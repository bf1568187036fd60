import type { JournalEvent } from "./journal-event.ts";
import type { RunTotals } from "./run-outcome.ts";
import { addUsage, noUsage, tokensOf } from "./usage.ts";

export const noTotals: RunTotals = {
  usage: noUsage,
  costNanoUsd: 0,
  unpricedCalls: 0,
  modelCalls: 0,
  toolCalls: 0,
  turns: 0,
  childCostNanoUsd: 0,
  childTokens: 0,
};

export function childTotals(totals: RunTotals, costNanoUsd: number, tokens: number): RunTotals {
  return {
    ...totals,
    childCostNanoUsd: totals.childCostNanoUsd + costNanoUsd,
    childTokens: totals.childTokens + tokens,
  };
}

/** Sums after an event; the same in head and state. */
export function nextTotals(totals: RunTotals, event: JournalEvent): RunTotals {
  if ("inherited" in event && event.inherited === true) return totals;
  switch (event.type) {
    case "model.attempted":
    case "model.answered": {
      const answered = event.type === "model.answered" ? 1 : 0;
      const usage = event.usage === undefined ? totals.usage : addUsage(totals.usage, event.usage);
      const unpriced = event.costNanoUsd === null && event.usage !== undefined && tokensOf(event.usage) > 0 ? 1 : 0;
      return {
        ...totals,
        usage,
        costNanoUsd: totals.costNanoUsd + (event.costNanoUsd ?? 0),
        unpricedCalls: totals.unpricedCalls + unpriced,
        modelCalls: totals.modelCalls + answered,
      };
    }
    case "tool.called":
      return { ...totals, toolCalls: totals.toolCalls + 1 };
    case "tool.returned":
      return event.costNanoUsd === undefined
        ? totals
        : { ...totals, costNanoUsd: totals.costNanoUsd + event.costNanoUsd };
    case "turn.ended":
      return { ...totals, turns: totals.turns + 1 };
    default:
      return totals;
  }
}
