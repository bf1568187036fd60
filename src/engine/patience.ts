import { fullJitterMs } from "../core/backoff.ts";
import { sleep, type Clock, type Entropy } from "../core/clock.ts";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";

const TRIES_MAX = 12;

const passing: readonly ErrorCode[] = ["STORE_UNREACHABLE", "STORE_FULL", "STORE_LOCKED"];

/** True for failures of a store that may pass by themselves. */
export function isPassing(error: unknown): boolean {
  return passing.some((code) => PawlError.is(error, code));
}

/**
 * Repeats a store operation that may be repeated freely (reads, blobs, marks, reservations) while the store cannot be
 * reached, for as long as this worker may still own runs.
 */
export async function patiently<T>(
  deps: { readonly clock: Clock; readonly entropy: Entropy },
  dead: AbortSignal | null,
  operation: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (!isPassing(error) || attempt >= TRIES_MAX || dead?.aborted === true) throw error;
      const waitMs = 20 + fullJitterMs(attempt, deps.entropy.random(), { baseMs: 50, capMs: 1_000 });
      await sleep(deps.clock, waitMs, dead ?? undefined).catch(() => undefined);
    }
  }
}
