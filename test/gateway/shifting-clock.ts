import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/engine/system-clock.ts";

const STEP_MS = 250;

interface Timer {
  readonly at: number;
  readonly fire: () => void;
  cancel: () => void;
}

/** The machine's time, which a test can move on: for servers that answer over real sockets. */
export class ShiftingClock implements Clock {
  readonly #timers = new Set<Timer>();
  #shiftMs = 0;
  #dateShiftMs = 0;

  nowMs(): number {
    return systemClock.nowMs() + this.#shiftMs + this.#dateShiftMs;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#shiftMs;
  }

  setTimer(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { at: this.monotonicMs() + delayMs, fire, cancel: () => undefined };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      this.#timers.delete(timer);
      timer.cancel();
    };
  }

  drain(): Promise<void> {
    return systemClock.drain();
  }

  /** Time passes, in steps: timers fire about when they are due. For days use `setDate`. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.#shiftMs += Math.min(left, STEP_MS);
      for (const timer of this.#timers) {
        timer.cancel();
        this.#arm(timer);
      }
      // the shortest real timer there is: what is due now fires before it
      await new Promise((resolve) => {
        systemClock.setTimer(2, () => resolve(undefined));
      });
    }
  }

  /** Somebody sets the machine's date; no time passes. */
  setDate(byMs: number): void {
    this.#dateShiftMs += byMs;
  }

  #arm(timer: Timer): void {
    timer.cancel = systemClock.setTimer(Math.max(0, timer.at - this.monotonicMs()), () => {
      this.#timers.delete(timer);
      timer.fire();
    });
  }
}
