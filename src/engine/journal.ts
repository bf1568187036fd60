import { sleep } from "../core/clock.ts";
import { fullJitterMs } from "../core/backoff.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { decodeBatches, encodeBatch, type EncodedBatch } from "../core/journal-codec.ts";
import { isOwner, journalFormat, lastSeqOf, type Batch, type JournalEvent } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";
import { nextHead, type RunHead } from "../core/run-head.ts";
import { foldBatch } from "../core/run-fold.ts";
import type { RunState } from "../core/run-state.ts";
import type { GivenBack } from "../core/run-waits.ts";
import type { AppendResult } from "../core/store-contract.ts";
import { isPassing, patiently } from "./patience.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import type { Draft } from "./draft.ts";
import { tellRun } from "./run-hints.ts";
import { withNewSums } from "./ended-sums.ts";

/** What the owner decides when outside events came first: the events it still wants appended. */
export type Revise = (state: RunState) => readonly JournalEvent[];

interface Wanted {
  readonly events: readonly JournalEvent[];
  readonly at: number;
  /** The state after them, where it is known. */
  readonly state: RunState | null;
}

/**
 * The owner's side of a run's journal: one append in flight at a time, the fold kept beside it. Every method throws
 * OWNER_LOST once another owner has claimed the run, it has ended, or this session died.
 */
export class OwnedJournal {
  readonly ref: RunRef;
  readonly #deps: EngineDeps;
  readonly #right: OwnerRight;
  readonly fence: number;
  readonly #claimedMs: number;
  #head: RunHead;
  #state: RunState;

  constructor(
    deps: EngineDeps,
    right: OwnerRight,
    ref: RunRef,
    claimed: { readonly head: RunHead; readonly state: RunState },
  ) {
    this.#deps = deps;
    this.#right = right;
    this.ref = ref;
    this.#head = claimed.head;
    this.#state = claimed.state;
    this.fence = claimed.state.fence;
    this.#claimedMs = deps.clock.monotonicMs();
  }

  get head(): RunHead {
    return this.#head;
  }

  get state(): RunState {
    return this.#state;
  }

  /** How long this owner has had the run, by its monotonic clock. */
  get ownedMs(): number {
    return Math.floor(this.#deps.clock.monotonicMs() - this.#claimedMs);
  }

  /** For who has the run next, where lost calls wait out their grace. */
  get graceSeen(): GivenBack {
    const isWaiting = Object.values(this.#state.calls).some((call) => call.lostAt !== null && call.fact === null);
    const { id: session, beats } = this.#right;
    return isWaiting ? { grace: { ownedMs: this.ownedMs, session, beats } } : {};
  }

  /** The state as it will be after `events`, before they are appended. */
  #preview(events: readonly JournalEvent[], at: number): RunState {
    if (events.length === 0) return this.#state;
    return foldBatch(this.#state, this.#batch(events, at), "");
  }

  /**
   * Appends events; resolves when they are durable. When outside events came first they are folded and `revise` is asked
   * what is still to be appended; an empty answer appends nothing.
   * @returns true when `events` went in as they were, false when they were revised
   */
  append(events: readonly JournalEvent[], at: number, revise: Revise): Promise<boolean> {
    const clean = (some: readonly JournalEvent[]): readonly JournalEvent[] =>
      this.#deps.redaction?.of(this.ref.tenant).events(some) ?? some;
    return this.#append({ events: clean(events), at, state: null }, (state) => clean(revise(state)));
  }

  /** As `append`, for all of a draft: the state it comes to is taken over, so that nothing is folded twice. */
  appendDraft(draft: Draft, revise: Revise): Promise<boolean> {
    const state = draft.base === this.#state ? draft.state : null;
    return this.#append({ events: draft.groups.flat(), at: draft.at, state }, revise);
  }

  async #append({ events, at, state }: Wanted, revise: Revise): Promise<boolean> {
    let wanted = events;
    let isOriginal = true;
    for (let tries = 0; tries < limits.ownerAppendTries; tries++) {
      if (wanted.length === 0) return isOriginal;
      const batch = this.#batch(wanted, at);
      const encoded = encodeBatch(batch);
      const head = nextHead(this.#head, this.ref, encoded, batch);
      const result = await this.#send(encoded, head);
      if (result.type === "ok" || result.type === "mine") {
        this.#head = { ...head, marks: this.#head.marks };
        this.#state =
          isOriginal && state !== null ? { ...state, hash: encoded.hash } : foldBatch(this.#state, batch, encoded.hash);
        tellRun(this.#deps.store, this.ref, head);
        this.#deps.queue?.offer(this.ref, head);
        return isOriginal;
      }
      if (result.type === "ended") throw lost(this.ref, "the run has ended");
      if (result.head.seq < this.#state.seq) throw regressed(this.ref, this.#state.seq, result.head.seq);
      await this.catchUp();
      wanted = withNewSums(revise(this.#state), (before) => this.#preview(before, at));
      isOriginal = false;
    }
    throw new PawlError(
      "JOURNAL_CONFLICT",
      `run "${this.ref.runId}": outside writers came first ${limits.ownerAppendTries} times in a row.`,
    );
  }

  /** Folds what outside writers appended. @returns true when there was something */
  async catchUp(): Promise<boolean> {
    const before = this.#state.seq;
    for (;;) {
      const after = this.#state.seq;
      const lines = await patiently(this.#deps, this.#right.dead, () =>
        this.#deps.store.readEvents(this.ref, after, limits.readBytes),
      );
      if (lines.length === 0) break;
      for (const line of lines) this.#foldOutside(line);
    }
    return this.#state.seq > before;
  }

  /** A mark of ours or another's was raised: dueAt of later heads depends on it. */
  raiseOutboxAcked(seq: number): void {
    const marks = this.#head.marks;
    this.#head = { ...this.#head, marks: { ...marks, outboxAckedSeq: Math.max(marks.outboxAckedSeq, seq) } };
  }

  raiseSnapshot(snapshot: { readonly seq: number; readonly blob: string; readonly foldVersion: number }): void {
    this.#head = { ...this.#head, marks: { ...this.#head.marks, snapshot } };
  }

  #foldOutside(line: string): void {
    const { batches, hash } = decodeBatches([line], { seq: this.#state.seq, hash: this.#state.hash });
    const batch = batches[0];
    if (batch === undefined || hash === null) return;
    if (isOwner(batch.by)) throw lost(this.ref, `fence ${batch.by.fence} took it over`);
    const encoded: EncodedBatch = { id: batch.id, firstSeq: batch.firstSeq, lastSeq: lastSeqOf(batch), line, hash };
    this.#head = nextHead(this.#head, this.ref, encoded, batch);
    this.#state = foldBatch(this.#state, batch, hash);
    if (this.#state.ended !== null) throw lost(this.ref, "the run has ended");
  }

  #batch(events: readonly JournalEvent[], at: number): Batch {
    return {
      id: this.#deps.entropy.id(),
      firstSeq: this.#state.seq + 1,
      at,
      format: journalFormat,
      by: { fence: this.fence },
      prevHash: this.#state.hash,
      events,
    };
  }

  /** One append until its outcome is known; the same batch id is recognised when the answer was lost. */
  async #send(batch: EncodedBatch, head: RunHead): Promise<AppendResult> {
    for (let attempt = 1; ; attempt++) {
      if (this.#right.dead.aborted) throw lost(this.ref, "this worker's session died");
      try {
        return await this.#deps.store.append(this.ref, { expectedSeq: batch.firstSeq - 1, batch, head });
      } catch (error) {
        if (!isPassing(error)) throw error;
        const waitMs = 20 + fullJitterMs(attempt, this.#deps.entropy.random(), { baseMs: 50, capMs: 1_000 });
        await sleep(this.#deps.clock, waitMs, this.#right.dead).catch(() => undefined);
      }
    }
  }
}

export function lost(ref: RunRef, why: string): PawlError {
  return new PawlError("OWNER_LOST", `run "${ref.runId}" is no longer owned here: ${why}.`);
}

function regressed(ref: RunRef, acknowledged: number, found: number): PawlError {
  return new PawlError(
    "JOURNAL_REGRESSED",
    `run "${ref.runId}": the store acknowledged events up to ${acknowledged} and now has ${found}. It lost writes or was restored; effects after ${found} may have happened. Look, then unblock the run.`,
    { details: { expected: acknowledged, found } },
  );
}
