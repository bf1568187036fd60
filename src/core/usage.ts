/** Tokens of one model attempt. Cached and reasoning tokens are parts of input and output, not added to them. */
export interface Usage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

export const noUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

/** Money is counted in whole nano-dollars (1e-9 USD), so that sums are exact. null = unpriced, never 0. */
export type NanoUsd = number;

/** What tokens cost, in USD per million of them. */
export interface Rates {
  readonly inputUsd: number;
  readonly cachedInputUsd?: number;
  readonly cacheWriteUsd?: number;
  readonly outputUsd: number;
}

/** Price per million tokens in USD, with where and when it was read. */
export interface Price extends Rates {
  readonly source: string;
  readonly date: string;
  /** Where a prompt of more than `aboveTokens` makes every token of the request cost this instead. */
  readonly longPrompt?: Rates & { readonly aboveTokens: number };
}

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  };
}

/** Tokens that count against a budget: all input and all output. */
export function tokensOf(usage: Usage): number {
  return usage.inputTokens + usage.outputTokens;
}

/** Cost of one attempt, exact, its last fraction of a nano-dollar rounded up; null when there is no price. */
export function costOf(usage: Usage, price: Price | null): NanoUsd | null {
  if (price === null) return null;
  const rates = ratesFor(price, usage.inputTokens);
  const plain = Math.max(0, usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteTokens);
  return nanoUsd(
    plain * perToken(rates.inputUsd) +
      usage.cachedInputTokens * perToken(rates.cachedInputUsd ?? rates.inputUsd) +
      usage.cacheWriteTokens * perToken(rates.cacheWriteUsd ?? rates.inputUsd) +
      usage.outputTokens * perToken(rates.outputUsd),
  );
}

/** In thousandths of a nano-dollar, which is whole for a rate of up to six decimals: no sum of them is inexact. */
function perToken(usdPerMillion: number): number {
  return Math.round(usdPerMillion * 1e6);
}

function nanoUsd(thousandths: number): NanoUsd {
  return Math.ceil(thousandths / 1000);
}

function ratesFor(price: Price, inputTokens: number): Rates {
  return price.longPrompt !== undefined && inputTokens > price.longPrompt.aboveTokens ? price.longPrompt : price;
}

/** The dearest that a request can become: all input at the dearest input price, the whole output limit used. */
export function worstCostOf(inputTokens: number, outputTokensMax: number, price: Price | null): NanoUsd | null {
  if (price === null) return null;
  const rates = ratesFor(price, inputTokens);
  const input = Math.max(rates.inputUsd, rates.cachedInputUsd ?? 0, rates.cacheWriteUsd ?? 0);
  return nanoUsd(inputTokens * perToken(input) + outputTokensMax * perToken(rates.outputUsd));
}

export function usdOf(nanoUsd: NanoUsd): number {
  return nanoUsd / 1e9;
}

export function nanoUsdOf(usd: number): NanoUsd {
  return Math.round(usd * 1e9);
}
