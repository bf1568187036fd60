import type { ErrorCode } from "../core/error-table.ts";
import type { ModelAttempted } from "../core/model-event.ts";
import type { BesideBill, ModelEndpoint, ModelRequest } from "../core/model-contract.ts";
import { costOf, type Usage } from "../core/usage.ts";

/** Refused before any work, as providers do not bill these; everything else may have been billed. */
const unbilled: readonly string[] = [
  "MODEL_UNAUTHORIZED",
  "MODEL_NOT_FOUND",
  "MODEL_REQUEST_INVALID",
  "MODEL_RATE_LIMITED",
  "MODEL_QUEUE_FULL",
  "MODEL_QUOTA_EXHAUSTED",
  "MODEL_UNAVAILABLE",
  "MODEL_CONTEXT_OVERFLOW",
  "MODEL_KEY_MISSING",
  "MODEL_UNKNOWN",
] satisfies ErrorCode[];

export function isUnbilled(code: string): boolean {
  return unbilled.includes(code);
}

export function assumedUsage(inputTokens: number, outputTokens: number): Usage {
  return {
    inputTokens,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: Math.max(0, outputTokens),
    reasoningTokens: 0,
  };
}

export function priceSourceOf(endpoint: ModelEndpoint): string | null {
  return endpoint.price === null ? null : `${endpoint.price.source} ${endpoint.price.date}`;
}

/** The bills of endpoints that were asked beside an attempt and did not answer it: nobody tells what they used. */
export function besideBills(
  at: { readonly callId: string; readonly attempt: number; readonly request: ModelRequest },
  bills: readonly BesideBill[],
): readonly ModelAttempted[] {
  const { callId, attempt, request } = at;
  return bills.map(({ endpoint, error }) => {
    const base = { type: "model.attempted", callId, attempt, endpoint: endpoint.name, error, beside: true } as const;
    if (isUnbilled(error.code)) return { ...base, costNanoUsd: 0, priceSource: null, assumed: false };
    const usage = assumedUsage(endpoint.countTokens(request), request.params.maxOutputTokens);
    const costNanoUsd = costOf(usage, endpoint.price);
    return { ...base, usage, costNanoUsd, priceSource: priceSourceOf(endpoint), assumed: true };
  });
}
