import type { Amount } from "../core/budget.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { ToolCost, ToolDefinition } from "../core/tool-contract.ts";
import type { ToolReturned } from "../core/tool-event.ts";

/** What a call may take of budgets. */
export function mostOfCall(nanoUsdMax: number = 0): Amount {
  return { tokens: 0, costNanoUsd: nanoUsdMax, calls: 1 };
}

/**
 * What a call that returned is charged, and what is over what it reserved. A cost function that throws, or gives no
 * amount, leaves it at the most that was said.
 */
export function billOf(
  { cost }: Pick<ToolDefinition, "cost">,
  call: { readonly callId: string; readonly attempt: number },
  result: JsonValue,
): { readonly cost: Pick<ToolReturned, "costNanoUsd" | "costAssumed">; readonly overrun: readonly JournalEvent[] } {
  if (cost === undefined) return { cost: {}, overrun: [] };
  const said = saidCost(cost, result);
  if (said === null) return { cost: { costNanoUsd: cost.nanoUsdMax, costAssumed: true }, overrun: [] };
  const by = { tokens: 0, costNanoUsd: said - cost.nanoUsdMax, calls: 0 };
  return { cost: { costNanoUsd: said }, overrun: by.costNanoUsd > 0 ? [{ type: "budget.overrun", ...call, by }] : [] };
}

function saidCost({ nanoUsdMax, nanoUsdOf }: ToolCost, result: JsonValue): number | null {
  if (nanoUsdOf === undefined) return nanoUsdMax;
  try {
    const said = nanoUsdOf(result);
    return Number.isSafeInteger(said) && said >= 0 ? said : null;
  } catch {
    return null;
  }
}
