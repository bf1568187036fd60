import type { Clock } from "../core/clock.ts";

export type Settled<T> =
  | { readonly type: "value"; readonly value: T }
  | { readonly type: "threw"; readonly error: unknown };

export type Limited<T> = Settled<T> | { readonly type: "late" } | { readonly type: "aborted" };

/** How long code may go on after its abort before nobody waits for it any more. */
const ABORT_GRACE_MS = 1_000;

/**
 * Runs code under a time limit. It gets a signal that is aborted at the limit and with `outer`. Code that ignores the
 * signal is left behind: its later result is nobody's.
 * @param left hears what code that was left behind came to after all
 */
export function withTimeLimit<T>(
  clock: Clock,
  limitMs: number,
  outer: AbortSignal,
  code: (signal: AbortSignal) => Promise<T> | T,
  left?: (came: Settled<T>) => void,
): Promise<Limited<T>> {
  return new Promise((resolve) => {
    const inner = new AbortController();
    const cleanups: (() => void)[] = [];
    let isOver = false;
    const finish = (outcome: Limited<T>): void => {
      isOver = true;
      for (const cleanup of cleanups.splice(0)) cleanup();
      resolve(outcome);
    };
    const settle = (came: Settled<T>): void => (isOver ? left?.(came) : finish(came));
    const onAbort = (): void => {
      inner.abort(outer.reason);
      cleanups.push(clock.setTimer(ABORT_GRACE_MS, () => finish({ type: "aborted" })));
    };
    cleanups.push(
      clock.setTimer(limitMs, () => {
        inner.abort(new Error(`time limit of ${limitMs} ms`));
        finish({ type: "late" });
      }),
    );
    if (outer.aborted) onAbort();
    else {
      outer.addEventListener("abort", onAbort, { once: true });
      cleanups.push(() => outer.removeEventListener("abort", onAbort));
    }
    Promise.resolve()
      .then(() => code(inner.signal))
      .then(
        (value) => settle({ type: "value", value }),
        (error: unknown) => settle({ type: "threw", error }),
      );
  });
}
