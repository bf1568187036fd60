import { z } from "zod";
import type { UsageSavings } from "../../core/savings.ts";
import type { Page } from "../../core/store-contract.ts";
import type {
  Bill,
  CallLink,
  Cause,
  CauseSource,
  CostRow,
  CostSums,
  ErrorGroup,
  ErrorGroups,
  PromptPiece,
  RebuiltRequest,
  RunCosts,
  Span,
  SpanDetail,
  SpanKind,
  SpanMark,
  SpanRow,
  SpanStatus,
  SpanSums,
  SpanWindow,
  TraceIndexSize,
  TracePage,
  TraceSummary,
} from "../../core/trace-contract.ts";
import { runStatus } from "./runs.ts";
import { message } from "./threads.ts";
import { at, count, enumOf, errorRecord, json, jsonObject, usage } from "./values.ts";

// The shapes are those of core/trace-contract.ts, where each member is explained.

const spanKind: z.ZodType<SpanKind> = enumOf<SpanKind>({
  run: true,
  turn: true,
  model: true,
  attempt: true,
  tool: true,
  child: true,
  step: true,
  ask: true,
  wait: true,
  code: true,
  guard: true,
  compaction: true,
  plan: true,
  message: true,
  takeover: true,
  park: true,
  blocked: true,
});
const spanStatus: z.ZodType<SpanStatus> = enumOf<SpanStatus>({
  open: true,
  waiting: true,
  ok: true,
  error: true,
  unknown: true,
  refused: true,
  cancelled: true,
});
const bill: z.ZodType<Bill> = z
  .object({
    usage,
    costNanoUsd: z.number().nullable(),
    priceSource: z.string().nullable(),
    assumed: z.boolean(),
    inherited: z.boolean(),
  })
  .meta({ id: "Bill", description: "What one attempt was billed. A null cost is unpriced, never 0." });
const sums: z.ZodType<SpanSums> = z
  .object({
    spans: count,
    errors: count,
    modelCalls: count,
    toolCalls: count,
    usage,
    costNanoUsd: z.number(),
    unpricedCalls: count,
    endedAt: at.nullable(),
  })
  .meta({ id: "SpanSums", description: "Sums over a span and everything below it." });
const link: z.ZodType<CallLink> = z
  .object({ runId: z.string(), callId: z.string(), spanId: z.string(), name: z.string() })
  .meta({ id: "CallLink" });

const spanFields = {
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().nullable(),
  runId: z.string(),
  callId: z.string().nullable(),
  seq: count,
  endSeq: count.nullable(),
  kind: spanKind,
  name: z.string(),
  status: spanStatus,
  error: errorRecord.nullable(),
  startedAt: at,
  endedAt: at.nullable(),
  bill: bill.nullable(),
  detail: jsonObject,
};
const span: z.ZodType<Span> = z.object(spanFields).meta({ id: "Span" });
const spanRow: z.ZodType<SpanRow> = z
  .object({ ...spanFields, position: count, depth: count, subtree: sums })
  .meta({ id: "SpanRow" });
const spanMark: z.ZodType<SpanMark> = z
  .object({
    spanId: z.string(),
    position: count,
    kind: spanKind,
    name: z.string(),
    ms: z.number(),
    costNanoUsd: z.number(),
    tokens: count,
  })
  .meta({
    id: "SpanMark",
    description: "A call that stands out in a whole tree; `ms` without what its run was parked.",
  });
export const spanWindow: z.ZodType<SpanWindow> = z
  .object({
    rows: z.array(spanRow),
    total: count,
    startedAt: at,
    endedAt: at.nullable(),
    readTo: z.record(z.string(), count),
    costliest: spanMark.nullable(),
    slowest: spanMark.nullable(),
    waits: z.array(z.object({ startedAt: at, endedAt: at.nullable() })),
  })
  .meta({ id: "SpanWindow" });

const causeSource: z.ZodType<CauseSource> = z.object({
  kind: enumOf<CauseSource["kind"]>({
    goal: true,
    message: true,
    tool: true,
    model: true,
    person: true,
    child: true,
    summary: true,
    thread: true,
  }),
  link: link.nullable(),
  seq: count,
  trusted: z.boolean(),
});
export const cause: z.ZodType<Cause> = z
  .object({
    path: z.string(),
    start: count,
    end: count,
    from: causeSource,
    around: z.object({ text: z.string(), start: count, end: count }),
  })
  .meta({ id: "Cause", description: "Where words of an argument came from." });
const promptPiece: z.ZodType<PromptPiece> = z.object({ message, seq: count.nullable(), from: link.nullable() });
const request: z.ZodType<RebuiltRequest> = z
  .object({
    system: z.string(),
    tools: json,
    params: jsonObject,
    messages: z.array(promptPiece),
    promptHash: z.string(),
    isProved: z.boolean(),
  })
  .meta({ id: "RebuiltRequest", description: "What the model was sent, rebuilt from the journal." });
export const spanDetail: z.ZodType<SpanDetail> = z
  .object({
    span,
    input: json,
    output: json,
    request: request.nullable(),
    attempts: z.array(span),
    causes: z.array(cause),
    restsOn: z.array(link),
    events: z.array(jsonObject),
  })
  .meta({ id: "SpanDetail" });

const traceSummary: z.ZodType<TraceSummary> = z
  .object({
    runId: z.string(),
    rootRunId: z.string(),
    traceId: z.string(),
    runnable: z.string(),
    version: z.string(),
    status: runStatus,
    principal: z.string(),
    threadId: z.string().nullable(),
    tags: z.array(z.string()),
    title: z.string(),
    startedAt: at,
    endedAt: at.nullable(),
    turns: count,
    sums,
    error: errorRecord.nullable(),
    errorGroup: z.string().nullable(),
    snippet: z.string().nullable(),
  })
  .meta({ id: "TraceSummary" });
export const tracePage: z.ZodType<TracePage> = z
  .object({ items: z.array(traceSummary), cursor: z.string().nullable(), partial: z.literal(true).exactOptional() })
  .meta({ description: "`partial`: of a run with very much text only the beginning was searched." });
const errorGroup: z.ZodType<ErrorGroup> = z
  .object({
    id: z.string(),
    title: z.string(),
    code: z.string(),
    place: z.string(),
    count,
    runs: count,
    firstAt: at,
    lastAt: at,
    costNanoUsd: z.number(),
    samples: z.array(z.string()),
  })
  .meta({ id: "ErrorGroup" });
export const errorGroupPage: z.ZodType<ErrorGroups & Page<ErrorGroup>> = z
  .object({ items: z.array(errorGroup), cursor: z.string().nullable(), partial: z.literal(true).exactOptional() })
  .meta({ description: "`partial`: a search by text ended before it had seen all; there may be more failures." });
export const usageSavings: z.ZodType<UsageSavings> = z.object({
  routing: z.object({ asked: count, escalated: count, savedNanoUsd: z.number(), unpriced: count }),
  cache: z.object({ hits: count, savedMs: z.number(), savedNanoUsd: z.number() }),
  compaction: z.object({ compactions: count, savedTokens: count, paidNanoUsd: z.number() }),
  runs: count,
  notRead: count,
  isAll: z.boolean(),
});
const costSumFields = { calls: count, usage, costNanoUsd: z.number(), unpricedCalls: count, assumedCalls: count };
const costSums: z.ZodType<CostSums> = z
  .object(costSumFields)
  .meta({ id: "CostSums", description: "Sums of bills, each counted once. What is unpriced is counted, never 0." });
export const costRow: z.ZodType<CostRow> = z.object({ key: z.string(), ...costSumFields }).meta({
  id: "CostRow",
  description:
    "What one key cost. A call is `RUN:CALL`, a turn `RUN:NUMBER`. Where there are more keys than `limit`, one more row, the last, has the key `(others)`: with it the rows add up.",
});
export const runCosts: z.ZodType<RunCosts> = z
  .object({ items: z.array(costRow), total: costSums, inherited: costSums })
  .meta({
    id: "RunCosts",
    description:
      "What a run cost with the runs below it. The rows add up to `total`; `inherited` is what the original of a fork had paid for what was copied, and in no other sum.",
  });
export const traceIndexSize: z.ZodType<TraceIndexSize> = z
  .object({ bytes: count, runs: count, spans: count, behind: count.nullable(), refused: count })
  .meta({ id: "TraceIndexSize" });
