import { isDeepStrictEqual } from "node:util";
import { crcText } from "../core/hash.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { ModelEndpoint, ResponseCache } from "../core/model-contract.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { Percentile } from "./latency.ts";
import { Member, type MemberOptions, type MemberSetup } from "./pool-member.ts";
import { isOwnEndpoint, nameOf, type EndpointOptions, type PoolOptions, type RouteOptions } from "./pool-options.ts";
import {
  baseUrlOf,
  checkedKey,
  keyFromEnvironment,
  placeOf,
  providerEndpoint,
  variablesOf,
  type Environment,
  type Key,
  type Place,
} from "./provider-endpoint.ts";
import { aliasOf } from "./price-table.ts";
import { localRates } from "./rate-limit.ts";
import { defaultRetry, type RetryBounds } from "./retry.ts";
import { RetryBudget } from "./retry-budget.ts";
import { shownUrl } from "./sdk-endpoint.ts";
import { pooledFetch } from "./transport.ts";
import { wallClock } from "./wall-clock.ts";

/** What all endpoints of a pool share. */
export interface PoolSetup extends MemberSetup {
  readonly env: Environment;
  readonly retry: RetryBounds;
  readonly budget: RetryBudget;
}

export interface PoolRoute {
  readonly name: string;
  /** The route that an endpoint is under its own name. */
  readonly isImplicit: boolean;
  readonly primaries: readonly Member[];
  readonly fallbacks: readonly Member[];
  /** Endpoints as this route uses them, by name. */
  readonly views: ReadonlyMap<string, ModelEndpoint>;
  readonly hedge: RouteOptions["hedge"];
  readonly firstParts: Percentile;
}

export function setupOf({ endpoints, bounds, on }: PoolOptions): PoolSetup {
  const configured = endpoints.map((given) =>
    isOwnEndpoint(given) ? { name: given.name } : { ...given, name: nameOf(given) },
  );
  return {
    env: on?.env ?? process.env,
    clock: on?.clock ?? wallClock,
    random: on?.random ?? Math.random,
    rates: typeof on?.rates === "function" ? on.rates(configured) : (on?.rates ?? localRates(configured)),
    queueMax: bounds?.queueMax ?? limits.poolQueue,
    queueMs: bounds?.queueMs ?? limits.poolQueueMs,
    retry: { ...defaultRetry, ...bounds?.retry },
    budget: new RetryBudget({
      share: limits.poolRetryShare,
      inHand: limits.poolRetriesInHand,
      ...bounds?.retryBudget,
    }),
  };
}

/** An endpoint and the options that it was made of. */
export interface KnownMember {
  readonly member: Member;
  readonly given: EndpointOptions | ModelEndpoint;
  readonly bounds: PoolOptions["bounds"];
}

/** The endpoints of these options. One that did not change is the same as before, with all that is known of it. */
export function membersOf(
  options: PoolOptions,
  setup: PoolSetup,
  before: ReadonlyMap<string, KnownMember>,
): ReadonlyMap<string, KnownMember> {
  const { bounds } = options;
  return new Map(
    options.endpoints.map((given): readonly [string, KnownMember] => {
      const name = nameOf(given);
      const known = before.get(name);
      if (known !== undefined && isSame(known.given, given) && isDeepStrictEqual(known.bounds, bounds)) {
        known.member.renew();
        return [name, known];
      }
      const made = isOwnEndpoint(given)
        ? ownEndpoint(given)
        : addressed(name, given, options, { setup, onHeaders: (headers) => member.learnRates(headers) });
      const member: Member = new Member(made, setup);
      return [name, { member, given, bounds }];
    }),
  );
}

/** The routes of these options, and one for each endpoint under its own name. */
export function routesOf(
  { endpoints, routes, bounds }: PoolOptions,
  members: ReadonlyMap<string, KnownMember>,
  before: ReadonlyMap<string, PoolRoute>,
): ReadonlyMap<string, PoolRoute> {
  const named = (names: readonly string[]): readonly Member[] =>
    names.map((name) => members.get(name)?.member).filter((member) => member !== undefined);
  const built = (name: string, route: RouteOptions, isImplicit: boolean): readonly [string, PoolRoute] => {
    const primaries = named(route.endpoints);
    const fallbacks = named(route.fallbacks ?? []);
    const deadlines = { ...bounds?.deadlines, ...route.deadlines };
    const firstParts = before.get(name)?.firstParts ?? new Percentile();
    const views = viewsOf([...primaries, ...fallbacks], deadlines, firstParts, route.cache);
    return [name, { name, isImplicit, primaries, fallbacks, views, hedge: route.hedge, firstParts }];
  };
  return new Map([
    ...endpoints.map((given) => built(nameOf(given), { endpoints: [nameOf(given)] }, true)),
    ...Object.entries(routes ?? {}).map(([name, route]) => built(name, route, false)),
  ]);
}

function viewsOf(
  members: readonly Member[],
  deadlines: Partial<Deadlines>,
  firstParts: Percentile,
  cache: ResponseCache | undefined,
): ReadonlyMap<string, ModelEndpoint> {
  const kept = cache === undefined ? {} : { cache };
  return new Map(members.map((member) => [member.name, { ...member.seenBy(deadlines, firstParts), ...kept }]));
}

function ownEndpoint(endpoint: ModelEndpoint): MemberOptions {
  return {
    endpoint,
    weight: 1,
    inFlightMax: limits.modelConnections,
    requestsPerMinute: null,
    tokensPerMinute: null,
    shownUrl: "code of your own",
    problem: () => null,
    renew: () => undefined,
  };
}

function addressed(
  name: string,
  given: EndpointOptions,
  options: PoolOptions,
  { setup, onHeaders }: { readonly setup: PoolSetup; readonly onHeaders: (headers: Headers) => void },
): MemberOptions {
  const at = given.at ?? {};
  const { key: keyReference, account, ...settings } = at;
  // `claude-sonnet-latest` and its like are names of ours: the provider is asked for what they stand for
  const model = aliasOf(`${given.provider}/${given.model}`).slice(given.provider.length + 1);
  const place = placeOf(given.provider, model, {
    ...settings,
    fetch: heard(settings.fetch ?? pooledFetch, onHeaders),
  });
  if (place === null) throw new PawlError("INTERNAL", `the pool's endpoint "${name}" was not checked.`);
  const baseUrl = baseUrlOf(place, setup.env, `at.baseUrl of endpoint "${name}"`);
  const key = keyOf(place, { name, env: setup.env, secret: options.secret, reference: keyReference });
  return {
    endpoint: providerEndpoint(place, {
      name,
      key,
      baseUrl,
      price: given.price,
      opaqueTo: opaqueToOf(place, { account, baseUrl, keyName: key.name }),
      clock: setup.clock,
    }),
    weight: given.weight ?? 1,
    inFlightMax: given.inFlightMax ?? limits.modelConnections,
    requestsPerMinute: given.requestsPerMinute ?? null,
    tokensPerMinute: given.tokensPerMinute ?? null,
    shownUrl: shownUrl(baseUrl),
    problem: key.problem,
    renew: key.renew,
  };
}

/** The same `fetch`, with somebody who reads the headers of what comes back. */
function heard(fetch: Fetch, onHeaders: (headers: Headers) => void): Fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    onHeaders(response.headers);
    return response;
  };
}

interface PoolKey extends Key {
  readonly problem: () => PawlError | null;
  readonly renew: () => void;
}

function keyOf(
  place: Place,
  on: {
    readonly name: string;
    readonly env: Environment;
    readonly secret: PoolOptions["secret"];
    readonly reference: NonNullable<EndpointOptions["at"]>["key"];
  },
): PoolKey {
  const { reference, secret } = on;
  if (reference !== undefined && "secret" in reference && secret !== undefined)
    return secretKey(reference.secret, secret);
  const variables = reference !== undefined && "env" in reference ? [reference.env] : variablesOf(place).keys;
  const isNeeded = reference !== undefined || place.driver.needsKey;
  const missing = (): PawlError =>
    new PawlError(
      "MODEL_KEY_MISSING",
      `endpoint "${on.name}" needs a key: set ${variables.join(" or ")}, or name another with at.key.`,
    );
  let isKnown = false;
  let age = 0;
  return {
    name: variables[0] ?? "",
    age: () => age,
    renew() {
      isKnown = false;
      age++;
    },
    read() {
      const found = keyFromEnvironment(variables, on.env);
      if (found === null && isNeeded) throw missing();
      return found?.value ?? null;
    },
    problem() {
      if (isKnown || !isNeeded) return null;
      try {
        isKnown = keyFromEnvironment(variables, on.env) !== null;
      } catch (error) {
        return PawlError.is(error) ? error : missing();
      }
      return isKnown ? null : missing();
    },
  };
}

/** What a hook throws is not shown: it may quote the secret. */
function secretKey(name: string, secret: NonNullable<PoolOptions["secret"]>): PoolKey {
  const shown = `secret "${name}"`;
  let age = 0;
  return {
    name: shown,
    age: () => age,
    renew: () => void age++,
    problem: () => null,
    async read() {
      try {
        return checkedKey(shown, await secret(name));
      } catch (error) {
        if (PawlError.is(error)) throw error;
        const kind = error instanceof Error ? error.name : typeof error;
        throw new PawlError(
          "MODEL_KEY_MISSING",
          `the pool's hook \`secret\` failed for ${shown} (${kind}). Look there.`,
        );
      }
    },
  };
}

/** Who can read the opaque data of an endpoint's answers: its provider, or one account of it. */
function opaqueToOf(
  { provider, driver }: Place,
  at: { readonly account: string | undefined; readonly baseUrl: string; readonly keyName: string },
): string {
  if (at.account !== undefined) return `${provider} ${at.account}`;
  const isUsual = at.baseUrl === driver.baseUrl && driver.keyVariables[0] === at.keyName;
  if (isUsual || driver.traits.bindsToAccount !== true) return provider;
  return `${provider} ${crcText(`${at.keyName} ${at.baseUrl}`)}`;
}

function isSame(a: EndpointOptions | ModelEndpoint | undefined, b: EndpointOptions | ModelEndpoint): boolean {
  if (a === undefined || isOwnEndpoint(a) || isOwnEndpoint(b)) return a === b;
  return a.at?.fetch === b.at?.fetch && isDeepStrictEqual(a, b);
}
