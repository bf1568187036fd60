import type { Amount } from "../core/budget.ts";
import { inUnit, windowAt } from "../core/budget-rules.ts";
import type { Clock } from "../core/clock.ts";
import type { RunState } from "../core/run-state.ts";
import type { LedgerUnit, Store } from "../core/store-contract.ts";
import { nanoUsdOf } from "../core/usage.ts";
import type { CountedAt, EngineHooks, SharedAmount } from "../engine/deps.ts";
import { LedgerCaps } from "../engine/ledger-caps.ts";
import { Limits, type GatewayLimits, type Use } from "./gateway-limits.ts";
import { rateLimited } from "./rate-limit.ts";

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
  const ofStores = new WeakMap<Store, LedgerCaps>();
  const capsOf = (store: Store): LedgerCaps => {
    const caps = ofStores.get(store) ?? new LedgerCaps(store);
    ofStores.set(store, caps);
    return caps;
  };
  const sharedScopes = async (
    { started: { tenant, principal } }: RunState,
    amount: Amount,
    { store, clock }: CountedAt,
  ): Promise<readonly SharedAmount[]> => {
    const quotas = [...tenantQuotas(all, tenant), ...principalQuotas(all, principal)];
    const caps = capsOf(store);
    for (const quota of quotas) await setCap(caps, tenant, quota);
    const { window, endsAt } = windowAt("day", clock.nowMs());
    return quotas.map(({ scope, unit }) => ({ scope, unit, window, endsAt, amount: inUnit(unit, amount) }));
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
  readonly #caps: LedgerCaps;

  constructor(store: Store, clock: Clock, given: Limits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = given;
    this.#caps = new LedgerCaps(store);
  }

  /** Before a start. @throws RATE_LIMITED when nothing is left of the day */
  async admit(tenant: string, principal: string): Promise<void> {
    for (const quota of tenantQuotas(this.#limits, tenant)) await this.#check(tenant, quota, "tenant");
    for (const quota of principalQuotas(this.#limits, principal)) await this.#check(tenant, quota, "key");
  }

  async #check(tenant: string, quota: Quota, whose: string): Promise<void> {
    await setCap(this.#caps, tenant, quota);
    const now = this.#clock.nowMs();
    const { window, endsAt } = windowAt("day", now);
    const { cap, spent } = await this.#store.readLedger(tenant, { scope: quota.scope, unit: quota.unit, window });
    if (cap === null || spent < cap) return;
    const what = quota.unit === "tokens" ? "tokens" : "cost";
    throw rateLimited(`${what} a day of this ${whose}`, endsAt - now);
  }
}

function setCap(caps: LedgerCaps, tenant: string, { scope, unit, perDay }: Quota): Promise<void> {
  return caps.set(tenant, { scope, unit, window: "day" }, perDay);
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
