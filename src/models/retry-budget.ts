/** How many attempts beyond the first a pool may make: a share of its calls, over retries, fallbacks and hedges together. */
export interface RetryBudgetBounds {
  /** Extra attempts per call. */
  readonly share: number;
  /** Extra attempts in hand before the first call, and the most that idle time earns. */
  readonly inHand: number;
}

/** So many calls' worth of extra attempts can be saved for a bad time. */
const SAVED_CALLS = 1_000;
/** A process that makes a call an hour must be able to repeat it: one attempt is earned in this time, whatever the traffic. */
const EARN_MS = 30_000;

/** A bucket that calls fill and extra attempts empty. Without it, three tries over three endpoints make a storm of a fault. */
export class RetryBudget {
  readonly #bounds: RetryBudgetBounds;
  #left: number;
  #earnedAtMs: number | null = null;

  constructor(bounds: RetryBudgetBounds) {
    this.#bounds = bounds;
    this.#left = bounds.inHand;
  }

  /** A call began. */
  called(): void {
    const most = Math.max(this.#bounds.inHand, SAVED_CALLS * this.#bounds.share);
    this.#left = Math.min(most, this.#left + this.#bounds.share);
  }

  /** @returns false where no extra attempt may be made now */
  take(nowMs: number): boolean {
    this.#earn(nowMs);
    // sums of tenths are a little less than whole
    if (this.#left < 1 - 1e-9) return false;
    this.#left--;
    return true;
  }

  #earn(nowMs: number): void {
    const passedMs = nowMs - (this.#earnedAtMs ?? nowMs);
    this.#earnedAtMs = nowMs;
    if (this.#left < this.#bounds.inHand) this.#left = Math.min(this.#bounds.inHand, this.#left + passedMs / EARN_MS);
  }
}
