import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { errorText, parseJson } from "../core/json.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { nearest } from "../core/nearest.ts";
import type { Price } from "../core/usage.ts";
import { genaiPrice } from "./genai-prices.ts";
import { aliasOf, listedModel, noProviderPrice, type KnownModel } from "./price-table.ts";

export interface PriceBookOptions {
  /** Prices by route, before everything else. */
  readonly prices?: { readonly [route: string]: Price };
  /** A file of such prices; default `pawl.prices.json` of the current folder, where there is one. */
  readonly file?: string;
}

/** Price of a route at a time, ms since 1970; null = unpriced, never 0. */
export type PriceLookup = (route: string, at: number) => Price | null;

const FILE = "pawl.prices.json";
const FILE_BYTES_MAX = 4_194_304;

const usd = z.number().nonnegative().finite();
const rates = {
  inputUsd: usd,
  cachedInputUsd: usd.optional(),
  cacheWriteUsd: usd.optional(),
  outputUsd: usd,
};
const priceFile = z.record(
  z.string().regex(/^[^/\s]+\/\S+$/, "a route is provider/model"),
  z.strictObject({
    ...rates,
    longPrompt: z.strictObject({ ...rates, aboveTokens: z.int().positive() }).optional(),
    source: z.string().min(1).max(200).optional(),
    date: z.iso.date(),
  }),
);

/**
 * Prices by route: those of the options, then those of the override file, then the table that was read by hand from the
 * providers' pages, then `@pydantic/genai-prices`. Each says its source and date. The file is read when it is first needed.
 * @throws CONFIG_INVALID naming what is wrong in the file
 */
export function priceLookup(options: PriceBookOptions = {}): PriceLookup {
  let fromFile: { readonly [route: string]: Price } | null = null;
  const unpriced = new Set<string>();
  return (asked, at) => {
    const route = aliasOf(asked);
    const given = own(options.prices, route);
    if (given !== undefined) return given;
    fromFile ??= pricesOf(options.file);
    const price = own(fromFile, route) ?? knownModel(route, at).price;
    if (price === null && !unpriced.has(route) && unpriced.size < limits.modelRoutes) {
      unpriced.add(route);
      warnOfSlip(route, [...Object.keys(options.prices ?? {}), ...Object.keys(fromFile)]);
    }
    return price;
  };
}

/** A price under a name that is nobody's is no mistake by itself; beside a model without one it is most likely meant for it. */
function warnOfSlip(route: string, priced: readonly string[]): void {
  const meant = nearest(route, priced);
  if (meant === null) return;
  const text = `"${route}" has no price, and the prices that were given have "${meant}". Correct the name, or it counts as unpriced.`;
  process.emitWarning(text, { code: "PAWL_PRICE" });
}

/** What is known of `provider/model` without an override: the own table first, then `@pydantic/genai-prices`. */
export function knownModel(route: string, at: number): KnownModel {
  if (route.startsWith("offline/")) return { price: noProviderPrice, contextTokens: null };
  const listed = listedModel(route);
  if (listed.price !== null) return listed;
  const found = genaiPrice(route, at);
  return found === null ? listed : { ...found, contextTokens: listed.contextTokens ?? found.contextTokens };
}

function pricesOf(file: string | undefined): { readonly [route: string]: Price } {
  const path = resolve(file ?? FILE);
  if (file === undefined && !existsSync(path)) return {};
  const parsed = parseJson(textOf(path));
  if (!parsed.ok) throw invalid(path, "it is not JSON");
  const checked = priceFile.safeParse(parsed.value);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw invalid(path, `${issue?.path.join(" → ") ?? ""}: ${issue?.message ?? "it has another shape"}`);
  }
  const prices = Object.entries(checked.data).map(([route, { source = `override ${FILE}`, ...price }]) => [
    route,
    withoutUndefined({ ...price, source }),
  ]);
  return Object.fromEntries(prices) as { readonly [route: string]: Price };
}

function withoutUndefined(price: object): object {
  return JSON.parse(JSON.stringify(price)) as object;
}

function textOf(path: string): string {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length <= FILE_BYTES_MAX) return text;
  } catch (error) {
    throw invalid(path, errorText(error));
  }
  throw invalid(path, `it is larger than ${FILE_BYTES_MAX} bytes`);
}

function invalid(path: string, why: string): PawlError {
  return new PawlError(
    "CONFIG_INVALID",
    `${path} cannot be used: ${why}. It is an object of prices in USD per million tokens by route, e.g. {"openai/gpt-x":{"inputUsd":1,"outputUsd":4,"date":"2026-11-22"}}.`,
  );
}

function own<T>(table: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
