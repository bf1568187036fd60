import type { RunRef } from "../core/id.ts";
import { encodeBatch } from "../core/journal-codec.ts";
import { journalFormat, type Batch, type JournalEvent } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";
import { nextHead, type RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import { foldBatch } from "../core/run-fold.ts";
import type { RunState } from "../core/run-state.ts";
import type { GraceSeen } from "../core/run-waits.ts";
import { blockByHead, isQuarantine } from "./block-run.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import { OwnedJournal } from "./journal.ts";
import { loadRun, type LoadedRun } from "./load-run.ts";
import { flushOutbox } from "./outbox.ts";

export type Claimed =
  | { readonly type: "claimed"; readonly journal: OwnedJournal; readonly attempts: number }
  /** It killed workers before: somebody else is to execute it. Nothing was written. */
  | { readonly type: "suspect" }
  /** Nothing to do here: not due, owned by the living, ended, not ours to run, or somebody was faster. */
  | { readonly type: "passed" };

const passed: Claimed = { type: "passed" };

/**
 * Takes a run by an append: of two claimers one wins, and a former owner's next append fails. The session of a dead owner
 * is first turned dead for ever.
 */
export async function claimRun(
  deps: EngineDeps,
  right: OwnerRight,
  ref: RunRef,
  { worker, leavesSuspects = false }: { readonly worker: string; readonly leavesSuspects?: boolean },
): Promise<Claimed> {
  const head = await deps.store.readHead(ref);
  if (head === null || !(await isClaimable(deps, right, head))) return passed;
  const loaded = await loadOrBlock(deps, ref);
  if (loaded === null || loaded.head.seq !== head.seq) return passed;
  const isPoison = head.session !== null && head.attempts >= limits.poisonBlocked;
  if (leavesSuspects && !isPoison && head.session !== null && head.attempts + 1 >= limits.poisonAlone)
    return { type: "suspect" };
  const claim = { type: "run.claimed", fence: head.fence + 1, session: right.id, worker, build: deps.build } as const;
  const unownedMs = await unownedMsOf(deps, loaded.state.graceSeen);
  const events: JournalEvent[] = [unownedMs === 0 ? claim : { ...claim, unownedMs }];
  if (isPoison) {
    const detail = `its worker died ${head.attempts + 1} times without progress`;
    events.push({ type: "run.blocked", code: "POISONED", detail });
  }
  const claimed = await append(deps, ref, head, loaded.state, events);
  if (claimed === null || isPoison) return passed;
  return { type: "claimed", journal: new OwnedJournal(deps, right, ref, claimed), attempts: claimed.head.attempts };
}

/** At least so long ago its last owner gave the run back: that one's beats go on, and each took its time. */
async function unownedMsOf({ store }: EngineDeps, seen: GraceSeen | null): Promise<number> {
  if (seen === null) return 0;
  const beats = (await store.session(seen.session))?.counter ?? 0;
  return Math.max(0, beats - seen.beats - 1) * limits.beatMs;
}

/** A journal that cannot be trusted blocks its run; nobody goes on from a guess. */
async function loadOrBlock(deps: EngineDeps, ref: RunRef): Promise<LoadedRun | null> {
  try {
    return await loadRun(deps.store, ref);
  } catch (error) {
    if (!isQuarantine(error)) throw error;
    await blockByHead(deps, ref, error);
    return null;
  }
}

async function isClaimable(deps: EngineDeps, right: OwnerRight, head: RunHead): Promise<boolean> {
  if (head.format > journalFormat || deps.registry.ofLane(head.lane, head.runnable) === null) return false;
  if (isEnd(head.status)) {
    if (head.outboxSeq > head.marks.outboxAckedSeq) await flushOutbox(deps, head);
    return false;
  }
  if (head.session === null) {
    if (head.dueAt !== null && head.dueAt <= deps.clock.nowMs()) return true;
    // a queue that cannot wait for so long delivered it early
    deps.queue?.offer({ tenant: head.tenant, runId: head.runId }, head);
    return false;
  }
  // our own session, but nothing here executes it: it was abandoned when the store could not be reached
  if (head.session === right.id) return true;
  const session = await deps.store.session(head.session);
  return (await deps.store.kill(head.session, session?.counter ?? 0)) === "dead";
}

async function append(deps: EngineDeps, ref: RunRef, head: RunHead, state: RunState, events: readonly JournalEvent[]) {
  const batch: Batch = {
    id: deps.entropy.id(),
    firstSeq: head.seq + 1,
    at: deps.clock.nowMs(),
    format: journalFormat,
    by: { fence: head.fence + 1 },
    prevHash: head.lastHash,
    events,
  };
  const encoded = encodeBatch(batch);
  const next = nextHead(head, ref, encoded, batch);
  const result = await deps.store.append(ref, { expectedSeq: head.seq, batch: encoded, head: next });
  if (result.type !== "ok" && result.type !== "mine") return null;
  return { head: next, state: foldBatch(state, batch, encoded.hash) };
}
