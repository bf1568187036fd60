import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { RunStore } from "../core/store-contract.ts";
import type { Caller } from "./caller.ts";
import type { ConcurrentRuns } from "./concurrent-runs.ts";
import type { Limits } from "./gateway-limits.ts";
import { rateLimited } from "./rate-limit.ts";
import type { SpendQuota } from "./spend-quota.ts";
import type { StartQuota } from "./start-quota.ts";

const SAMPLE_MS = 500;
const RETRY_MS = 2_000;

/** How much waits, and how late this process is: sampled, not asked for every start. */
export class Backlog {
  readonly #store: RunStore;
  readonly #clock: Clock;
  readonly #lanes: readonly string[];
  #sampledAt = -Infinity;
  #due = 0;
  #sampling: Promise<void> | null = null;
  #lagMs = 0;
  #cancel: () => void = () => undefined;

  constructor(store: RunStore, clock: Clock, lanes: readonly string[]) {
    this.#store = store;
    this.#clock = clock;
    this.#lanes = lanes;
  }

  /** Begins to watch how late timers fire. */
  watch(): void {
    const asked = this.#clock.monotonicMs();
    this.#cancel = this.#clock.setTimer(SAMPLE_MS, () => {
      this.#lagMs = Math.max(0, this.#clock.monotonicMs() - asked - SAMPLE_MS);
      this.watch();
    });
  }

  stop(): void {
    this.#cancel();
  }

  get lagMs(): number {
    return this.#lagMs;
  }

  /** Runs that are due and that no worker has taken, counted up to one more than allowed. */
  get due(): number {
    return this.#due;
  }

  /** Counts again, unless that was done a moment ago. */
  async refresh(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#sampledAt < SAMPLE_MS) return;
    this.#sampling ??= this.#sample().finally(() => {
      this.#sampling = null;
    });
    await this.#sampling;
  }

  /** @throws OVERLOADED: nothing was started */
  async check(): Promise<void> {
    await this.refresh();
    const why =
      this.#lagMs > limits.eventLoopLagMs
        ? `this process is ${Math.round(this.#lagMs)} ms late`
        : this.#due > limits.queuedRunsDue
          ? `more than ${limits.queuedRunsDue} runs wait for a worker`
          : null;
    if (why === null) return;
    throw new PawlError("OVERLOADED", `${why}; no new run is taken. What was taken goes on. Try again in a moment.`, {
      details: { retryAfterMs: RETRY_MS },
    });
  }

  /** One more was let in since the last sample. */
  add(): void {
    this.#due++;
  }

  async #sample(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const due = await this.#store.due({ lanes: this.#lanes, nowMs, limit: limits.queuedRunsDue + 1 });
    this.#due = due.length;
    this.#sampledAt = this.#clock.monotonicMs();
  }
}

export interface AdmissionParts {
  readonly limits: Limits;
  readonly backlog: Backlog;
  readonly starts: StartQuota;
  readonly runs: ConcurrentRuns;
  readonly spend: SpendQuota;
}

/** What a start must pass, the cheapest first. */
export class Admission {
  readonly #parts: AdmissionParts;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /**
   * @returns call it when the start was answered, whatever came of it
   * @throws OVERLOADED, RATE_LIMITED
   */
  async admit(caller: Caller): Promise<() => void> {
    const { limits: all, backlog, starts, runs, spend } = this.#parts;
    const { tenant, principal } = caller;
    const [key, whole] = [all.ofKey, all.ofTenant(tenant)];
    await backlog.check();
    await this.#takeStart(starts, "key", {
      id: `${tenant}/${caller.keyId ?? principal}`,
      perMinute: key.startsPerMinute,
    });
    await this.#takeStart(starts, "tenant", { id: tenant, perMinute: whole.startsPerMinute });
    await spend.admit(tenant, principal);
    const release = await this.#takePlace(runs, caller, {
      tenant: whole.concurrentRuns,
      principal: key.concurrentRuns,
    });
    backlog.add();
    return release;
  }

  async #takeStart(
    starts: StartQuota,
    whose: string,
    quota: { readonly id: string; readonly perMinute: number | null },
  ): Promise<void> {
    if (quota.perMinute === null) return;
    const waitMs = await starts.take(`${whose}/${quota.id}`, quota.perMinute);
    if (waitMs > 0) throw rateLimited(`starts a minute of this ${whose}`, waitMs);
  }

  async #takePlace(
    runs: ConcurrentRuns,
    { tenant, principal }: Caller,
    caps: { readonly tenant: number | null; readonly principal: number | null },
  ): Promise<() => void> {
    if (caps.tenant === null && caps.principal === null) return () => undefined;
    const place = await runs.take(tenant, principal, caps);
    if (place.type === "taken") return place.release;
    throw rateLimited(`runs at the same time of this ${place.whose}`, RETRY_MS);
  }
}
