import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RecordStore, StoredRecord } from "../core/store-contract.ts";
import { systemTenant } from "./system-tenant.ts";

const MINUTE_MS = 60_000;
/** A process takes starts from the store in shares of a twentieth, and may keep them so long. */
const SHARES = 20;
const SHARE_KEPT_MS = 5_000;
const PUT_TRIES = 8;

interface Quota {
  readonly tokens: number;
  /** Up to when it was filled. */
  readonly at: number;
}

/** What this process holds of a quota, or how long it need not ask. */
interface Share {
  left: number;
  takenAt: number;
  refusedUntil: number;
}

/**
 * Starts per minute that hold over all processes and restarts: a bucket in a record of the store, from which each
 * process takes shares. Never more than `perMinute` and what refills meanwhile; up to a share of each process may go unused.
 */
export class StartQuota {
  readonly #store: RecordStore;
  readonly #clock: Clock;
  readonly #shares = new Map<string, Share>();
  readonly #asking = new Map<string, Promise<void>>();

  constructor(store: RecordStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @returns 0 = taken, else ms until the next one. @throws STORE_UNREACHABLE */
  async take(id: string, perMinute: number): Promise<number> {
    for (;;) {
      const now = this.#clock.monotonicMs();
      const share = this.#shares.get(id);
      if (share !== undefined && share.left > 0 && now - share.takenAt < SHARE_KEPT_MS) {
        share.left--;
        return 0;
      }
      if (share !== undefined && share.refusedUntil > now) return share.refusedUntil - now;
      // one asks, the others wait for what it brings
      const asking = this.#asking.get(id) ?? this.#ask(id, perMinute).finally(() => this.#asking.delete(id));
      this.#asking.set(id, asking);
      await asking;
    }
  }

  async #ask(id: string, perMinute: number): Promise<void> {
    const size = Math.max(1, Math.floor(perMinute / SHARES));
    const key = `rate/starts/${id}`;
    for (let tries = 0; tries < PUT_TRIES; tries++) {
      const stored = await this.#store.getRecord(systemTenant, key);
      const known = quotaOf(stored);
      const quota = filled(known, perMinute, this.#clock.nowMs());
      const taken = Math.min(size, Math.floor(quota.tokens));
      // a date that was set back is written down even where nothing is taken, or nothing would ever fill again
      if (taken < 1 && quota.at >= (known?.at ?? 0)) {
        this.#keep(id, { left: 0, refusedForMs: Math.ceil(((1 - quota.tokens) * MINUTE_MS) / perMinute) });
        return;
      }
      const put = await this.#store.putRecord(
        systemTenant,
        key,
        { tokens: quota.tokens - taken, at: quota.at },
        stored === null ? { ifAbsent: true } : { ifVersion: stored.version },
        2 * MINUTE_MS,
      );
      if (put.type !== "ok" || taken < 1) continue;
      this.#keep(id, { left: taken, refusedForMs: 0 });
      return;
    }
    throw new PawlError("OVERLOADED", "too many processes start runs at once. Try again.", {
      details: { retryAfterMs: 1_000 },
    });
  }

  #keep(id: string, { left, refusedForMs }: { readonly left: number; readonly refusedForMs: number }): void {
    const now = this.#clock.monotonicMs();
    this.#shares.delete(id);
    this.#shares.set(id, { left, takenAt: now, refusedUntil: now + refusedForMs });
    const oldest = this.#shares.keys().next();
    if (this.#shares.size > limits.bucketsKept && oldest.done !== true) this.#shares.delete(oldest.value);
  }
}

function quotaOf(stored: StoredRecord | null): Quota | null {
  const value = stored?.value;
  if (!isJsonObject(value)) return null;
  const { tokens, at } = value;
  return typeof tokens === "number" && typeof at === "number" ? { tokens, at } : null;
}

/**
 * Filled up to now. A clock that is behind (another machine's, or one that was set back) fills nothing; one that is more
 * than a minute behind begins anew, so that no error of a clock stops starts for longer.
 */
function filled(quota: Quota | null, perMinute: number, nowMs: number): Quota {
  if (quota === null) return { tokens: perMinute, at: nowMs };
  const passedMs = nowMs - quota.at;
  if (passedMs <= 0) return { tokens: quota.tokens, at: passedMs < -MINUTE_MS ? nowMs : quota.at };
  return { tokens: Math.min(perMinute, quota.tokens + (passedMs * perMinute) / MINUTE_MS), at: nowMs };
}
