import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";

interface Bucket {
  tokens: number;
  filledAt: number;
}

export interface Taken {
  readonly ok: boolean;
  readonly limit: number;
  /** Tokens left; below 1 when refused. */
  readonly left: number;
  /** Until one more token is there; 0 when one is. */
  readonly retryAfterMs: number;
}

/** How many may come at once, in seconds of the sustained rate. */
const BURST_S = 4;

/**
 * Token buckets of this process, by the monotonic clock: a changed date fills nothing. What is forgotten is full again, so
 * the least recently used bucket goes when there are limits.bucketsKept.
 */
export class TokenBuckets {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(id: string, perS: number, cost = 1): Taken {
    const now = this.#clock.monotonicMs();
    const limit = Math.max(1, perS * BURST_S);
    const known = this.#buckets.get(id) ?? { tokens: limit, filledAt: now };
    const tokens = Math.min(limit, known.tokens + ((now - known.filledAt) * perS) / 1000);
    const ok = tokens >= 1;
    const left = ok ? tokens - cost : tokens;
    this.#buckets.delete(id);
    this.#buckets.set(id, { tokens: left, filledAt: now });
    if (this.#buckets.size > limits.bucketsKept) this.#forgetOldest();
    return { ok, limit, left, retryAfterMs: left >= 1 ? 0 : Math.ceil(((1 - left) * 1000) / perS) };
  }

  #forgetOldest(): void {
    for (const id of this.#buckets.keys()) {
      this.#buckets.delete(id);
      return;
    }
  }
}
