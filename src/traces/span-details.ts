import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { hashText } from "../core/hash.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { Span, SpanDetail } from "../core/trace-contract.ts";
import { spanDetail, type JournalReader } from "./span-detail.ts";

/** Reads details of spans: few at once, the same one for all who ask at the same time, and the last few are kept. */
export class SpanDetails {
  readonly #store: JournalReader;
  readonly #clock: Clock;
  #atWork = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #underWay = new Map<string, Promise<SpanDetail>>();
  /** Least recently used first. */
  readonly #kept = new Map<string, SpanDetail>();

  constructor(store: JournalReader, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  reset(): void {
    this.#kept.clear();
    this.#underWay.clear();
  }

  /**
   * @throws RUN_UNKNOWN, RUN_DELETED, JOURNAL_CORRUPT, FORMAT_UNKNOWN
   * @throws OVERLOADED more are waiting than `limits.detailsWaiting`
   */
  async of(ref: RunRef, span: Span, attempts: readonly Span[]): Promise<SpanDetail> {
    const head = await this.#store.readHead(ref);
    if (head === null) throw new PawlError("RUN_UNKNOWN", `no run "${ref.runId}" for tenant "${ref.tenant}".`);
    // with the span itself: the index may have been behind the head when it was read
    const key = hashText(JSON.stringify([ref, head.seq, span, attempts]));
    const kept = this.#kept.get(key);
    if (kept !== undefined) return this.#keep(key, kept);
    const known = this.#underWay.get(key);
    if (known !== undefined) return known;
    const reader = { store: this.#store, pause: () => this.#clock.drain() };
    const work = this.#inTurn(() => spanDetail(reader, head, span, attempts));
    this.#underWay.set(key, work);
    try {
      const detail = await work;
      return this.#underWay.get(key) === work ? this.#keep(key, detail) : detail;
    } finally {
      if (this.#underWay.get(key) === work) this.#underWay.delete(key);
    }
  }

  async #inTurn(read: () => Promise<SpanDetail>): Promise<SpanDetail> {
    if (this.#atWork >= limits.detailsAtOnce) await this.#turn();
    else this.#atWork++;
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#atWork--;
      else next();
    }
  }

  /** Whoever ends hands its place over. */
  #turn(): Promise<void> {
    if (this.#waiting.length >= limits.detailsWaiting)
      throw new PawlError(
        "OVERLOADED",
        `${limits.detailsWaiting} details of spans are waiting to be read. Ask again in a second.`,
      );
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #keep(key: string, detail: SpanDetail): SpanDetail {
    this.#kept.delete(key);
    this.#kept.set(key, detail);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= limits.detailsKept) break;
      this.#kept.delete(oldest);
    }
    return detail;
  }
}
