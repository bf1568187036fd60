import { capsOf, type Caps } from "./budget.ts";
import { PawlError } from "./errors.ts";
import { isOwner, lastSeqOf, type Batch, type JournalEvent, type TurnEnded } from "./journal-event.ts";
import type { JsonValue } from "./json.ts";
import { limits } from "./limits.ts";
import { foldCall } from "./run-calls.ts";
import { emptyContext, nextContext } from "./run-context.ts";
import { nextTotals, noTotals } from "./run-totals.ts";
import { nextTrust, noTrust } from "./run-trust.ts";
import { foldVersion, type CallState, type RunState, type TurnEntry } from "./run-state.ts";

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
    graceSeen: null,
    turn: 0,
    turnStateRef: null,
    turnStartSeq: 1,
    turnStartAt: batch.at,
    contextRefs: started.contextRefs ?? [],
    log: [],
    turnBase: null,
    calls: {},
    signals: [],
    answer: null,
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
    effectsMaybe: 0,
    trust: noTrust,
    plan: [],
    recent: [],
    contextFromSeq: 0,
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

/** Of the newest calls a snapshot holds the values alone: their names were half of it. */
const recentKeys = ["turn", "tool", "argsHash", "pure", "outcome", "digest"] as const;

/** A snapshot: the state without what is read again. What was pinned long ago is in it. Taken only between turns. */
export function snapshotOf(state: RunState): JsonValue {
  const { context, recent, ...rest } = state;
  const pinned = context.entries.filter(({ seq }) => seq < state.contextFromSeq);
  const calls = recent.map((call) => recentKeys.map((key) => call[key]));
  const kept = { foldVersion, state: rest, recent: calls, pinned, ...hashesOf(context) };
  return JSON.parse(JSON.stringify(kept)) as JsonValue;
}

function hashesOf({ systemHash, toolsetHash, paramsHash }: RunState["context"]) {
  return { systemHash, toolsetHash, paramsHash };
}

/**
 * A state from a snapshot; its context's messages must be read again from `contextFromSeq` with `foldContext`.
 * @returns null for a snapshot of another foldVersion
 */
export function stateOfSnapshot(value: JsonValue): RunState | null {
  const kept = value as unknown as {
    foldVersion: number;
    state: Omit<RunState, "context" | "recent">;
    recent: readonly (readonly JsonValue[])[];
    pinned: RunState["context"]["entries"];
    systemHash: string;
    toolsetHash: string;
    paramsHash: string;
  };
  if (kept.foldVersion !== foldVersion) return null;
  const { pinned, systemHash, toolsetHash, paramsHash } = kept;
  const recent = kept.recent.map((call) => Object.fromEntries(recentKeys.map((key, i) => [key, call[i]])));
  return {
    ...kept.state,
    recent: recent as unknown as RunState["recent"],
    context: { ...emptyContext, entries: pinned, systemHash, toolsetHash, paramsHash },
  };
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
  const contextFromSeq = state.contextFromSeq === 0 && context !== state.context ? seq : state.contextFromSeq;
  const trust = nextTrust(state, event, seq);
  const isSame = context === state.context && totals === state.totals && trust === state.trust;
  const base = isSame ? state : { ...state, context, contextFromSeq, totals, trust };
  return withLog(state, foldKind(base, event, seq, at), event, { seq, at, byOwner });
}

function foldKind(state: RunState, event: JournalEvent, seq: number, at: number): RunState {
  switch (event.type) {
    case "run.claimed":
      return {
        ...state,
        fence: event.fence,
        session: event.session,
        graceSeen: null,
        calls: withLost(withWaited(state.calls, event.unownedMs ?? 0), at),
      };
    case "run.parked":
    case "run.released": {
      const { grace = null } = event;
      return { ...state, session: null, graceSeen: grace, calls: withWaited(state.calls, grace?.ownedMs ?? 0) };
    }
    case "run.blocked":
      return { ...state, session: null };
    case "turn.ended":
      return turnEnded(state, event, seq, at);
    case "plan.updated":
      return { ...state, plan: event.items };
    case "context.compacted":
      return { ...state, contextFromSeq: firstSeqOf(state.context, event.pinned) };
    case "signal.received":
      return { ...state, signals: [...state.signals, { seq, name: event.name, valueRef: event.valueRef }] };
    case "answer.given":
      return { ...state, answer: { seq, valueRef: event.valueRef, by: event.by } };
    case "model.answered":
      return foldCall(event.person === undefined ? state : { ...state, answer: null }, event, seq, at);
    case "cancel.requested":
      return { ...state, cancel: state.cancel ?? event.reason, paused: false };
    case "run.paused":
      return { ...state, paused: true };
    case "run.resumed":
      return event.contextRefs === undefined
        ? { ...state, paused: false }
        : { ...state, contextRefs: event.contextRefs };
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

/** Where the oldest message stands that a later prompt may hold: sent, or recorded and not yet sent. Pinned ones are in a snapshot. */
function firstSeqOf({ entries, pending }: RunState["context"], pinned: readonly number[]): number {
  const unpinned = entries.filter(({ seq }) => !pinned.includes(seq));
  return [...unpinned, ...pending].reduce((first, { seq }) => Math.min(first, seq), Infinity);
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
  return { ...calls, ...Object.fromEntries(lost.map((call) => [call.callId, { ...call, lostAt: at, waitedMs: 0 }])) };
}

function withWaited(calls: RunState["calls"], ms: number): RunState["calls"] {
  if (ms === 0) return calls;
  const more = (call: CallState): CallState =>
    call.lostAt === null ? call : { ...call, waitedMs: call.waitedMs + ms };
  return Object.fromEntries(Object.entries(calls).map(([callId, call]) => [callId, more(call)]));
}

// ---- the turn's log

const intentTypes: readonly string[] = ["tool.called", "step.called", "child.called", "wait.started"];
const factTypes: readonly string[] = [
  "model.answered",
  "model.failed",
  "tool.returned",
  "tool.refused",
  "step.returned",
  "wait.ended",
];
const noteTypes: readonly string[] = [
  "plan.updated",
  "task.planned",
  "context.compacted",
  "guard.flagged",
  "tool.retracted",
];

function entryKindOf(state: RunState, event: JournalEvent): TurnEntry["kind"] | null {
  if (intentTypes.includes(event.type)) return "intent";
  if (factTypes.includes(event.type)) return "fact";
  if (noteTypes.includes(event.type)) return "note";
  if (event.type === "model.called" || event.type === "step.started")
    return state.calls[event.callId]?.intent === event ? "intent" : null;
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

function withoutKeys<T>(record: { readonly [key: string]: T }, keys: readonly string[]): { readonly [key: string]: T } {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}
