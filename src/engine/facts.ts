import { PawlError, type ErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Message } from "../core/message.ts";
import type { AskOutcome, ChildOutcome, ModelOutcome, SignalOutcome, ToolOutcome } from "../core/runnable.ts";
import type { CallState, Fact, RunState } from "../core/run-state.ts";
import type { Values } from "./values.ts";

export type Delivery = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: Error };

/** What a recorded fact means to the body: the value its promise settles with. The same on replay. */
export async function deliveryOf(state: RunState, fact: Fact, values: Values): Promise<Delivery> {
  switch (fact.type) {
    case "model.answered":
    case "model.failed":
      return given(await modelOutcome(fact, values));
    case "tool.returned":
    case "tool.failed":
    case "tool.refused":
      return given(await toolOutcome(fact, values));
    case "step.returned":
      return given(await values.read(fact.valueRef));
    case "step.failed":
      return { ok: false, error: stepError(fact.error) };
    case "wait.ended":
      return waitDelivery(state, state.calls[fact.callId], fact.bySeq, values);
  }
}

function given(value: unknown): Delivery {
  return { ok: true, value };
}

async function modelOutcome(
  fact: Extract<Fact, { type: "model.answered" | "model.failed" }>,
  values: Values,
): Promise<ModelOutcome> {
  if (fact.type === "model.failed") return { status: "failed", callId: fact.callId, error: fact.error };
  const message = (await values.read(fact.messageRef)) as unknown as Message;
  const { callId, finish, usage, model } = fact;
  return { status: "answered", callId, message, finish, usage, model };
}

async function toolOutcome(
  fact: Extract<Fact, { type: "tool.returned" | "tool.failed" | "tool.refused" }>,
  values: Values,
): Promise<ToolOutcome> {
  const shown = fact.shownRef === undefined ? null : await values.read(fact.shownRef);
  const { callId } = fact;
  if (fact.type === "tool.refused") return { status: "refused", callId, code: fact.code, shown };
  if (fact.type === "tool.failed") return { status: "failed", callId, error: fact.error, shown };
  if (fact.invalid !== undefined) return { status: "failed", callId, error: fact.invalid, shown };
  const value = fact.rawRef === undefined ? shown : await values.read(fact.rawRef);
  return { status: "returned", callId, value, shown };
}

function stepError(record: ErrorRecord): Error {
  return Object.assign(new Error(record.message), { name: "StepError", code: record.code });
}

async function waitDelivery(
  state: RunState,
  call: CallState | undefined,
  bySeq: number | undefined,
  values: Values,
): Promise<Delivery> {
  if (call === undefined) throw new PawlError("INTERNAL", "a wait ended that the state does not know.");
  switch (call.kind) {
    case "child":
      return given(await childOutcome(call, values));
    case "ask":
      return given(await askOutcome(call, values));
    default:
      return given(await signalOutcome(state, call, bySeq, values));
  }
}

async function childOutcome(call: CallState, values: Values): Promise<ChildOutcome> {
  const event = call.news?.event;
  if (event?.type !== "child.ended")
    throw new PawlError("INTERNAL", `call ${call.callId} ended without its child's outcome.`);
  return {
    childRunId: event.childRunId,
    status: event.status,
    stopReason: event.stopReason ?? null,
    error: event.error ?? null,
    value: await values.read(event.valueRef),
  };
}

async function askOutcome(call: CallState, values: Values): Promise<AskOutcome> {
  const event = call.decision?.event;
  if (event === undefined) throw new PawlError("INTERNAL", `call ${call.callId} ended without a decision.`);
  const answer: JsonValue = call.vote?.answerRef === undefined ? null : await values.read(call.vote.answerRef);
  const reason = event.reason ?? call.vote?.reason ?? null;
  return { decision: event.decision, answer, by: event.by, reason, expired: event.expired === true };
}

/** A timer's promise gives nothing; a signal's gives its value, or that it did not come in time. */
async function signalOutcome(
  state: RunState,
  call: CallState,
  bySeq: number | undefined,
  values: Values,
): Promise<SignalOutcome | undefined> {
  if (call.intent.type !== "wait.started" || call.intent.wait.kind !== "signal") return undefined;
  if (bySeq === undefined) return { received: false };
  const event = call.news?.event;
  if (event?.type !== "signal.received")
    throw new PawlError("INTERNAL", `signal ${bySeq} of run state ${state.seq} is not known.`);
  return { received: true, value: await values.read(event.valueRef) };
}
