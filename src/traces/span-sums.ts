import type { Span, SpanSums } from "../core/trace-contract.ts";
import { addUsage, noUsage, tokensOf, type Usage } from "../core/usage.ts";
import type { Row } from "./sqlite.ts";

/** What a set of spans adds up to; their ends are kept elsewhere. */
export interface Sums {
  readonly spans: number;
  readonly errors: number;
  readonly modelCalls: number;
  readonly toolCalls: number;
  readonly usage: Usage;
  readonly costNanoUsd: number;
  readonly unpricedCalls: number;
}

export const noSums: Sums = {
  spans: 0,
  errors: 0,
  modelCalls: 0,
  toolCalls: 0,
  usage: noUsage,
  costNanoUsd: 0,
  unpricedCalls: 0,
};

/** What sums need of a span. */
export type Counted = Pick<Span, "kind" | "status" | "bill">;

/** Calls that failed, and a run that failed; that a turn or an attempt did is the same failure again. */
export function isFailure({ kind, status }: Pick<Span, "kind" | "status">): boolean {
  return (status === "error" || status === "unknown") && kind !== "turn" && kind !== "attempt" && kind !== "child";
}

export function sumsOf(span: Counted): Sums {
  const bill = span.bill === null || span.bill.inherited ? null : span.bill;
  return {
    spans: 1,
    errors: isFailure(span) ? 1 : 0,
    modelCalls: span.kind === "model" ? 1 : 0,
    toolCalls: span.kind === "tool" ? 1 : 0,
    usage: bill?.usage ?? noUsage,
    costNanoUsd: bill?.costNanoUsd ?? 0,
    // as the run's own totals count it: something was used, and nobody knows what it costs
    unpricedCalls: bill !== null && bill.costNanoUsd === null && tokensOf(bill.usage) > 0 ? 1 : 0,
  };
}

export function plus(a: Sums, b: Sums): Sums {
  return {
    spans: a.spans + b.spans,
    errors: a.errors + b.errors,
    modelCalls: a.modelCalls + b.modelCalls,
    toolCalls: a.toolCalls + b.toolCalls,
    usage: addUsage(a.usage, b.usage),
    costNanoUsd: a.costNanoUsd + b.costNanoUsd,
    unpricedCalls: a.unpricedCalls + b.unpricedCalls,
  };
}

export function minus(a: Sums, b: Sums): Sums {
  const less: Usage = {
    inputTokens: -b.usage.inputTokens,
    cachedInputTokens: -b.usage.cachedInputTokens,
    cacheWriteTokens: -b.usage.cacheWriteTokens,
    outputTokens: -b.usage.outputTokens,
    reasoningTokens: -b.usage.reasoningTokens,
  };
  return plus(a, {
    spans: -b.spans,
    errors: -b.errors,
    modelCalls: -b.modelCalls,
    toolCalls: -b.toolCalls,
    usage: less,
    costNanoUsd: -b.costNanoUsd,
    unpricedCalls: -b.unpricedCalls,
  });
}

/** Columns of sums, in the order of `sumValues`. */
export const sumColumns =
  "spans, errors, model_calls, tool_calls, input, cached, cache_write, output, reasoning, tokens, cost, unpriced";

export function sumValues({ usage, ...sums }: Sums): readonly number[] {
  return [
    sums.spans,
    sums.errors,
    sums.modelCalls,
    sums.toolCalls,
    usage.inputTokens,
    usage.cachedInputTokens,
    usage.cacheWriteTokens,
    usage.outputTokens,
    usage.reasoningTokens,
    tokensOf(usage),
    sums.costNanoUsd,
    sums.unpricedCalls,
  ];
}

export function usageOfRow(row: Row): Usage {
  return {
    inputTokens: Number(row["input"]),
    cachedInputTokens: Number(row["cached"]),
    cacheWriteTokens: Number(row["cache_write"]),
    outputTokens: Number(row["output"]),
    reasoningTokens: Number(row["reasoning"]),
  };
}

export function sumsOfRow(row: Row): Sums {
  return {
    spans: Number(row["spans"]),
    errors: Number(row["errors"]),
    modelCalls: Number(row["model_calls"]),
    toolCalls: Number(row["tool_calls"]),
    usage: usageOfRow(row),
    costNanoUsd: Number(row["cost"]),
    unpricedCalls: Number(row["unpriced"]),
  };
}

export function spanSums(sums: Sums, endedAt: number | null): SpanSums {
  return { ...sums, endedAt };
}
