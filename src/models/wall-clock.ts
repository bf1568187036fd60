import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";

/** The machine's clock, for a source that was given none. */
export const wallClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, fire) {
    let left = delayMs;
    let timer: NodeJS.Timeout;
    const step = (): void => {
      const chunk = Math.min(left, limits.timerChunkMs);
      left -= chunk;
      timer = setTimeout(left > 0 ? step : fire, chunk);
    };
    step();
    return () => clearTimeout(timer);
  },
  drain: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};
