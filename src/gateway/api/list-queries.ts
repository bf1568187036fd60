import { z } from "zod";
import type { EffectStatus } from "../../core/effect.ts";
import type { RunStatus } from "../../core/run-outcome.ts";
import type { CostKey, CostQuery, RunCostKey } from "../../core/trace-contract.ts";
import { runStatus } from "./runs.ts";
import { enumOf, name, runId, userId } from "./values.ts";

export interface PageQuery {
  /** Of the page before; absent = the first page. */
  readonly cursor?: string;
  /** 1 to 100; default 50. A page may be short and still have a cursor. */
  readonly limit?: number;
}
/** Filters that the trace index answers. */
export interface TraceFilterQuery {
  /** Words in inputs, outputs and tool payloads, in any language. */
  readonly text?: string;
  readonly tag?: string;
  /** Who started it. */
  readonly user?: string;
  readonly model?: string;
  readonly tool?: string;
  readonly errorGroup?: string;
  readonly minCostNanoUsd?: number;
  readonly minDurationMs?: number;
  readonly minTokens?: number;
  /** ms since 1970. */
  readonly startedFrom?: number;
  readonly startedTo?: number;
  readonly sort?: "started" | "cost" | "duration" | "tokens";
}
interface RunFilterQuery {
  /** Once or more. */
  readonly status?: RunStatus | readonly RunStatus[];
  readonly agent?: string;
  readonly thread?: string;
  /** `true`: child runs too. */
  readonly children?: "true" | "false";
}
/** `GET /runs`. Any filter of TraceFilterQuery makes the trace index answer; `parent` cannot be joined with them. */
export interface ListRunsQuery extends PageQuery, RunFilterQuery, TraceFilterQuery {
  /** Children of this run. */
  readonly parent?: string;
}
/** `GET /traces` and `GET /error-groups`. */
export interface ListTracesQuery extends PageQuery, RunFilterQuery, TraceFilterQuery {}
/** `GET /usage`: sums by one key. */
export type UsageQuery = CostQuery;
/** `GET /usage/savings`: of the newest runs. */
export interface SavingsQuery {
  /** Runs; default 100. */
  readonly limit?: number;
}
/** `GET /runs/{runId}/usage`: sums over the run and the runs below it. */
export interface RunUsageQuery {
  readonly by: RunCostKey;
  /** 1 to 1000; default 100. */
  readonly limit?: number;
}
/** `GET /effects`. */
export interface ListEffectsQuery extends PageQuery {
  readonly status?: EffectStatus | readonly EffectStatus[];
  readonly tool?: string;
  readonly run?: string;
  /** For whom the runs act. */
  readonly user?: string;
}
/** `GET /runs/{runId}/events` as JSON pages. */
export interface EventsQuery {
  /** Events after this seq; default 0, all. */
  readonly after?: number;
  /** 1 to 1000; default 200. */
  readonly limit?: number;
}
/** `GET /runs/{runId}/result`: waits until the run settles, at most so long. */
export interface ResultQuery {
  /** 0 to 60,000; default 0. */
  readonly waitMs?: number;
}
/** `GET /runs/{runId}/spans`: rows `from` to `from + limit` of the tree in depth-first order. */
export interface SpansQuery {
  readonly from?: number;
  /** 1 to 1000; default 200. */
  readonly limit?: number;
}

// in a query string, everything is text
const count = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const bigPage = z.coerce.number().int().min(1).max(1_000).exactOptional();
const words = z.string().min(1).max(500);
const page = {
  cursor: z.string().min(1).max(2_048).exactOptional(),
  limit: z.coerce.number().int().min(1).max(100).exactOptional(),
};
const onceOrMore = <T>(one: z.ZodType<T>): z.ZodUnion<[z.ZodType<T>, z.ZodArray<z.ZodType<T>>]> =>
  z.union([one, z.array(one).max(20)]);
const runFilter = {
  status: onceOrMore(runStatus).exactOptional(),
  agent: name.exactOptional(),
  thread: userId.exactOptional(),
  children: z.enum(["true", "false"]).exactOptional(),
};
const traceFilter = {
  text: words.exactOptional(),
  tag: words.exactOptional(),
  user: words.exactOptional(),
  model: words.exactOptional(),
  tool: words.exactOptional(),
  errorGroup: words.exactOptional(),
  minCostNanoUsd: count.exactOptional(),
  minDurationMs: count.exactOptional(),
  minTokens: count.exactOptional(),
  startedFrom: count.exactOptional(),
  startedTo: count.exactOptional(),
  sort: z.enum(["started", "cost", "duration", "tokens"]).exactOptional(),
};

export const pageQuery: z.ZodType<PageQuery> = z.strictObject(page);
export const listRunsQuery: z.ZodType<ListRunsQuery> = z.strictObject({
  ...page,
  ...runFilter,
  ...traceFilter,
  parent: runId.exactOptional(),
});
export const listTracesQuery: z.ZodType<ListTracesQuery> = z.strictObject({ ...page, ...runFilter, ...traceFilter });
const costKey = enumOf<CostKey>({
  day: true,
  runnable: true,
  model: true,
  tool: true,
  principal: true,
  threadId: true,
  tag: true,
  runId: true,
  rootRunId: true,
  tenant: true,
});
export const usageQuery: z.ZodType<UsageQuery> = z.strictObject({
  by: costKey,
  from: count.exactOptional(),
  to: count.exactOptional(),
  limit: bigPage,
  agent: name.exactOptional(),
  model: words.exactOptional(),
  tool: words.exactOptional(),
  user: words.exactOptional(),
  thread: userId.exactOptional(),
});
export const savingsQuery: z.ZodType<SavingsQuery> = z.strictObject({ limit: bigPage });
export const runUsageQuery: z.ZodType<RunUsageQuery> = z.strictObject({
  by: enumOf<RunCostKey>({ turn: true, call: true, run: true, model: true, tool: true }),
  limit: bigPage,
});
export const effectStatus: z.ZodType<EffectStatus> = enumOf<EffectStatus>({
  held: true,
  started: true,
  done: true,
  unknown: true,
  refused: true,
  failed: true,
});
export const listEffectsQuery: z.ZodType<ListEffectsQuery> = z.strictObject({
  ...page,
  status: onceOrMore(effectStatus).exactOptional(),
  tool: name.exactOptional(),
  run: runId.exactOptional(),
  user: words.exactOptional(),
});
export const eventsQuery: z.ZodType<EventsQuery> = z.strictObject({ after: count.exactOptional(), limit: bigPage });
export const resultQuery: z.ZodType<ResultQuery> = z.strictObject({
  waitMs: z.coerce.number().int().min(0).max(60_000).exactOptional(),
});
export const spansQuery: z.ZodType<SpansQuery> = z.strictObject({ from: count.exactOptional(), limit: bigPage });
