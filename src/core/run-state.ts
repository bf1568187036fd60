import { capsOf, type Amount, type Caps } from "./budget.ts";
import { PawlError, type ErrorRecord } from "./errors.ts";
import { hashText } from "./hash.ts";
import {
  isOwner,
  lastSeqOf,
  type ApprovalAsked,
  type ApprovalDecided,
  type ModelAnswered,
  type ModelAttempted,
  type ModelCalled,
  type ToolCalled,
  type Batch,
  type JournalEvent,
  type PlanItem,
  type Ref,
  type RunEnded,
  type RunStarted,
  type TurnEnded,
} from "./journal-event.ts";
import type { JsonValue } from "./json.ts";
import { limits } from "./limits.ts";
import { childTotals, nextTotals, noTotals } from "./run-head.ts";
import { digestOf, emptyContext, nextContext, type ContextState } from "./run-context.ts";
import type { RunTotals } from "./run-outcome.ts";
import { tokensOf } from "./usage.ts";

/** Rises when the shape of a stored snapshot changes; an older snapshot is then ignored and the journal read. */
export const foldVersion = 1;

export type CallKind = "model" | "tool" | "step" | "child" | "wait" | "ask";
export type Fact = Extract<
  JournalEvent,
  {
    readonly type:
      | "model.answered"
      | "model.failed"
      | "tool.returned"
      | "tool.failed"
      | "tool.refused"
      | "step.returned"
      | "step.failed"
      | "wait.ended";
  }
>;
export type Intent = Extract<
  JournalEvent,
  {
    readonly type: "model.called" | "tool.called" | "step.started" | "child.called" | "wait.started" | "approval.asked";
  }
>;
/** What outside writers told about a call: the owner brings it to the body as a fact. */
export type OutsideNews = Extract<
  JournalEvent,
  { readonly type: "child.ended" | "effect.resolved" | "signal.received" | "budget.raised" }
>;

/** One call of the current turn. */
export interface CallState {
  readonly callId: string;
  readonly kind: CallKind;
  readonly seq: number;
  readonly intent: Intent;
  /** Attempts begun: model.called, tool.started, step.started. 0 = none. */
  readonly attempt: number;
  /** An attempt is in flight as far as the journal knows. */
  readonly started: boolean;
  /** Set when an owner died with the attempt in flight: `at` of the next claim. */
  readonly lostAt: number | null;
  readonly unknown: boolean;
  /** Approval of a tool call that was asked, and its decision. */
  readonly approval: { readonly seq: number; readonly event: ApprovalAsked } | null;
  /** A person's (or time's) decision about the call. */
  readonly decision: { readonly seq: number; readonly event: ApprovalDecided } | null;
  readonly news: { readonly seq: number; readonly event: OutsideNews } | null;
  readonly vote: { readonly editedArgsRef?: Ref; readonly answerRef?: Ref; readonly reason?: string } | null;
  /** Attempts that failed and were followed by another. */
  readonly failed: readonly {
    readonly attempt: number;
    readonly endpoint: string;
    readonly error: ErrorRecord;
    readonly at: number;
  }[];
  readonly fact: { readonly seq: number; readonly event: Fact } | null;
}

/** The current turn in journal order: what replay walks. */
export interface TurnEntry {
  readonly kind: "intent" | "fact" | "note";
  readonly callId: string;
  readonly seq: number;
  readonly type: string;
  readonly at: number;
}

export interface RecentCall {
  readonly tool: string;
  readonly argsHash: string;
  readonly outcome: "ok" | "error" | "refused";
  readonly digest: string;
}
/** A reservation on shared scopes; `fate` is what its attempt was billed, null while nobody knows. */
export interface Unsettled {
  readonly callId: string;
  readonly attempt: number;
  readonly fate: { readonly tokens: number; readonly costNanoUsd: number } | null;
}
export interface UnknownEffect {
  readonly callId: string;
  readonly tool: string;
  readonly argsHash: string;
}

/** Everything a worker needs to go on with a run: a fold of its journal. Bounded by one turn, plus the context. */
export interface RunState {
  readonly started: RunStarted;
  readonly startedAt: number;
  readonly seq: number;
  readonly hash: string;
  readonly fence: number;
  readonly session: string | null;
  /** Turns ended. */
  readonly turn: number;
  readonly turnStateRef: Ref | null;
  readonly turnStartSeq: number;
  /** `at` of the batch that began the turn: what now() says until a fact is delivered. */
  readonly turnStartAt: number;
  /** What earlier runs of the thread left: lists of messages. */
  readonly contextRefs: readonly Ref[];
  readonly log: readonly TurnEntry[];
  /** The state before the turn's first entry: what its body was given, and is given again on replay. */
  readonly turnBase: RunState | null;
  readonly calls: { readonly [callId: string]: CallState };
  readonly signals: readonly { readonly seq: number; readonly name: string; readonly valueRef: Ref }[];
  readonly cancel: string | null;
  readonly paused: boolean;
  readonly failRequested: boolean;
  readonly totals: RunTotals;
  readonly caps: Caps;
  /** Worst cases of attempts in flight and allowances of open children, by `callId`. */
  readonly reserved: { readonly [id: string]: Amount };
  /** Ledger reservations whose settling is not yet recorded. */
  readonly unsettled: { readonly [id: string]: Unsettled };
  readonly unknowns: readonly UnknownEffect[];
  readonly effectsDone: number;
  readonly effectsNotStarted: number;
  readonly plan: readonly PlanItem[];
  readonly recent: readonly RecentCall[];
  /** First seq of the main context: where reading starts when a snapshot is used. */
  readonly contextFromSeq: number;
  readonly context: ContextState;
  readonly ended: RunEnded | null;
}

const RECENT_MAX = 32;

/** The state after the first batch. */
export function firstState(batch: Batch, hash: string): RunState {
  const started = batch.events[0];
  if (started?.type !== "run.started") {
    throw new PawlError(
      "JOURNAL_CORRUPT",
      `a journal begins with "${started?.type ?? "nothing"}" instead of run.started.`,
    );
  }
  const state: RunState = {
    started,
    startedAt: batch.at,
    seq: 0,
    hash: "",
    fence: 0,
    session: null,
    turn: 0,
    turnStateRef: null,
    turnStartSeq: 1,
    turnStartAt: batch.at,
    contextRefs: started.contextRefs ?? [],
    log: [],
    turnBase: null,
    calls: {},
    signals: [],
    cancel: null,
    paused: false,
    failRequested: false,
    totals: noTotals,
    caps: capsOf(started.limits, limits.runTokens),
    reserved: {},
    unsettled: {},
    unknowns: [],
    effectsDone: 0,
    effectsNotStarted: 0,
    plan: [],
    recent: [],
    contextFromSeq: 1,
    context: emptyContext,
    ended: null,
  };
  return foldBatch(state, batch, hash);
}

/** The state after one more batch. Pure. */
export function foldBatch(state: RunState, batch: Batch, hash: string): RunState {
  let next = state;
  let seq = batch.firstSeq;
  for (const event of batch.events) {
    next = foldEvent(next, event, seq, batch.at, isOwner(batch.by));
    seq++;
  }
  return { ...next, seq: lastSeqOf(batch), hash };
}

/** A snapshot: the state without what is read again. Taken only between turns. */
export function snapshotOf(state: RunState): JsonValue {
  const { context, ...rest } = state;
  const kept = { foldVersion, state: rest, systemHash: context.systemHash, toolsetHash: context.toolsetHash };
  return JSON.parse(JSON.stringify(kept)) as JsonValue;
}

/**
 * A state from a snapshot; its context is empty and must be read again from `contextFromSeq` with `foldContext`.
 * @returns null for a snapshot of another foldVersion
 */
export function stateOfSnapshot(value: JsonValue): RunState | null {
  const kept = value as unknown as {
    foldVersion: number;
    state: Omit<RunState, "context">;
    systemHash: string;
    toolsetHash: string;
  };
  if (kept.foldVersion !== foldVersion) return null;
  return { ...kept.state, context: emptyContext };
}

/** Folds only the context of a batch, from `contextFromSeq` to the snapshot's seq: the rest is in the snapshot. */
export function foldContext(state: RunState, batch: Batch): RunState {
  let context = state.context;
  let seq = batch.firstSeq;
  for (const event of batch.events) {
    if (seq >= state.contextFromSeq && seq <= state.seq) context = nextContext(context, event, seq);
    seq++;
  }
  return { ...state, context };
}

function foldEvent(state: RunState, event: JournalEvent, seq: number, at: number, byOwner: boolean): RunState {
  const context = nextContext(state.context, event, seq);
  const totals = nextTotals(state.totals, event);
  const base = context === state.context && totals === state.totals ? state : { ...state, context, totals };
  return withLog(state, foldKind(base, event, seq, at), event, { seq, at, byOwner });
}

function foldKind(state: RunState, event: JournalEvent, seq: number, at: number): RunState {
  switch (event.type) {
    case "run.claimed":
      return { ...state, fence: event.fence, session: event.session, calls: withLost(state.calls, at) };
    case "run.parked":
    case "run.released":
    case "run.blocked":
      return { ...state, session: null };
    case "turn.ended":
      return turnEnded(state, event, seq, at);
    case "plan.updated":
      return { ...state, plan: event.items };
    case "context.compacted":
      return { ...state, contextFromSeq: Math.min(...state.context.entries.map((entry) => entry.seq)) };
    case "signal.received":
      return { ...state, signals: [...state.signals, { seq, name: event.name, valueRef: event.valueRef }] };
    case "cancel.requested":
      return { ...state, cancel: state.cancel ?? event.reason, paused: false };
    case "run.paused":
      return { ...state, paused: true };
    case "run.resumed":
      return { ...state, paused: false, contextRefs: event.contextRefs ?? state.contextRefs };
    case "run.unblocked":
      return { ...state, failRequested: event.action === "fail" };
    case "budget.raised":
      return { ...state, caps: raised(state.caps, event.scope, event.amount) };
    case "budget.settled":
      return { ...state, unsettled: withoutKeys(state.unsettled, event.ids) };
    case "run.ended":
      return { ...state, ended: event, session: null };
    default:
      return foldCall(state, event, seq, at);
  }
}

function raised(caps: Caps, scope: keyof Caps, amount: number): Caps {
  const cap = caps[scope];
  return cap === null ? caps : { ...caps, [scope]: cap + amount };
}

function turnEnded(state: RunState, event: TurnEnded, seq: number, at: number): RunState {
  const turnStateRef = event.stateRef ?? null;
  return {
    ...state,
    turn: event.turn,
    turnStateRef,
    turnStartSeq: seq + 1,
    turnStartAt: at,
    log: [],
    turnBase: null,
    calls: {},
  };
}

function withLost(calls: RunState["calls"], at: number): RunState["calls"] {
  const lost = Object.values(calls).filter(
    (call) => call.started && call.fact === null && !call.unknown && call.lostAt === null,
  );
  if (lost.length === 0) return calls;
  return { ...calls, ...Object.fromEntries(lost.map((call) => [call.callId, { ...call, lostAt: at }])) };
}

// ---- calls

function foldCall(state: RunState, event: JournalEvent, seq: number, at: number): RunState {
  switch (event.type) {
    case "model.called":
      return withLedger(withReserved(modelCalled(state, event, seq), event.callId, event.reservation), event);
    case "model.attempted": {
      const call = state.calls[event.callId];
      const failed = { attempt: event.attempt, endpoint: event.endpoint, error: event.error, at };
      const next = patched(state, event.callId, { started: false, failed: [...(call?.failed ?? []), failed] });
      return withFate(released(next, event.callId), event.callId, event.attempt, billOf(event));
    }
    case "tool.called":
      return withLedger(opened(state, "tool", event, seq, 0), event);
    case "tool.started":
      return patched(state, event.callId, { attempt: event.attempt, started: true, lostAt: null, unknown: false });
    case "tool.failed":
      return foldToolFailed(state, event, seq, at);
    case "step.started":
      return event.attempt === 1
        ? opened(state, "step", event, seq, 1)
        : patched(state, event.callId, { attempt: event.attempt, started: true, lostAt: null });
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
  if (event.attempt === 1) return opened(state, "model", event, seq, 1);
  return patched(state, event.callId, { attempt: event.attempt, started: true, lostAt: null });
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
      return call === undefined ? state : patched(state, call.callId, { vote });
    }
    case "approval.decided": {
      const call = callOfApproval(state, event.approvalId);
      return call === undefined ? state : patched(state, call.callId, { decision: { seq, event } });
    }
    case "child.ended": {
      const done = { ...state, totals: childTotals(state.totals, event.costNanoUsd, event.tokens) };
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
    lostAt: null,
    unknown: false,
    approval: null,
    decision: null,
    news: null,
    vote: null,
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
  if (event.type === "wait.ended") return withSignalTaken(done, event.callId, event.bySeq);
  if (event.type === "model.answered") return withFate(done, event.callId, event.attempt, billOf(event));
  if (call?.intent.type !== "tool.called") return done;
  const known = withFate(done, event.callId, 1, { tokens: 0, costNanoUsd: 0 });
  return withEffectCounted(
    { ...known, recent: [...done.recent, recentOf(call.intent.tool, call.intent.argsHash, event)].slice(-RECENT_MAX) },
    call,
    event,
  );
}

/** A signal that a wait took: it is no longer pending, and the call knows its value. */
function withSignalTaken(state: RunState, callId: string, bySeq: number | undefined): RunState {
  const taken = state.signals.find((signal) => signal.seq === bySeq);
  if (taken === undefined) return state;
  const event = { type: "signal.received", name: taken.name, valueRef: taken.valueRef } as const;
  const rest = { ...state, signals: state.signals.filter((signal) => signal !== taken) };
  return patched(rest, callId, { news: { seq: taken.seq, event } });
}

function withEffectCounted(state: RunState, call: CallState, event: Fact): RunState {
  if (call.intent.type !== "tool.called" || call.intent.effect === "pure") return state;
  const happened = event.type === "tool.returned" ? 1 : 0;
  return {
    ...state,
    effectsDone: state.effectsDone + happened,
    effectsNotStarted: state.effectsNotStarted + 1 - happened,
  };
}

function recentOf(tool: string, argsHash: string, event: Fact): RecentCall {
  if (event.type === "tool.returned") return { tool, argsHash, outcome: "ok", digest: digestOf(event.shownRef) };
  if (event.type === "tool.failed") return { tool, argsHash, outcome: "error", digest: hashText(event.error.message) };
  return { tool, argsHash, outcome: "refused", digest: event.type === "tool.refused" ? event.code : "" };
}

function withUnknown(state: RunState, callId: string): RunState {
  const intent = state.calls[callId]?.intent;
  if (intent?.type !== "tool.called") return state;
  return { ...state, unknowns: [...state.unknowns, { callId, tool: intent.tool, argsHash: intent.argsHash }] };
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

/** Remembers what the attempt of a reservation was billed, so that it can be settled without reading the journal again. */
function withFate(state: RunState, callId: string, attempt: number, fate: NonNullable<Unsettled["fate"]>): RunState {
  const found = Object.entries(state.unsettled).find(([, one]) => one.callId === callId && one.attempt === attempt);
  return found === undefined
    ? state
    : { ...state, unsettled: { ...state.unsettled, [found[0]]: { ...found[1], fate } } };
}

function billOf(event: ModelAttempted | ModelAnswered): NonNullable<Unsettled["fate"]> {
  return { tokens: event.usage === undefined ? 0 : tokensOf(event.usage), costNanoUsd: event.costNanoUsd ?? 0 };
}

function withoutKeys<T>(record: { readonly [key: string]: T }, keys: readonly string[]): { readonly [key: string]: T } {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

function released(state: RunState, id: string): RunState {
  if (state.reserved[id] === undefined) return state;
  const { [id]: _gone, ...reserved } = state.reserved;
  return { ...state, reserved };
}

function callOfApproval(state: RunState, approvalId: string): CallState | undefined {
  return Object.values(state.calls).find((call) => call.approval?.event.approvalId === approvalId);
}

// ---- the turn's log

const intentTypes: readonly string[] = ["tool.called", "child.called", "wait.started"];
const factTypes: readonly string[] = [
  "model.answered",
  "model.failed",
  "tool.returned",
  "tool.refused",
  "step.returned",
  "wait.ended",
];
const noteTypes: readonly string[] = ["plan.updated", "context.compacted", "guard.flagged", "tool.retracted"];

function entryKindOf(state: RunState, event: JournalEvent): TurnEntry["kind"] | null {
  if (intentTypes.includes(event.type)) return "intent";
  if (factTypes.includes(event.type)) return "fact";
  if (noteTypes.includes(event.type)) return "note";
  if (event.type === "model.called" || event.type === "step.started") return event.attempt === 1 ? "intent" : null;
  if (event.type === "tool.failed" || event.type === "step.failed") return event.retry === true ? null : "fact";
  if (event.type === "approval.asked") return state.calls[event.callId]?.kind === "ask" ? "intent" : null;
  return null;
}

interface Placed {
  readonly seq: number;
  readonly at: number;
  readonly byOwner: boolean;
}

function withLog(before: RunState, state: RunState, event: JournalEvent, placed: Placed): RunState {
  const kind = placed.byOwner ? entryKindOf(state, event) : null;
  if (kind === null || !("callId" in event)) return state;
  const entry = { kind, callId: event.callId, seq: placed.seq, type: event.type, at: placed.at };
  const turnBase = state.log.length === 0 ? before : state.turnBase;
  return { ...state, log: [...state.log, entry], turnBase };
}
