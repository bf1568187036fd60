import type { ChildEnded, JournalEvent } from "./journal-event.ts";
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

/** With what an ended child and its children used. */
export function childTotals(totals: RunTotals, ended: ChildEnded): RunTotals {
  const { costNanoUsd, tokens, toolCalls = 0, unpricedTokens = 0 } = ended;
  const allCalls = toolCalls + (totals.childToolCalls ?? 0);
  const allUnpriced = unpricedTokens + (totals.childUnpricedTokens ?? 0);
  return {
    ...totals,
    childCostNanoUsd: totals.childCostNanoUsd + costNanoUsd,
    childTokens: totals.childTokens + tokens,
    ...(allCalls > 0 && { childToolCalls: allCalls }),
    ...(allUnpriced > 0 && { childUnpricedTokens: allUnpriced }),
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
      const unpriced = event.costNanoUsd === null && event.usage !== undefined ? tokensOf(event.usage) : 0;
      return {
        ...totals,
        usage,
        costNanoUsd: totals.costNanoUsd + (event.costNanoUsd ?? 0),
        unpricedCalls: totals.unpricedCalls + (unpriced > 0 ? 1 : 0),
        ...(unpriced > 0 && { unpricedTokens: (totals.unpricedTokens ?? 0) + unpriced }),
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
