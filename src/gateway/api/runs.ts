import { z } from "zod";
import type { Page } from "../../core/store-contract.ts";
import type { RunLimits } from "../../core/budget.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { EffectCounts } from "../../core/effect.ts";
import type { PlanItem } from "../../core/plan-event.ts";
import type { HeadWait, WaitKind } from "../../core/run-waits.ts";
import type { JsonValue } from "../../core/json.ts";
import type { RunSummary } from "../../core/run-summary.ts";
import type { RunStatus, RunTotals, StopReason } from "../../core/run-outcome.ts";
import type { RunResult } from "../../engine/run-handle.ts";
import { runLimits } from "./agents.ts";
import { at, count, enumOf, errorRecord, json, usage } from "./values.ts";

/** One cap of a run: spent for good, reserved by calls that are under way. `cap` null = none. */
export interface BudgetLine {
  readonly cap: number | null;
  readonly spent: number;
  readonly reserved: number;
}
export interface RunDetail extends RunSummary {
  readonly input: JsonValue;
  readonly limits: RunLimits;
  readonly budget: {
    readonly tokens: BudgetLine;
    readonly costNanoUsd: BudgetLine;
    readonly calls: BudgetLine;
    readonly turns: { readonly cap: number | null; readonly spent: number };
  };
  readonly plan: readonly PlanItem[];
  readonly forkedFrom: { readonly runId: string; readonly seq: number } | null;
  readonly traceparent: string | null;
  /** Outside actions so far, those with unknown outcome first of all. */
  readonly effects: EffectCounts;
  readonly output: JsonValue;
  readonly error: ErrorRecord | null;
  /** Why it was stopped or cancelled, in words. */
  readonly reason: string | null;
}

/** A line of the list; `snippet` are the words around the first hit where `text` was asked for. */
export interface RunListPage extends Page<RunListItem> {
  /** Where words were asked for: of a run with very much text only the beginning was searched. */
  readonly partial?: true;
}
export interface RunListItem extends RunSummary {
  readonly snippet: string | null;
}

/** How a run stands after `waitMs`: settled as `RunResult` says, or still on its way. */
export type RunResultOrStatus =
  | RunResult
  | {
      readonly runId: string;
      readonly status: "queued" | "running" | "sleeping" | "awaiting_signal" | "awaiting_child";
    };

export const runStatus: z.ZodType<RunStatus> = enumOf<RunStatus>({
  queued: true,
  running: true,
  sleeping: true,
  awaiting_approval: true,
  awaiting_signal: true,
  awaiting_child: true,
  awaiting_budget: true,
  paused: true,
  blocked: true,
  completed: true,
  stopped: true,
  failed: true,
  cancelled: true,
});
const stopReason: z.ZodType<StopReason> = enumOf<StopReason>({
  max_turns: true,
  budget: true,
  no_progress: true,
  refused: true,
  context_overflow: true,
});
const waitKind: z.ZodType<WaitKind> = enumOf<WaitKind>({
  approval: true,
  signal: true,
  timer: true,
  child: true,
  budget: true,
  unknown: true,
});

export const runTotals: z.ZodType<RunTotals> = z
  .object({
    usage,
    costNanoUsd: z.number(),
    unpricedCalls: count,
    unpricedTokens: count.exactOptional(),
    modelCalls: count,
    toolCalls: count,
    turns: count,
    childCostNanoUsd: z.number(),
    childTokens: count,
    childToolCalls: count.exactOptional(),
    childUnpricedTokens: count.exactOptional(),
  })
  .meta({
    id: "RunTotals",
    description: "Sums of a run. Costs in nano-dollars (1e9 = 1 USD); unpriced calls are not in them.",
  });

const wait: z.ZodType<HeadWait> = z
  .object({
    key: z.string(),
    kind: waitKind,
    seq: count,
    actionHash: z.string().exactOptional(),
    expiresAt: at.exactOptional(),
    name: z.string().exactOptional(),
  })
  .meta({ id: "RunWait", description: "`key` is the approvalId, the child's runId, or the call's id." });

const coded = z.object({ code: z.string(), detail: z.string() });
const effectCounts = z.object({ done: count, notStarted: count, unknown: count });
const summary = {
  runId: z.string(),
  rootRunId: z.string(),
  parent: z.object({ runId: z.string(), callId: z.string(), depth: count }).nullable(),
  threadId: z.string().nullable(),
  agent: z.string(),
  version: z.string(),
  status: runStatus,
  stopReason: stopReason.nullable(),
  errorCode: z.string().nullable(),
  blocked: coded.nullable(),
  principal: z.string(),
  title: z.string(),
  tags: z.array(z.string()),
  startedAt: at,
  updatedAt: at,
  endedAt: at.nullable(),
  seq: count,
  totals: runTotals,
  waits: z.array(wait),
  paused: z.boolean(),
  held: z.boolean(),
  cancelRequested: z.boolean(),
  hasChildren: z.boolean(),
  hasOwner: z.boolean(),
  fence: count,
};
const planItem: z.ZodType<PlanItem> = z.object({
  id: z.string(),
  text: z.string(),
  status: z.enum(["open", "active", "done", "dropped"]),
  by: z.string().exactOptional(),
  needs: z.array(z.string()).exactOptional(),
});
const budgetLine = z
  .object({ cap: z.number().nullable(), spent: z.number(), reserved: z.number() })
  .meta({ id: "BudgetLine" });

export const runSummary: z.ZodType<RunSummary> = z.object(summary).meta({ id: "RunSummary" });
const runListItem: z.ZodType<RunListItem> = z
  .object({ ...summary, snippet: z.string().nullable() })
  .meta({ id: "RunListItem" });
export const runListPage: z.ZodType<RunListPage> = z.object({
  items: z.array(runListItem),
  cursor: z.string().nullable(),
  partial: z.literal(true).exactOptional(),
});
export const runDetail: z.ZodType<RunDetail> = z
  .object({
    ...summary,
    input: json,
    limits: runLimits,
    budget: z.object({
      tokens: budgetLine,
      costNanoUsd: budgetLine,
      calls: budgetLine,
      turns: z.object({ cap: count.nullable(), spent: count }),
    }),
    plan: z.array(planItem),
    forkedFrom: z.object({ runId: z.string(), seq: count }).nullable(),
    traceparent: z.string().nullable(),
    effects: effectCounts,
    output: json,
    error: errorRecord.nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: "RunDetail" });

const result = { runId: z.string(), usage, costUsd: z.number(), unpricedCalls: count };
const basis = {
  sources: z.array(
    z.object({ from: z.string(), callId: z.string().nullable(), times: count, isUntrusted: z.boolean() }),
  ),
  restsOnUntrusted: z.boolean(),
  strangeLinks: z.array(z.string()),
};
export const runResult: z.ZodType<RunResultOrStatus> = z
  .union([
    z.object({ ...result, ...basis, status: z.literal("completed"), output: json }),
    z.object({
      ...result,
      ...basis,
      status: z.literal("stopped"),
      stopReason,
      output: json,
      detail: z.string().nullable(),
    }),
    z.object({ ...result, status: z.literal("failed"), error: errorRecord }),
    z.object({ ...result, status: z.literal("cancelled"), reason: z.string(), effects: effectCounts }),
    z.object({
      ...result,
      status: z.literal("awaiting_approval"),
      approvals: z.array(z.string()),
      unknownEffects: z.array(z.string()),
    }),
    z.object({ ...result, status: z.literal("awaiting_budget") }),
    z.object({ ...result, status: z.literal("paused") }),
    z.object({ ...result, status: z.literal("blocked"), error: errorRecord }),
    z.object({
      runId: z.string(),
      status: z.enum(["queued", "running", "sleeping", "awaiting_signal", "awaiting_child"]),
    }),
  ])
  .meta({ id: "RunResult", description: "How the run stands: ended, waiting for somebody, or still on its way." });
