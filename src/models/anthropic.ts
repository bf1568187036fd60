import type { JsonObject } from "../core/json.ts";
import type { ModelParams } from "../core/model-contract.ts";
import type { ProviderDriver } from "./provider-driver.ts";

/** Models that decide themselves how long to think, whether or not they are asked to. */
const ALWAYS_THINKS = /claude-[a-z]+-[5-9](?!\d)/;
/** Models that bind thinking to everything before it, and refuse a conversation that was compacted meanwhile. */
const BINDS_THINKING = /claude-[a-z]+-(5-[1-9]|[6-9])(?!\d)/;
/** Models that think if asked, as long as they choose. */
const ADAPTIVE = /claude-(opus-4-[6-9]|sonnet-4-6|[a-z]+-[5-9])(?!\d)/;

const BUDGET_SHARE = { low: 0.25, medium: 0.5, high: 0.75 } as const;
const BUDGET_TOKENS_MIN = 1_024;

/**
 * Anthropic's Messages. The prompt is cached by default (`cacheControl`): an agent sends a growing prompt again and
 * again, and a cached token costs a tenth or less. Thinking is asked for in words, so that a stream shows progress.
 */
export const anthropicDriver: ProviderDriver = {
  keyVariables: ["ANTHROPIC_API_KEY"],
  needsKey: true,
  baseUrlVariable: "ANTHROPIC_BASE_URL",
  baseUrl: "https://api.anthropic.com/v1",
  basePath: "/v1",
  traits: { keepsCallIds: true },
  // Its tokenizer makes more tokens of the same text, newer ones most of all.
  tokenFactor: 1.35,
  async load({ baseUrl, apiKey, settings }, model, fetch) {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    const headers = settings.headers === undefined ? {} : { headers: { ...settings.headers } };
    return createAnthropic({ baseURL: baseUrl, apiKey: apiKey ?? "", fetch, ...headers })(model);
  },
  adapt(options, request, { model, settings }) {
    const { thinking, ...plan } = thinkingOf(model, request.params);
    const { reasoning, ...rest } = options;
    const anthropic = {
      cacheControl: { type: "ephemeral" },
      ...(thinking === null ? {} : { thinking }),
      ...settings.options,
    };
    return {
      ...rest,
      ...(reasoning === undefined || !plan.sendsEffort ? {} : { reasoning }),
      maxOutputTokens: plan.maxOutputTokens,
      providerOptions: { anthropic },
    };
  },
};

interface ThinkingPlan {
  readonly thinking: JsonObject | null;
  /** Whether the wish for more or less reasoning goes on to the package. */
  readonly sendsEffort: boolean;
  readonly maxOutputTokens: number;
}

/**
 * Thinking, and the output limit that goes with it. For models that think within a budget the package adds the budget
 * to the limit; it is taken off before, so that no more is generated than was reserved.
 */
function thinkingOf(model: string, params: ModelParams): ThinkingPlan {
  const { maxOutputTokens, reasoning } = params;
  const asIs = { sendsEffort: true, maxOutputTokens };
  if (ALWAYS_THINKS.test(model)) {
    // Without "drop_block" a conversation that was compacted or forked is refused with 400.
    const binding = BINDS_THINKING.test(model) ? { blockBinding: { prefixMismatchBehavior: "drop_block" } } : {};
    return { thinking: { type: "adaptive", display: "summarized", ...binding }, ...asIs };
  }
  if (reasoning === undefined || ADAPTIVE.test(model) || !model.includes("claude-")) return { thinking: null, ...asIs };
  const budgetTokens = Math.max(BUDGET_TOKENS_MIN, Math.floor(maxOutputTokens * BUDGET_SHARE[reasoning]));
  const answerTokens = maxOutputTokens - budgetTokens;
  if (answerTokens < BUDGET_TOKENS_MIN) return { thinking: null, sendsEffort: false, maxOutputTokens };
  return { thinking: { type: "enabled", budgetTokens }, sendsEffort: true, maxOutputTokens: answerTokens };
}
