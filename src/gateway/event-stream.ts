import type { ServerResponse } from "node:http";
import type { Clock } from "../core/clock.ts";
import { errorTable } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Store } from "../core/store-contract.ts";
import { PageCache } from "./page-cache.ts";
import { RunFollower, type Follower } from "./run-follower.ts";
import { endFrame, errorFrame, heartbeat, opening } from "./sse-frame.ts";

const TICK_MS = 5_000;
/** A reader that was cut gets this long to take its last frame. */
const GOODBYE_MS = 2_000;

/** Streams of events to many readers. Of each run, the journal is followed once. */
export class EventStreams {
  readonly #deps: { readonly store: Store; readonly clock: Clock };
  readonly #cache = new PageCache();
  readonly #followers = new Map<string, RunFollower>();
  readonly #readers = new Set<StreamReader>();
  #cancelTick: (() => void) | null = null;

  constructor(store: Store, clock: Clock) {
    this.#deps = { store, clock };
  }

  /** Runs that are followed now, readers, and bytes of frames that are kept for them. */
  get size(): { readonly runs: number; readonly readers: number; readonly cachedBytes: number } {
    return { runs: this.#followers.size, readers: this.#readers.size, cachedBytes: this.#cache.bytes };
  }

  /**
   * Writes the events of a run after `afterSeq` to `out`, whose headers are sent, until the run ends, the reader leaves or
   * is cut.
   * @param onClose called once, when nothing is written any more
   */
  attach(
    out: ServerResponse,
    at: { readonly head: RunHead; readonly afterSeq: number },
    onClose: () => void,
  ): StreamReader {
    const follower = this.#followerOf(at.head);
    const reader = new StreamReader(out, { follower, clock: this.#deps.clock, cursor: at.afterSeq }, () => {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) {
        this.#cancelTick?.();
        this.#cancelTick = null;
      }
      if (follower.remove(reader) && this.#followers.get(keyOf(at.head)) === follower) {
        this.#followers.delete(keyOf(at.head));
      }
      onClose();
    });
    this.#readers.add(reader);
    follower.add(reader);
    this.#cancelTick ??= this.#deps.clock.setTimer(TICK_MS, () => this.#tick());
    reader.begin();
    return reader;
  }

  #followerOf(head: RunHead): RunFollower {
    const known = this.#followers.get(keyOf(head));
    if (known !== undefined) return known;
    const follower = new RunFollower(this.#deps, this.#cache, head);
    this.#followers.set(keyOf(head), follower);
    return follower;
  }

  /** One timer for all: heartbeats, and an end for readers that do not read. */
  #tick(): void {
    this.#cancelTick = null;
    for (const reader of this.#readers) reader.tick();
    if (this.#readers.size > 0) this.#cancelTick = this.#deps.clock.setTimer(TICK_MS, () => this.#tick());
  }
}

function keyOf({ tenant, runId }: RunHead): string {
  return `${tenant}/${runId}`;
}

/**
 * One connection. It takes as much as its socket takes: what it has not read yet stays in the journal, so a slow reader
 * costs no memory. One that takes nothing for limits.streamStallMs is cut.
 */
export class StreamReader implements Follower {
  readonly #out: ServerResponse;
  readonly #follower: RunFollower;
  readonly #clock: Clock;
  readonly #onClose: () => void;
  #cursor: number;
  #writtenAt: number;
  /** Since when the socket takes no more; null = it does. */
  #fullSince: number | null = null;
  #isLoading = false;
  /** Loads since something was written. */
  #loads = 0;
  #isClosed = false;

  constructor(
    out: ServerResponse,
    at: { readonly follower: RunFollower; readonly clock: Clock; readonly cursor: number },
    onClose: () => void,
  ) {
    this.#out = out;
    this.#follower = at.follower;
    this.#clock = at.clock;
    this.#cursor = at.cursor;
    this.#writtenAt = at.clock.monotonicMs();
    this.#onClose = onClose;
  }

  begin(): void {
    this.#out.once("close", () => this.#close());
    this.#out.on("error", () => this.#close());
    this.#out.on("drain", () => {
      this.#fullSince = null;
      this.wake();
    });
    if (this.#out.destroyed || this.#out.closed) {
      this.#close();
      return;
    }
    this.#write(opening);
    this.wake();
  }

  /** Writes what there is, as far as the socket takes it. */
  wake(): void {
    while (!this.#isClosed && !this.#isLoading && this.#fullSince === null) {
      if (this.#cursor >= this.#follower.seq) {
        const { end } = this.#follower;
        if (end !== null) this.#goodbye(endFrame(end));
        return;
      }
      const chunk = this.#follower.chunkAfter(this.#cursor);
      if (chunk === null) {
        this.#load();
        return;
      }
      this.#cursor = chunk.seq;
      this.#loads = 0;
      this.#write(chunk.bytes);
    }
  }

  live(bytes: Buffer, seq: number): void {
    if (!this.#isClosed && !this.#isLoading && this.#fullSince === null && this.#cursor === seq) this.#write(bytes);
  }

  tick(): void {
    const now = this.#clock.monotonicMs();
    if (this.#fullSince !== null) {
      if (now - this.#fullSince < limits.streamStallMs) return;
      this.cut(
        new PawlError(
          "STREAM_CUT",
          `nothing was read for ${limits.streamStallMs / 1000} s. Read faster, and connect again with Last-Event-ID.`,
        ),
      );
    } else if (now - this.#writtenAt > limits.streamHeartbeatMs - TICK_MS) {
      this.#write(heartbeat);
    }
  }

  /** Ends the stream before the run's end, and says why. */
  cut(problem: PawlError): void {
    const { status, retry, meaning } = errorTable[problem.code];
    const { code, message } = problem;
    this.#goodbye(errorFrame({ type: `urn:pawl:error:${code}`, title: meaning, status, code, detail: message, retry }));
  }

  #load(): void {
    if (++this.#loads > limits.streamReadTries) {
      this.cut(new PawlError("STREAM_CUT", "the journal has fewer events than its head says. Connect again."));
      return;
    }
    this.#isLoading = true;
    this.#follower.load(this.#cursor).then(
      () => {
        this.#isLoading = false;
        this.wake();
      },
      (error: unknown) => {
        this.#isLoading = false;
        this.cut(
          PawlError.is(error)
            ? error
            : new PawlError("STREAM_CUT", "the journal could not be read. Connect again with Last-Event-ID."),
        );
      },
    );
  }

  #write(bytes: Buffer): void {
    this.#writtenAt = this.#clock.monotonicMs();
    if (!this.#out.write(bytes)) this.#fullSince = this.#writtenAt;
  }

  /** The last frame; a socket that does not take it is destroyed. */
  #goodbye(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#out.end(frame);
    const out = this.#out;
    const cancel = this.#clock.setTimer(GOODBYE_MS, () => void out.destroy());
    out.once("close", cancel);
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }
}
