import type { RunRef } from "../core/id.ts";
import { decodeBatches } from "../core/journal-codec.ts";
import type { Batch } from "../core/journal-event.ts";
import type { Ref } from "../core/label.ts";
import { parseJson, type JsonValue } from "../core/json.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Store } from "../core/store-contract.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { Span } from "../core/trace-contract.ts";
import type { ErrorRecord } from "../core/errors.ts";
import { effectChangeOf, type EffectChange } from "./effect-changes.ts";
import { searchedBlobBytesMax, textsOf, wordsOf, type EventText } from "./event-text.ts";
import type { Doc, EffectWrite, RunDelta } from "./run-delta.ts";
import type { SpanFold } from "./span-fold.ts";

/** A place in a run's journal from which reading goes on. */
export interface ReadingPlace {
  readonly fold: SpanFold;
  /** Hash of the last batch read; "" at the start. */
  readonly hash: string;
}

const PIECE_BYTES = 1_048_576;
const PIECE_SPANS = 500;
const PIECE_CHARS = 1_048_576;
const INPUT_CHARS = 400;

/**
 * Reads the next piece of a run's journal, so much that one short transaction takes it.
 * @returns null where there is nothing after the place
 * @throws JOURNAL_CORRUPT, FORMAT_UNKNOWN
 */
export async function readPiece(
  store: Store,
  head: RunHead,
  place: ReadingPlace,
): Promise<{ readonly delta: RunDelta; readonly place: ReadingPlace } | null> {
  const ref: RunRef = { tenant: head.tenant, runId: head.runId };
  const afterSeq = place.fold.seq;
  const lines = await store.readEvents(ref, afterSeq, PIECE_BYTES);
  const piece = new Piece(store, head, place);
  for (const line of lines) {
    await piece.read(line);
    if (piece.isFull) break;
  }
  return piece.done(afterSeq);
}

class Piece {
  readonly #store: Store;
  readonly #isSealed: boolean;
  readonly #head: RunHead;
  readonly #fold: SpanFold;
  #hash: string;
  readonly #spans = new Map<string, Span>();
  readonly #docs: Doc[] = [];
  readonly #effects: EffectWrite[] = [];
  #chars = 0;
  #at = 0;
  #error: ErrorRecord | null = null;

  constructor(store: Store, head: RunHead, { fold, hash }: ReadingPlace) {
    this.#store = store;
    this.#isSealed = store.capabilities.isSealed === true;
    this.#head = head;
    this.#fold = fold;
    this.#hash = hash;
  }

  get isFull(): boolean {
    return this.#spans.size >= PIECE_SPANS || this.#chars >= PIECE_CHARS;
  }

  async read(line: string): Promise<void> {
    const { batches, hash } = decodeBatches([line], { seq: this.#fold.seq, hash: this.#hash });
    this.#hash = hash ?? "";
    for (const whole of batches) {
      const batch = this.#isSealed ? withoutWords(whole) : whole;
      for (const span of this.#fold.read(batch)) this.#spans.set(span.spanId, span);
      this.#at = batch.at;
      await this.#readValues(batch);
    }
  }

  done(afterSeq: number): { readonly delta: RunDelta; readonly place: ReadingPlace } | null {
    const { run, seq } = this.#fold;
    if (run === null || seq === afterSeq) return null;
    const place = { fold: this.#fold, hash: this.#hash };
    const saved = isEnd(run.status) ? null : { fold: this.#fold.save(), hash: this.#hash };
    const delta: RunDelta = {
      run,
      afterSeq,
      seq,
      spans: [...this.#spans.values()],
      docs: this.#docs,
      effects: this.#effects,
      error: this.#error,
      at: this.#at,
      saved,
    };
    return { delta, place };
  }

  async #readValues(batch: Batch): Promise<void> {
    for (const [i, event] of batch.events.entries()) {
      if (!this.#isSealed) for (const text of textsOf(event, batch.firstSeq + i)) await this.#addDoc(text);
      const change = effectChangeOf(event);
      if (change !== null) this.#effects.push(await this.#effectWrite(change, batch.at));
      if (event.type === "run.ended") this.#error = event.error ?? null;
    }
  }

  async #addDoc({ spanKey, spanId, field, value }: EventText): Promise<void> {
    const read = typeof value === "string" ? value : await this.#value(value);
    if (read === undefined) return;
    const text = wordsOf(read, field);
    this.#chars += text.length;
    this.#docs.push({ spanId: spanId ?? spanIdOf(this.#head, spanKey), field, text });
  }

  async #effectWrite(change: EffectChange, at: number): Promise<EffectWrite> {
    if (change.type === "called") {
      const { event, status } = change;
      return { type: "called", event, status, input: await this.#inputText(event.argsRef), at };
    }
    const { inputRef, ...news } = change;
    return { ...news, at, ...(inputRef !== undefined && { input: await this.#inputText(inputRef) }) };
  }

  async #inputText(ref: Ref): Promise<string> {
    const value = this.#isSealed ? undefined : await this.#value(ref);
    return value === undefined ? "" : JSON.stringify(value).slice(0, INPUT_CHARS).toWellFormed();
  }

  /** undefined for what is gone, or too large to be read for an index. */
  async #value(ref: Ref): Promise<JsonValue | undefined> {
    if ("inline" in ref) return ref.inline;
    if (ref.bytes > searchedBlobBytesMax) return undefined;
    const { tenant, blobScope } = this.#head;
    const bytes = await this.#store.getBlob(tenant, blobScope, ref.blob);
    const parsed = bytes === null ? null : parseJson(new TextDecoder().decode(bytes));
    return parsed?.ok === true ? parsed.value : undefined;
  }
}

const wordNames = ["title", "message", "reason", "question", "detail"];

/** The batch without what anybody said: the index of an encrypted store has the structure and the sums. */
function withoutWords(batch: Batch): Batch {
  const text = JSON.stringify(batch, (name, value: unknown) => {
    if (name === "inline") return null;
    return typeof value === "string" && wordNames.includes(name) ? "" : value;
  });
  return JSON.parse(text) as Batch;
}
