import type { Clock, Entropy } from "../core/clock.ts";

/** Time and randomness of this machine, where nobody gives others. */
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

export const machineEntropy: Entropy = {
  random: () => Math.random(),
  id: () => crypto.randomUUID().replaceAll("-", ""),
};
