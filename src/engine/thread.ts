import { PawlError } from "../core/errors.ts";
import type { RunEnded } from "../core/journal-event.ts";
import type { Ref } from "../core/label.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { hasOutbox, type RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { EngineDeps } from "./deps.ts";
import { outsideAppend } from "./outside.ts";

/** What a thread does with a run that is started while another is active. `interrupt` cancels that one and goes next. */
export type OnBusy = "enqueue" | "reject" | "interrupt";

/** The record of a thread: one active root run, those that wait, and what the newest ended runs left. */
export interface ThreadRecord {
  readonly active: string | null;
  /** When the active run took the place, ms since 1970. */
  readonly activeAt: number;
  readonly queue: readonly string[];
  readonly history: readonly Ref[];
  /** It is being deleted, and lets nobody in. */
  readonly isClosed?: true;
}

/** What the keys of all threads' records begin with. */
export const threadKeys = "thread/";

const CAS_TRIES = 50;
const emptyThread: ThreadRecord = { active: null, activeAt: 0, queue: [], history: [] };

type ThreadDeps = Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction">;

export interface ThreadRef {
  readonly tenant: string;
  readonly threadId: string;
}

/** A run and the thread it belongs to. */
export interface ThreadSeat extends ThreadRef {
  readonly runId: string;
}

export interface ThreadPlace {
  /** The run to cancel, with `interrupt`. */
  readonly interrupts: string | null;
}

/**
 * Takes a place in a thread for a run that is about to be created: active at once, or behind the active one. Repeating
 * it is harmless.
 * @throws THREAD_BUSY with `reject`, and when limits.threadQueue runs wait
 */
export async function enterThread(deps: ThreadDeps, seat: ThreadSeat, onBusy: OnBusy): Promise<ThreadPlace> {
  const { runId } = seat;
  let gone: string | null = null;
  const after = await change(deps, seat, async (found) => {
    const thread = await withoutGone(deps, seat.tenant, found);
    gone = thread === found ? null : found.active;
    if (thread.active === runId || thread.queue.includes(runId)) return thread;
    if (thread.isClosed === true) throw beingDeleted(seat.threadId);
    if (thread.active === null) return { ...thread, active: runId, activeAt: deps.clock.nowMs() };
    if (onBusy === "reject" || thread.queue.length >= limits.threadQueue) throw busy(seat, thread);
    return { ...thread, queue: onBusy === "interrupt" ? [runId, ...thread.queue] : [...thread.queue, runId] };
  });
  const isHeld = after.active !== runId;
  if (isHeld) await letGo(deps, seat, after.active);
  if (gone !== null) await admitIfNext(deps, { ...seat, runId: gone });
  return { interrupts: isHeld && onBusy === "interrupt" ? after.active : null };
}

/**
 * Starts a held run whose turn came before it was created. One that lost its place meanwhile, because its starter stood
 * still for long, takes the last one.
 */
export async function admitIfNext(deps: ThreadDeps, seat: ThreadSeat): Promise<void> {
  const { tenant, runId } = seat;
  const created = await deps.store.readHead({ tenant, runId });
  if (created === null || (!created.held && isEnd(created.status))) return;
  const after = await change(deps, seat, (thread) => {
    // written again as it is: who takes the place away because the run was not there yet has read an older record
    if (thread.active === runId || thread.queue.includes(runId)) return { ...thread };
    if (!created.held) return thread;
    if (thread.active === null) return { ...thread, active: runId, activeAt: deps.clock.nowMs() };
    return { ...thread, queue: [...thread.queue, runId] };
  });
  if (!created.held) return;
  if (after.active === runId) await tellToGo(deps, seat, after);
  else await letGo(deps, seat, after.active);
  const head = await deps.store.readHead({ tenant, runId });
  // it was let go and ended while this looked: its place is nobody's
  if (head !== null && isEnd(head.status)) await leaveThread(deps, seat);
}

/**
 * Does what a starter that died left undone, once its time has passed: the run that is next goes, one that was never
 * created loses its place.
 * @returns false where the run's own time has only begun: look again later
 */
export async function tendThread(deps: ThreadDeps, seat: ThreadSeat): Promise<boolean> {
  const { tenant, runId } = seat;
  let isCreated = false;
  let gone: string | null = null;
  const after = await change(deps, seat, async (found) => {
    const thread = await withoutGone(deps, tenant, found);
    gone = thread === found ? null : found.active;
    // looked at after the record was read: who creates the run writes the record after that
    isCreated = (await deps.store.readHead({ tenant, runId })) !== null;
    const queue = isCreated ? thread.queue : thread.queue.filter((id) => id !== runId);
    return queue.length === thread.queue.length ? thread : { ...thread, queue };
  });
  await letGo(deps, seat, after.active);
  // whoever was found missing may have been created since: who is created later sees that its place is gone
  for (const id of new Set([runId, ...(gone === null ? [] : [gone])])) await admitIfNext(deps, { ...seat, runId: id });
  return isCreated || after.active !== runId;
}

/** Gives back the place of a run that could not be created. */
export async function leaveThread(deps: ThreadDeps, seat: ThreadSeat): Promise<void> {
  await passOn(deps, seat, (thread) => thread.history);
}

/** A run of the thread has ended: what it left joins the history, and the next run goes. May be repeated. */
export async function releaseThread(deps: ThreadDeps, head: RunHead, ended: RunEnded): Promise<void> {
  const { threadId, tenant, runId } = head;
  if (threadId === null || head.parent !== null) return;
  const left = ended.threadRef === undefined ? [] : [ended.threadRef];
  await passOn(deps, { tenant, threadId, runId }, ({ history }) => [...history, ...left].slice(-limits.threadHistory));
}

/** Takes a run out of its thread; where it was the active one, the next goes. */
async function passOn(
  deps: ThreadDeps,
  seat: ThreadSeat,
  historyAfter: (thread: ThreadRecord) => readonly Ref[],
): Promise<void> {
  const after = await change(deps, seat, (thread) => {
    if (thread.active === seat.runId) return nextOf({ ...thread, history: historyAfter(thread) }, deps.clock.nowMs());
    const queue = thread.queue.filter((id) => id !== seat.runId);
    return queue.length === thread.queue.length ? thread : { ...thread, queue };
  });
  await letGo(deps, seat, after.active);
}

/** A run may hold a thread that ended without it, or that was never created because its starter died. */
async function withoutGone(deps: ThreadDeps, tenant: string, thread: ThreadRecord): Promise<ThreadRecord> {
  if (thread.active === null) return thread;
  const now = deps.clock.nowMs();
  const head = await deps.store.readHead({ tenant, runId: thread.active });
  const isGone = head === null ? now - thread.activeAt > limits.threadStartMs : isEnd(head.status) && !hasOutbox(head);
  return isGone ? nextOf(thread, now) : thread;
}

function nextOf(thread: ThreadRecord, activeAt: number): ThreadRecord {
  const [next, ...queue] = thread.queue;
  return { ...thread, active: next ?? null, activeAt, queue };
}

/**
 * Lets the active run of a thread go. That it was active when the record was read is not enough: one that was not created
 * then may have lost its place since. Nobody takes it from a run that was there before the record was written.
 */
async function letGo(deps: ThreadDeps, { tenant, threadId }: ThreadRef, active: string | null): Promise<void> {
  if (active === null || (await deps.store.readHead({ tenant, runId: active }))?.held !== true) return;
  const seat = { tenant, threadId, runId: active };
  const after = await change(deps, seat, (thread) => (thread.active === active ? { ...thread } : thread));
  if (after.active === active) await tellToGo(deps, seat, after);
}

/** One that never was held, or was told before, is not told again. */
async function tellToGo(deps: ThreadDeps, { tenant, runId }: ThreadSeat, { history }: ThreadRecord): Promise<void> {
  const head = await deps.store.readHead({ tenant, runId });
  if (head?.held !== true) return;
  const writer = { principal: "thread", messageId: `thread:${runId}` };
  await outsideAppend(deps, { tenant, runId }, writer, () => [{ type: "run.resumed", contextRefs: history }]);
}

/** Lets no run in any more, before a thread is deleted. @returns THREAD_BUSY while one has its turn: it stays open */
export async function closeThread(deps: ThreadDeps, ref: ThreadRef): Promise<PawlError | null> {
  const after = await change(deps, ref, async (found) => {
    const thread = await withoutGone(deps, ref.tenant, found);
    return thread.active === null && thread.isClosed !== true ? { ...thread, isClosed: true } : thread;
  });
  await letGo(deps, ref, after.active);
  return after.active === null ? null : busy(ref, after);
}

/** It is not deleted after all. */
export async function reopenThread(deps: ThreadDeps, ref: ThreadRef): Promise<void> {
  await change(deps, ref, ({ isClosed: _isClosed, ...thread }) => thread);
}

function beingDeleted(threadId: string): PawlError {
  return new PawlError("THREAD_BUSY", `thread "${threadId}" is being deleted. Try again in a moment, or use another.`);
}

function busy({ threadId }: ThreadRef, thread: ThreadRecord): PawlError {
  const waiting = thread.queue.length === 0 ? "" : `, and ${thread.queue.length} runs wait behind it`;
  return new PawlError(
    "THREAD_BUSY",
    `thread "${threadId}" runs "${thread.active}"${waiting}. Wait for its end; a start may say onBusy "enqueue" or "interrupt".`,
  );
}

/** Where starts of threads' runs are noted while they are under way. No id of a user begins with "~". */
const NOTES = "~threads";

/**
 * How far a start has come. Each stage has a note of its own: a worker whose date is minutes ahead takes the first for
 * old and deletes it, at any later time, and must not take the second with it.
 */
type StartStage = "entering" | "created";

/** Notes a start before its first step, and once its run is there: a sweep completes it where its starter dies. */
export async function noteStart(deps: ThreadDeps, seat: ThreadSeat, stage: StartStage): Promise<void> {
  const note: StartNote = { ...seat, at: deps.clock.nowMs() };
  await deps.store.putRecord(NOTES, noteKeyOf(seat, stage), { ...note }, {});
}

/** The start is complete, or came to nothing. */
export async function forgetStart(deps: ThreadDeps, seat: ThreadSeat): Promise<void> {
  await Promise.all([
    deps.store.deleteRecord(NOTES, noteKeyOf(seat, "entering")),
    deps.store.deleteRecord(NOTES, noteKeyOf(seat, "created")),
  ]);
}

interface StartNote extends ThreadSeat {
  readonly at: number;
}

/** Completes starts that were not complete in limits.threadStartMs. Idempotent, and harmless to do from every worker. */
export async function tendStarts(deps: ThreadDeps): Promise<void> {
  const page = await deps.store.listRecords(NOTES, "", null, limits.threadStartsPerSweep);
  for (const { key, value } of page.items) {
    const note = value as unknown as StartNote;
    if (deps.clock.nowMs() - note.at <= limits.threadStartMs) continue;
    if (await tendThread(deps, note)) await deps.store.deleteRecord(NOTES, key);
  }
}

function noteKeyOf({ tenant, threadId, runId }: ThreadSeat, stage: StartStage): string {
  return `${tenant}/${threadId}/${runId}/${stage}`;
}

function keyOf({ threadId }: ThreadRef): string {
  return `${threadKeys}${threadId}`;
}

/** @returns the record as it is after `next`, which may be asked several times */
async function change(
  deps: ThreadDeps,
  seat: ThreadRef,
  next: (thread: ThreadRecord) => Promise<ThreadRecord> | ThreadRecord,
): Promise<ThreadRecord> {
  const key = keyOf(seat);
  for (let tries = 0; tries < CAS_TRIES; tries++) {
    const record = await deps.store.getRecord(seat.tenant, key);
    const before = record === null ? emptyThread : (record.value as unknown as ThreadRecord);
    const after = await next(before);
    if (after === before) return after;
    const condition = record === null ? ({ ifAbsent: true } as const) : { ifVersion: record.version };
    const put = await deps.store.putRecord(seat.tenant, key, after as unknown as JsonValue, condition);
    if (put.type === "ok") return after;
  }
  throw new PawlError(
    "STORE_UNREACHABLE",
    `thread "${seat.threadId}" changed ${CAS_TRIES} times while it was being written. Try again.`,
  );
}
