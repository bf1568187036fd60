import { PawlError } from "../core/errors.ts";
import type { Clock } from "../core/clock.ts";
import type { ModelEndpoint } from "../core/model-contract.ts";
import type { Price } from "../core/usage.ts";
import { anthropicDriver } from "./anthropic.ts";
import { googleDriver } from "./google.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { openaiCompatibleDriver } from "./openai-compatible.ts";
import { openaiDriver } from "./openai.ts";
import { knownModel, priceLookup } from "./price-book.ts";
import type { Connection, ProviderDriver, ProviderSettings } from "./provider-driver.ts";
import { sdkEndpoint } from "./sdk-endpoint.ts";
import { pooledFetch } from "./transport.ts";

export type Environment = { readonly [name: string]: string | undefined };

export const builtinDrivers: { readonly [provider: string]: ProviderDriver } = {
  openai: openaiDriver,
  anthropic: anthropicDriver,
  google: googleDriver,
  "openai-compatible": openaiCompatibleDriver,
};

/** One model of one provider, before anything is known of its key. */
export interface Place {
  readonly provider: string;
  readonly model: string;
  readonly driver: ProviderDriver;
  readonly settings: ProviderSettings;
  readonly isBuiltin: boolean;
}

/** A key by the name that messages may show; read when a request first needs it, and again after it was refused. */
export interface Key {
  readonly name: string;
  read(): string | null | Promise<string | null>;
  /** Rises when it must be read again. */
  age?(): number;
}

/** What an endpoint is beside its place. */
export interface EndpointTraits {
  readonly name: string;
  readonly key: Key;
  readonly baseUrl: string;
  readonly price: Price | null | undefined;
  /** Who can read the opaque data of its answers: usually its provider. */
  readonly opaqueTo: string;
  readonly clock: Clock;
}

/** The place of `provider/model`; null where no driver speaks to such a provider. */
export function placeOf(provider: string, model: string, settings: ProviderSettings | undefined): Place | null {
  const builtin = own(builtinDrivers, provider);
  const driver = builtin ?? (settings === undefined ? undefined : openaiCompatibleDriver);
  if (driver === undefined || !/^[\x21-\x7e]{1,200}$/.test(model)) return null;
  return { provider, model, driver, settings: settings ?? {}, isBuiltin: builtin !== undefined };
}

export function providerEndpoint(place: Place, traits: EndpointTraits): ModelEndpoint {
  const { provider, model, driver, settings } = place;
  const { key, baseUrl } = traits;
  const [route, now] = [`${provider}/${model}`, traits.clock.nowMs()];
  const secrets = Object.values(settings.headers ?? {});
  const connect = async (): Promise<Connection> => {
    const apiKey = await key.read();
    if (apiKey !== null && !secrets.includes(apiKey)) secrets.push(apiKey);
    return { baseUrl, apiKey, settings };
  };
  return sdkEndpoint({
    name: traits.name,
    provider,
    model,
    baseUrl,
    keyName: key.name,
    secrets,
    price: traits.price === undefined ? priceLookup()(route, now) : traits.price,
    contextTokens: knownModel(route, now).contextTokens ?? settings.contextTokens ?? null,
    traits: { ...driver.traits, provider: traits.opaqueTo },
    tokenFactor: driver.tokenFactor,
    fetch: settings.fetch ?? pooledFetch,
    clock: traits.clock,
    keyAge: () => key.age?.() ?? 0,
    load: async (fetch: Fetch) => driver.load(await connect(), model, fetch),
    chat: async () => driver.chat?.(await connect(), model) ?? null,
    adapt: (call, request) => driver.adapt(call, request, { model, settings }),
  });
}

/** @throws MODEL_KEY_MISSING  it cannot be sent in a header. The message names the key, never shows it. */
export function checkedKey(name: string, value: string): string {
  // Keys are trimmed, because a file or a shell adds line ends that no header takes.
  const trimmed = value.trim();
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw new PawlError(
    "MODEL_KEY_MISSING",
    `the key in ${name} cannot be sent: it holds spaces or characters that are not ASCII. Set it again, without quotes.`,
  );
}

/** The first of a driver's variables that is set; null where none is. */
export function keyFromEnvironment(
  variables: readonly string[],
  env: Environment,
): { readonly name: string; readonly value: string } | null {
  const found = variables.find((variable) => (env[variable] ?? "").trim() !== "");
  return found === undefined ? null : { name: found, value: checkedKey(found, env[found] ?? "") };
}

/** Variables that may hold the key of a provider, and the one that may hold its base URL. */
export function variablesOf({ provider, driver, isBuiltin }: Place): {
  readonly keys: readonly string[];
  readonly baseUrl: string;
} {
  const stem = provider.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
  return isBuiltin
    ? { keys: driver.keyVariables, baseUrl: driver.baseUrlVariable }
    : { keys: [`${stem}_API_KEY`], baseUrl: `${stem}_BASE_URL` };
}

/**
 * Where a provider's API is: as given, by its variable, or where it usually is.
 * @param where names the option in messages
 * @throws OPTION_INVALID
 */
export function baseUrlOf(place: Place, env: Environment, where: string): string {
  const { provider, driver, settings, isBuiltin } = place;
  const variable = variablesOf(place).baseUrl;
  const fromEnv = env[variable]?.trim();
  const given = settings.baseUrl ?? (fromEnv === "" ? undefined : fromEnv) ?? (isBuiltin ? driver.baseUrl : null);
  const places = `${variable} or the option ${where}`;
  if (given === null) {
    throw new PawlError(
      "OPTION_INVALID",
      `"${provider}" has no base URL. Set ${places}, e.g. http://localhost:11434/v1 for Ollama.`,
    );
  }
  const url = URL.canParse(given) ? new URL(given) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new PawlError("OPTION_INVALID", `the base URL of "${provider}" is not an http(s) URL. Correct ${places}.`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new PawlError(
      "OPTION_INVALID",
      `the base URL of "${provider}" holds a user name or password. Send them as a header instead.`,
    );
  }
  return (url.pathname === "/" ? `${url.origin}${driver.basePath}` : given).replace(/\/+$/, "");
}

export function own<T>(table: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
