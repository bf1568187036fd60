import { PawlError } from "./errors.ts";
import { beginsFork } from "./event-writers.ts";
import { hashText } from "./hash.ts";
import { rootRunIdOf, type RunRef } from "./id.ts";
import type { EncodedBatch } from "./journal-codec.ts";
import {
  isOwner,
  journalFormat,
  type Batch,
  type JournalEvent,
  type ParentLink,
  type RunClaimed,
  type RunStarted,
} from "./journal-event.ts";
import { childTotals, nextTotals, noTotals } from "./run-totals.ts";
import { limits } from "./limits.ts";
import { isEnd, type RunStatus, type RunTotals, type StopReason } from "./run-outcome.ts";
import { statusOfWaits, waitsOnHead, type HeadWait } from "./run-waits.ts";

/** Values that only rise and that anybody may raise at any time: kept beside the head, changed without an event. */
export interface RunMarks {
  /** Duties of the outbox up to here were done. */
  readonly outboxAckedSeq: number;
  /** The trace index has read up to here. */
  readonly indexedSeq: number;
  /** Newest stored fold; a cache, never truth. `blob` is its hash in the run's blob scope. */
  readonly snapshot: { readonly seq: number; readonly blob: string; readonly foldVersion: number } | null;
}

/**
 * A small fold of a run's journal, stored with it and changed in the same write. At most 8 KiB. It holds what outside
 * writers, indexes and claims need without reading events.
 */
export interface RunHead {
  readonly tenant: string;
  readonly runId: string;
  readonly rootRunId: string;
  readonly seq: number;
  readonly lastHash: string;
  /** Lowest format that reads this journal. */
  readonly format: number;
  readonly status: RunStatus;
  readonly lane: string;
  readonly fence: number;
  /** Owner's session; null = nobody owns it. */
  readonly session: string | null;
  /** Workers that died on it since it last made progress. */
  readonly attempts: number;
  /** When a worker must look at it, ms since 1970; null = no worker needs to. */
  readonly dueAt: number | null;
  readonly waits: readonly HeadWait[];
  readonly totals: RunTotals;
  /** Last event that gave the outbox a duty; all done when marks.outboxAckedSeq has reached it. */
  readonly outboxSeq: number;
  /** Scope of its blobs: the thread, else the root run. */
  readonly blobScope: string;
  readonly parent: ParentLink | null;
  readonly threadId: string | null;
  readonly runnable: string;
  readonly version: string;
  readonly principal: string;
  /** Of the principal, as whoever started it said: children have them too. */
  readonly roles?: readonly string[];
  readonly inputHash: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly paused: boolean;
  /** Its thread has an active run: nothing but a cancel starts it before the thread lets it go. */
  readonly held: boolean;
  readonly cancelRequested: boolean;
  /** Has started child runs. */
  readonly hasChildren: boolean;
  /** Has reservations on shared scopes that its end must settle. */
  readonly onLedger: boolean;
  readonly blocked: { readonly code: string; readonly detail: string } | null;
  readonly stopReason: StopReason | null;
  readonly errorCode: string | null;
  /** Seqs of signals that no wait took yet, at most limits.signalsPending; absent in heads of the first builds. */
  readonly signals?: readonly number[];
  /** A person answered in the agent's place, and its next request has not taken that yet. */
  readonly answered?: true;
  /** Outside batches in all, and hashes of the newest message ids: a message is taken once. */
  readonly messageCount: number;
  readonly messageIds: readonly string[];
  readonly marks: RunMarks;
}

export const noMarks: RunMarks = { outboxAckedSeq: 0, indexedSeq: 0, snapshot: null };

export function messageHash(messageId: string): string {
  return hashText(messageId).slice(0, 12);
}

/**
 * True when the head proves that a message was taken, false when it proves the contrary, null when the message is older
 * than what the head remembers and the journal must be read.
 */
export function sawMessage(head: RunHead, messageId: string): boolean | null {
  if (head.messageIds.includes(messageHash(messageId))) return true;
  return head.messageCount > head.messageIds.length ? null : false;
}

/** Duties of the outbox that are not yet acknowledged. */
export function hasOutbox(head: RunHead): boolean {
  return head.outboxSeq > head.marks.outboxAckedSeq;
}

/** Raises marks; each only upwards. Pure: stores that hold the head as one value use it as it is. */
export function nextMarks(marks: RunMarks, raise: Partial<RunMarks>): RunMarks {
  const snapshot = raise.snapshot && raise.snapshot.seq > (marks.snapshot?.seq ?? 0) ? raise.snapshot : marks.snapshot;
  return {
    outboxAckedSeq: Math.max(marks.outboxAckedSeq, raise.outboxAckedSeq ?? 0),
    indexedSeq: Math.max(marks.indexedSeq, raise.indexedSeq ?? 0),
    snapshot,
  };
}

/**
 * When a store must offer the run to workers, marks considered: an ended run only while its outbox has duties.
 * Stores keep their due index by this value.
 */
export function dueAtOf(head: RunHead): number | null {
  return isEnd(head.status) && !hasOutbox(head) ? null : head.dueAt;
}

/**
 * The head after a batch. Pure; the same for owner and outside writers.
 * @param head null for the batch that creates the run
 * @throws INTERNAL when the batch does not follow the head: the caller computed it from another one
 */
export function nextHead(head: RunHead | null, ref: RunRef, encoded: EncodedBatch, batch: Batch): RunHead {
  const before = head ?? firstHead(ref, batch);
  if (batch.firstSeq !== before.seq + 1 || batch.prevHash !== before.lastHash) {
    throw new PawlError(
      "INTERNAL",
      `batch ${batch.firstSeq} does not follow head seq ${before.seq} of run "${ref.runId}".`,
    );
  }
  let draft = before;
  let seq = before.seq;
  for (const event of batch.events) draft = headAfter(draft, event, ++seq, batch.at);
  const hash = isOwner(batch.by) || head === null ? null : messageHash(batch.by.messageId);
  return {
    ...draft,
    seq,
    lastHash: encoded.hash,
    format: Math.max(before.format, batch.format),
    startedAt: beginsFork(batch) ? batch.at : before.startedAt,
    updatedAt: batch.at,
    messageCount: before.messageCount + (hash === null ? 0 : 1),
    messageIds: hash === null ? before.messageIds : [...before.messageIds, hash].slice(-limits.headMessageIds),
  };
}

function firstHead(ref: RunRef, batch: Batch): RunHead {
  const started = batch.events[0];
  if (started?.type !== "run.started") {
    throw new PawlError(
      "INTERNAL",
      `the first event of run "${ref.runId}" is "${started?.type ?? "none"}", not run.started.`,
    );
  }
  return {
    tenant: ref.tenant,
    runId: ref.runId,
    rootRunId: rootRunIdOf(ref.runId),
    seq: 0,
    lastHash: "",
    format: journalFormat,
    status: "queued",
    lane: started.lane,
    fence: 0,
    session: null,
    attempts: 0,
    dueAt: started.heldByThread === true ? null : batch.at,
    waits: [],
    totals: noTotals,
    outboxSeq: 0,
    blobScope: started.blobScope ?? blobScopeOf(ref, started.threadId),
    ...identityOf(started),
    startedAt: batch.at,
    updatedAt: batch.at,
    paused: false,
    held: started.heldByThread === true,
    cancelRequested: false,
    hasChildren: false,
    onLedger: false,
    blocked: null,
    stopReason: null,
    errorCode: null,
    signals: [],
    messageCount: 0,
    messageIds: [],
    marks: noMarks,
  };
}

/** Blobs of a thread's runs live and are deleted together; those of other runs with their tree. */
export function blobScopeOf(ref: RunRef, threadId: string | undefined): string {
  return threadId === undefined ? `run:${rootRunIdOf(ref.runId)}` : `thread:${threadId}`;
}

function identityOf(started: RunStarted) {
  return {
    parent: started.parent ?? null,
    threadId: started.threadId ?? null,
    runnable: started.runnable,
    version: started.version,
    principal: started.principal,
    ...(started.roles && { roles: started.roles }),
    inputHash: started.inputHash,
    title: (started.title ?? "").slice(0, 120),
    tags: started.tags ?? [],
  };
}

const freed = { paused: false, held: false, blocked: null };

/** Wakes a run that nobody owns: a worker must look now. A paused, blocked or held run sleeps on. */
function woken(head: RunHead, at: number): RunHead {
  if (head.session !== null || head.paused || head.blocked !== null || isEnd(head.status)) return head;
  if (head.held) return { ...head, status: "queued", dueAt: null };
  return { ...head, status: "queued", dueAt: Math.min(head.dueAt ?? at, at) };
}

function withoutWait(head: RunHead, key: string): RunHead {
  return { ...head, waits: head.waits.filter((wait) => wait.key !== key) };
}

function withoutSignal(head: RunHead, bySeq: number | undefined): RunHead {
  if (bySeq === undefined || head.signals?.includes(bySeq) !== true) return head;
  return { ...head, signals: head.signals.filter((seq) => seq !== bySeq) };
}

function headAfter(head: RunHead, event: JournalEvent, seq: number, at: number): RunHead {
  switch (event.type) {
    case "run.claimed":
      return claimed(head, event);
    case "approval.asked": {
      const wait: HeadWait = { key: event.approvalId, kind: "approval", seq, actionHash: event.actionHash };
      const full: HeadWait = event.expiresAt === null ? wait : { ...wait, expiresAt: event.expiresAt };
      return { ...head, waits: [...head.waits, full] };
    }
    case "approval.decided":
      return woken(withoutWait(head, event.approvalId), at);
    case "effect.unknown":
      return { ...head, waits: [...head.waits, { key: event.callId, kind: "unknown", seq }] };
    case "effect.resolved":
      return woken(withoutWait(head, event.callId), at);
    case "child.ended":
      return woken({ ...withoutWait(head, event.childRunId), totals: childTotals(head.totals, event) }, at);
    case "signal.received":
      return woken({ ...head, signals: [...(head.signals ?? []), seq] }, at);
    case "answer.given":
      return answeredFor(head, at);
    case "wait.ended":
      return withTotals(withoutSignal(head, event.bySeq), event);
    case "budget.raised":
      return woken(head, at);
    case "child.called":
      return { ...head, outboxSeq: seq, hasChildren: true };
    case "cancel.requested":
      return woken({ ...head, ...freed, cancelRequested: true, outboxSeq: seq }, at);
    case "run.paused":
      return head.session === null
        ? { ...head, paused: true, status: "paused", dueAt: null }
        : { ...head, paused: true };
    case "run.resumed":
      return woken({ ...head, ...(event.contextRefs === undefined ? { paused: false } : { held: false }) }, at);
    case "turn.ended":
      return withTotals({ ...head, waits: [] }, event);
    case "run.parked":
      return parked(head, event.waits, hasOutbox(head) ? at : event.dueAt);
    case "run.released":
      // somebody paused it while its worker was on the way out: nobody takes it up
      return head.paused
        ? { ...head, session: null, status: "paused", dueAt: null }
        : { ...head, session: null, status: "queued", dueAt: at };
    case "run.blocked":
      return {
        ...head,
        session: null,
        status: "blocked",
        dueAt: null,
        blocked: { code: event.code, detail: event.detail.slice(0, 500) },
      };
    case "run.unblocked":
      return woken({ ...head, blocked: null, attempts: 0 }, at);
    case "run.ended":
      return ended(head, event, seq, at);
    default:
      return withTotals(head, event);
  }
}

/** A request that no budget has room for needs none now. */
function answeredFor(head: RunHead, at: number): RunHead {
  const told: RunHead = { ...head, answered: true };
  return head.waits.some(({ kind }) => kind === "budget") ? woken(told, at) : told;
}

function claimed(head: RunHead, event: RunClaimed): RunHead {
  return {
    ...head,
    fence: event.fence,
    session: event.session,
    attempts: head.session === null ? head.attempts : head.attempts + 1,
    status: "running",
    dueAt: null,
    waits: head.waits.filter((wait) => wait.kind === "approval" || wait.kind === "unknown"),
  };
}

function parked(head: RunHead, waits: readonly HeadWait[], dueAt: number | null): RunHead {
  const base = { ...head, session: null, attempts: 0, waits: waitsOnHead(head.waits, waits) };
  return head.paused ? { ...base, status: "paused", dueAt: null } : { ...base, status: statusOfWaits(waits), dueAt };
}

function ended(head: RunHead, event: JournalEvent & { readonly type: "run.ended" }, seq: number, at: number): RunHead {
  const duties = head.parent !== null || head.threadId !== null || head.onLedger || head.hasChildren;
  return {
    ...head,
    session: null,
    status: event.status,
    waits: [],
    signals: [],
    dueAt: duties ? at : null,
    outboxSeq: duties ? seq : head.outboxSeq,
    stopReason: event.stopReason ?? null,
    errorCode: event.error?.code ?? null,
    totals: event.totals,
    paused: false,
    blocked: null,
  };
}

function withTotals(before: RunHead, event: JournalEvent): RunHead {
  const { answered, ...rest } = before;
  const isTaken = answered === true && event.type === "model.answered" && event.person !== undefined;
  const head = isTaken ? rest : before;
  const totals = nextTotals(head.totals, event);
  const attempts = isProgress(event) ? 0 : head.attempts;
  const onLedger = head.onLedger || ("reservationId" in event && event.reservationId !== undefined);
  return totals === head.totals && attempts === head.attempts && onLedger === head.onLedger
    ? head
    : { ...head, totals, attempts, onLedger };
}

/** Outcomes: a run that still gets them is not poison. */
function isProgress(event: JournalEvent): boolean {
  return (
    event.type === "turn.ended" ||
    event.type.endsWith(".answered") ||
    event.type.endsWith(".returned") ||
    event.type === "wait.ended"
  );
}
