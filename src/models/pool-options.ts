import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ModelEndpoint, ResponseCache } from "../core/model-contract.ts";
import type { Price } from "../core/usage.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { nearestRoute } from "./nearest-route.ts";
import { baseUrlOf, builtinDrivers, placeOf, type Environment } from "./provider-endpoint.ts";
import type { ConfiguredRates, RateLimiter } from "./rate-limit.ts";
import type { RetryBounds } from "./retry.ts";
import type { RetryBudgetBounds } from "./retry-budget.ts";

/** Where a key is: a variable of the environment, or a name that the pool's `secret` hook is asked for. */
export type KeyReference = { readonly env: string } | { readonly secret: string };

/** One model address with its limits. */
export interface EndpointOptions {
  /** Unique in the pool; default `provider/model`. */
  readonly name?: string;
  /** `openai`, `anthropic`, `google`, `openai-compatible`, or a name of your own for an OpenAI-compatible `baseUrl`. */
  readonly provider: string;
  readonly model: string;
  readonly at?: EndpointAddress;
  /** Share of the calls beside the others of its route; default 1. */
  readonly weight?: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  /** Calls at once; default limits.modelConnections. */
  readonly inFlightMax?: number;
  /** Instead of the table's; null = unpriced. */
  readonly price?: Price | null;
}

/** How an endpoint is reached, where it is not the provider's usual way. */
export interface EndpointAddress {
  readonly baseUrl?: string;
  /** Default: the provider's variable. */
  readonly key?: KeyReference;
  /** Sent with every request: of a proxy such as Helicone, or a gateway. */
  readonly headers?: { readonly [name: string]: string };
  readonly options?: JsonObject;
  readonly api?: "responses" | "chat";
  readonly contextTokens?: number;
  readonly fetch?: Fetch;
  /**
   * Endpoints of one account can read each other's encrypted reasoning. Default: the key's name and the base URL where
   * the provider binds it to an account (OpenAI), else the provider.
   */
  readonly account?: string;
}

export interface RouteOptions {
  /** Names of endpoints among which calls are balanced. */
  readonly endpoints: readonly string[];
  /** Names of endpoints that are asked, in this order, when none of the others can answer. */
  readonly fallbacks?: readonly string[];
  readonly deadlines?: Partial<Deadlines>;
  /** Ask a second endpoint when the first has said nothing after so long; `p95` = of the route's own first parts. */
  readonly hedge?: { readonly afterMs: number | "p95" };
  /** Keep answers: an equal request of the same tenant within `ttlMs` is answered at no cost, at temperature 0. */
  readonly cache?: ResponseCache;
}

export interface PoolOptions {
  /** Addresses, and endpoints of your own (any object with `name`, `price`, `countTokens` and `generate`). */
  readonly endpoints: readonly (EndpointOptions | ModelEndpoint)[];
  /** What agents ask for. Every endpoint is also a route under its own name. */
  readonly routes?: { readonly [route: string]: RouteOptions };
  /** Reads secrets by name: asked when a key is first needed, and again after a provider refused it. */
  readonly secret?: (name: string) => string | Promise<string>;
  readonly bounds?: PoolBounds;
  /** What the pool runs on. */
  readonly on?: PoolEnvironment;
}

export interface PoolBounds {
  readonly deadlines?: Partial<Deadlines>;
  readonly retry?: Partial<RetryBounds>;
  readonly retryBudget?: Partial<RetryBudgetBounds>;
  /** Calls that may wait for one endpoint, and how long. */
  readonly queueMax?: number;
  readonly queueMs?: number;
}

export interface PoolEnvironment {
  readonly env?: Environment;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Default: buckets of this process. `sharedRates(store)` makes some that workers share. */
  readonly rates?: RateLimiter | ((endpoints: readonly ConfiguredRates[]) => RateLimiter);
}

export function isOwnEndpoint(given: EndpointOptions | ModelEndpoint): given is ModelEndpoint {
  return "generate" in given;
}

export function nameOf(given: EndpointOptions | ModelEndpoint): string {
  return given.name ?? `${given.provider}/${given.model}`;
}

/** @throws OPTION_INVALID  the first thing that is wrong, by its name */
export function checkPool(options: PoolOptions): void {
  const { endpoints, routes, on, bounds } = options;
  if (endpoints.length === 0) throw wrong("has no endpoint. Name at least one: { provider, model }");
  if (endpoints.length > limits.poolEndpoints)
    throw wrong(`has ${endpoints.length} endpoints; at most ${limits.poolEndpoints} are allowed`);
  const names = new Set<string>();
  for (const given of endpoints) {
    const name = nameOf(given);
    if (names.has(name)) throw wrong(`has two endpoints named "${name}". Give one of them another \`name\``);
    names.add(name);
    if (isOwnEndpoint(given)) continue;
    checkEndpoint(name, given, on?.env ?? process.env);
    const key = given.at?.key;
    if (key !== undefined && "secret" in key && options.secret === undefined)
      throw wrong(`endpoint "${name}" has its key in the secret "${key.secret}", but the pool has no hook \`secret\``);
  }
  positive("bounds", "queueMax", bounds?.queueMax, "or leave it out");
  positive("bounds", "queueMs", bounds?.queueMs, "in ms");
  for (const [route, options] of Object.entries(routes ?? {})) checkRoute(route, options, names);
}

function checkEndpoint(name: string, given: EndpointOptions, env: Environment): void {
  const what = `endpoint "${name}"`;
  const place = placeOf(given.provider, given.model, given.at?.baseUrl === undefined ? undefined : {});
  if (place === null) {
    const known = Object.keys(builtinDrivers);
    const near = nearestRoute(given.provider, known);
    const problem =
      place === null && known.includes(given.provider)
        ? `names the model ${JSON.stringify(given.model).slice(0, 100)}, which no provider has`
        : `names the unknown provider "${given.provider.slice(0, 100)}". There are: ${known.join(", ")}, or any name with an OpenAI-compatible at.baseUrl${near === null ? "" : `. Did you mean "${near}"?`}`;
    throw wrong(`${what} ${problem}`);
  }
  baseUrlOf({ ...place, settings: given.at ?? {} }, env, `at.baseUrl of ${what}`);
  positive(what, "weight", given.weight, "or leave the endpoint out");
  positive(what, "requestsPerMinute", given.requestsPerMinute, "or leave it out where no limit is known");
  positive(what, "tokensPerMinute", given.tokensPerMinute, "or leave it out where no limit is known");
  positive(what, "inFlightMax", given.inFlightMax, "or leave it out");
  for (const [rate, value] of Object.entries({ ...given.price?.longPrompt, ...given.price })) {
    if (typeof value === "number" && !(value >= 0 && Number.isFinite(value)))
      throw wrong(`${what} has the price ${rate} ${value}. Use USD per million tokens from 0, or null for unpriced`);
  }
}

function checkRoute(route: string, options: RouteOptions, names: ReadonlySet<string>): void {
  const what = `route "${route}"`;
  if (names.has(route)) throw wrong(`${what} has the name of an endpoint. Rename one of them`);
  if (options.endpoints.length === 0) throw wrong(`${what} has no endpoint. Name at least one of: ${list(names)}`);
  const all = [...options.endpoints, ...(options.fallbacks ?? [])];
  for (const name of all) {
    if (names.has(name)) continue;
    const near = nearestRoute(name, [...names]);
    throw wrong(
      `${what} names the endpoint "${name}", which does not exist. There are: ${list(names)}${near === null ? "" : `. Did you mean "${near}"?`}`,
    );
  }
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice !== undefined) throw wrong(`${what} names the endpoint "${twice}" twice. Raise its weight instead`);
  const afterMs = options.hedge?.afterMs;
  if (afterMs !== undefined && afterMs !== "p95") positive(what, "hedge.afterMs", afterMs, 'or "p95"');
  positive(what, "cache.ttlMs", options.cache?.ttlMs, "in ms");
  for (const [name, value] of Object.entries(options.deadlines ?? {}))
    positive(what, `deadlines.${name}`, value, "in ms");
}

function positive(what: string, name: string, value: number | undefined, otherwise: string): void {
  if (value === undefined || (Number.isFinite(value) && value > 0)) return;
  throw wrong(`${what} has ${name} ${value}. Use a number above 0, ${otherwise}`);
}

function list(names: ReadonlySet<string>): string {
  return [...names].slice(0, 20).join(", ");
}

function wrong(problem: string): PawlError {
  return new PawlError("OPTION_INVALID", `pool: ${problem}.`);
}
