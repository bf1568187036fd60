import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import type { Usage } from "../core/usage.ts";

/** More tokens than any model handles in one request: a number beyond it is a mistake of the host. */
const TOKENS_MAX = 100_000_000;

/**
 * What a provider told about tokens, or null where it told nothing or nonsense: negative, fractional, no prompt at all,
 * parts larger than the whole, an answer that cost nothing. The worst case is charged then.
 */
export function usageOf(told: LanguageModelV4Usage | undefined, hasContent: boolean): Usage | null {
  if (told === undefined) return null;
  const inputTokens = count(told.inputTokens.total);
  const output = count(told.outputTokens.total);
  const cachedInputTokens = count(told.inputTokens.cacheRead ?? 0);
  const cacheWriteTokens = count(told.inputTokens.cacheWrite ?? 0);
  const reasoningTokens = count(told.outputTokens.reasoning ?? 0);
  if (inputTokens === null || output === null || inputTokens === 0) return null;
  if (cachedInputTokens === null || cacheWriteTokens === null || reasoningTokens === null) return null;
  if (cachedInputTokens + cacheWriteTokens > inputTokens) return null;
  if (hasContent && output === 0) return null;
  // Some hosts count reasoning beside the answer instead of within it; both are billed.
  const outputTokens = reasoningTokens > output ? output + reasoningTokens : output;
  return { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens };
}

function count(value: number | undefined): number | null {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 && value <= TOKENS_MAX ? value : null;
}
