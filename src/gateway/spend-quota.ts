import { unpricedNanoUsdPerToken, type Amount } from "../core/budget.ts";
import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RunState } from "../core/run-state.ts";
import type { LedgerAmount, LedgerScope, LedgerUnit, Store } from "../core/store-contract.ts";
import { nanoUsdOf } from "../core/usage.ts";
import type { EngineHooks } from "../engine/deps.ts";
import { Limits, type GatewayLimits, type Use } from "./gateway-limits.ts";
import { rateLimited } from "./rate-limit.ts";
import { systemTenant } from "./system-tenant.ts";

const DAY_MS = 86_400_000;
const RECORD_KEPT_MS = 40 * DAY_MS;
const PUT_TRIES = 5;
const PAGE = 100;

/** Whose spending: all runs of a tenant (`principal` null), or those of one of its principals. */
interface Spender {
  readonly tenant: string;
  readonly principal: string | null;
}

interface Quota {
  readonly scope: LedgerScope;
  readonly perDay: number;
}

/** The day of a spender's caps, and what had been spent by unit when it began. */
interface DayRecord extends Spender {
  readonly day: number;
  readonly bases: { readonly [unit: string]: number };
}

/**
 * The hooks that make the engine count each call against the day's tokens and cost. Give them to the runtime of every
 * worker, with the limits that its gateways have: `pawl({ …, hooks: spendHooks(limits) })`.
 */
export function spendHooks(given: GatewayLimits): Pick<EngineHooks, "sharedScopes"> {
  const all = new Limits(given);
  return {
    sharedScopes: ({ started: { tenant, principal } }: RunState, amount: Amount): readonly LedgerAmount[] =>
      [null, principal]
        .flatMap((whose) => quotasOf(all, { tenant, principal: whose }))
        .map(({ scope }) => ({ ...scope, amount: scope.unit === "tokens" ? amount.tokens : costOf(amount) })),
  };
}

/**
 * Tokens and cost of a day, kept in the store's ledger: they hold over all processes and restarts, and the engine reserves
 * each call's worst case before it starts. A new day raises the cap by what had been spent until then; while nobody raises
 * it, it stays, so a failure here stops spending and never frees it.
 */
export class SpendQuota {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: Limits;
  /** Spenders whose caps of a day this process has set. */
  readonly #setOn = new Map<string, number>();

  constructor(store: Store, clock: Clock, given: Limits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = given;
  }

  /** Before a start: sets the caps of the day. @throws RATE_LIMITED when nothing is left of one */
  async admit(tenant: string, principal: string): Promise<void> {
    for (const spender of [
      { tenant, principal: null },
      { tenant, principal },
    ]) {
      const quotas = quotasOf(this.#limits, spender);
      if (quotas.length > 0) await this.#raise(spender, quotas);
      for (const { scope } of quotas) {
        const { cap, spent } = await this.#store.readLedger(tenant, scope);
        if (cap === null || spent < cap) continue;
        const what = scope.unit === "tokens" ? "tokens" : "cost";
        const whose = spender.principal === null ? "tenant" : "key";
        throw rateLimited(`${what} a day of this ${whose}`, DAY_MS - (this.#clock.nowMs() % DAY_MS));
      }
    }
  }

  /** A new day for everybody who ever spent: runs that wait for its money are not told by a start. */
  async raiseAll(): Promise<void> {
    let cursor: string | null = null;
    do {
      const page = await this.#store.listRecords(systemTenant, "quota/", cursor, PAGE);
      for (const { value } of page.items) {
        const record = dayRecordOf(value);
        if (record === null || record.day === this.#day()) continue;
        const quotas = quotasOf(this.#limits, record);
        if (quotas.length > 0) await this.#raise(record, quotas);
      }
      cursor = page.cursor;
    } while (cursor !== null);
  }

  async #raise({ tenant, principal }: Spender, quotas: readonly Quota[]): Promise<void> {
    const key = principal === null ? `quota/${tenant}` : `quota/${tenant}/${principal}`;
    if (this.#setOn.get(key) === this.#day()) return;
    const { day, bases } = await this.#dayOf({ tenant, principal }, key, quotas);
    for (const { scope, perDay } of quotas) {
      await this.#store.setCap(tenant, scope, (bases[scope.unit] ?? 0) + perDay);
    }
    this.#setOn.set(key, day);
    const oldest = this.#setOn.keys().next();
    if (this.#setOn.size > limits.bucketsKept && oldest.done !== true) this.#setOn.delete(oldest.value);
  }

  /** Written before the caps are set, so that everybody who sets them sets the same. */
  async #dayOf(spender: Spender, key: string, quotas: readonly Quota[]): Promise<DayRecord> {
    for (let tries = 0; tries < PUT_TRIES; tries++) {
      const stored = await this.#store.getRecord(systemTenant, key);
      const known = dayRecordOf(stored?.value);
      const day = this.#day();
      const kept = known?.day === day ? known.bases : {};
      if (known !== null && quotas.every(({ scope }) => kept[scope.unit] !== undefined)) return known;
      const bases: Record<string, number> = { ...kept };
      for (const { scope } of quotas) bases[scope.unit] ??= (await this.#store.readLedger(spender.tenant, scope)).spent;
      const record: DayRecord = { ...spender, day, bases };
      const condition = stored === null ? { ifAbsent: true as const } : { ifVersion: stored.version };
      const put = await this.#store.putRecord(
        systemTenant,
        key,
        record as unknown as JsonValue,
        condition,
        RECORD_KEPT_MS,
      );
      if (put.type === "ok") return record;
    }
    throw new PawlError("OVERLOADED", "the day's budget is being set by others. Try again.", {
      details: { retryAfterMs: 1_000 },
    });
  }

  #day(): number {
    return Math.floor(this.#clock.nowMs() / DAY_MS);
  }
}

function dayRecordOf(value: JsonValue | undefined): DayRecord | null {
  if (!isJsonObject(value)) return null;
  const { tenant, principal, day, bases } = value;
  const isSpender = typeof tenant === "string" && (principal === null || typeof principal === "string");
  return isSpender && typeof day === "number" && isJsonObject(bases) ? (value as unknown as DayRecord) : null;
}

function quotasOf(all: Limits, { tenant, principal }: Spender): readonly Quota[] {
  const use: Use = principal === null ? all.ofTenant(tenant) : all.ofKey;
  const name = principal === null ? "quota:tenant" : `quota:principal:${principal}`;
  const of = (unit: LedgerUnit, perDay: number): Quota => ({ scope: { scope: name, window: "all", unit }, perDay });
  return [
    ...(use.tokensPerDay === null ? [] : [of("tokens", use.tokensPerDay)]),
    ...(use.costUsdPerDay === null ? [] : [of("nanoUsd", nanoUsdOf(use.costUsdPerDay))]),
  ];
}

function costOf({ costNanoUsd, tokens }: Amount): number {
  return costNanoUsd ?? tokens * unpricedNanoUsdPerToken;
}
