/**
 * Time as a parameter. `nowMs` may jump (the machine's clock); `monotonicMs` never goes back and says nothing about the
 * date. `setTimer` calls `fire` once after about `delayMs` (any size: implementations chain what one timer cannot hold)
 * and returns a function that cancels it. `drain` settles what is already runnable: microtasks and one macrotask.
 */
export interface Clock {
  nowMs(): number;
  monotonicMs(): number;
  setTimer(delayMs: number, fire: () => void): () => void;
  drain(): Promise<void>;
}

/** Randomness as a parameter: `random()` in [0, 1), `id()` a new URL-safe id of about 128 bits. */
export interface Entropy {
  random(): number;
  id(): string;
}

/** A promise of the clock: resolves after `delayMs`, rejects with the signal's reason when aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortReason(signal));
      return;
    }
    const cancel = clock.setTimer(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      reject(abortReason(signal));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error("aborted");
}

/** A small seeded generator (mulberry32): the run's `random()` and every simulation. Same seed, same numbers. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
