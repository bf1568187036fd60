import { costCounted, type Amount } from "./budget.ts";
import type { ErrorRecord } from "./errors.ts";
import { hashText } from "./hash.ts";
import type { ChildCalled, ChildEnded, JournalEvent } from "./journal-event.ts";
import type { ModelAnswered, ModelAttempted, ModelCalled } from "./model-event.ts";
import type { ToolCalled } from "./tool-event.ts";
import { digestOf } from "./run-context.ts";
import { childTotals } from "./run-totals.ts";
import type { CallKind, CallState, Fact, Intent, RecentCall, RunState, Unsettled } from "./run-state.ts";
import { tokensOf } from "./usage.ts";

const RECENT_MAX = 64;

/** The state after an event of a call: its attempts, its outcome, and what outside writers told about it. Pure. */
export function foldCall(state: RunState, event: JournalEvent, seq: number, at: number): RunState {
  switch (event.type) {
    case "model.called":
      return withLedger(withReserved(modelCalled(state, event, seq), event.callId, event.reservation), event);
    case "model.attempted": {
      if (event.beside === true) return withFate(state, event.callId, event.attempt, billOf(event));
      const call = state.calls[event.callId];
      const failed = { attempt: event.attempt, endpoint: event.endpoint, error: event.error, at };
      const next = patched(state, event.callId, {
        started: false,
        lostAt: null,
        failed: [...(call?.failed ?? []), failed],
      });
      return withFate(released(next, event.callId), event.callId, event.attempt, billOf(event));
    }
    case "tool.called":
      return withLedger(withReserved(opened(state, "tool", event, seq, 0), event.callId, mostOf(event)), event);
    case "tool.started":
      return patched(state, event.callId, { ...begun(event), unknown: false });
    case "tool.failed":
      return foldToolFailed(state, event, seq, at);
    case "step.called":
      return opened(state, "step", event, seq, 0);
    case "step.started": {
      const known = state.calls[event.callId] === undefined ? opened(state, "step", event, seq, 1) : state;
      return patched(known, event.callId, begun(event));
    }
    case "child.called":
      return withReserved(opened(state, "child", event, seq, 0), event.callId, event.allowance ?? null);
    case "wait.started":
      return opened(state, "wait", event, seq, 0);
    case "approval.asked": {
      const bound = state.calls[event.callId] === undefined ? opened(state, "ask", event, seq, 0) : state;
      return patched(bound, event.callId, { approval: { seq, event } });
    }
    default:
      return foldNews(state, event, seq);
  }
}

function modelCalled(state: RunState, event: ModelCalled, seq: number): RunState {
  if (event.attempt === 1) {
    const sent = event.context === "main" ? state.context : null;
    return patched(opened(state, "model", event, seq, 1), event.callId, { sent });
  }
  return patched(state, event.callId, { attempt: event.attempt, started: true, lostAt: null });
}

function begun({
  attempt,
  deadlineMs,
}: {
  readonly attempt: number;
  readonly deadlineMs?: number;
}): Partial<CallState> {
  return { attempt, started: true, lostAt: null, deadlineMs: deadlineMs ?? null };
}

function foldToolFailed(
  state: RunState,
  event: JournalEvent & { readonly type: "tool.failed" },
  seq: number,
  at: number,
): RunState {
  if (event.retry !== true) return settledCall(state, event, seq);
  const failed = { attempt: event.attempt, endpoint: "", error: event.error, at };
  const call = state.calls[event.callId];
  return patched(state, event.callId, { started: false, lostAt: null, failed: [...(call?.failed ?? []), failed] });
}

function foldNews(state: RunState, event: JournalEvent, seq: number): RunState {
  switch (event.type) {
    case "approval.voted": {
      const call = callOfApproval(state, event.approvalId);
      const { editedArgsRef, answerRef, reason } = event;
      const vote = {
        ...(editedArgsRef && { editedArgsRef }),
        ...(answerRef && { answerRef }),
        ...(reason !== undefined && { reason }),
      };
      return call === undefined || call.decision !== null ? state : patched(state, call.callId, { vote });
    }
    case "approval.decided": {
      const call = callOfApproval(state, event.approvalId);
      // what time decides rests on no vote: an edit that was not enough is not what runs
      const vote = event.expired === true ? { vote: null } : {};
      return call === undefined ? state : patched(state, call.callId, { decision: { seq, event }, ...vote });
    }
    case "child.ended": {
      const done = { ...state, totals: childTotals(state.totals, event) };
      return patched(released(done, event.callId), event.callId, { news: { seq, event } });
    }
    case "effect.unknown":
      return withUnknown(patched(state, event.callId, { unknown: true, started: false }), event.callId);
    case "effect.resolved": {
      const known = { ...state, unknowns: state.unknowns.filter((unknown) => unknown.callId !== event.callId) };
      return patched(known, event.callId, { unknown: false, started: false, lostAt: null, news: { seq, event } });
    }
    case "step.failed":
      return event.retry === true
        ? patched(state, event.callId, { started: false, lostAt: null })
        : settledCall(state, event, seq);
    case "model.answered":
    case "model.failed":
    case "tool.returned":
    case "tool.refused":
    case "step.returned":
    case "wait.ended":
      return settledCall(state, event, seq);
    default:
      return state;
  }
}

function opened(state: RunState, kind: CallKind, intent: Intent, seq: number, attempt: number): RunState {
  const call: CallState = {
    callId: intent.callId,
    kind,
    seq,
    intent,
    attempt,
    started: attempt > 0,
    deadlineMs: null,
    lostAt: null,
    waitedMs: 0,
    unknown: false,
    approval: null,
    decision: null,
    news: null,
    vote: null,
    sent: null,
    failed: [],
    fact: null,
  };
  return { ...state, calls: { ...state.calls, [intent.callId]: call } };
}

function patched(state: RunState, callId: string, patch: Partial<CallState>): RunState {
  const call = state.calls[callId];
  return call === undefined ? state : { ...state, calls: { ...state.calls, [callId]: { ...call, ...patch } } };
}

function settledCall(state: RunState, event: Fact, seq: number): RunState {
  const call = state.calls[event.callId];
  const done = released(patched(state, event.callId, { fact: { seq, event }, started: false }), event.callId);
  if (event.type === "wait.ended") return withNewsTaken(done, call, event.bySeq);
  if (event.type === "model.answered") return withFate(done, event.callId, event.attempt, billOf(event));
  if (call?.intent.type !== "tool.called") return done;
  const isUnused = event.type === "tool.refused";
  const costNanoUsd = event.type === "tool.returned" ? (event.costNanoUsd ?? 0) : 0;
  const known = withFate(done, event.callId, 1, { tokens: 0, costNanoUsd, ...(isUnused && { isUnused }) });
  return withEffectCounted(withRecent(known, recentOf(state.turn, call.intent, event)), call, event);
}

/** A child's end is a call's outcome like any other; a signal that a wait took is no longer pending. */
function withNewsTaken(state: RunState, call: CallState | undefined, bySeq: number | undefined): RunState {
  const news = call?.news?.event;
  if (call?.intent.type === "child.called" && news?.type === "child.ended")
    return withRecent(state, recentChild(state.turn, call.intent, news));
  return call === undefined ? state : withSignalTaken(state, call.callId, bySeq);
}

function withRecent(state: RunState, call: RecentCall): RunState {
  return { ...state, recent: [...state.recent, call].slice(-RECENT_MAX) };
}

/** The call knows the signal's value. */
function withSignalTaken(state: RunState, callId: string, bySeq: number | undefined): RunState {
  const taken = state.signals.find((signal) => signal.seq === bySeq);
  if (taken === undefined) return state;
  const event = { type: "signal.received", name: taken.name, valueRef: taken.valueRef } as const;
  const rest = { ...state, signals: state.signals.filter((signal) => signal !== taken) };
  return patched(rest, callId, { news: { seq: taken.seq, event } });
}

function withEffectCounted(state: RunState, call: CallState, event: Fact): RunState {
  if (call.intent.type !== "tool.called" || call.intent.effect === "pure") return state;
  if (event.type === "tool.returned") return { ...state, effectsDone: state.effectsDone + 1 };
  if (event.type === "tool.failed" && event.applied === "maybe")
    return { ...state, effectsMaybe: state.effectsMaybe + 1 };
  return { ...state, effectsNotStarted: state.effectsNotStarted + 1 };
}

function recentOf(turn: number, { tool, argsHash, effect }: ToolCalled, event: Fact): RecentCall {
  const call = { turn, tool, argsHash, pure: effect === "pure" };
  if (event.type === "tool.refused") return { ...call, outcome: "refused", digest: event.code };
  const error = event.type === "tool.returned" ? event.invalid : event.type === "tool.failed" ? event.error : undefined;
  if (error !== undefined) return { ...call, outcome: "error", digest: errorDigest(error) };
  return { ...call, outcome: "ok", digest: event.type === "tool.returned" ? digestOf(event.shownRef) : "" };
}

/** A child run as a call: the same runnable with the same input, and the same end, is a repeat. No tool's name begins with "@". */
function recentChild(turn: number, { runnable, inputHash }: ChildCalled, event: ChildEnded): RecentCall {
  const { status, stopReason, error, effects, valueRef } = event;
  const isDone = status === "completed";
  const digest = isDone ? digestOf(valueRef) : hashText(`${status} ${stopReason ?? error?.code ?? ""}`);
  const pure = effects.done === 0 && effects.unknown === 0;
  return { turn, tool: `@${runnable}`, argsHash: inputHash, pure, outcome: isDone ? "ok" : "error", digest };
}

/** The same for errors that differ in a time, a count or a request id only. */
function errorDigest({ code, message }: ErrorRecord): string {
  return hashText(`${code} ${message.replaceAll(/\d+/g, "#")}`);
}

function withUnknown(state: RunState, callId: string): RunState {
  const intent = state.calls[callId]?.intent;
  if (intent?.type !== "tool.called") return state;
  return { ...state, unknowns: [...state.unknowns, { callId, tool: intent.tool, argsHash: intent.argsHash }] };
}

function mostOf({ reservedNanoUsd }: ToolCalled): Amount | null {
  return reservedNanoUsd === undefined ? null : { tokens: 0, costNanoUsd: reservedNanoUsd, calls: 0 };
}

function withReserved(state: RunState, id: string | null, amount: Amount | null): RunState {
  return id === null || amount === null ? state : { ...state, reserved: { ...state.reserved, [id]: amount } };
}

function withLedger(state: RunState, event: ModelCalled | ToolCalled): RunState {
  const { callId, reservationId } = event;
  if (reservationId === undefined) return state;
  const attempt = event.type === "model.called" ? event.attempt : 1;
  return { ...state, unsettled: { ...state.unsettled, [reservationId]: { callId, attempt, fate: null } } };
}

/**
 * Remembers what the attempt of a reservation was billed, so that it can be settled without reading the journal again. A
 * hedged attempt has two bills.
 */
function withFate(state: RunState, callId: string, attempt: number, bill: NonNullable<Unsettled["fate"]>): RunState {
  const found = Object.entries(state.unsettled).find(([, one]) => one.callId === callId && one.attempt === attempt);
  if (found === undefined) return state;
  const [id, one] = found;
  const { tokens, costNanoUsd } = one.fate ?? { tokens: 0, costNanoUsd: 0 };
  const fate = { ...bill, tokens: tokens + bill.tokens, costNanoUsd: costNanoUsd + bill.costNanoUsd };
  return { ...state, unsettled: { ...state.unsettled, [id]: { ...one, fate } } };
}

function billOf(event: ModelAttempted | ModelAnswered): NonNullable<Unsettled["fate"]> {
  return { tokens: event.usage === undefined ? 0 : tokensOf(event.usage), costNanoUsd: costCounted(event) };
}

function released(state: RunState, id: string): RunState {
  if (state.reserved[id] === undefined) return state;
  const { [id]: _gone, ...reserved } = state.reserved;
  return { ...state, reserved };
}

function callOfApproval(state: RunState, approvalId: string): CallState | undefined {
  return Object.values(state.calls).find((call) => call.approval?.event.approvalId === approvalId);
}
