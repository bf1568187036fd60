import { costCounted, type Amount, type BudgetNote } from "../../core/budget.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JournalEvent, RunStarted } from "../../core/journal-event.ts";
import type { ModelAttempted, ModelCalled } from "../../core/model-event.ts";
import { utf8Bytes, type JsonObject, type JsonValue } from "../../core/json.ts";
import { trustedPrompt, type Ref } from "../../core/label.ts";
import { limits } from "../../core/limits.ts";
import { textOf } from "../../core/message.ts";
import type { ModelEndpoint, ModelParams, ToolSpec } from "../../core/model-contract.ts";
import { promptHashOf } from "../../core/prompt-hash.ts";
import { chainOf, digestOf, resolveEntry } from "../../core/run-context.ts";
import { nextTotals, noTotals } from "../../core/run-totals.ts";
import { costOf, tokensOf, type Usage } from "../../core/usage.ts";
import type { Finish } from "../../engine/model-answer.ts";
import { priceSourceOf } from "../../engine/model-bill.ts";
import type { FrontRequest } from "./front-request.ts";

/** A call of a model for somebody outside. */
export interface FrontCall {
  readonly id: string;
  readonly asked: FrontRequest;
  readonly started: RunStarted;
  readonly signal: AbortSignal;
}

/** One attempt of a call, as it is logged. */
export interface LoggedAttempt {
  readonly endpoint: ModelEndpoint;
  readonly attempt: number;
  readonly at: number;
  readonly reserved: Amount;
  /** As they were sent: the limit of output may be smaller than what was asked for. */
  readonly params: ModelParams;
  /** What budgets had to say. */
  readonly notes: readonly BudgetNote[];
  ttftMs: number | null;
  ms: number;
  outcome:
    | ({
        readonly type: "answered";
        readonly finish: Finish;
        readonly usage: Usage;
        readonly assumed: boolean;
      } & Beside)
    | ({
        readonly type: "failed";
        readonly error: ErrorRecord;
        /** null = nothing is billed for it */
        readonly usage: Usage | null;
      } & Beside)
    | null;
}
/** Bills of what was asked beside an attempt. */
interface Beside {
  readonly beside: readonly ModelAttempted[];
}

/** Takes out what must not be stored. */
export type Clean = <T extends JsonValue>(value: T) => T;

/** A call that is over. */
export interface LoggedCall {
  readonly call: FrontCall;
  readonly at: number;
  readonly endedAt: number;
  readonly attempts: readonly LoggedAttempt[];
  readonly answer: Finish | null;
  readonly error: ErrorRecord | null;
}

/** Id of the one call in the log of it. */
export const CALL = "t0-1";

/** What an attempt counts in budgets, with what was asked beside it; null where nothing is billed. */
export function billOf({
  endpoint,
  outcome,
}: LoggedAttempt): { readonly tokens: number; readonly costNanoUsd: number } | null {
  if (outcome === null || outcome.usage === null) return null;
  const answered = outcome.type === "answered" ? (outcome.finish.by ?? endpoint) : endpoint;
  const { beside } = outcome;
  const tokens = beside.reduce((sum, bill) => sum + (bill.usage === undefined ? 0 : tokensOf(bill.usage)), 0);
  const cost = beside.reduce((sum, bill) => sum + costCounted(bill), 0);
  const last = { usage: outcome.usage, costNanoUsd: costOf(outcome.usage, answered.price) };
  return { tokens: tokens + tokensOf(outcome.usage), costNanoUsd: cost + costCounted(last) };
}

/** The events of a call after its start: what was asked, attempt by attempt, and its end. */
export function eventsOf({ call, attempts, answer, error }: LoggedCall, clean: Clean): readonly JournalEvent[] {
  const events = attempts.flatMap((one) => [calledOf(call, one, clean), ...outcomeOf(one, clean)]);
  if (error !== null && attempts.length > 0) events.push({ type: "model.failed", callId: CALL, error });
  const totals = events.reduce((sum, event) => nextTotals(sum, event), noTotals);
  const isCancelled = error?.code === "CANCELLED";
  return [
    ...events,
    {
      type: "run.ended",
      status: error === null ? "completed" : isCancelled ? "cancelled" : "failed",
      valueRef: {
        inline: answer === null ? null : shown(clean(textOf({ role: "assistant", content: answer.content }))),
      },
      ...(error !== null && (isCancelled ? { reason: error.message } : { error })),
      effects: { done: 0, notStarted: 0, unknown: 0 },
      totals,
    },
  ];
}

function calledOf({ asked }: FrontCall, logged: LoggedAttempt, clean: Clean): ModelCalled {
  const { endpoint, attempt, reserved, params, notes } = logged;
  const { system, tools, messages } = asked.request;
  const systemRef: Ref = { inline: shown(clean(system)), label: trustedPrompt };
  const toolsetRef: Ref = { inline: clean(shownTools(tools)) };
  const add = [{ message: { inline: clean(tail(messages as unknown as readonly JsonValue[])) } }];
  const sent = params as unknown as JsonObject;
  const parts = { systemDigest: digestOf(systemRef), toolsetDigest: digestOf(toolsetRef) };
  const chain = chainOf(
    "",
    add.flatMap((entry) => resolveEntry(entry, 0, [])),
  );
  return {
    type: "model.called",
    callId: CALL,
    attempt,
    context: "main",
    route: asked.model,
    endpoint: endpoint.name,
    baseSeq: 0,
    drop: 0,
    ...(attempt === 1 ? { add, systemRef, toolsetRef, params: sent } : { add: [] }),
    promptHash: promptHashOf({ route: asked.model, ...parts, params, chain }),
    inputTokens: Math.max(0, reserved.tokens - params.maxOutputTokens),
    reservation: reserved,
    ...(notes.length > 0 && { budgetNotes: notes }),
  };
}

function outcomeOf({ endpoint, attempt, outcome, ttftMs, ms }: LoggedAttempt, clean: Clean): readonly JournalEvent[] {
  if (outcome === null) return [];
  const beside = outcome.beside.map((bill) => ({ ...bill, attempt }));
  const at = { callId: CALL, attempt } as const;
  if (outcome.type === "failed") {
    const { usage, error } = outcome;
    const bill =
      usage === null
        ? { costNanoUsd: 0, priceSource: null, assumed: false }
        : { usage, costNanoUsd: costOf(usage, endpoint.price), priceSource: priceSourceOf(endpoint), assumed: true };
    return [...beside, { type: "model.attempted", ...at, endpoint: endpoint.name, error, ...bill }];
  }
  const { finish, usage, assumed } = outcome;
  const by = finish.by ?? endpoint;
  const message = { role: "assistant", content: finish.content };
  return [
    ...beside,
    {
      type: "model.answered",
      ...at,
      endpoint: by.name,
      model: finish.model,
      context: "main",
      messageRef: {
        inline: shown(clean(message as unknown as JsonValue)),
        label: { source: "untrusted", origin: "model" },
      },
      finish: finish.finish,
      usage,
      costNanoUsd: costOf(usage, by.price),
      priceSource: priceSourceOf(by),
      assumed,
      ttftMs: ttftMs === null ? null : Math.round(ttftMs),
      ms: Math.round(ms),
    },
  ];
}

/** A value as the log keeps it: whole where it is small, else the beginning of its text. */
function shown(value: JsonValue): JsonValue {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (utf8Bytes(text) <= limits.callLogBytes) return value;
  const kept = `${text.slice(0, limits.callLogBytes / 4).toWellFormed()}… (${text.length} characters; the log keeps the beginning)`;
  return typeof value === "object" && value !== null && "role" in value
    ? { role: "assistant", content: [{ type: "text", text: kept }] }
    : kept;
}

/** Schemas are left out where they are large. */
function shownTools(tools: readonly ToolSpec[]): JsonValue {
  const whole = tools as unknown as JsonValue;
  if (utf8Bytes(JSON.stringify(whole)) <= limits.callLogBytes) return whole;
  return tools.slice(0, 64).map(({ name }) => ({ name, description: "", inputSchema: {} }));
}

/** The last messages of a conversation, as many as the log keeps. */
function tail(messages: readonly JsonValue[]): JsonValue {
  const kept: JsonValue[] = [];
  let bytes = 0;
  for (const message of messages.toReversed()) {
    bytes += utf8Bytes(JSON.stringify(message));
    if (bytes > limits.callLogBytes) break;
    kept.unshift(message);
  }
  const left = messages.length - kept.length;
  if (left === 0) return kept;
  const text = `(${left} earlier messages are not in the log: it keeps the last ${limits.callLogBytes} bytes)`;
  return [{ role: "user", content: [{ type: "text", text }] }, ...kept];
}
