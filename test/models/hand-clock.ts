import type { Clock } from "../../src/core/clock.ts";

/** A clock that only the test moves; timers fire when it passes them, in order. */
export interface HandClock extends Clock {
  pass(ms: number): void;
  readonly timers: () => number;
}

export function handClock(startMs = 1_760_000_000_000): HandClock {
  let passedMs = 0;
  let nextId = 0;
  const timers = new Map<number, { readonly atMs: number; readonly fire: () => void }>();
  return {
    nowMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    setTimer(delayMs, fire) {
      const id = nextId++;
      timers.set(id, { atMs: passedMs + delayMs, fire });
      return () => timers.delete(id);
    },
    drain: () =>
      new Promise((resolve) => {
        setImmediate(resolve);
      }),
    pass(ms) {
      const untilMs = passedMs + ms;
      for (;;) {
        const due = [...timers]
          .filter(([, timer]) => timer.atMs <= untilMs)
          .toSorted((a, b) => a[1].atMs - b[1].atMs)[0];
        if (due === undefined) break;
        timers.delete(due[0]);
        passedMs = Math.max(passedMs, due[1].atMs);
        due[1].fire();
      }
      passedMs = untilMs;
    },
    timers: () => timers.size,
  };
}
