import type { Clock } from "../core/clock.ts";
import { errorRecord, PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { FailedAttempt, ModelEndpoint, ModelSource, NextAttempt } from "../core/model-contract.ts";
import type { Price } from "../core/usage.ts";
import { anthropicDriver } from "./anthropic.ts";
import { defaultDeadlines, withDeadlines, type Deadlines } from "./deadlines.ts";
import { googleDriver } from "./google.ts";
import { nearestRoute } from "./nearest-route.ts";
import { offlineEndpoint } from "./offline.ts";
import { openaiDriver } from "./openai.ts";
import { priceLookup, type PriceBookOptions } from "./price-book.ts";
import { aliasOf, knownRoutes } from "./price-table.ts";
import type { ProviderDriver, ProviderSettings } from "./provider-driver.ts";
import {
  baseUrlOf,
  builtinDrivers,
  checkedKey,
  keyFromEnvironment,
  own,
  placeOf,
  providerEndpoint,
  variablesOf,
  type Environment,
  type Place,
} from "./provider-endpoint.ts";
import { decideRetry, defaultRetry, type RetryBounds } from "./retry.ts";
import { wallClock } from "./wall-clock.ts";

export interface ModelSourceOptions {
  /** Settings by provider. A name that is not built in is an OpenAI-compatible host and needs a `baseUrl`. */
  readonly providers?: { readonly [provider: string]: ProviderSettings };
  /** Endpoints of your own, found by their name. They go before everything else. */
  readonly endpoints?: readonly ModelEndpoint[];
  /** Where keys and base URLs are read, each when it is first needed. Default: the process's environment. */
  readonly env?: Environment;
  readonly clock?: Clock;
  readonly deadlines?: Partial<Deadlines>;
  readonly retry?: Partial<RetryBounds>;
  /** Prices by route, before the override file and the built-in ones. */
  readonly prices?: { readonly [route: string]: Price };
  /** File of prices by route; default `pawl.prices.json` of the current folder, where there is one. */
  readonly pricesFile?: string;
  /** Other names for routes, before the built-in ones. */
  readonly aliases?: { readonly [route: string]: string };
}

/** Endpoints that need neither a key nor a provider. */
const keylessEndpoints: readonly (() => ModelEndpoint)[] = [offlineEndpoint];

/**
 * Models by route, `provider/model`: `openai/…`, `anthropic/…`, `google/…`, `openai-compatible/…`, hosts and endpoints
 * that the options name, and `offline/extractive`, which needs no key. Attempts follow `retry`, each of them `deadlines`.
 */
export function modelSource(options: ModelSourceOptions = {}): ModelSource {
  const setup = setupOf(options);
  const known = new Map<string, ModelEndpoint>();
  const endpointFor = (route: string): ModelEndpoint => {
    const cached = known.get(route);
    if (cached !== undefined) return cached;
    const endpoint = withDeadlines(resolveRoute(route, setup), setup.deadlines, setup.clock);
    if (known.size >= limits.modelRoutes) known.clear();
    known.set(route, endpoint);
    return endpoint;
  };
  return {
    next: (route, failed, random) => nextAttempt(route, failed, random, { endpointFor, retry: setup.retry }),
    check: (route) => void endpointFor(route),
    priceOf: (route) => priceOf(route, endpointFor),
  };
}

function pricesOf({ prices, pricesFile }: ModelSourceOptions): PriceBookOptions {
  return { ...(prices && { prices }), ...(pricesFile !== undefined && { file: pricesFile }) };
}

function priceOf(route: string, endpointFor: (route: string) => ModelEndpoint): Price | null {
  try {
    return endpointFor(route).price;
  } catch {
    // a route that leads nowhere has no price; what is wrong with it is said where it is asked
    return null;
  }
}

interface Setup {
  readonly options: ModelSourceOptions;
  readonly env: Environment;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly retry: RetryBounds;
}

function setupOf(options: ModelSourceOptions): Setup {
  return {
    options,
    env: options.env ?? process.env,
    clock: options.clock ?? wallClock,
    deadlines: { ...defaultDeadlines, ...options.deadlines },
    retry: { ...defaultRetry, ...options.retry },
  };
}

function nextAttempt(
  route: string,
  failed: readonly FailedAttempt[],
  random: number,
  { endpointFor, retry }: { readonly endpointFor: (route: string) => ModelEndpoint; readonly retry: RetryBounds },
): NextAttempt {
  let endpoint: ModelEndpoint;
  try {
    endpoint = endpointFor(route);
  } catch (error) {
    return { type: "give-up", error: errorRecord(error, "MODEL_UNKNOWN") };
  }
  const decision = decideRetry(failed, random, retry);
  return decision.type === "give-up" ? decision : { type: "try", endpoint, waitMs: decision.waitMs };
}

function resolveRoute(asked: string, setup: Setup): ModelEndpoint {
  const { options, env, clock } = setup;
  const route = own(options.aliases, asked) ?? aliasOf(asked);
  const custom = options.endpoints?.find((endpoint) => endpoint.name === route);
  if (custom !== undefined) return custom;
  const keyless = keylessEndpoints.find((endpoint) => endpoint().name === route);
  if (keyless !== undefined) return keyless();
  const slash = route.indexOf("/");
  const [provider, model] = slash < 0 ? [route, ""] : [route.slice(0, slash), route.slice(slash + 1)];
  const place = placeOf(provider, model, own(options.providers, provider));
  if (place === null) throw unknownRoute(asked, setup);
  const key = keyOf(place, setup);
  return providerEndpoint(place, {
    name: route,
    key: { name: key.name, read: () => key.value },
    baseUrl: baseUrlOf(place, env, `providers.${provider}.baseUrl`),
    price: priceLookup(pricesOf(options))(route, clock.nowMs()),
    opaqueTo: provider,
    clock,
  });
}

/** The key as it is now; a missing one is said before anything is sent. */
function keyOf(place: Place, { env }: Setup): { readonly name: string; readonly value: string | null } {
  const { provider, driver, settings } = place;
  const option = `providers.${provider}.apiKey`;
  const fromOption = settings.apiKey?.trim();
  if (fromOption !== undefined && fromOption !== "") return { name: option, value: checkedKey(option, fromOption) };
  const variables = variablesOf(place).keys;
  const found = fromOption === undefined ? keyFromEnvironment(variables, env) : null;
  if (found !== null) return found;
  const name = fromOption === undefined ? (variables[0] ?? "") : option;
  if (!driver.needsKey) return { name, value: null };
  throw new PawlError(
    "MODEL_KEY_MISSING",
    `"${provider}/${place.model}" needs a key: set ${variables.join(" or ")}, or the option ${option}. ` +
      `"offline/extractive" needs none.`,
  );
}

function unknownRoute(route: string, { options }: Setup): PawlError {
  const custom = (options.endpoints ?? []).map((endpoint) => endpoint.name);
  const providers = [...new Set([...Object.keys(builtinDrivers), ...Object.keys(options.providers ?? {})])].map(
    (name) => `${name}/…`,
  );
  const near = nearestRoute(route, [
    ...custom,
    ...Object.keys(options.aliases ?? {}),
    "offline/extractive",
    ...knownRoutes(),
  ]);
  const hint = near === null ? "" : ` Did you mean "${near}"?`;
  const allowed = [...providers, "offline/extractive", ...custom].join(", ");
  return new PawlError(
    "MODEL_UNKNOWN",
    `no model "${route.slice(0, 200)}". A model is named provider/model: ${allowed}.${hint}`,
  );
}

/** The model to use where nobody named one: of the first provider whose key is set, else the offline one. */
export function defaultRoute(env: Environment = process.env): string {
  const isSet = (driver: ProviderDriver): boolean =>
    driver.keyVariables.some((name) => (env[name] ?? "").trim() !== "");
  if (isSet(anthropicDriver)) return "anthropic/claude-sonnet-latest";
  if (isSet(openaiDriver)) return "openai/gpt-latest";
  if (isSet(googleDriver)) return "google/gemini-4-argon";
  return "offline/extractive";
}
