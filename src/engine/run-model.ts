import { sleep } from "../core/clock.ts";
import { PawlError, type ErrorRecord } from "../core/errors.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ModelAnswered, ModelAttempted, ModelCalled } from "../core/model-event.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { billsOf, type BesideBill, type ModelEndpoint, type ModelParams } from "../core/model-contract.ts";
import type { SavedAnswer } from "../core/model-event.ts";
import { fenceOf } from "../core/fence.ts";
import { promptHashOf } from "../core/prompt-hash.ts";
import { digestOf, emptyContext, paramsHashOf, type ContextState } from "../core/run-context.ts";
import { limits } from "../core/limits.ts";
import type { ModelCallSpec } from "../core/runnable.ts";
import { costOf, noUsage, tokensOf } from "../core/usage.ts";
import { keepAnswer, keptAnswer } from "./answer-cache.ts";
import type { Desk } from "./desk.ts";
import { fitModel, hintOf, type Fitted } from "./fit-model.ts";
import { failedAttempts, type ModelStart } from "./intents.ts";
import {
  refusedAgain,
  releaseShared,
  reservationOf,
  reserveShared,
  type SharedRefusal,
  type SharedReservation,
} from "./shared-reserve.ts";
import { checkedAnswer, type Finish } from "./model-answer.ts";
import { assumedUsage, besideBills, isUnbilled, priceSourceOf } from "./model-bill.ts";
import { recordedPromptOf } from "./prompt.ts";
import type { HeldText } from "./held-text.ts";
import type { Cleaner } from "./redaction.ts";

type Attempt =
  | {
      readonly ok: true;
      readonly finish: Finish;
      readonly ttftMs: number | null;
      readonly ms: number;
      readonly saved?: SavedAnswer;
    }
  | {
      readonly ok: false;
      readonly error: ErrorRecord;
      readonly sawOutput: boolean;
      readonly beside: readonly BesideBill[];
    };

/** Runs a model call to its outcome from an attempt whose model.called is durable. */
export async function runModel(callId: string, spec: ModelCallSpec, first: ModelStart, desk: Desk): Promise<void> {
  let start = first;
  for (;;) {
    if (!(await desk.right.whenFresh())) return;
    const attempt = desk.state().calls[callId]?.attempt ?? 1;
    const outcome = await attemptOnce(callId, attempt, start, desk);
    if (outcome.ok) {
      desk.fact(callId, await answeredEvents(callId, attempt, spec, start, outcome, desk));
      return;
    }
    const attempted = [
      ...besideBills({ callId, attempt, request: start.request }, outcome.beside),
      failedEvent(callId, attempt, start, outcome),
    ];
    if (desk.signal.aborted) {
      desk.fact(callId, [...attempted, { type: "model.failed", callId, error: outcome.error }]);
      return;
    }
    if (!(await desk.record(attempted))) return;
    const next = await nextAttempt(callId, spec, desk);
    if (next === null) return;
    start = next;
  }
}

/** Charges an attempt that died with its worker at its worst case, then goes on with the next. */
export async function resumeLostModel(callId: string, spec: ModelCallSpec, desk: Desk): Promise<void> {
  if (!(await desk.record([lostAttempt(callId, desk)]))) return;
  await resumeModel(callId, spec, desk);
}

/** Goes on with a model call whose last attempt is known to have failed. */
export async function resumeModel(callId: string, spec: ModelCallSpec, desk: Desk): Promise<void> {
  const next = await nextAttempt(callId, spec, desk);
  if (next !== null) await runModel(callId, spec, next, desk);
}

/** Bill of an attempt whose outcome nobody will ever tell. */
export function lostAttempt(callId: string, desk: Pick<Desk, "state">): ModelAttempted {
  const call = desk.state().calls[callId];
  const intent = call?.intent;
  const reserved = desk.state().reserved[callId];
  const inputTokens = intent?.type === "model.called" ? intent.inputTokens : 0;
  return {
    type: "model.attempted",
    callId,
    attempt: call?.attempt ?? 1,
    endpoint: intent?.type === "model.called" ? intent.endpoint : "none",
    error: { code: "WORKER_LOST", message: "the worker died before the answer was recorded" },
    usage: assumedUsage(inputTokens, (reserved?.tokens ?? inputTokens) - inputTokens),
    costNanoUsd: reserved?.costNanoUsd ?? null,
    priceSource: "assumed",
    assumed: true,
  };
}

/** Chooses, waits, reserves and records the next attempt. null = the call is over, held, or no longer ours. */
async function nextAttempt(callId: string, spec: ModelCallSpec, desk: Desk): Promise<ModelStart | null> {
  const { deps } = desk;
  const state = desk.state();
  const call = state.calls[callId];
  const intent = call?.intent;
  if (intent?.type !== "model.called") throw new PawlError("INTERNAL", `call "${callId}" is no model call.`);
  const sent = call?.sent ?? null;
  const failed = failedAttempts(state, callId, deps.clock.nowMs());
  const next = deps.models.next(intent.route, failed, deps.entropy.random(), hintOf(state, desk.ref.runId, spec));
  if (next.type === "give-up") {
    desk.fact(callId, [{ type: "model.failed", callId, error: next.error }]);
    return null;
  }
  if (next.waitMs > 0) await sleep(deps.clock, next.waitMs, desk.signal).catch(() => undefined);
  if (desk.signal.aborted) return null;
  const prompt = await recordedPromptOf({ sent, add: intent.add }, spec, {
    values: desk.values,
    fence: fenceOf(state.started),
  });
  return recordFitted({ callId, intent, endpoint: next.endpoint, prompt, context: sent ?? emptyContext }, desk);
}

interface Chosen {
  readonly callId: string;
  /** Of the first attempt. */
  readonly intent: ModelCalled;
  readonly endpoint: ModelEndpoint;
  readonly prompt: Awaited<ReturnType<typeof recordedPromptOf>>;
  readonly context: ContextState;
}

/** Fits an attempt to the budget and records it; fits it again where what was recorded before it took that room. */
async function recordFitted(chosen: Chosen, desk: Desk): Promise<ModelStart | null> {
  const { callId, endpoint, prompt } = chosen;
  let refused: SharedRefusal | null = null;
  for (let [fit, shrinks] = [1, 0]; ;) {
    const state = desk.state();
    const fitted = fitModel(endpoint, prompt.request, state, refused?.room);
    if (fitted.type === "held") {
      desk.hold(callId, refused?.refusal ?? fitted.refusal);
      return null;
    }
    const attempt = (state.calls[callId]?.attempt ?? 0) + 1;
    const shared = await reserveShared(desk, state, { callId, attempt, fit }, fitted.reservation);
    if (shared.type === "refused") {
      refused = refusedAgain(refused, shared);
      if (refused.room !== null && shrinks++ < limits.budgetShrinks) continue;
      desk.hold(callId, shared.refusal);
      return null;
    }
    const fate = await desk.attempt(calledAgain(chosen, attempt, fitted, shared));
    const { request, inputTokens, mayHedge } = fitted;
    if (fate === "recorded") return { endpoint, request, inputTokens, mayHedge };
    if (fate === "dropped") return null;
    await releaseShared(desk, shared);
    fit++;
  }
}

function calledAgain(
  { intent, endpoint, prompt, context }: Chosen,
  attempt: number,
  { request, inputTokens, reservation }: Fitted & { readonly type: "fits" },
  shared: SharedReservation,
): ModelCalled {
  const {
    systemRef: _system,
    toolsetRef: _toolset,
    params: _params,
    reservationId: _id,
    budgetNotes: _notes,
    ...base
  } = intent;
  return {
    ...base,
    ...otherParams(intent, request.params, prompt.chain, context),
    ...reservationOf(shared),
    attempt,
    endpoint: endpoint.name,
    drop: 0,
    add: [],
    inputTokens,
    reservation,
  };
}

/** An attempt says what it sends only where that differs from the first: its output limit shrank, or no longer had to. */
function otherParams(
  first: ModelCalled,
  sent: ModelParams,
  chain: string,
  context: ContextState,
): Pick<ModelCalled, "params" | "promptHash"> | null {
  const params = sent as unknown as JsonObject;
  const sentFirst = first.params === undefined ? context.paramsHash : paramsHashOf(first.params);
  if (paramsHashOf(params) === sentFirst) return null;
  const systemDigest = first.systemRef === undefined ? context.systemHash : digestOf(first.systemRef);
  const toolsetDigest = first.toolsetRef === undefined ? context.toolsetHash : digestOf(first.toolsetRef);
  return { params, promptHash: promptHashOf({ route: first.route, systemDigest, toolsetDigest, params, chain }) };
}

async function attemptOnce(callId: string, attempt: number, start: ModelStart, desk: Desk): Promise<Attempt> {
  const { clock } = desk.deps;
  const began = clock.monotonicMs();
  let ttftMs: number | null = null;
  let index = 0;
  const tell = (part: LivePart): void => {
    if (part.text !== "") desk.delta(callId, attempt, index++, part);
  };
  const live =
    desk.values.cleaner === null ? { take: tell, end: () => undefined } : heldParts(desk.values.cleaner, tell);
  try {
    const kept = await keptAnswer(start, desk);
    if (kept !== null) {
      const finish = { type: "finish", ...kept.finish, usage: noUsage } as const;
      const ms = clock.monotonicMs() - began;
      return {
        ok: true,
        finish: checkedAnswer(finish, callId, start.endpoint.name),
        ttftMs: null,
        ms,
        saved: kept.saved,
      };
    }
    const options = {
      signal: desk.signal,
      requestId: `${desk.ref.runId}:${callId}`,
      stream: desk.deps.hooks.streams !== false,
      tenant: desk.ref.tenant,
      mayHedge: start.mayHedge,
      readBlob: (hash: string) => desk.values.readBytes(hash),
    };
    for await (const part of start.endpoint.generate(start.request, options)) {
      if (part.type === "finish") {
        live.end();
        const finish = checkedAnswer(part, callId, start.endpoint.name);
        return { ok: true, finish, ttftMs, ms: clock.monotonicMs() - began };
      }
      ttftMs ??= clock.monotonicMs() - began;
      live.take({ type: part.type, text: part.text });
    }
    const message = `"${start.endpoint.name}" ended its stream without a finish.`;
    return { ok: false, error: { code: "MODEL_BROKEN_STREAM", message }, sawOutput: ttftMs !== null, beside: [] };
  } catch (error) {
    const beside = billsOf(error);
    return { ok: false, error: desk.values.error(error, "MODEL_UNAVAILABLE"), sawOutput: ttftMs !== null, beside };
  }
}

interface LivePart {
  readonly type: string;
  readonly text: string;
}

/** Live text, each kind for itself, without what must not be shown. */
function heldParts(cleaner: Cleaner, tell: (part: LivePart) => void) {
  const kinds = new Map<string, HeldText>();
  return {
    take: ({ type, text }: LivePart): void => {
      const held = kinds.get(type) ?? cleaner.held();
      kinds.set(type, held);
      tell({ type, text: held.push(text) });
    },
    end: (): void => {
      for (const [type, held] of kinds) tell({ type, text: held.end() });
    },
  };
}

function failedEvent(
  callId: string,
  attempt: number,
  start: ModelStart,
  outcome: Attempt & { readonly ok: false },
): ModelAttempted {
  const base = {
    type: "model.attempted",
    callId,
    attempt,
    endpoint: start.endpoint.name,
    error: outcome.error,
  } as const;
  if (isUnbilled(outcome.error.code) && !outcome.sawOutput) {
    return { ...base, costNanoUsd: 0, priceSource: null, assumed: false };
  }
  const usage = assumedUsage(start.inputTokens, start.request.params.maxOutputTokens);
  return {
    ...base,
    usage,
    costNanoUsd: costOf(usage, start.endpoint.price),
    priceSource: priceSourceOf(start.endpoint),
    assumed: true,
  };
}

async function answeredEvents(
  callId: string,
  attempt: number,
  spec: ModelCallSpec,
  start: ModelStart,
  outcome: Attempt & { readonly ok: true },
  desk: Desk,
): Promise<readonly JournalEvent[]> {
  const { finish, saved } = outcome;
  const endpoint = finish.by ?? start.endpoint;
  const beside = besideBills({ callId, attempt, request: start.request }, finish.beside ?? []);
  const assumed = finish.usage === null;
  const usage = finish.usage ?? assumedUsage(start.inputTokens, start.request.params.maxOutputTokens);
  const answered: ModelAnswered = {
    type: "model.answered",
    callId,
    attempt,
    endpoint: endpoint.name,
    model: finish.model,
    context: spec.context,
    messageRef: await desk.values.putMessages({ role: "assistant", content: finish.content } as unknown as JsonValue, {
      source: "untrusted",
      origin: "model",
    }),
    finish: finish.finish,
    usage,
    costNanoUsd: saved === undefined ? costOf(usage, endpoint.price) : 0,
    priceSource: priceSourceOf(endpoint),
    assumed,
    ttftMs: outcome.ttftMs === null ? null : Math.round(outcome.ttftMs),
    ms: Math.round(outcome.ms),
    ...(saved !== undefined && { saved }),
  };
  if (saved === undefined) await keepAnswer({ endpoint, request: start.request }, answered, desk);
  const reserved = desk.state().reserved[callId];
  const bills = [...beside, answered];
  const tokens = bills.reduce((sum, bill) => sum + (bill.usage === undefined ? 0 : tokensOf(bill.usage)), 0);
  const costNanoUsd = bills.reduce((sum, bill) => sum + (bill.costNanoUsd ?? 0), 0);
  const over = tokens - (reserved?.tokens ?? 0);
  if (reserved === undefined || over <= 0) return bills;
  const by = { tokens: over, costNanoUsd: Math.max(0, costNanoUsd - (reserved.costNanoUsd ?? 0)), calls: 0 };
  return [{ type: "budget.overrun", callId, attempt, by }, ...bills];
}
