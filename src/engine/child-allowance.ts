import type { Amount, Caps, RunLimits } from "../core/budget.ts";
import { limits } from "../core/limits.ts";
import { nanoUsdOf } from "../core/usage.ts";
import { OUTPUT_TOKENS_MIN } from "./fit-model.ts";

/**
 * What a child is given for which its parent states no allowance, so that a tree never spends more than its root may: what
 * its own limits say, as far as the parent has it, else half of what the parent has left. It comes back at the child's end.
 * @returns null where the parent has no cap
 */
export function allowanceOf(left: Caps, stated: RunLimits): Amount | null {
  if (left.tokens === null && left.costNanoUsd === null) return null;
  const isStated = stated.tokens !== undefined || stated.costUsd !== undefined;
  const tokens = partOf(
    left.tokens,
    stated.tokens ?? (isStated ? null : limits.runTokens),
    stated.tokens !== undefined,
  );
  const costUsd = stated.costUsd === undefined ? null : nanoUsdOf(stated.costUsd);
  return {
    // with less than a useful answer takes, it would only park
    tokens: Math.max(tokens ?? Number.MAX_SAFE_INTEGER, OUTPUT_TOKENS_MIN),
    costNanoUsd: partOf(left.costNanoUsd, costUsd, costUsd !== null),
    calls: 0,
  };
}

/** Of a cap on tool calls likewise; null where the parent has none. One call at least, while there is one. */
export function callsOf(left: Caps, stated: RunLimits): number | null {
  if (left.calls === null) return null;
  const most = Math.max(0, stated.calls === undefined ? Math.ceil(left.calls / 2) : left.calls);
  return Math.min(stated.calls ?? most, most);
}

function partOf(left: number | null, wanted: number | null, isStated: boolean): number | null {
  if (left === null) return wanted;
  const most = Math.max(0, isStated ? left : Math.floor(left / 2));
  return wanted === null ? most : Math.min(wanted, most);
}
