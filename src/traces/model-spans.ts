import type { ModelAnswered, ModelAttempted, ModelCalled } from "../core/model-event.ts";
import type { ModelFailed } from "../core/model-event.ts";
import type { Bill, SpanStatus } from "../core/trace-contract.ts";
import { noUsage } from "../core/usage.ts";
import { attemptKey, callKey, type CallPlace } from "./call-place.ts";

/** Reads the events of model calls. The first attempt is the call itself until there is a second. */
export function readModelEvent(event: ModelCalled | ModelAttempted | ModelAnswered | ModelFailed, on: CallPlace): void {
  switch (event.type) {
    case "model.called":
      called(event, on);
      return;
    case "model.attempted":
      attempted(event, on);
      return;
    case "model.answered":
      answered(event, on);
      return;
    case "model.failed":
      on.board.end(callKey(event.callId), on.place, { status: statusOf(event), error: event.error });
  }
}

function called(event: ModelCalled, { board, place, agent, turnSpanId }: CallPlace): void {
  const key = callKey(event.callId);
  const { callId, attempt, endpoint, reservation } = event;
  const now = {
    endpoint,
    attempts: attempt,
    countedInputTokens: event.inputTokens,
    reservedTokens: reservation.tokens,
    reservedNanoUsd: reservation.costNanoUsd,
    promptHash: event.promptHash,
  };
  board.begin(key, place, {
    kind: "model",
    name: event.route,
    parent: turnSpanId,
    callId,
    detail: { agent, route: event.route, context: event.context },
  });
  board.change(key, { status: "open", detail: now, attempt, attemptFrom: place, isInFlight: true });
  if (attempt > 1) beginAttempt(event, { board, place });
}

interface AttemptAt {
  readonly callId: string;
  readonly attempt: number;
  readonly endpoint: string;
  /** Default: that of the attempt. */
  readonly key?: string;
}

function beginAttempt(at: AttemptAt, { board, place }: Pick<CallPlace, "board" | "place">): string {
  const { callId, attempt, endpoint, key = attemptKey(callId, attempt) } = at;
  const detail = { attempt, endpoint, ...(at.key !== undefined && { beside: true }) };
  board.beginBelow(callKey(callId), key, place, { kind: "attempt", name: endpoint, callId, detail });
  return key;
}

function attempted(event: ModelAttempted, on: CallPlace): void {
  const { board, place } = on;
  const { callId, attempt, endpoint, error } = event;
  const call = board.get(callKey(callId));
  if (call === undefined) return;
  const isCurrent = call.attempt === attempt;
  // an endpoint that was asked beside has a bill of its own under the same number
  const beside = event.beside === true ? { key: `${attemptKey(callId, attempt)}:beside:${place.seq}` } : {};
  const key = beginAttempt(
    { callId, attempt, endpoint, ...beside },
    { board, place: isCurrent ? call.attemptFrom : place },
  );
  board.end(key, place, { status: statusOf(event), error, bill: billOf(event) });
  if (isCurrent && event.beside !== true) board.change(call.key, { isInFlight: false });
}

function answered(event: ModelAnswered, { board, place }: CallPlace): void {
  const { callId, attempt, endpoint, model, finish, ttftMs, ms, saved, person } = event;
  const key = callKey(callId);
  const kept = saved === undefined ? null : { cacheHit: true, savedMs: saved.ms, savedNanoUsd: saved.costNanoUsd };
  const detail = { endpoint, model, finish, ttftMs, ms, ...kept, ...(person && { answeredBy: person.by }) };
  const bill = billOf(event);
  const isOnlyAttempt = attempt === 1 && (board.get(key)?.below.length ?? 0) === 0;
  if (!isOnlyAttempt) {
    const from = board.get(key)?.attemptFrom ?? place;
    beginAttempt({ callId, attempt, endpoint }, { board, place: from });
    board.end(attemptKey(callId, attempt), place, { status: "ok", bill, detail });
  }
  board.end(key, place, { status: "ok", ...(isOnlyAttempt && { bill }), detail });
}

function statusOf({ error }: { readonly error: { readonly code: string } }): SpanStatus {
  return error.code === "CANCELLED" ? "cancelled" : "error";
}

/** null for an attempt that was refused before any work: nobody is billed for it. */
function billOf(event: ModelAttempted | ModelAnswered): Bill | null {
  if (event.usage === undefined && event.costNanoUsd === 0) return null;
  const { costNanoUsd, priceSource, assumed } = event;
  const inherited = event.inherited === true;
  return { usage: event.usage ?? noUsage, costNanoUsd, priceSource, assumed, inherited };
}
