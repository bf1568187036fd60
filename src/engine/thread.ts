import { PawlError } from "../core/errors.ts";
import type { Ref, RunEnded } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { RunHead } from "../core/run-head.ts";
import type { EngineDeps } from "./deps.ts";
import { outsideAppend } from "./outside.ts";

/** What a thread does with a run that is started while another is active. */
export type OnBusy = "enqueue" | "reject" | "interrupt";

/** The record of a thread: one active root run, those that wait, and what the newest ended runs left. */
interface ThreadRecord {
  readonly active: string | null;
  readonly queue: readonly string[];
  readonly history: readonly Ref[];
}

const HISTORY_MAX = 40;
const QUEUE_MAX = 100;
const CAS_TRIES = 50;
const emptyThread: ThreadRecord = { active: null, queue: [], history: [] };

type ThreadDeps = Pick<EngineDeps, "store" | "clock" | "entropy">;

export interface ThreadPlace {
  readonly isHeld: boolean;
  readonly contextRefs: readonly Ref[];
  /** The run to cancel, with `interrupt`. */
  readonly interrupts: string | null;
}

/**
 * Takes a place in a thread for a run: active at once, or behind the active one. Repeating it is harmless.
 * @throws THREAD_BUSY with `reject`, and when 100 runs wait
 */
export async function enterThread(
  deps: ThreadDeps,
  tenant: string,
  threadId: string,
  runId: string,
  onBusy: OnBusy,
): Promise<ThreadPlace> {
  let place: ThreadPlace = { isHeld: false, contextRefs: [], interrupts: null };
  await change(deps, tenant, threadId, (thread) => {
    const isBusy = thread.active !== null && thread.active !== runId;
    if (isBusy && (onBusy === "reject" || thread.queue.length >= QUEUE_MAX)) {
      throw new PawlError(
        "THREAD_BUSY",
        `thread "${threadId}" runs "${thread.active}". Wait for its end, or start with onBusy "enqueue" or "interrupt".`,
      );
    }
    place = {
      isHeld: isBusy,
      contextRefs: isBusy ? [] : thread.history,
      interrupts: isBusy && onBusy === "interrupt" ? thread.active : null,
    };
    if (!isBusy) return { ...thread, active: runId };
    return thread.queue.includes(runId) ? thread : { ...thread, queue: [...thread.queue, runId] };
  });
  return place;
}

/** A run of the thread has ended: what it left joins the history, and the next run goes. May be repeated. */
export async function releaseThread(deps: ThreadDeps, head: RunHead, ended: RunEnded): Promise<void> {
  const { threadId, tenant, runId } = head;
  if (threadId === null || head.parent !== null) return;
  let next: ThreadRecord = emptyThread;
  await change(deps, tenant, threadId, (thread) => {
    const queue = thread.queue.filter((id) => id !== runId);
    if (thread.active !== runId) return (next = { ...thread, queue });
    const history =
      ended.threadRef === undefined ? thread.history : [...thread.history, ended.threadRef].slice(-HISTORY_MAX);
    return (next = { active: queue[0] ?? null, queue: queue.slice(1), history });
  });
  if (next.active !== null) await letGo(deps, tenant, next.active, next.history);
}

async function letGo(deps: ThreadDeps, tenant: string, runId: string, contextRefs: readonly Ref[]): Promise<void> {
  const writer = { principal: "thread", messageId: `thread:${runId}` };
  await outsideAppend(deps, { tenant, runId }, writer, () => [{ type: "run.resumed", contextRefs }]);
}

async function change(
  deps: ThreadDeps,
  tenant: string,
  threadId: string,
  next: (thread: ThreadRecord) => ThreadRecord,
): Promise<void> {
  const key = `thread/${threadId}`;
  for (let tries = 0; tries < CAS_TRIES; tries++) {
    const record = await deps.store.getRecord(tenant, key);
    const before = record === null ? emptyThread : (record.value as unknown as ThreadRecord);
    const after = next(before);
    if (after === before) return;
    const condition = record === null ? ({ ifAbsent: true } as const) : { ifVersion: record.version };
    const put = await deps.store.putRecord(tenant, key, after as unknown as JsonValue, condition);
    if (put.type === "ok") return;
  }
  throw new PawlError(
    "STORE_UNREACHABLE",
    `thread "${threadId}" changed ${CAS_TRIES} times while it was being written. Try again.`,
  );
}
