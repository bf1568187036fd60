import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import type { RunStatus } from "../core/run-outcome.ts";
import type { RunStore } from "../core/store-contract.ts";

/** Runs that take a worker's room now or soon. What waits for people, money or time costs nothing and does not count. */
const busy: readonly RunStatus[] = ["queued", "running", "awaiting_child"];
const COUNT_KEPT_MS = 2_000;
const COUNT_AGAIN_MS = 250;
const PAGE = 200;

export interface RunCaps {
  /** null = no cap */
  readonly tenant: number | null;
  readonly principal: number | null;
}

export type Place =
  /** `release` when the start was answered, whatever came of it: from then on the store knows. */
  | { readonly type: "taken"; readonly release: () => void }
  | { readonly type: "full"; readonly whose: "tenant" | "key" };

/** Busy runs of one tenant: what the store counted, what was started here since, and starts that are under way. */
class TenantRuns {
  countedAt = -Infinity;
  all = 0;
  byPrincipal = new Map<string, number>();
  readonly pending = new Map<string, number>();
  counting: Promise<void> | null = null;

  add(principal: string): void {
    this.all++;
    bump(this.byPrincipal, principal, 1);
    bump(this.pending, principal, 1);
  }

  fullFor(principal: string, caps: RunCaps): "tenant" | "key" | null {
    if (this.all >= (caps.tenant ?? Infinity)) return "tenant";
    return (this.byPrincipal.get(principal) ?? 0) >= (caps.principal ?? Infinity) ? "key" : null;
  }
}

/**
 * How many root runs of a tenant are busy: counted in the store, so it holds over restarts; between two counts only this
 * process' own starts are added. Another process can pass the cap by what was started here in the last two seconds.
 */
export class ConcurrentRuns {
  readonly #store: RunStore;
  readonly #clock: Clock;
  readonly #tenants = new Map<string, TenantRuns>();

  constructor(store: RunStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws STORE_UNREACHABLE */
  async take(tenant: string, principal: string, caps: RunCaps): Promise<Place> {
    const runs = this.#runsOf(tenant);
    if (runs.counting !== null) await runs.counting;
    const age = this.#clock.monotonicMs() - runs.countedAt;
    const isDue = age >= COUNT_KEPT_MS || (age >= COUNT_AGAIN_MS && runs.fullFor(principal, caps) !== null);
    if (isDue) await this.#count(tenant, runs);
    const whose = runs.fullFor(principal, caps);
    if (whose !== null) return { type: "full", whose };
    runs.add(principal);
    let isHeld = true;
    const release = (): void => {
      if (isHeld) bump(runs.pending, principal, -1);
      isHeld = false;
    };
    return { type: "taken", release };
  }

  #count(tenant: string, runs: TenantRuns): Promise<void> {
    runs.counting ??= this.#read(tenant, runs).finally(() => {
      runs.counting = null;
    });
    return runs.counting;
  }

  /** Starts that are under way are added to what is listed, since they may not be in the store yet. */
  async #read(tenant: string, runs: TenantRuns): Promise<void> {
    const byPrincipal = new Map(runs.pending);
    let all = [...byPrincipal.values()].reduce((sum, one) => sum + one, 0);
    let cursor: string | null = null;
    do {
      const page = await this.#store.list(tenant, { statuses: busy }, cursor, PAGE);
      for (const { principal } of page.items) bump(byPrincipal, principal, 1);
      all += page.items.length;
      cursor = page.cursor;
    } while (cursor !== null && all < limits.runsCounted);
    runs.countedAt = this.#clock.monotonicMs();
    runs.all = all;
    runs.byPrincipal = byPrincipal;
  }

  #runsOf(tenant: string): TenantRuns {
    const runs = this.#tenants.get(tenant) ?? new TenantRuns();
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, runs);
    if (this.#tenants.size > limits.bucketsKept) this.#forgetIdle();
    return runs;
  }

  #forgetIdle(): void {
    for (const [tenant, runs] of this.#tenants) {
      if (runs.pending.size > 0 || runs.counting !== null) continue;
      this.#tenants.delete(tenant);
      return;
    }
  }
}

function bump(counts: Map<string, number>, key: string, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next > 0) counts.set(key, next);
  else counts.delete(key);
}
