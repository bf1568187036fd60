import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import { runChannel } from "../core/store-contract.ts";
import type { EngineDeps } from "../engine/deps.ts";
import { RunReader, type ReadEvent } from "../engine/run-events.ts";
import { runHintOf } from "../engine/run-hints.ts";
import type { StreamDelta, StreamEnd } from "./api/events.ts";
import type { FramePage, PageCache } from "./page-cache.ts";
import { deltaFrame, deltaOf, eventFrame } from "./sse-frame.ts";

/** One who reads a run, as its follower sees it. */
export interface Follower {
  /** There are new events, or the end. */
  wake(): void;
  /** Live text; a reader that is not at the newest event drops it. */
  live(bytes: Buffer, seq: number): void;
  cut(problem: PawlError): void;
}

type FollowerDeps = Pick<EngineDeps, "store" | "clock">;

const PAGE = limits.streamPageEvents;
/** With this many readers, live text is gathered for a millisecond each: one write to every socket per piece. */
const READERS_PER_MS = 20;
const GATHER_MS_MAX = 50;

/** Follows the journal of one run for all its readers: one subscription, one read of each event, one encoding. */
export class RunFollower {
  readonly head: RunHead;
  readonly #deps: FollowerDeps;
  readonly #cache: PageCache;
  readonly #readers = new Set<Follower>();
  readonly #pages = new Map<number, FramePage>();
  readonly #loads = new Map<number, Promise<void>>();
  readonly #tail: RunReader;
  #deltas: StreamDelta[] = [];
  #seq: number;
  #end: StreamEnd | null;
  #isStopped = false;
  #isReading = false;
  #mustRead = false;
  #failures = 0;
  #stopHints = (): void => undefined;
  #cancelPoll = (): void => undefined;
  #cancelFlush: (() => void) | null = null;

  constructor(deps: FollowerDeps, cache: PageCache, head: RunHead) {
    this.#deps = deps;
    this.#cache = cache;
    this.head = head;
    this.#seq = head.seq;
    this.#end = isEnd(head.status) ? { runId: head.runId, status: head.status, seq: head.seq } : null;
    this.#tail = this.#reader(head.seq);
    if (this.#end !== null) return;
    this.#stopHints = deps.store.subscribe(runChannel(head), (message) => this.#hear(message));
    // what was appended between the reading of the head and the subscription
    this.#look();
  }

  /** Last seq that was read. */
  get seq(): number {
    return this.#seq;
  }
  get end(): StreamEnd | null {
    return this.#end;
  }
  get size(): number {
    return this.#readers.size;
  }

  add(reader: Follower): void {
    this.#readers.add(reader);
  }

  /** @returns true when it was the last one, and the follower has stopped */
  remove(reader: Follower): boolean {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return false;
    this.#stop();
    return true;
  }

  /** Events after `cursor` that are at hand, encoded in one piece; null = `load` them first. */
  chunkAfter(cursor: number): { readonly bytes: Buffer; readonly seq: number } | null {
    const page = this.#pages.get(Math.floor(cursor / PAGE));
    return page === undefined || page.from > cursor ? null : this.#cache.chunkOf(page, cursor);
  }

  /** Reads the page of the event after `cursor` from the journal, once for all who wait for it. */
  load(cursor: number): Promise<void> {
    const place = Math.floor(cursor / PAGE);
    const running = this.#loads.get(place);
    if (running !== undefined) return running;
    const load = this.#load(place).finally(() => this.#loads.delete(place));
    this.#loads.set(place, load);
    return load;
  }

  async #load(place: number): Promise<void> {
    const from = place * PAGE;
    const frames: FramePage["frames"] = [];
    const to = Math.min(from + PAGE, this.#seq);
    for await (const event of this.#reader(from).read()) {
      if (event.seq > to) break;
      frames.push(eventFrame(event));
      if (event.seq === to) break;
    }
    if (this.#isStopped) return;
    const newer = this.#pages.get(place);
    const known = from + frames.length;
    // some that came while the page was read are forgotten again: whoever still wants it loads once more
    if (newer !== undefined && newer.from > known) return;
    if (newer !== undefined) frames.push(...newer.frames.slice(known - newer.from));
    this.#addPage(place, from, frames);
  }

  #addPage(place: number, from: number, frames: FramePage["frames"]): FramePage {
    const page: FramePage = {
      from,
      frames,
      forget: () => {
        if (this.#pages.get(place) === page) this.#pages.delete(place);
      },
    };
    const before = this.#pages.get(place);
    if (before !== undefined) this.#cache.drop(before);
    this.#pages.set(place, page);
    this.#cache.touch(
      page,
      frames.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
    return page;
  }

  #reader(after: number): RunReader {
    return new RunReader(this.#deps, this.head, this.head.blobScope, {
      after,
      valueBytesMax: limits.streamValueBytes,
      readBytes: limits.streamWriteBytes,
    });
  }

  #hear(message: string): void {
    const hint = runHintOf(message);
    if (hint !== null) {
      if (hint.seq > this.#seq) this.#look();
      return;
    }
    const delta = this.#readers.size === 0 ? null : deltaOf(message);
    if (delta === null || this.#deltas.length >= limits.streamDeltas) return;
    this.#deltas.push(delta);
    this.#flushSoon();
  }

  #look(): void {
    this.#mustRead = true;
    if (this.#isReading || this.#isStopped) return;
    this.#isReading = true;
    // never rejects: what fails is counted, and cuts the readers in the end
    void this.#readOn();
  }

  async #readOn(): Promise<void> {
    this.#cancelPoll();
    while (this.#mustRead && !this.#isStopped && this.#end === null) {
      this.#mustRead = false;
      try {
        for await (const event of this.#tail.read()) this.#take(event);
        this.#failures = 0;
      } catch (error) {
        if (++this.#failures >= limits.streamReadTries || isFinal(error)) this.#cutAll(error);
      }
      this.#wakeAll();
    }
    this.#isReading = false;
    this.#flushSoon();
    if (this.#isStopped || this.#end !== null) return;
    // a hint may be lost
    this.#cancelPoll = this.#deps.clock.setTimer(limits.pollMs * 2, () => this.#look());
  }

  #take(event: ReadEvent): void {
    if (this.#isStopped) return;
    const frame = eventFrame(event);
    const place = Math.floor((event.seq - 1) / PAGE);
    const known = this.#pages.get(place);
    const isNext = known !== undefined && known.from + known.frames.length === event.seq - 1;
    const page = isNext ? known : this.#addPage(place, event.seq - 1, []);
    page.frames.push(frame);
    this.#cache.touch(page, frame.bytes.length);
    this.#seq = event.seq;
    if (event.type === "model.answered" || event.type === "model.attempted" || event.type === "model.failed") {
      this.#deltas = this.#deltas.filter(({ callId }) => callId !== event.callId);
    }
    if (event.type === "run.ended") {
      this.#end = { runId: this.head.runId, status: event.status, seq: event.seq };
      this.#stopHints();
    }
    if (page.frames.length === PAGE) this.#wakeAll();
  }

  #flushSoon(): void {
    if (this.#cancelFlush !== null || this.#isReading || this.#deltas.length === 0 || this.#isStopped) return;
    const gatherMs = Math.min(GATHER_MS_MAX, Math.floor(this.#readers.size / READERS_PER_MS));
    if (gatherMs === 0) this.#flush();
    else this.#cancelFlush = this.#deps.clock.setTimer(gatherMs, () => this.#flush());
  }

  /** Live text goes out only between readings: after the event that announced its call, never after the one that ends it. */
  #flush(): void {
    this.#cancelFlush = null;
    if (this.#isReading || this.#deltas.length === 0) return;
    const bytes = Buffer.concat(this.#deltas.map(deltaFrame));
    this.#deltas = [];
    for (const reader of this.#readers) reader.live(bytes, this.#seq);
  }

  #wakeAll(): void {
    for (const reader of this.#readers) reader.wake();
  }

  #cutAll(error: unknown): void {
    const problem = PawlError.is(error)
      ? error
      : new PawlError("STREAM_CUT", "the journal could not be read on. Connect again with Last-Event-ID.");
    for (const reader of this.#readers) reader.cut(problem);
  }

  #stop(): void {
    this.#isStopped = true;
    this.#stopHints();
    this.#cancelPoll();
    this.#cancelFlush?.();
    for (const page of this.#pages.values()) this.#cache.drop(page);
    this.#pages.clear();
    this.#deltas = [];
  }
}

function isFinal(error: unknown): boolean {
  return PawlError.is(error) && error.retry === "never";
}
