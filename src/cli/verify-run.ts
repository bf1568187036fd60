import { decodeBatch, decodeBatches } from "../core/journal-codec.ts";
import type { RunRef } from "../core/id.ts";
import { hashText } from "../core/hash.ts";
import { lastSeqOf, type Batch } from "../core/journal-event.ts";
import { canonicalJson, isJsonObject, parseJson, type JsonValue } from "../core/json.ts";
import { errorRecord } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { nextHead, noMarks, type RunHead } from "../core/run-head.ts";
import { firstState, foldBatch, snapshotOf } from "../core/run-fold.ts";
import { foldVersion, type RunState } from "../core/run-state.ts";
import type { Store } from "../core/store-contract.ts";

export interface RunVerdict {
  readonly runId: string;
  readonly events: number;
  readonly blobs: number;
  /** What is wrong, in words; empty = the run is what its journal says. */
  readonly problems: readonly string[];
}

/**
 * Recomputes everything that is read from a run's journal: the chain and checksums, the head, the snapshot, and that
 * every value it names is there and is what its hash says.
 */
export async function verifyRun(store: Store, head: RunHead): Promise<RunVerdict> {
  const ref = { tenant: head.tenant, runId: head.runId };
  const check = new RunCheck(store, ref, head);
  try {
    await check.journal();
    check.head();
  } catch (error) {
    const { code, message } = errorRecord(error, "JOURNAL_CORRUPT");
    check.problems.push(`${code}: ${message}`);
  }
  await check.blobs();
  return { runId: head.runId, events: head.seq, blobs: check.hashes.size, problems: check.problems };
}

class RunCheck {
  readonly problems: string[] = [];
  readonly hashes = new Set<string>();
  readonly #store: Store;
  readonly #ref: RunRef;
  readonly #stored: RunHead;
  #head: RunHead | null = null;
  #state: RunState | null = null;

  constructor(store: Store, ref: RunRef, stored: RunHead) {
    this.#store = store;
    this.#ref = ref;
    this.#stored = stored;
  }

  /** Reads every batch in order; each link is checked by the codec. */
  async journal(): Promise<void> {
    let after = { seq: 0, hash: "" };
    while (after.seq < this.#stored.seq) {
      const lines = (await this.#store.readEvents(this.#ref, after.seq, limits.readBytes)).filter(
        (line) => lastSeqOf(decodeBatch(line).batch) > after.seq,
      );
      if (lines.length === 0) break;
      for (const line of lines) {
        const { batches, hash } = decodeBatches([line], after);
        for (const batch of batches) {
          after = { seq: lastSeqOf(batch), hash: hash ?? "" };
          if (after.seq > this.#stored.seq) return;
          this.#take(batch, line, after.hash);
          await this.#snapshot();
        }
      }
    }
    if (after.seq !== this.#stored.seq)
      this.problems.push(`the head says ${this.#stored.seq} events, the journal has ${after.seq}`);
  }

  #take(batch: Batch, line: string, hash: string): void {
    const encoded = { id: batch.id, firstSeq: batch.firstSeq, lastSeq: lastSeqOf(batch), line, hash };
    // a run parks only when its outbox is done: marks say so, and marks are not in the journal
    const before =
      this.#head === null ? null : { ...this.#head, marks: { ...noMarks, outboxAckedSeq: this.#head.outboxSeq } };
    this.#head = nextHead(before, this.#ref, encoded, batch);
    this.#state = this.#state === null ? firstState(batch, hash) : foldBatch(this.#state, batch, hash);
    for (const blob of blobsIn(batch.events as unknown as JsonValue)) this.hashes.add(blob);
  }

  head(): void {
    if (this.#head === null) return;
    const expected = plainOf(this.#head);
    const found = plainOf(this.#stored);
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      if (key === "marks" || sameValue(expected[key], found[key])) continue;
      this.problems.push(`head.${key} is ${shown(found[key])}, its journal says ${shown(expected[key])}`);
    }
    const { marks } = this.#stored;
    if (marks.outboxAckedSeq > this.#stored.seq)
      this.problems.push(`marks.outboxAckedSeq ${marks.outboxAckedSeq} is past the journal`);
    if (marks.indexedSeq > this.#stored.seq)
      this.problems.push(`marks.indexedSeq ${marks.indexedSeq} is past the journal`);
  }

  /** A snapshot is what a fold from the start gives at its place. */
  async #snapshot(): Promise<void> {
    const mark = this.#stored.marks.snapshot;
    if (mark === null || this.#state === null || mark.seq !== this.#state.seq || mark.foldVersion !== foldVersion)
      return;
    this.hashes.add(mark.blob);
    const value = await this.#blob(mark.blob);
    if (value === null) return;
    if (!sameValue(value, snapshotOf(this.#state)))
      this.problems.push(`the snapshot at seq ${mark.seq} is not what the journal gives`);
  }

  /** Every value that the journal names is in the store and has the content of its hash. */
  async blobs(): Promise<void> {
    for (const hash of this.hashes)
      if ((await this.#blob(hash)) === null) this.problems.push(`blob ${hash} is missing or damaged`);
  }

  async #blob(hash: string): Promise<JsonValue | null> {
    const bytes = await this.#store.getBlob(this.#ref.tenant, this.#stored.blobScope, hash);
    if (bytes === null) return null;
    const text = new TextDecoder().decode(bytes);
    const parsed = parseJson(text);
    return parsed.ok && hashText(text) === hash ? parsed.value : null;
  }
}

/** Hashes of the blobs that a value names, wherever they stand. */
function blobsIn(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: JsonValue) => blobsIn(item));
  if (!isJsonObject(value)) return [];
  const { blob, bytes } = value;
  if (typeof blob === "string" && typeof bytes === "number") return [blob];
  return Object.entries(value).flatMap(([key, member]) => (key === "inline" ? [] : blobsIn(member)));
}

function plainOf(head: RunHead): { readonly [key: string]: JsonValue } {
  return JSON.parse(JSON.stringify(head)) as { readonly [key: string]: JsonValue };
}

function sameValue(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}

function shown(value: JsonValue | undefined): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 100);
}
