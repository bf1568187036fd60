import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { ChildCalled, JournalEvent, RunEnded } from "../core/journal-event.ts";
import type { RunHead } from "../core/run-head.ts";
import { noTotals } from "../core/run-totals.ts";
import { tokensOf } from "../core/usage.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter } from "./load-run.ts";
import { outsideAppend } from "./outside.ts";
import { settleOpenReservations } from "./shared-budget.ts";
import { startRun } from "./start-run.ts";
import { releaseThread } from "./thread.ts";
import { Values } from "./values.ts";

/**
 * Does a run's duties to other units: starts children, tells the parent, cancels children, lets the thread's next run go,
 * settles shared budgets. Every duty is idempotent at its receiver, so anybody may repeat any of them.
 * @returns seq up to which all are done, which is also marked in the store
 */
export async function flushOutbox(deps: EngineDeps, head: RunHead): Promise<number> {
  const ref = { tenant: head.tenant, runId: head.runId };
  const duties: { readonly seq: number; readonly event: JournalEvent }[] = [];
  for await (const batch of batchesAfter(deps.store, ref, head.marks.outboxAckedSeq)) {
    for (const [i, event] of batch.events.entries()) {
      const seq = batch.firstSeq + i;
      if (seq > head.marks.outboxAckedSeq && seq <= head.outboxSeq) duties.push({ seq, event });
    }
  }
  for (const { seq, event } of duties) await doDuty(deps, head, seq, event);
  await deps.store.mark(ref, { outboxAckedSeq: head.outboxSeq });
  return head.outboxSeq;
}

async function doDuty(deps: EngineDeps, head: RunHead, seq: number, event: JournalEvent): Promise<void> {
  switch (event.type) {
    case "child.called":
      await startChild(deps, head, event);
      return;
    case "cancel.requested":
      await cancelChildren(deps, head, seq, event.reason);
      return;
    case "run.ended":
      await cancelChildren(deps, head, seq, "the parent run has ended");
      await tellParent(deps, head, seq, event);
      await settleOpenReservations(deps, head);
      await releaseThread(deps, head, event);
      return;
    default:
      return;
  }
}

// ---- children

async function startChild(deps: EngineDeps, head: RunHead, called: ChildCalled): Promise<void> {
  if (head.cancelRequested) {
    await createCancelled(deps, head, called, "the parent run was cancelled");
    return;
  }
  await startRun(deps, await childStart(deps, head, called));
}

async function childStart(deps: EngineDeps, head: RunHead, called: ChildCalled) {
  const ref = { tenant: head.tenant, runId: called.childRunId };
  const values = new Values(deps, ref, head.blobScope);
  const { allowance } = called;
  const allowed =
    allowance === undefined
      ? {}
      : { tokens: allowance.tokens, ...(allowance.costNanoUsd !== null && { costUsd: allowance.costNanoUsd / 1e9 }) };
  return {
    ref,
    runnable: deps.registry.runnable(called.runnable),
    input: await values.read(called.inputRef),
    principal: head.principal,
    ...(head.roles && { roles: head.roles }),
    messageId: `${head.runId}:${called.callId}`,
    ...(called.inputRef.label && { label: called.inputRef.label }),
    limits: { ...called.limits, ...allowed },
    ...(called.task && { task: called.task }),
    blobScope: head.blobScope,
    parent: { runId: head.runId, callId: called.callId, depth: (head.parent?.depth ?? 0) + 1 },
    tags: head.tags,
    ...(called.traceparent !== undefined && { traceparent: called.traceparent }),
  };
}

async function cancelChildren(deps: EngineDeps, head: RunHead, beforeSeq: number, reason: string): Promise<void> {
  if (!head.hasChildren) return;
  for (const called of await openChildren(deps, head, beforeSeq)) {
    const ref = { tenant: head.tenant, runId: called.childRunId };
    const writer = { principal: head.principal, messageId: `${head.runId}:${beforeSeq}` };
    const result = await outsideAppend(deps, ref, writer, () => [{ type: "cancel.requested", reason }]);
    if (result.type === "missing") await createCancelled(deps, head, called, reason);
  }
}

/** Children called before a seq of whose end this run does not know. */
async function openChildren(deps: EngineDeps, head: RunHead, beforeSeq: number): Promise<readonly ChildCalled[]> {
  const open = new Map<string, ChildCalled>();
  for await (const batch of batchesAfter(deps.store, { tenant: head.tenant, runId: head.runId }, 0)) {
    for (const event of batch.events) {
      if (event.type === "child.called" && batch.firstSeq <= beforeSeq) open.set(event.childRunId, event);
      if (event.type === "child.ended") open.delete(event.childRunId);
    }
  }
  return [...open.values()];
}

/** Cancelling a child that does not exist creates it ended, so that its late start finds it so. */
async function createCancelled(deps: EngineDeps, head: RunHead, called: ChildCalled, reason: string): Promise<void> {
  const start = await childStart(deps, head, called);
  const ended = (): readonly RunEnded[] => [
    {
      type: "run.ended",
      status: "cancelled",
      reason,
      valueRef: { inline: null },
      effects: { done: 0, notStarted: 0, unknown: 0 },
      totals: noTotals,
    },
  ];
  const { created } = await startRun(deps, { ...start, further: ended });
  if (created) return;
  const writer = { principal: head.principal, messageId: `${head.runId}:cancel:${called.callId}` };
  await outsideAppend(deps, start.ref, writer, () => [{ type: "cancel.requested", reason }]);
}

async function tellParent(deps: EngineDeps, head: RunHead, seq: number, ended: RunEnded): Promise<void> {
  const { parent } = head;
  if (parent === null) return;
  const ref: RunRef = { tenant: head.tenant, runId: parent.runId };
  const { totals } = ended;
  const event: JournalEvent = {
    type: "child.ended",
    childRunId: head.runId,
    callId: parent.callId,
    status: ended.status,
    ...(ended.stopReason && { stopReason: ended.stopReason }),
    ...(ended.error && { error: ended.error }),
    valueRef: ended.valueRef,
    costNanoUsd: totals.costNanoUsd + totals.childCostNanoUsd,
    tokens: tokensOf(totals.usage) + totals.childTokens,
    toolCalls: totals.toolCalls + (totals.childToolCalls ?? 0),
    unpricedTokens: (totals.unpricedTokens ?? 0) + (totals.childUnpricedTokens ?? 0),
    effects: ended.effects,
  };
  await outsideAppend(deps, ref, { principal: head.principal, messageId: `${head.runId}:${seq}` }, () => [event]);
}

export function unknownRun(ref: RunRef): PawlError {
  return new PawlError(
    "RUN_UNKNOWN",
    `no run "${ref.runId}" for tenant "${ref.tenant}". List the runs there are with "pawl runs".`,
  );
}
