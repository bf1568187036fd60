import { sleep } from "../../core/clock.ts";
import { errorTable, type ErrorCode } from "../../core/error-table.ts";
import { errorRecord, PawlError, type ErrorRecord } from "../../core/errors.ts";
import { journalFormat, type RunStarted } from "../../core/journal-event.ts";
import { utf8Bytes } from "../../core/json.ts";
import {
  billsOf,
  type FailedAttempt,
  type ModelEndpoint,
  type ModelPart,
  type ModelRequest,
} from "../../core/model-contract.ts";
import { firstState } from "../../core/run-fold.ts";
import type { RunState } from "../../core/run-state.ts";
import type { LedgerAmount } from "../../core/store-contract.ts";
import { worstCostOf, type Usage } from "../../core/usage.ts";
import type { Amount } from "../../core/budget.ts";
import type { EngineDeps } from "../../engine/deps.ts";
import { checkedAnswer, type Finish } from "../../engine/model-answer.ts";
import { assumedUsage, besideBills, isUnbilled } from "../../engine/model-bill.ts";
import { billOf, CALL, type FrontCall, type LoggedAttempt, type LoggedCall } from "./call-record.ts";
import type { Escrow, Hold } from "./escrow.ts";

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
  const { request, files, isStream, isOneCall, chat } = call.asked;
  const held = await hold(going, endpoint);
  const began = clock.monotonicMs();
  const record: LoggedAttempt = {
    endpoint,
    attempt,
    at: clock.nowMs(),
    reserved: held.amount,
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
    mayHedge: endpoint.beside !== undefined,
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

interface Held {
  readonly amount: Amount;
  settle(record: LoggedAttempt): void;
}

/**
 * The worst case of an attempt, held. Its input counts by its bytes, which no tokenizer exceeds and which cost nothing to
 * know; where that does not fit, it is counted.
 */
async function hold({ call, parts, state }: Going, endpoint: ModelEndpoint): Promise<Held> {
  const { deps, escrow } = parts;
  const { request } = call.asked;
  const scopesOf = deps.hooks.sharedScopes;
  const take = async (inputTokens: number): Promise<Held> => {
    const amount = worstOf(endpoint, request, inputTokens);
    const shared = scopesOf === undefined ? [] : await scopesOf(state, amount, deps);
    const amounts = shared.map(({ scope, window, unit, amount: counted }) => ({
      scope,
      window,
      unit,
      amount: counted,
    }));
    const taken: Hold = await escrow.take(call.started.tenant, amounts);
    return { amount, settle: (record) => taken.settle(usedOf(amounts, record)) };
  };
  if (scopesOf === undefined) return take(0);
  try {
    return await take(bytesOf(request));
  } catch (error) {
    if (!PawlError.is(error, "BUDGET_REFUSED")) throw error;
    return take(Math.ceil(endpoint.countTokens(request) * COUNT_MARGIN));
  }
}

const COUNT_MARGIN = 1.1;
const FILE_TOKENS = 4_000;
const PART_TOKENS = 16;

function worstOf(endpoint: ModelEndpoint, request: ModelRequest, inputTokens: number): Amount {
  const output = request.params.maxOutputTokens;
  const all = endpoint.beside === undefined ? [endpoint] : [endpoint, endpoint.beside];
  const costs = all.map(({ price }) => worstCostOf(inputTokens, output, price)).filter((cost) => cost !== null);
  const costNanoUsd = costs.length === all.length ? costs.reduce((a, b) => a + b, 0) : null;
  return { tokens: all.length * (inputTokens + output), costNanoUsd, calls: 1 };
}

function bytesOf({ system, messages, tools }: ModelRequest): number {
  let bytes = utf8Bytes(system) + PART_TOKENS;
  for (const tool of tools) bytes += utf8Bytes(JSON.stringify(tool)) + PART_TOKENS;
  for (const { content } of messages) {
    for (const part of content) {
      if (part.type === "file") bytes += FILE_TOKENS;
      else if (part.type === "text" || part.type === "reasoning") bytes += utf8Bytes(part.text) + PART_TOKENS;
      else bytes += utf8Bytes(JSON.stringify(part)) + PART_TOKENS;
    }
  }
  return bytes;
}

/** What an attempt used, in the units of its amounts. */
function usedOf(amounts: readonly LedgerAmount[], record: LoggedAttempt): readonly LedgerAmount[] {
  const bill = billOf(record);
  return amounts.map((one) => {
    if (one.unit === "calls") return { ...one, amount: bill === null ? 0 : one.amount };
    const tokens = bill === null ? 0 : bill.tokens;
    return { ...one, amount: one.unit === "tokens" ? tokens : (bill?.costNanoUsd ?? 0) };
  });
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

function errorOf({ code, message, details }: ErrorRecord): PawlError {
  const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "MODEL_UNAVAILABLE";
  return new PawlError(known, message, { ...(details && { details }) });
}
