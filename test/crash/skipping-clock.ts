import type { Clock } from "../../src/core/clock.ts";

/**
 * A clock that leaves out time in which nothing happens: while no call is under way and only timers are pending, it
 * jumps to the first of them. To the code it is a machine that sat idle for so long; grace periods and sleeps keep their
 * length and cost nothing. While a call is under way it goes as fast as the machine's.
 */
export class SkippingClock implements Clock {
  readonly #timers = new Map<object, { readonly dueMs: number; readonly fire: () => void }>();
  #skippedMs: number;
  #underWay = 0;
  /** Changes whenever anything happens. */
  #moves = 0;
  #alarm: NodeJS.Timeout | null = null;
  #isWatching = false;

  /** @param skippedMs what earlier processes skipped, so that the date never goes back */
  constructor(skippedMs: number) {
    this.#skippedMs = skippedMs;
  }

  get skippedMs(): number {
    return this.#skippedMs;
  }

  nowMs(): number {
    return Date.now() + this.#skippedMs;
  }

  monotonicMs(): number {
    return performance.now() + this.#skippedMs;
  }

  setTimer(delayMs: number, fire: () => void): () => void {
    const timer = {};
    this.#timers.set(timer, { dueMs: this.monotonicMs() + Math.max(0, delayMs), fire });
    this.#moved();
    return () => {
      this.#timers.delete(timer);
    };
  }

  drain(): Promise<void> {
    this.#moves++;
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Time is not skipped while `call` is under way. */
  readonly during = async <T>(call: Promise<T>): Promise<T> => {
    this.#underWay++;
    this.#moves++;
    try {
      return await call;
    } finally {
      this.#underWay--;
      this.#moved();
    }
  };

  #moved(): void {
    this.#moves++;
    this.#arm();
    if (!this.#isWatching) void this.#skipWhenIdle();
  }

  #first(): number {
    return Math.min(Infinity, ...[...this.#timers.values()].map(({ dueMs }) => dueMs));
  }

  /** One real timer for the first of ours: time passes by itself too. */
  #arm(): void {
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    const leftMs = this.#first() - this.monotonicMs();
    this.#alarm = leftMs === Infinity ? null : setTimeout(() => this.#fire(), Math.min(leftMs, 60_000));
  }

  #fire(): void {
    const now = this.monotonicMs();
    const due = [...this.#timers].filter(([, { dueMs }]) => dueMs <= now).toSorted(([, a], [, b]) => a.dueMs - b.dueMs);
    for (const [timer, { fire }] of due) if (this.#timers.delete(timer)) fire();
    this.#moved();
  }

  async #skipWhenIdle(): Promise<void> {
    this.#isWatching = true;
    while (this.#underWay === 0 && this.#timers.size > 0) {
      if (!(await this.#isStill())) continue;
      const leftMs = this.#first() - this.monotonicMs();
      if (leftMs > 0) this.#skippedMs += leftMs;
      this.#fire();
    }
    this.#isWatching = false;
  }

  /** True when nothing happened for a moment: 1 ms and some turns of the event loop. */
  async #isStill(): Promise<boolean> {
    const before = this.#moves;
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
    for (let turn = 0; turn < 4 && this.#moves === before; turn++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return this.#moves === before && this.#underWay === 0;
  }
}
