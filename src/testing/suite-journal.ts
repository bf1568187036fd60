import type { RunRef } from "../core/id.ts";
import { rootRunIdOf } from "../core/id.ts";
import { encodeBatch, type EncodedBatch } from "../core/journal-codec.ts";
import type { ApprovalAsked } from "../core/approval-event.ts";
import { journalFormat, type Batch, type JournalEvent, type RunStarted, type Writer } from "../core/journal-event.ts";
import { nextHead, type RunHead } from "../core/run-head.ts";
import type { HeadWait } from "../core/run-waits.ts";
import type { Append, AppendResult, Store } from "../core/store-contract.ts";

// Valid journals in a line or two, for claims about stores.

export const noon = 1_760_000_000_000;
export const lane = "work@1";

export interface FirstBatch {
  readonly batch: EncodedBatch;
  readonly head: RunHead;
}

export interface BatchOptions {
  readonly id?: string;
  readonly at?: number;
  readonly by?: Writer;
}

let batchNumber = 0;

function nextBatchId(): string {
  return `batch-${++batchNumber}`;
}

export function firstOf(ref: RunRef, more: Partial<RunStarted> = {}, at: number = noon): FirstBatch {
  const started: RunStarted = {
    type: "run.started",
    runnable: "work",
    version: "1",
    lane,
    tenant: ref.tenant,
    principal: "ada",
    inputRef: { inline: { goal: "count the doors" } },
    inputHash: "input-hash",
    limits: {},
    pins: {},
    seed: 7,
    rootRunId: rootRunIdOf(ref.runId),
    title: "count the doors",
    tags: ["suite"],
    ...more,
  };
  const batch: Batch = {
    id: nextBatchId(),
    firstSeq: 1,
    at,
    format: journalFormat,
    by: { principal: "ada", messageId: `start-${ref.runId}` },
    prevHash: "",
    events: [started],
  };
  const encoded = encodeBatch(batch);
  return { batch: encoded, head: nextHead(null, ref, encoded, batch) };
}

/** The append that follows `head`. */
export function nextOf(head: RunHead, events: readonly JournalEvent[], options: BatchOptions = {}): Append {
  const batch: Batch = {
    id: options.id ?? nextBatchId(),
    firstSeq: head.seq + 1,
    at: options.at ?? noon,
    format: journalFormat,
    by: options.by ?? { fence: head.fence },
    prevHash: head.lastHash,
    events,
  };
  const encoded = encodeBatch(batch);
  const ref = { tenant: head.tenant, runId: head.runId };
  return { expectedSeq: head.seq, batch: encoded, head: nextHead(head, ref, encoded, batch) };
}

export async function startRun(
  store: Store,
  ref: RunRef,
  more: Partial<RunStarted> = {},
  at: number = noon,
): Promise<RunHead> {
  const first = firstOf(ref, more, at);
  const created = await store.createRun(ref, first);
  if (created.type !== "created") throw new Error(`run "${ref.runId}" exists`);
  return first.head;
}

/** Appends after `head` and gives the next one. Throws unless the answer is `ok`. */
export async function appendTo(
  store: Store,
  head: RunHead,
  events: readonly JournalEvent[],
  options: BatchOptions = {},
): Promise<RunHead> {
  const append = nextOf(head, events, options);
  const answer: AppendResult = await store.append({ tenant: head.tenant, runId: head.runId }, append);
  if (answer.type !== "ok") throw new Error(`append after ${head.seq} of "${head.runId}" answered ${answer.type}`);
  return append.head;
}

export function claimedBy(head: RunHead, session: string): JournalEvent {
  return { type: "run.claimed", fence: head.fence + 1, session, worker: "w", build: "b" };
}

export function parkedUntil(dueAt: number | null, waits: readonly HeadWait[] = []): JournalEvent {
  return { type: "run.parked", waits, dueAt };
}

export function turnEnded(turn: number): JournalEvent {
  return { type: "turn.ended", turn };
}

export function noted(text: string): JournalEvent {
  return { type: "message.received", valueRef: { inline: text } };
}

export function ended(head: RunHead): JournalEvent {
  return {
    type: "run.ended",
    status: "completed",
    valueRef: { inline: null },
    effects: { done: 0, notStarted: 0, unknown: 0 },
    totals: head.totals,
  } as JournalEvent;
}

export function asked(approvalId: string, expiresAt: number | null = null): ApprovalAsked {
  return {
    type: "approval.asked",
    approvalId,
    callId: `call-${approvalId}`,
    actionHash: `action-${approvalId}`,
    question: "May it?",
    quorum: 1,
    expiresAt,
    default: "reject",
  };
}
