import type { Clock } from "../core/clock.ts";

/** A clock that only a test moves. Nothing under it may wait for real time or for I/O of its own. */
export interface ManualClock extends Clock {
  /** Moves time on, timer by timer: each fires at its time, then everything runs that can. */
  pass(delayMs: number): Promise<void>;
  /** Moves time on at once, as on a machine that slept: timers that are due by then fire late, in their order. */
  jump(delayMs: number): Promise<void>;
  /**
   * Moves time on, timer by timer, until `promise` settles, and gives what it gives.
   * @param withinMs fails when it has not settled by then; default one hour
   */
  until<T>(promise: Promise<T>, withinMs?: number): Promise<T>;
  /** Resolves when nothing can run any more before time moves. */
  settle(): Promise<void>;
  /** Timers that are set. */
  readonly timers: number;
}

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

const START_MS = 1_760_000_000_000;
const HOUR_MS = 3_600_000;
/** Timers fired at one time: code that sets timers without delay for ever is an error and not a hang. */
const FIRED_AT_ONCE_MAX = 20_000;

/** @param startMs date at which it begins, ms since 1970 */
export function manualClock(startMs: number = START_MS): ManualClock {
  return new HandMovedClock(startMs);
}

class HandMovedClock implements ManualClock {
  readonly #startMs: number;
  /** In the order of their times; of equal times the one set first. */
  readonly #timers: Timer[] = [];
  #passedMs = 0;
  #drains = 0;
  #firedAtOnce = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  get timers(): number {
    return this.#timers.length;
  }

  nowMs(): number {
    return this.#startMs + Math.floor(this.#passedMs);
  }

  monotonicMs(): number {
    return this.#passedMs;
  }

  setTimer(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { atMs: this.#passedMs + Math.max(0, delayMs), fire };
    const after = this.#timers.findIndex((other) => other.atMs > timer.atMs);
    this.#timers.splice(after < 0 ? this.#timers.length : after, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  async drain(): Promise<void> {
    this.#drains++;
    await nextMacrotask();
    this.#drains--;
  }

  async pass(delayMs: number): Promise<void> {
    const untilMs = this.#passedMs + delayMs;
    await this.settle();
    while ((this.#timers[0]?.atMs ?? Infinity) <= untilMs) await this.#fireNext();
    this.#passedMs = Math.max(this.#passedMs, untilMs);
    await this.settle();
  }

  async jump(delayMs: number): Promise<void> {
    await this.settle();
    this.#passedMs += delayMs;
    await this.pass(0);
  }

  async until<T>(promise: Promise<T>, withinMs: number = HOUR_MS): Promise<T> {
    const untilMs = this.#passedMs + withinMs;
    let isSettled = false;
    const seen = promise.finally(() => {
      isSettled = true;
    });
    seen.catch(() => undefined);
    await this.settle();
    while (!isSettled) {
      const next = this.#timers[0];
      if (next === undefined) throw new Error("what is awaited never settles: no timer is set that could move it");
      if (next.atMs > untilMs) throw new Error(`what is awaited has not settled within ${withinMs} ms`);
      await this.#fireNext();
    }
    return seen;
  }

  async settle(): Promise<void> {
    do {
      await nextMacrotask();
      await nextMacrotask();
    } while (this.#drains > 0);
  }

  async #fireNext(): Promise<void> {
    const timer = this.#timers.shift();
    if (timer === undefined) return;
    this.#firedAtOnce = timer.atMs > this.#passedMs ? 1 : this.#firedAtOnce + 1;
    if (this.#firedAtOnce > FIRED_AT_ONCE_MAX)
      throw new Error(`${FIRED_AT_ONCE_MAX} timers fired while time stood still: some code sets timers without delay`);
    this.#passedMs = Math.max(this.#passedMs, timer.atMs);
    timer.fire();
    await this.settle();
  }
}

function nextMacrotask(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
