import { useEffect, useState } from "react";

/** A second key or click of the same hand, meant for what stood there before, decides nothing within this. */
export const PAUSE_MS = 1_000;

let lastDecidedAt = Number.NEGATIVE_INFINITY;

export function noteDecision(): void {
  lastDecidedAt = performance.now();
}

/** Nothing was decided after all: the next try need not wait. */
export function forgetDecision(): void {
  lastDecidedAt = Number.NEGATIVE_INFINITY;
}

/** True while a decision was made a moment ago, here or on the review before. */
export function isPaused(): boolean {
  return performance.now() - lastDecidedAt < PAUSE_MS;
}

/** True once what is decided has been on the screen long enough to be read as another one. */
export function useIsSettled(): boolean {
  const [isSettled, setIsSettled] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsSettled(true), PAUSE_MS);
    return () => clearTimeout(timer);
  }, []);
  return isSettled;
}
