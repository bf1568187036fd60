import { unpricedNanoUsdPerToken, type Amount } from "../core/budget.ts";
import type { Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import type { RunState } from "../core/run-state.ts";
import type { LedgerAmount, LedgerScope, LedgerUnit, Store } from "../core/store-contract.ts";
import { nanoUsdOf } from "../core/usage.ts";
import type { EngineDeps, EngineHooks } from "../engine/deps.ts";
import { Limits, type GatewayLimits, type Use } from "./gateway-limits.ts";
import { rateLimited } from "./rate-limit.ts";

const DAY_MS = 86_400_000;

/** Name of what spendHooks counts, in EngineHooks.counts. */
export const spendOfDay = "spend-of-day";

/** What all runs of a tenant (`principal` null), or those of one of its principals, may spend in a day. */
interface Quota {
  readonly scope: string;
  readonly unit: LedgerUnit;
  readonly perDay: number;
}

/**
 * The hooks that make the engine count each call against the day's tokens and cost, and that cap every tenant whose runs
 * they meet. A gateway adds them to its runtime; give them to the runtime of every other worker, with the limits that
 * the gateways have: `pawl({ …, hooks: spendHooks(limits) })`.
 */
export function spendHooks(given: GatewayLimits): Pick<EngineHooks, "sharedScopes" | "counts"> {
  const all = new Limits(given);
  const ofStores = new WeakMap<Store, DayCaps>();
  const capsOf = (store: Store): DayCaps => {
    const caps = ofStores.get(store) ?? new DayCaps(store);
    ofStores.set(store, caps);
    return caps;
  };
  const sharedScopes = async (
    { started: { tenant, principal } }: RunState,
    amount: Amount,
    { store, clock }: Pick<EngineDeps, "store" | "clock">,
  ): Promise<readonly LedgerAmount[]> => {
    const quotas = [...tenantQuotas(all, tenant), ...principalQuotas(all, principal)];
    const caps = capsOf(store);
    for (const quota of quotas) await caps.set(tenant, quota);
    const now = clock.nowMs();
    return quotas.map((quota) => ({
      ...windowOf(quota, now),
      amount: quota.unit === "tokens" ? amount.tokens : costOf(amount),
    }));
  };
  return { sharedScopes, counts: [spendOfDay] };
}

/**
 * Whether anything is left of a day's tokens and cost. They are in the store's ledger, in a window for each day (UTC), so
 * they hold over all processes and restarts; the engine reserves each call's worst case there before it starts.
 */
export class SpendQuota {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #caps: DayCaps;

  constructor(store: Store, clock: Clock, given: Limits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = given;
    this.#caps = new DayCaps(store);
  }

  /** Before a start. @throws RATE_LIMITED when nothing is left of the day */
  async admit(tenant: string, principal: string): Promise<void> {
    for (const quota of tenantQuotas(this.#limits, tenant)) await this.#check(tenant, quota, "tenant");
    for (const quota of principalQuotas(this.#limits, principal)) await this.#check(tenant, quota, "key");
  }

  async #check(tenant: string, quota: Quota, whose: string): Promise<void> {
    await this.#caps.set(tenant, quota);
    const now = this.#clock.nowMs();
    const { cap, spent } = await this.#store.readLedger(tenant, windowOf(quota, now));
    if (cap === null || spent < cap) return;
    const what = quota.unit === "tokens" ? "tokens" : "cost";
    throw rateLimited(`${what} a day of this ${whose}`, DAY_MS - (now % DAY_MS));
  }
}

/**
 * Caps of the kind of window, which hold for each day by itself, also for those to come: nobody has to be there when a
 * day begins. Set once for each of them by this process, before it first counts against it.
 */
class DayCaps {
  readonly #store: Store;
  readonly #known = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws STORE_UNREACHABLE: it is tried again the next time */
  async set(tenant: string, { scope, unit, perDay }: Quota): Promise<void> {
    const key = JSON.stringify([tenant, scope, unit]);
    if (this.#known.has(key)) return;
    await this.#store.setCap(tenant, { scope, unit, window: "day" }, perDay);
    this.#known.add(key);
    const oldest = this.#known.keys().next();
    if (this.#known.size > limits.bucketsKept && oldest.done !== true) this.#known.delete(oldest.value);
  }
}

function windowOf({ scope, unit }: Quota, nowMs: number): LedgerScope {
  return { scope, unit, window: `day:${new Date(nowMs).toISOString().slice(0, 10)}` };
}

function tenantQuotas(all: Limits, tenant: string): readonly Quota[] {
  return quotasOf("quota:tenant", all.ofTenant(tenant));
}

function principalQuotas(all: Limits, principal: string): readonly Quota[] {
  return quotasOf(`quota:principal:${principal}`, all.ofKey);
}

function quotasOf(scope: string, { tokensPerDay, costUsdPerDay }: Use): readonly Quota[] {
  return [
    ...(tokensPerDay === null ? [] : [{ scope, unit: "tokens" as const, perDay: tokensPerDay }]),
    ...(costUsdPerDay === null ? [] : [{ scope, unit: "nanoUsd" as const, perDay: nanoUsdOf(costUsdPerDay) }]),
  ];
}

function costOf({ costNanoUsd, tokens }: Amount): number {
  return costNanoUsd ?? tokens * unpricedNanoUsdPerToken;
}
