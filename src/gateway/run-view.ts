import { unpricedNanoUsdPerToken, type Amount } from "../core/budget.ts";
import type { RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { RunState } from "../core/run-state.ts";
import type { Store } from "../core/store-contract.ts";
import { tokensOf } from "../core/usage.ts";
import type { LoadedRun } from "../engine/load-run.ts";
import { Values } from "../engine/values.ts";
import type { RunDetail, RunSummary } from "./api/runs.ts";

/** A head as the API shows it. */
export function summaryOf(head: RunHead): RunSummary {
  return {
    runId: head.runId,
    rootRunId: head.rootRunId,
    parent: head.parent,
    threadId: head.threadId,
    agent: head.runnable,
    version: head.version,
    status: head.status,
    stopReason: head.stopReason,
    errorCode: head.errorCode,
    blocked: head.blocked,
    principal: head.principal,
    title: head.title,
    tags: head.tags,
    startedAt: head.startedAt,
    updatedAt: head.updatedAt,
    // run.ended is the last event there can be
    endedAt: isEnd(head.status) ? head.updatedAt : null,
    seq: head.seq,
    totals: head.totals,
    waits: head.waits,
    paused: head.paused,
    held: head.held,
    cancelRequested: head.cancelRequested,
    hasChildren: head.hasChildren,
    hasOwner: head.session !== null,
    fence: head.fence,
  };
}

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
      spent: totals.costNanoUsd + totals.childCostNanoUsd,
      reserved: sum(({ costNanoUsd, tokens }) => costNanoUsd ?? tokens * unpricedNanoUsdPerToken),
    },
    calls: { cap: caps.calls, spent: totals.toolCalls, reserved: sum(({ calls }) => calls) },
    turns: { cap: started.limits.turns ?? null, spent: totals.modelCalls },
  };
}
