import type { Clock } from "../core/clock.ts";

/** The time of this machine, where nobody gives another. */
export const machineClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  drain: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};
