import type { Price, Rates } from "../core/usage.ts";

/** What is known of a model without asking its provider. */
export interface KnownModel {
  readonly price: Price | null;
  /** Tokens of prompt and output together. */
  readonly contextTokens: number | null;
}

const ANTHROPIC = { source: "platform.claude.com/docs/en/about-claude/pricing", date: "2026-11-10" };
const OPENAI = { source: "developers.openai.com/api/docs/pricing", date: "2026-11-05" };
const GOOGLE = { source: "ai.google.dev/gemini-api/docs/pricing", date: "2026-11-10" };
type Page = typeof ANTHROPIC;

const MILLION = 1_000_000;

/** [input, cached input, cache write, output] in USD per million tokens; null = no rate of its own. */
type Row = readonly [input: number, cached: number | null, write: number | null, output: number];

function rates([inputUsd, cachedInputUsd, cacheWriteUsd, outputUsd]: Row): Rates {
  return {
    inputUsd,
    outputUsd,
    ...(cachedInputUsd === null ? {} : { cachedInputUsd }),
    ...(cacheWriteUsd === null ? {} : { cacheWriteUsd }),
  };
}

function known(
  page: Page,
  contextTokens: number,
  row: Row,
  long?: { readonly aboveTokens: number; readonly row: Row },
): KnownModel {
  const price = { ...rates(row), ...page };
  if (long === undefined) return { contextTokens, price };
  return { contextTokens, price: { ...price, longPrompt: { ...rates(long.row), aboveTokens: long.aboveTokens } } };
}

const claude = (contextTokens: number, ...row: Row): KnownModel => known(ANTHROPIC, contextTokens, row);
const gpt = (contextTokens: number, ...row: Row): KnownModel => known(OPENAI, contextTokens, row);
const gemini = (...row: Row): KnownModel => known(GOOGLE, 1_048_576, row);

/** Above 272,000 tokens of prompt OpenAI takes twice the input and one and a half times the output, for all of it. */
function gptLong(...row: Row): KnownModel {
  const [input, cached, write, output] = row;
  const twice = (value: number | null): number | null => (value === null ? null : value * 2);
  const long: Row = [input * 2, twice(cached), twice(write), output * 1.5];
  return known(OPENAI, 1_050_000, row, { aboveTokens: 272_000, row: long });
}

/**
 * Models by route. Written down by hand from the providers' public price pages, on the dates above: standard rates, the
 * five-minute rate for cache writes, and the rate after an introductory one ends. No page is asked at run time and a
 * table ages, so the `prices` option and the override file go before it (see price-book.ts); `@pydantic/genai-prices` comes
 * after it, being older and looser about names, and what neither has is unpriced, never free.
 */
const models: { readonly [route: string]: KnownModel } = {
  "anthropic/claude-fable-5-2": claude(MILLION, 8, 0.2, 10, 40),
  "anthropic/claude-fable-5-1": claude(MILLION, 10, 0.25, 12.5, 50),
  "anthropic/claude-fable-5": claude(MILLION, 10, 1, 12.5, 50),
  "anthropic/claude-opus-5-5": claude(MILLION, 4, 0.2, 5, 20),
  "anthropic/claude-opus-5": claude(MILLION, 5, 0.5, 6.25, 25),
  "anthropic/claude-opus-4-8": claude(MILLION, 5, 0.5, 6.25, 25),
  "anthropic/claude-opus-4-7": claude(MILLION, 5, 0.5, 6.25, 25),
  "anthropic/claude-opus-4-6": claude(MILLION, 5, 0.5, 6.25, 25),
  "anthropic/claude-opus-4-5": claude(200_000, 5, 0.5, 6.25, 25),
  "anthropic/claude-opus-4-1": claude(200_000, 15, 1.5, 18.75, 75),
  "anthropic/claude-sonnet-5-5": claude(MILLION, 2, 0.1, 2.5, 10),
  "anthropic/claude-sonnet-5": claude(MILLION, 2, 0.2, 2.5, 10),
  "anthropic/claude-sonnet-4-6": claude(MILLION, 3, 0.3, 3.75, 15),
  "anthropic/claude-sonnet-4-5": claude(200_000, 3, 0.3, 3.75, 15),
  "anthropic/claude-haiku-5-5": known(ANTHROPIC, MILLION, [0.1, 0.01, 0.125, 0.5], {
    aboveTokens: 100_000,
    row: [0.5, 0.05, 0.625, 2.5],
  }),
  "anthropic/claude-haiku-4-5": claude(200_000, 1, 0.1, 1.25, 5),

  "openai/gpt-6-astra": gptLong(10, 1, 12.5, 50),
  "openai/gpt-6.1-sol": gptLong(2, 0.1, 2.5, 10),
  "openai/gpt-6.1-terra": gptLong(1, 0.05, 1.25, 5),
  "openai/gpt-6-sol": gptLong(2, 0.2, 2.5, 10),
  "openai/gpt-6-luna": gptLong(0.1, 0.01, 0.125, 0.5),
  "openai/gpt-5.6-sol": gptLong(4, 0.4, null, 20),
  "openai/gpt-5.6-terra": gptLong(2, 0.2, null, 12),
  "openai/gpt-5.6-luna": gptLong(0.2, 0.02, null, 1.2),
  "openai/gpt-5.5": gptLong(5, 0.5, null, 30),
  "openai/gpt-5.4": gptLong(2.5, 0.25, null, 15),
  "openai/gpt-5.4-mini": gpt(400_000, 0.75, 0.075, null, 4.5),
  "openai/gpt-5.4-nano": gpt(400_000, 0.2, 0.02, null, 1.25),
  "openai/gpt-5.2": gpt(400_000, 1.75, 0.175, null, 14),
  "openai/gpt-5.1": gpt(400_000, 1.25, 0.125, null, 10),
  "openai/gpt-5": gpt(400_000, 1.25, 0.125, null, 10),
  "openai/gpt-5-mini": gpt(400_000, 0.25, 0.025, null, 2),
  "openai/gpt-5-nano": gpt(400_000, 0.05, 0.005, null, 0.4),
  "openai/gpt-4.1": gpt(1_047_576, 2, 0.5, null, 8),
  "openai/gpt-4.1-mini": gpt(1_047_576, 0.4, 0.1, null, 1.6),
  "openai/gpt-4o": gpt(128_000, 2.5, 1.25, null, 10),
  "openai/gpt-4o-mini": gpt(128_000, 0.15, 0.075, null, 0.6),

  "google/gemini-4-argon": gemini(4, 0.2, null, 20),
  "google/gemini-4-carbon": gemini(4, 0.2, null, 20),
  "google/gemini-4-hydrogen": gemini(1.5, null, null, 7.5),
  "google/gemini-3.8-flash": gemini(1.5, 0.15, null, 7.5),
  "google/gemini-3.1-pro-preview": known(GOOGLE, 1_048_576, [2, 0.2, null, 12], {
    aboveTokens: 200_000,
    row: [4, 0.4, null, 18],
  }),
  "google/gemini-3-flash-preview": gemini(0.5, 0.05, null, 3),
  "google/gemini-2.5-pro": known(GOOGLE, 1_048_576, [1.25, 0.125, null, 10], {
    aboveTokens: 200_000,
    row: [2.5, 0.25, null, 15],
  }),
  "google/gemini-2.5-flash": gemini(0.3, 0.03, null, 2.5),
  "google/gemini-2.5-flash-lite": gemini(0.1, 0.01, null, 0.4),
};

/** Price of an endpoint behind which there is no provider and no bill. */
export const noProviderPrice: Price = { inputUsd: 0, outputUsd: 0, source: "no provider", date: "2026-11-22" };

const unknownModel: KnownModel = { price: null, contextTokens: null };

/** What the table knows of `provider/model`; a dated name is looked up without its date. */
export function listedModel(route: string): KnownModel {
  const undated = route.replace(/-(\d{8}|\d{4}-\d{2}-\d{2})$/, "");
  return own(models, route) ?? own(models, undated) ?? unknownModel;
}

/**
 * Names that follow the newest model of a family, for providers whose own interface has none. Google's `-latest` names
 * are its own and pass through. What answered is in the journal under its real name.
 */
const aliases: { readonly [route: string]: string } = {
  "anthropic/claude-opus-latest": "anthropic/claude-opus-5-5",
  "anthropic/claude-sonnet-latest": "anthropic/claude-sonnet-5-5",
  "anthropic/claude-haiku-latest": "anthropic/claude-haiku-5-5",
  "openai/gpt-latest": "openai/gpt-6.1-sol",
  "openai/gpt-mini-latest": "openai/gpt-6.1-terra",
  "openai/gpt-nano-latest": "openai/gpt-6-luna",
};

export function aliasOf(route: string): string {
  return own(aliases, route) ?? route;
}

/** Every route that the table has, for a hint. */
export function knownRoutes(): readonly string[] {
  return [...Object.keys(aliases), ...Object.keys(models)];
}

function own<T>(table: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
