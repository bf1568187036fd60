import { leftOf, refusalOf, tighter, type Amount, type BudgetRefusal, type Caps } from "../core/budget.ts";
import type { CallHint, ModelEndpoint, ModelRequest } from "../core/model-contract.ts";
import type { ModelCallSpec } from "../core/runnable.ts";
import type { RunState } from "../core/run-state.ts";
import { worstCostOf } from "../core/usage.ts";

/** Counting is an estimate: the reservation is at least this much larger than the counted input. */
const COUNT_MARGIN = 1.1;
/** With less, an answer is of no use. */
export const OUTPUT_TOKENS_MIN = 256;

export type Fitted =
  | {
      readonly type: "fits";
      readonly request: ModelRequest;
      readonly inputTokens: number;
      readonly reservation: Amount;
      readonly mayHedge: boolean;
    }
  | { readonly type: "held"; readonly refusal: BudgetRefusal };

/** What a source may know of a call: calls of one conversation begin alike. */
export function hintOf({ started }: RunState, runId: string, { context }: ModelCallSpec): CallHint {
  return { tenant: started.tenant, affinity: `${started.threadId ?? runId} ${context}` };
}

function worstCaseOf(endpoint: ModelEndpoint, inputTokens: number, output: number): Amount {
  const worstInput = Math.ceil(inputTokens * COUNT_MARGIN);
  return { tokens: worstInput + output, costNanoUsd: worstCostOf(worstInput, output, endpoint.price), calls: 0 };
}

/** The worst case of a call that two endpoints may bill; an unpriced one makes the whole unpriced. */
function worstOfBoth(one: Amount, other: Amount): Amount {
  const costs = [one.costNanoUsd, other.costNanoUsd].filter((cost) => cost !== null);
  const costNanoUsd = costs.length === 2 ? costs.reduce((a, b) => a + b, 0) : null;
  return { tokens: one.tokens + other.tokens, costNanoUsd, calls: 0 };
}

/**
 * The worst case of a request held against what is left; the output limit shrinks where that makes it fit. A second
 * endpoint may be asked beside the first only where both fit as they are.
 * @param shared  what shared budgets leave, where they have refused it as it was
 */
export function fitModel(
  endpoint: ModelEndpoint,
  request: ModelRequest,
  state: RunState,
  shared: Caps | null = null,
): Fitted {
  const inputTokens = endpoint.countTokens(request);
  const own = leftOf(state.caps, state.totals, Object.values(state.reserved));
  const left = shared === null ? own : tighter(own, shared);
  const worstInput = Math.ceil(inputTokens * COUNT_MARGIN);
  const wanted = request.params.maxOutputTokens;
  const amountFor = (output: number): Amount => worstCaseOf(endpoint, inputTokens, output);
  if (endpoint.beside !== undefined) {
    const besideTokens = endpoint.beside.countTokens(request);
    const both = worstOfBoth(amountFor(wanted), worstCaseOf(endpoint.beside, besideTokens, wanted));
    if (refusalOf(left, both) === null)
      return { type: "fits", request, inputTokens, reservation: both, mayHedge: true };
  }
  const refusal = refusalOf(left, amountFor(wanted));
  if (refusal === null) return { type: "fits", request, inputTokens, reservation: amountFor(wanted), mayHedge: false };
  const room = left.tokens === null ? wanted : left.tokens - worstInput;
  for (let output = Math.min(wanted, room); output >= OUTPUT_TOKENS_MIN; output = Math.floor(output / 2)) {
    const amount = amountFor(output);
    if (refusalOf(left, amount) !== null) continue;
    return {
      type: "fits",
      request: { ...request, params: { ...request.params, maxOutputTokens: output } },
      inputTokens,
      reservation: amount,
      mayHedge: false,
    };
  }
  return { type: "held", refusal };
}
