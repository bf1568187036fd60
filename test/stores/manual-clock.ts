import type { Clock } from "../../src/core/clock.ts";

/** A clock that a test moves by hand, and whose timers are real: for servers that wait for their own sockets. */
export interface HandClock extends Clock {
  pass(ms: number): void;
}

export function handClock(): HandClock {
  let passed = 0;
  return {
    pass: (ms) => {
      passed += ms;
    },
    nowMs: () => 1_760_000_000_000 + passed,
    monotonicMs: () => passed,
    setTimer: (delayMs, fire) => {
      const timer = setTimeout(fire, delayMs);
      return () => clearTimeout(timer);
    },
    drain: () =>
      new Promise((resolve) => {
        setImmediate(resolve);
      }),
  };
}
