import { randomUUID } from "node:crypto";
import type { Clock, Entropy } from "../core/clock.ts";
import { limits } from "../core/limits.ts";

/** The machine's time. Timers longer than one `setTimeout` can hold are chained. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, fire) {
    let left = Math.max(0, delayMs);
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const part = Math.min(left, limits.timerChunkMs);
      left -= part;
      handle = setTimeout(() => (left > 0 ? arm() : fire()), part);
    };
    arm();
    return () => clearTimeout(handle);
  },
  drain: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};

export const systemEntropy: Entropy = {
  random: () => Math.random(),
  id: () => randomUUID().replaceAll("-", ""),
};
