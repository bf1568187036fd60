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
import { openaiCompatibleDriver } from "./openai-compatible.ts";
import { openaiDriver } from "./openai.ts";
import { aliasOf, knownModel, knownRoutes } from "./price-table.ts";
import type { Connection, ProviderDriver, ProviderSettings } from "./provider-driver.ts";
import { decideRetry, defaultRetry, type RetryBounds } from "./retry.ts";
import { sdkEndpoint } from "./sdk-endpoint.ts";
import { wallClock } from "./wall-clock.ts";

export type Environment = { readonly [name: string]: string | undefined };

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
  /** Prices by route, before the built-in table. */
  readonly prices?: { readonly [route: string]: Price };
  /** Other names for routes, before the built-in ones. */
  readonly aliases?: { readonly [route: string]: string };
}

const builtin: { readonly [provider: string]: ProviderDriver } = {
  openai: openaiDriver,
  anthropic: anthropicDriver,
  google: googleDriver,
  "openai-compatible": openaiCompatibleDriver,
};

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
  };
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
  const { options } = setup;
  const route = own(options.aliases, asked) ?? aliasOf(asked);
  const custom = options.endpoints?.find((endpoint) => endpoint.name === route);
  if (custom !== undefined) return custom;
  const keyless = keylessEndpoints.find((endpoint) => endpoint().name === route);
  if (keyless !== undefined) return keyless();
  const slash = route.indexOf("/");
  const [provider, model] = slash < 0 ? [route, ""] : [route.slice(0, slash), route.slice(slash + 1)];
  const settings = own(options.providers, provider);
  const driver = own(builtin, provider) ?? (settings === undefined ? undefined : openaiCompatibleDriver);
  if (driver === undefined || model === "" || !/^[\x21-\x7e]{1,200}$/.test(model)) throw unknownRoute(asked, setup);
  return providerEndpoint(
    { provider, model, driver, settings: settings ?? {}, isBuiltin: own(builtin, provider) !== undefined },
    setup,
  );
}

interface Place {
  readonly provider: string;
  readonly model: string;
  readonly driver: ProviderDriver;
  readonly settings: ProviderSettings;
  readonly isBuiltin: boolean;
}

function providerEndpoint(place: Place, setup: Setup): ModelEndpoint {
  const { provider, model, driver, settings } = place;
  const name = `${provider}/${model}`;
  const key = keyOf(place, setup);
  const connection: Connection = { baseUrl: baseUrlOf(place, setup), apiKey: key.value, settings };
  const facts = knownModel(name);
  return sdkEndpoint({
    provider,
    model,
    baseUrl: connection.baseUrl,
    keyName: key.name,
    secrets: [...(key.value === null ? [] : [key.value]), ...Object.values(settings.headers ?? {})],
    price: own(setup.options.prices, name) ?? facts.price,
    contextTokens: facts.contextTokens ?? settings.contextTokens ?? null,
    traits: { ...driver.traits, provider },
    tokenFactor: driver.tokenFactor,
    fetch: settings.fetch ?? globalThis.fetch,
    clock: setup.clock,
    load: (fetch) => driver.load(connection, model, fetch),
    adapt: (call, request) => driver.adapt(call, request, { model, settings }),
  });
}

/** Keys are trimmed, because a file or a shell adds line ends that no header takes. */
function keyOf(place: Place, { env }: Setup): { readonly name: string; readonly value: string | null } {
  const { provider, driver, settings } = place;
  const variables = place.isBuiltin ? driver.keyVariables : [`${variableOf(provider)}_API_KEY`];
  const found = variables.find((variable) => (env[variable] ?? "").trim() !== "");
  const fromOption = settings.apiKey?.trim();
  const name = fromOption === undefined ? (found ?? variables[0] ?? "") : `providers.${provider}.apiKey`;
  const value = fromOption ?? (found === undefined ? "" : (env[found] ?? "").trim());
  if (value === "" && !driver.needsKey) return { name, value: null };
  if (value === "") {
    throw new PawlError(
      "MODEL_KEY_MISSING",
      `"${provider}/${place.model}" needs a key: set ${variables.join(" or ")}, or the option providers.${provider}.apiKey. ` +
        `"offline/extractive" needs none.`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(value)) {
    throw new PawlError(
      "MODEL_KEY_MISSING",
      `the key in ${name} cannot be sent: it holds spaces or characters that are not ASCII. Set it again, without quotes.`,
    );
  }
  return { name, value };
}

function baseUrlOf({ provider, driver, settings, isBuiltin }: Place, { env }: Setup): string {
  const variable = isBuiltin ? driver.baseUrlVariable : `${variableOf(provider)}_BASE_URL`;
  const fromEnv = env[variable]?.trim();
  const given = settings.baseUrl ?? (fromEnv === "" ? undefined : fromEnv) ?? (isBuiltin ? driver.baseUrl : null);
  const where = `${variable} or the option providers.${provider}.baseUrl`;
  if (given === null) {
    throw new PawlError(
      "OPTION_INVALID",
      `"${provider}" has no base URL. Set ${where}, e.g. http://localhost:11434/v1 for Ollama.`,
    );
  }
  const url = URL.canParse(given) ? new URL(given) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new PawlError("OPTION_INVALID", `the base URL of "${provider}" is not an http(s) URL. Correct ${where}.`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new PawlError(
      "OPTION_INVALID",
      `the base URL of "${provider}" holds a user name or password. Send them as a header instead.`,
    );
  }
  return (url.pathname === "/" ? `${url.origin}${driver.basePath}` : given).replace(/\/+$/, "");
}

function variableOf(provider: string): string {
  return provider.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

function unknownRoute(route: string, { options }: Setup): PawlError {
  const custom = (options.endpoints ?? []).map((endpoint) => endpoint.name);
  const providers = [...new Set([...Object.keys(builtin), ...Object.keys(options.providers ?? {})])].map(
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

function own<T>(table: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
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
