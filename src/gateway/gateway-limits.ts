import { PawlError } from "../core/errors.ts";
import { nanoUsdOf } from "../core/usage.ts";

/** What one key, or one tenant, may use. null = no limit; absent = the default. */
export interface UseLimits {
  /** Sustained; four times as many may come at once. Counted in each process by itself. */
  readonly requestsPerS?: number | null;
  /** Over all processes and restarts. */
  readonly startsPerMinute?: number | null;
  /** Root runs that are queued or running at the same time; runs that wait for people or time do not count. */
  readonly concurrentRuns?: number | null;
  /** What model calls may use in one day (UTC), over all processes and restarts; enforced before each call. */
  readonly tokensPerDay?: number | null;
  readonly costUsdPerDay?: number | null;
}

export interface GatewayLimits {
  /** Of each key or token; sessions count with their key. */
  readonly key?: UseLimits;
  readonly tenant?: UseLimits;
  /** Tenants for which other limits hold than `tenant`. */
  readonly tenants?: { readonly [tenant: string]: UseLimits };
  /** Requests of one address, with a credential or without. */
  readonly addressRequestsPerS?: number | null;
}

export type Use = { readonly [name in keyof UseLimits]-?: number | null };

const keyDefaults: Use = {
  requestsPerS: 100,
  startsPerMinute: 600,
  concurrentRuns: 500,
  tokensPerDay: null,
  costUsdPerDay: null,
};
const tenantDefaults: Use = { ...keyDefaults, requestsPerS: 400, startsPerMinute: 3_000, concurrentRuns: 1_000 };
const ADDRESS_PER_S = 400;

/** The limits in force: what was given over the defaults. */
export class Limits {
  readonly addressRequestsPerS: number | null;
  readonly ofKey: Use;
  readonly #ofTenant: Use;
  readonly #ofTenants: ReadonlyMap<string, Use>;

  /** @throws OPTION_INVALID */
  constructor(given: GatewayLimits = {}) {
    for (const use of [given.key, given.tenant, ...Object.values(given.tenants ?? {})]) checkUse(use ?? {});
    this.addressRequestsPerS = given.addressRequestsPerS === undefined ? ADDRESS_PER_S : given.addressRequestsPerS;
    this.ofKey = over(keyDefaults, given.key);
    const ofTenant = over(tenantDefaults, given.tenant);
    this.#ofTenant = ofTenant;
    this.#ofTenants = new Map(Object.entries(given.tenants ?? {}).map(([name, own]) => [name, over(ofTenant, own)]));
  }

  ofTenant(tenant: string): Use {
    return this.#ofTenants.get(tenant) ?? this.#ofTenant;
  }
}

/** Whether anybody's tokens or cost of a day are limited. */
export function hasSpendLimits({ key, tenant, tenants = {} }: GatewayLimits): boolean {
  return [key, tenant, ...Object.values(tenants)].some(
    (use) => (use?.tokensPerDay ?? null) !== null || (use?.costUsdPerDay ?? null) !== null,
  );
}

/** What was given takes the place of the default; what is undefined was not given. */
function over(defaults: Use, given: UseLimits = {}): Use {
  return { ...defaults, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}

function checkUse(use: UseLimits): void {
  for (const [name, value] of Object.entries(use)) {
    if (value === null || value === undefined || (Number.isFinite(value) && Number(value) > 0)) continue;
    throw new PawlError(
      "OPTION_INVALID",
      `the limit ${name} is ${String(value)}; give a number above 0, or null for none.`,
    );
  }
  const { tokensPerDay, costUsdPerDay } = use;
  if (typeof tokensPerDay === "number" && !Number.isSafeInteger(tokensPerDay))
    throw new PawlError("OPTION_INVALID", `the limit tokensPerDay is ${tokensPerDay}; give a whole number.`);
  if (typeof costUsdPerDay === "number" && !Number.isSafeInteger(nanoUsdOf(costUsdPerDay)))
    throw new PawlError("OPTION_INVALID", `the limit costUsdPerDay is ${costUsdPerDay}; give less than 9,000,000.`);
}
