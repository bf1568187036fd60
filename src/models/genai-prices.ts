import { createRequire } from "node:module";
import type { calcPrice, findProvider, ModelPrice } from "@pydantic/genai-prices";
import type { Price, Rates } from "../core/usage.ts";

interface Library {
  readonly calcPrice: typeof calcPrice;
  readonly findProvider: typeof findProvider;
}

/** Its release and the day of its data: recorded with every price that comes from it. */
const SOURCE = { source: "genai-prices 0.1.8", date: "2026-09-23" };

/** What a name may have after the model's own: a date, a version of the day, or a word that follows the newest. */
const SUFFIX = /^(?:[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{4}|latest|\d{3}))?$/;

let library: Library | null = null;

/** Its data take 30 ms to load: only who asks for a model that the own table does not have waits for them. */
function loaded(): Library {
  library ??= createRequire(import.meta.url)("@pydantic/genai-prices") as Library;
  return library;
}

/**
 * Price of a route by the bundled data of `@pydantic/genai-prices`, as it was at a time; null = unpriced. The library also
 * finds models by likeness (`claude-sonnet-5-5` as `claude-sonnet-5`): a price is taken only for the model that was named,
 * with or without a date, since a wrong price looks like a right one.
 * @param route `provider/model`; the model may hold slashes, as hosts of several vendors name theirs
 */
export function genaiPrice(
  route: string,
  at: number,
): { readonly price: Price; readonly contextTokens: number | null } | null {
  const slash = route.indexOf("/");
  if (slash < 0) return null;
  const [providerId, model] = [route.slice(0, slash), route.slice(slash + 1)];
  const prices = loaded();
  const provider = prices.findProvider({ providerId });
  if (provider?.id !== providerId) return null;
  const usage = { input_tokens: 1, output_tokens: 1 };
  const found = prices.calcPrice(usage, model, { provider, timestamp: new Date(at) });
  if (found === null || !isNamed(model, found.model.id)) return null;
  const price = priceOf(found.model_price);
  return price === null ? null : { price, contextTokens: found.model.context_window ?? null };
}

function isNamed(asked: string, id: string): boolean {
  const name = asked.toLowerCase();
  return name.startsWith(id.toLowerCase()) && SUFFIX.test(name.slice(id.length));
}

/** Rates of plain text tokens. A tier holds for the whole request, as the providers bill it. */
function priceOf(prices: ModelPrice): Price | null {
  const starts = Object.values(prices).flatMap((one) =>
    typeof one === "object" ? one.tiers.map(({ start }) => start) : [],
  );
  const base = ratesOf(prices, 0);
  if (base === null) return null;
  const aboveTokens = Math.min(...starts);
  if (starts.length === 0) return { ...base, ...SOURCE };
  // between two tiers the dearest is assumed: better too much is reserved than too little
  const long = ratesOf(prices, Number.POSITIVE_INFINITY);
  return long === null ? null : { ...base, ...SOURCE, longPrompt: { ...long, aboveTokens } };
}

function ratesOf(prices: ModelPrice, tokens: number): Rates | null {
  const rate = (key: string): number | undefined => {
    const one = prices[key];
    if (typeof one !== "object") return one;
    return one.tiers.findLast(({ start }) => tokens > start)?.price ?? one.base;
  };
  const [inputUsd, cachedInputUsd, cacheWriteUsd] = [
    rate("input_mtok"),
    rate("cache_read_mtok"),
    rate("cache_write_mtok"),
  ];
  const outputUsd = rate("output_mtok");
  if (inputUsd === undefined || outputUsd === undefined) return null;
  return {
    inputUsd,
    outputUsd,
    ...(cachedInputUsd !== undefined && { cachedInputUsd }),
    ...(cacheWriteUsd !== undefined && { cacheWriteUsd }),
  };
}
