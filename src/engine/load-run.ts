import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { decodeBatch, decodeBatches } from "../core/journal-codec.ts";
import { lastSeqOf, type Batch } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { firstState, foldBatch, foldContext, stateOfSnapshot } from "../core/run-fold.ts";
import type { RunState } from "../core/run-state.ts";
import type { Store } from "../core/store-contract.ts";
import { Values } from "./values.ts";

export interface LoadedRun {
  readonly head: RunHead;
  readonly state: RunState;
}

/** Where a load begins: a state, and lines that follow it and were read on the way. */
interface Base {
  readonly state: RunState;
  readonly ahead: readonly string[];
}

/**
 * Head and state of a run: snapshot if there is one, plus the events after it, plus the context's events before it.
 * @returns null when there is no such run
 * @throws JOURNAL_CORRUPT, JOURNAL_REGRESSED, FORMAT_UNKNOWN
 */
export async function loadRun(store: Store, ref: RunRef): Promise<LoadedRun | null> {
  const head = await store.readHead(ref);
  if (head === null) return null;
  const base = (await stateFromSnapshot(store, ref, head)) ?? (await stateFromStart(store, ref));
  const state = await foldTail(store, ref, base, head.seq);
  if (state.seq < head.seq || (state.seq === head.seq && state.hash !== head.lastHash)) {
    throw new PawlError(
      "JOURNAL_REGRESSED",
      `run "${ref.runId}" has events up to ${state.seq} but its head says ${head.seq}. Restore the store from a backup.`,
    );
  }
  return { head, state };
}

async function stateFromSnapshot(store: Store, ref: RunRef, head: RunHead): Promise<Base | null> {
  const mark = head.marks.snapshot;
  if (mark === null || mark.seq > head.seq) return null;
  const values = new Values({ store, redaction: null }, ref, head.blobScope);
  const bare = stateOfSnapshot(await values.read({ blob: mark.blob, bytes: 0 }));
  if (bare === null || bare.seq !== mark.seq) return null;
  return withContext(store, ref, bare);
}

/** The state of a snapshot with its context, which is read again: what comes after the snapshot mostly comes along. */
async function withContext(store: Store, ref: RunRef, bare: RunState): Promise<Base> {
  let state = bare;
  if (bare.contextFromSeq === 0) return { state, ahead: [] };
  for await (const { batch, lines, index } of readAfter(store, ref, bare.contextFromSeq - 1)) {
    if (batch.firstSeq > bare.seq) return { state, ahead: lines.slice(index) };
    state = foldContext(state, batch);
  }
  return { state, ahead: [] };
}

async function stateFromStart(store: Store, ref: RunRef): Promise<Base> {
  const line = (await store.readEvents(ref, 0, 1))[0];
  if (line === undefined) throw new PawlError("JOURNAL_CORRUPT", `run "${ref.runId}" has a head but no events.`);
  const { batch, hash } = decodeBatch(line);
  return { state: firstState(batch, hash), ahead: [] };
}

/** Folds what was appended after the base, up to at least `toSeq` where it is there. */
async function foldTail(store: Store, ref: RunRef, base: Base, toSeq: number): Promise<RunState> {
  let { state, ahead: lines } = base;
  for (;;) {
    for (const line of lines) {
      const { batches, hash } = decodeBatches([line], { seq: state.seq, hash: state.hash });
      for (const batch of batches) state = foldBatch(state, batch, hash ?? "");
    }
    if (state.seq >= toSeq) return state;
    lines = await store.readEvents(ref, state.seq, limits.readBytes);
    if (lines.length === 0) return state;
  }
}

/** Every batch that ends after `afterSeq`, in order, checked. */
export async function* batchesAfter(store: Store, ref: RunRef, afterSeq: number): AsyncGenerator<Batch> {
  for await (const { batch } of readAfter(store, ref, afterSeq)) yield batch;
}

/** A batch with its place among the lines that one read gave. */
interface ReadBatch {
  readonly batch: Batch;
  readonly lines: readonly string[];
  readonly index: number;
}

async function* readAfter(store: Store, ref: RunRef, afterSeq: number): AsyncGenerator<ReadBatch> {
  let seq = afterSeq;
  let hash: string | null = null;
  for (;;) {
    const lines = await store.readEvents(ref, seq, limits.readBytes);
    if (lines.length === 0) return;
    for (const [index, line] of lines.entries()) {
      const decoded = decodeBatch(line);
      if (hash !== null && decoded.batch.prevHash !== hash) {
        throw new PawlError(
          "JOURNAL_CORRUPT",
          `batch ${decoded.batch.firstSeq} of run "${ref.runId}" does not link to the batch before it.`,
        );
      }
      yield { batch: decoded.batch, lines, index };
      hash = decoded.hash;
      seq = lastSeqOf(decoded.batch);
    }
  }
}
