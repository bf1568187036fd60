import type { ErrorRecord } from "../core/errors.ts";
import type {
  EffectResolved,
  EffectUnknown,
  ToolCalled,
  ToolFailed,
  ToolRefused,
  ToolReturned,
  ToolStarted,
} from "../core/tool-event.ts";
import type { JsonObject } from "../core/json.ts";
import type { Bill, SpanStatus } from "../core/trace-contract.ts";
import type { StepCalled, StepEvent, StepStarted } from "../core/step-event.ts";
import { noUsage } from "../core/usage.ts";
import { attemptKey, callKey, type CallPlace } from "./call-place.ts";
import type { OpenSpan } from "./span-board.ts";

export type ActionEvent =
  | ToolCalled
  | ToolStarted
  | ToolReturned
  | ToolFailed
  | ToolRefused
  | EffectUnknown
  | EffectResolved
  | StepEvent;

const MESSAGE_CHARS = 500;

/** Reads the events of tools and steps: what may act on the world outside. */
export function readActionEvent(event: ActionEvent, on: CallPlace): void {
  const { board, place } = on;
  const key = callKey(event.callId);
  switch (event.type) {
    case "tool.called":
      toolCalled(event, on);
      return;
    case "step.called":
      stepOpened(event, on);
      return;
    case "step.started":
      stepOpened(event, on);
      attemptBegins(event.callId, event.attempt, on);
      return;
    case "tool.started":
      attemptBegins(event.callId, event.attempt, on);
      board.change(key, { detail: { effectStatus: "started", timeLimitMs: event.deadlineMs } });
      return;
    case "tool.returned":
      toolReturned(event, on);
      return;
    case "tool.failed":
      toolFailed(event, on);
      return;
    case "tool.refused":
      board.end(key, place, {
        status: "refused",
        error: refusalOf(event),
        detail: { effectStatus: "refused", refusal: event.code },
      });
      return;
    case "effect.unknown":
      board.change(key, {
        status: "unknown",
        isInFlight: false,
        detail: { effectStatus: "unknown", unknownBecause: event.reason, unknownSince: place.at },
      });
      return;
    case "effect.resolved":
      resolved(event, on);
      return;
    case "step.returned":
      conclude(event.callId, on, { status: "ok" });
      return;
    case "step.failed":
      if (event.retry === true) attemptFails(event.callId, event.error, on);
      else conclude(event.callId, on, { status: failureOf(event.error), error: event.error });
  }
}

function toolCalled(event: ToolCalled, { board, place, turnSpanId, agent }: CallPlace): void {
  const { callId, tool, version, effect, key, argsHash, verdict } = event;
  const { gate, ...said } = verdict;
  const isAsked = verdict.decision === "ask";
  board.begin(callKey(callId), place, {
    kind: "tool",
    name: tool,
    parent: turnSpanId,
    callId,
    status: isAsked ? "waiting" : "open",
    effect,
    detail: {
      agent,
      tool,
      version,
      effect,
      key,
      argsHash,
      verdict: { ...said, ...(gate && { gate: { ...gate } }) },
      attempts: 0,
      effectStatus: verdict.decision === "refuse" ? "refused" : "held",
      ...(event.modelCallId !== undefined && { modelCallId: event.modelCallId, index: event.index ?? 0 }),
      ...(event.cacheHit !== undefined && { cacheHit: event.cacheHit }),
      ...(event.inherited === true && { inherited: true }),
      ...(event.provenance !== undefined && { provenance: event.provenance }),
    },
  });
}

function stepOpened({ callId, name, effect }: StepCalled | StepStarted, on: CallPlace): void {
  const { board, place, turnSpanId, agent } = on;
  board.begin(callKey(callId), place, {
    kind: "step",
    name,
    parent: turnSpanId,
    callId,
    effect,
    detail: { agent, effect, attempts: 0 },
  });
}

/** A second attempt makes the first one a span of its own: of what became of it, the journal may say nothing. */
function attemptBegins(callId: string, attempt: number, on: CallPlace): void {
  const { board, place } = on;
  const call = board.get(callKey(callId));
  if (call === undefined) return;
  if (call.attempt < attempt && !call.below.includes(attemptKey(callId, call.attempt)))
    attemptEnds(call, on, untold(call));
  board.change(call.key, {
    status: "open",
    attempt,
    attemptFrom: place,
    isInFlight: true,
    detail: { attempts: attempt },
  });
  if (attempt > 1) beginAttempt(callId, attempt, on);
}

function untold(call: OpenSpan): AttemptEnd {
  if (!call.isInFlight)
    return { status: "error", error: { code: "TOOL_FAILED", message: "it was found not to have happened" } };
  const error = { code: "WORKER_LOST", message: "the worker died before the outcome was recorded" };
  return { status: call.effect === "pure" ? "error" : "unknown", error };
}

function beginAttempt(callId: string, attempt: number, { board, place }: Pick<CallPlace, "board" | "place">): void {
  const call = board.get(callKey(callId));
  board.beginBelow(callKey(callId), attemptKey(callId, attempt), place, {
    kind: "attempt",
    name: call?.span.name ?? "attempt",
    callId,
    detail: { attempt },
  });
}

interface AttemptEnd {
  readonly status: SpanStatus;
  readonly error?: ErrorRecord | null;
  readonly bill?: Bill | null;
  readonly detail?: JsonObject;
}

function attemptEnds(call: OpenSpan, { board, place }: CallPlace, end: AttemptEnd): void {
  const callId = call.span.callId ?? "";
  beginAttempt(callId, call.attempt, { board, place: call.attemptFrom });
  board.end(attemptKey(callId, call.attempt), place, end);
}

/** An attempt that failed and is followed by another. */
function attemptFails(callId: string, error: ErrorRecord, on: CallPlace, ms?: number): void {
  const call = on.board.get(callKey(callId));
  if (call === undefined) return;
  attemptEnds(call, on, { status: "error", error, ...(ms !== undefined && { detail: { ms } }) });
  // a pure call records no start: its next attempt begins here
  on.board.change(call.key, { attempt: call.attempt + 1, attemptFrom: on.place, isInFlight: false });
}

function toolFailed(event: ToolFailed, on: CallPlace): void {
  const { callId, error, applied, attempt, ms } = event;
  if (event.retry === true) {
    attemptFails(callId, error, on, ms);
    on.board.change(callKey(callId), { detail: { attempts: attempt } });
    return;
  }
  const detail = { attempts: attempt, applied, effectStatus: "failed", ...(ms !== undefined && { ms }) };
  conclude(callId, on, { status: failureOf(error), error, detail });
}

function toolReturned(event: ToolReturned, on: CallPlace): void {
  const { callId, ms, via, saved, invalid, attempt, shownRef } = event;
  const detail = {
    attempts: attempt,
    ms,
    effectStatus: "done",
    ...(via !== undefined && { via }),
    ...(via === "cache" && { cacheHit: true }),
    ...(saved !== undefined && { savedMs: saved.ms, savedNanoUsd: saved.costNanoUsd }),
    ...(shownRef.label?.cleaned !== undefined && { cleaned: shownRef.label.cleaned }),
  };
  const status = invalid === undefined ? "ok" : "error";
  conclude(callId, on, { status, ...(invalid && { error: invalid }), detail, bill: billOf(event) });
}

/** The outcome of a call. Where it took several attempts, the last of them has it too, and the bill. */
function conclude(callId: string, on: CallPlace, end: AttemptEnd): void {
  const call = on.board.get(callKey(callId));
  if (call === undefined) return;
  const isOnlyAttempt = call.below.every((key) => !key.startsWith("attempt:"));
  const { bill: _bill, ...plain } = end;
  if (!isOnlyAttempt) attemptEnds(call, on, end);
  on.board.end(call.key, on.place, isOnlyAttempt ? end : plain);
}

function resolved(event: EffectResolved, { board, place }: CallPlace): void {
  const call = board.get(callKey(event.callId));
  if (call === undefined) return;
  const isApplied = event.resolution === "applied";
  const since = call.span.detail["unknownSince"];
  const detail = {
    effectStatus: isApplied ? "done" : "held",
    resolvedBy: event.by,
    resolution: event.resolution,
    ...(typeof since === "number" && { unknownMs: Math.max(0, place.at - since) }),
  };
  board.change(call.key, { status: "open", isInFlight: false, detail });
}

function billOf({ costNanoUsd, costAssumed, tool, inherited }: ToolReturned): Bill | null {
  if (costNanoUsd === undefined) return null;
  return {
    usage: noUsage,
    costNanoUsd,
    priceSource: `tool ${tool}`,
    assumed: costAssumed === true,
    inherited: inherited === true,
  };
}

function failureOf(error: ErrorRecord): SpanStatus {
  return error.code === "CANCELLED" ? "cancelled" : "error";
}

function refusalOf({ code, shownRef }: ToolRefused): ErrorRecord {
  const shown = "inline" in shownRef ? shownRef.inline : "refused";
  return { code, message: (typeof shown === "string" ? shown : JSON.stringify(shown)).slice(0, MESSAGE_CHARS) };
}
