import { PawlError } from "../core/errors.ts";
import { rootRunIdOf, type RunRef } from "../core/id.ts";
import { deletionKey, deletionNotes, type DeletionNote } from "../core/deletion-note.ts";
import { limits } from "../core/limits.ts";
import { blobScopeOf, hasOutbox, type RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { RunFilter, Store } from "../core/store-contract.ts";
import type { EngineDeps } from "./deps.ts";
import { unknownRun } from "./outbox.ts";
import { readThread, unknownThread } from "./read-thread.ts";
import { closeThread, reopenThread, threadKeys, type ThreadRef } from "./thread.ts";

type DeletionDeps = Pick<EngineDeps, "store" | "clock" | "entropy" | "redaction">;

export interface Deleted {
  /** The children's too. */
  readonly runs: number;
}

const THREAD = "thread:";

/**
 * Deletes an ended run with those below it: journals, blobs, what is noted of them. What budgets counted stays counted.
 * @throws RUN_UNKNOWN, RUN_NOT_ENDED
 * @throws OPTION_INVALID  it is a child, or belongs to a thread: these are deleted whole
 */
export async function deleteRun(deps: DeletionDeps, ref: RunRef): Promise<Deleted> {
  const head = await deps.store.readHead(ref);
  if (head === null) throw unknownRun(ref);
  const root = rootRunIdOf(ref.runId);
  if (root !== ref.runId) {
    throw new PawlError(
      "OPTION_INVALID",
      `run "${ref.runId}" is part of run "${root}". Delete that one: its children go with it.`,
    );
  }
  if (head.threadId !== null) {
    throw new PawlError(
      "OPTION_INVALID",
      `run "${ref.runId}" is part of thread "${head.threadId}", whose runs read each other's messages. Delete the thread.`,
    );
  }
  return deleted(deps, ref.tenant, head.blobScope);
}

/**
 * Deletes a conversation with all its runs, the oldest and the newest.
 * @throws THREAD_UNKNOWN, THREAD_BUSY, RUN_NOT_ENDED
 */
export async function deleteThread(deps: DeletionDeps, { tenant, threadId }: ThreadRef): Promise<Deleted> {
  if ((await readThread(deps.store, tenant, threadId)) === null) throw unknownThread(threadId);
  return deleted(deps, tenant, blobScopeOf({ tenant, runId: "" }, threadId));
}

/** Deletes a scope of which every run ended by a time. @returns false when one did not, or somebody else is at it */
export async function deleteIfOld(
  deps: DeletionDeps,
  { tenant, scope, endedBy }: Omit<DeletionNote, "at">,
): Promise<boolean> {
  if ((await survey(deps.store, { tenant, scope, endedBy })).notOver !== null) return false;
  const note: DeletionNote = { tenant, scope, endedBy, at: deps.clock.nowMs() };
  const put = await deps.store.putRecord(deletionNotes, deletionKey(note), { ...note }, { ifAbsent: true });
  return put.type === "ok" && (await finish(deps, note)) === null;
}

/** Finishes deletions that whoever began them did not finish in time. Idempotent, and harmless to do from every worker. */
export async function finishDeletions(deps: DeletionDeps): Promise<void> {
  const page = await deps.store.listRecords(deletionNotes, "", null, limits.deletionsPerSweep);
  const notes = page.items.map(({ value }) => value as unknown as DeletionNote);
  const old = notes.filter(({ at }) => deps.clock.nowMs() - at > limits.deletionMs);
  // one that fails holds up no other
  const outcomes = await Promise.allSettled(old.map((note) => finish(deps, note)));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function deleted(deps: DeletionDeps, tenant: string, scope: string): Promise<Deleted> {
  const found = await survey(deps.store, { tenant, scope, endedBy: Infinity });
  if (found.notOver !== null) throw notEnded(found.notOver);
  const note: DeletionNote = { tenant, scope, endedBy: found.newest, at: deps.clock.nowMs() };
  await deps.store.putRecord(deletionNotes, deletionKey(note), { ...note }, {});
  const why = await finish(deps, note);
  if (why !== null) throw why;
  return { runs: found.runs };
}

/**
 * The steps, each of which may be repeated: nobody comes in, the records of its runs go, then the runs, then the thread's,
 * last the note.
 * @returns why nothing is deleted, or null
 */
async function finish(deps: DeletionDeps, note: DeletionNote): Promise<PawlError | null> {
  const { store } = deps;
  const { tenant, scope } = note;
  const thread = scope.startsWith(THREAD) ? { tenant, threadId: scope.slice(THREAD.length) } : null;
  const why = await notNow(deps, note, thread);
  if (why === null) {
    await deleteRecords(store, note);
    await store.deleteScope(tenant, scope);
    if (thread !== null) await store.deleteRecord(tenant, `${threadKeys}${thread.threadId}`);
  } else if (thread !== null) await reopenThread(deps, thread);
  await store.deleteRecord(deletionNotes, deletionKey(note));
  return why;
}

async function notNow(deps: DeletionDeps, note: DeletionNote, thread: ThreadRef | null): Promise<PawlError | null> {
  try {
    const isBusy = thread === null ? null : await closeThread(deps, thread);
    if (isBusy !== null) return isBusy;
    const { notOver } = await survey(deps.store, note);
    return notOver && notEnded(notOver);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** A deletion has begun, or the tenant's key was shredded: neither is taken back. */
function isGone(error: unknown): boolean {
  return PawlError.is(error, "RUN_DELETED") || PawlError.is(error, "DATA_UNREADABLE");
}

interface Survey {
  readonly runs: number;
  /** When the last of them ended. */
  readonly newest: number;
  /** The first one found that has not ended, or not by then. */
  readonly notOver: RunHead | null;
}

async function survey(store: Store, note: Omit<DeletionNote, "at">): Promise<Survey> {
  let [runs, newest] = [0, 0];
  for await (const head of runsOf(store, note)) {
    const isOver = isEnd(head.status) && !hasOutbox(head) && head.updatedAt <= note.endedBy;
    if (!isOver) return { runs, newest, notOver: head };
    runs++;
    newest = Math.max(newest, head.updatedAt);
  }
  return { runs, newest, notOver: null };
}

async function* runsOf(
  store: Store,
  { tenant, scope }: Pick<DeletionNote, "tenant" | "scope">,
): AsyncGenerator<RunHead> {
  if (scope.startsWith(THREAD)) yield* listed(store, tenant, { threadId: scope.slice(THREAD.length) });
  else {
    const root = await store.readHead({ tenant, runId: scope.slice("run:".length) });
    if (root === null) return;
    yield root;
    yield* below(store, root);
  }
}

async function* listed(store: Store, tenant: string, filter: RunFilter): AsyncGenerator<RunHead> {
  let cursor: string | null = null;
  do {
    const page = await store.list(tenant, filter, cursor, limits.retentionPage);
    for (const head of page.items) {
      yield head;
      yield* below(store, head);
    }
    cursor = page.cursor;
  } while (cursor !== null);
}

async function* below(store: Store, { tenant, runId, hasChildren }: RunHead): AsyncGenerator<RunHead> {
  if (hasChildren) yield* listed(store, tenant, { parentRunId: runId });
}

/** What other parts of the engine noted of single runs: unknown effects, what people said of outcomes. */
async function deleteRecords(store: Store, note: DeletionNote): Promise<void> {
  try {
    for await (const { tenant, runId } of runsOf(store, note)) {
      for (const prefix of [`unknown/${runId}/`, `outcome/${runId}:`]) {
        const page = await store.listRecords(tenant, prefix, null, limits.retentionPage);
        for (const { key } of page.items) await store.deleteRecord(tenant, key);
      }
    }
  } catch (error) {
    // begun before: then this was done, or nobody can read it
    if (!isGone(error)) throw error;
  }
}

function notEnded({ runId, status }: RunHead): PawlError {
  return new PawlError(
    "RUN_NOT_ENDED",
    isEnd(status)
      ? `run "${runId}" has only just ended, and others are still told of it. Try again in a moment.`
      : `run "${runId}" is ${status}; only what has ended is deleted. Cancel it, and wait for its end.`,
  );
}
