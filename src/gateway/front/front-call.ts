import { sleep } from "../../core/clock.ts";
import { errorTable, type ErrorCode } from "../../core/error-table.ts";
import { errorRecord, PawlError, type ErrorRecord } from "../../core/errors.ts";
import { journalFormat, type RunStarted } from "../../core/journal-event.ts";
import {
  billsOf,
  type FailedAttempt,
  type ModelEndpoint,
  type ModelPart,
  type ModelRequest,
} from "../../core/model-contract.ts";
import { firstState } from "../../core/run-fold.ts";
import type { RunState } from "../../core/run-state.ts";
import type { Usage } from "../../core/usage.ts";
import type { EngineDeps } from "../../engine/deps.ts";
import { checkedAnswer, type Finish } from "../../engine/model-answer.ts";
import { assumedUsage, besideBills, isUnbilled } from "../../engine/model-bill.ts";
import { CALL, type FrontCall, type LoggedAttempt, type LoggedCall } from "./call-record.ts";
import type { Escrow } from "./escrow.ts";
import { hold } from "./front-hold.ts";

export interface FrontCallParts {
  readonly deps: EngineDeps;
  readonly escrow: Escrow;
  readonly log: { add(call: LoggedCall): void };
}

type Delta = Exclude<ModelPart, { readonly type: "finish" }>;
/** `usage` is what was charged: the provider's count, or where it told none the worst case. */
export type FrontPart =
  | Delta
  | (Finish & { readonly usage: Usage; readonly attempts: number; readonly endpoint: string });

interface Going {
  readonly call: FrontCall;
  readonly parts: FrontCallParts;
  readonly state: RunState;
  readonly attempts: LoggedAttempt[];
  readonly beganMs: number;
}

/**
 * One call of a model for somebody outside: attempts as the source of models says, each held against the budgets before it
 * begins and settled after it. Nothing is tried again once a part was given out. It is logged, whatever comes of it.
 * @throws PawlError  what the last attempt failed with, BUDGET_REFUSED
 */
export async function* callModel(call: FrontCall, parts: FrontCallParts): AsyncGenerator<FrontPart> {
  const { clock } = parts.deps;
  const state = stateOf(call.started, clock.nowMs());
  const attempts: LoggedAttempt[] = [];
  const going: Going = { call, parts, state, attempts, beganMs: clock.monotonicMs() };
  const at = clock.nowMs();
  let error: ErrorRecord | null = { code: "CANCELLED", message: "the caller went away before the answer was whole" };
  let answer: Finish | null = null;
  try {
    for await (const part of attemptsOf(going)) {
      if (part.type === "finish") answer = part;
      if (part.type === "finish") error = null;
      yield part;
    }
  } catch (thrown) {
    error = call.signal.aborted ? error : errorRecord(thrown, "MODEL_UNAVAILABLE");
    throw thrown;
  } finally {
    parts.log.add({ call, at, endedAt: at + (clock.monotonicMs() - going.beganMs), attempts, answer, error });
  }
}

async function* attemptsOf(going: Going): AsyncGenerator<FrontPart> {
  const { call, parts, beganMs } = going;
  const { models, clock, entropy } = parts.deps;
  const failed: FailedAttempt[] = [];
  const hint = { tenant: call.started.tenant, affinity: affinityOf(call.asked.request) };
  for (;;) {
    const next = models.next(call.asked.model, failed, entropy.random(), hint);
    if (next.type === "give-up") throw errorOf(next.error);
    if (next.waitMs > 0) await sleep(clock, next.waitMs, call.signal);
    const attempt = failed.length + 1;
    let hasBegun = false;
    try {
      for await (const part of attemptOnce(going, next.endpoint, attempt)) {
        hasBegun = true;
        yield part;
      }
      return;
    } catch (thrown) {
      const isOver = hasBegun || call.signal.aborted || PawlError.is(thrown, "BUDGET_REFUSED");
      if (isOver) throw thrown;
      const error = errorRecord(thrown, "MODEL_UNAVAILABLE");
      failed.push({ attempt, endpoint: next.endpoint.name, error, elapsedMs: clock.monotonicMs() - beganMs });
    }
  }
}

async function* attemptOnce(going: Going, endpoint: ModelEndpoint, attempt: number): AsyncGenerator<FrontPart> {
  const { call, parts, attempts } = going;
  const { clock } = parts.deps;
  const { files, isStream, isOneCall, chat } = call.asked;
  const held = await hold(going, endpoint);
  const { request, mayHedge, notes } = held;
  const began = clock.monotonicMs();
  const record: LoggedAttempt = {
    endpoint,
    attempt,
    at: clock.nowMs(),
    reserved: held.amount,
    params: request.params,
    notes,
    ttftMs: null,
    ms: 0,
    outcome: null,
  };
  attempts.push(record);
  const options = {
    signal: call.signal,
    requestId: call.id,
    stream: isStream,
    tenant: call.started.tenant,
    mayHedge,
    readBlob: (name: string) => Promise.resolve(files.get(name) ?? null),
    ...(chat && { chat }),
  };
  try {
    for await (const given of endpoint.generate(request, options)) {
      const part = isOneCall ? firstCallOnly(given) : given;
      if (part === null) continue;
      record.ttftMs ??= clock.monotonicMs() - began;
      if (part.type !== "finish") {
        yield part;
        continue;
      }
      const finish = checkedAnswer(part, call.id, endpoint.name);
      const usage = finish.usage ?? assumedUsage(endpoint.countTokens(request), request.params.maxOutputTokens);
      const beside = besideBills({ callId: CALL, attempt, request }, finish.beside ?? []);
      record.outcome = { type: "answered", finish, usage, assumed: finish.usage === null, beside };
      yield { ...finish, usage, attempts: attempt, endpoint: (finish.by ?? endpoint).name };
      return;
    }
    throw new PawlError("MODEL_BROKEN_STREAM", `"${endpoint.name}" ended its stream without a finish.`);
  } catch (thrown) {
    record.outcome ??= { type: "failed", ...failureOf(thrown, record, request) };
    throw thrown;
  } finally {
    record.ms = clock.monotonicMs() - began;
    record.outcome ??= { type: "failed", ...failureOf(call.signal.reason, record, request) };
    held.settle(record);
  }
}

function failureOf(thrown: unknown, { endpoint, ttftMs }: LoggedAttempt, request: ModelRequest) {
  const error = errorRecord(thrown ?? new PawlError("CANCELLED", "the caller went away."), "CANCELLED");
  const isFree = isUnbilled(error.code) && ttftMs === null;
  const usage = isFree ? null : assumedUsage(endpoint.countTokens(request), request.params.maxOutputTokens);
  return { error, usage, beside: besideBills({ callId: CALL, attempt: 1, request }, billsOf(thrown)) };
}

function firstCallOnly(part: ModelPart): ModelPart | null {
  if (part.type === "tool-input.delta") return part.index === 0 ? part : null;
  if (part.type !== "finish") return part;
  const first = part.content.find((one) => one.type === "tool-call");
  return { ...part, content: part.content.filter((one) => one.type !== "tool-call" || one === first) };
}

/** Equal for requests that begin alike: a provider has their prefix cached. */
function affinityOf({ system, messages }: ModelRequest): string {
  const first = messages[0]?.content[0];
  return `${system.slice(0, 256)}\n${first?.type === "text" ? first.text.slice(0, 256) : ""}`;
}

/** A call as the hooks that count see it: a run that has only begun. */
function stateOf(started: RunStarted, at: number): RunState {
  const by = { principal: started.principal, messageId: "" };
  return firstState({ id: "", firstSeq: 1, at, format: journalFormat, by, prevHash: "", events: [started] }, "");
}

/** As the last attempt of a call tells it. */
export function errorOf({ code, message, details }: ErrorRecord): PawlError {
  const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "MODEL_UNAVAILABLE";
  return new PawlError(known, message, { ...(details && { details }) });
}
