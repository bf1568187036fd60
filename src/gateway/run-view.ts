import { costOfTotals, unpricedNanoUsdPerToken, type Amount } from "../core/budget.ts";
import type { RunState } from "../core/run-state.ts";
import { summaryOf } from "../core/run-summary.ts";
import type { Store } from "../core/store-contract.ts";
import { tokensOf } from "../core/usage.ts";
import type { LoadedRun } from "../engine/load-run.ts";
import { Values } from "../engine/values.ts";
import type { RunDetail } from "./api/runs.ts";

/** Head and fold of a run as the API shows them. */
export async function detailOf(store: Store, { head, state }: LoadedRun): Promise<RunDetail> {
  const values = new Values({ store, redaction: null }, head, head.blobScope);
  const { started, ended } = state;
  return {
    ...summaryOf(head),
    input: await values.read(started.inputRef),
    limits: started.limits,
    budget: budgetOf(state),
    plan: state.plan,
    forkedFrom: started.forkedFrom ?? null,
    traceparent: started.traceparent ?? null,
    effects: {
      done: state.effectsDone,
      notStarted: state.effectsNotStarted,
      unknown: state.unknowns.length + state.effectsMaybe,
    },
    output: ended === null ? null : await values.read(ended.valueRef),
    error: ended?.error ?? null,
    reason: ended?.reason ?? null,
  };
}

function budgetOf({ caps, totals, reserved, started }: RunState): RunDetail["budget"] {
  const held = Object.values(reserved);
  const sum = (of: (amount: Amount) => number): number => held.reduce((total, amount) => total + of(amount), 0);
  return {
    tokens: {
      cap: caps.tokens,
      spent: tokensOf(totals.usage) + totals.childTokens,
      reserved: sum(({ tokens }) => tokens),
    },
    costNanoUsd: {
      cap: caps.costNanoUsd,
      spent: costOfTotals(totals),
      reserved: sum(({ costNanoUsd, tokens }) => costNanoUsd ?? tokens * unpricedNanoUsdPerToken),
    },
    calls: {
      cap: caps.calls,
      spent: totals.toolCalls + (totals.childToolCalls ?? 0),
      reserved: sum(({ calls }) => calls),
    },
    turns: { cap: started.limits.turns ?? null, spent: totals.modelCalls },
  };
}
