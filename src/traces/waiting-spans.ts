import type { ApprovalAsked, ApprovalDecided, ApprovalVoted } from "../core/approval-event.ts";
import type { BudgetRefused, ChildCalled, ChildEnded, WaitEnded, WaitStarted } from "../core/journal-event.ts";
import type { JsonObject } from "../core/json.ts";
import type { EndStatus } from "../core/run-outcome.ts";
import type { SpanStatus } from "../core/trace-contract.ts";
import { askKey, budgetKey, callKey, type CallPlace } from "./call-place.ts";

export type WaitingEvent =
  | ApprovalAsked
  | ApprovalVoted
  | ApprovalDecided
  | WaitStarted
  | WaitEnded
  | ChildCalled
  | ChildEnded
  | BudgetRefused;

/** Keys of the spans of open approvals, by approvalId. */
export type AsksById = Map<string, string>;

const NAME_CHARS = 120;

/** Reads the events of what waits for somebody else: people, time, signals, children, money. */
export function readWaitingEvent(event: WaitingEvent, on: CallPlace, asks: AsksById): void {
  const { board, place, turnSpanId } = on;
  switch (event.type) {
    case "approval.asked":
      asked(event, on, asks);
      return;
    case "approval.voted":
      voted(event, on, asks);
      return;
    case "approval.decided":
      decided(event, on, asks);
      return;
    case "wait.started": {
      const { wait, callId } = event;
      const name = wait.kind === "signal" ? `signal ${wait.name}` : wait.kind;
      const detail = { ...wait } as unknown as JsonObject;
      board.begin(callKey(callId), place, { kind: "wait", name, parent: turnSpanId, callId, detail });
      return;
    }
    case "wait.ended": {
      const isSignal = board.get(callKey(event.callId))?.span.detail["kind"] === "signal";
      const detail = isSignal ? { received: event.bySeq !== undefined } : {};
      board.end(callKey(event.callId), place, { status: "ok", detail });
      return;
    }
    case "child.called":
      childCalled(event, on);
      return;
    case "child.ended":
      childEnded(event, on);
      return;
    case "budget.refused":
      budgetRefused(event, on);
  }
}

function asked(event: ApprovalAsked, { board, place, turnSpanId }: CallPlace, asks: AsksById): void {
  const { approvalId, callId, question, expiresAt, quorum, actionHash } = event;
  const draft = {
    kind: "ask",
    name: question.slice(0, NAME_CHARS).toWellFormed(),
    callId,
    status: "waiting",
    detail: {
      approvalId,
      actionHash,
      expiresAt,
      quorum,
      default: event.default,
      votes: 0,
      ...(event.whoMay && { whoMay: event.whoMay as JsonObject }),
    },
  } as const;
  if (board.get(callKey(callId)) === undefined) {
    asks.set(approvalId, callKey(callId));
    board.begin(callKey(callId), place, { ...draft, parent: turnSpanId, idKey: askKey(callId) });
    return;
  }
  asks.set(approvalId, askKey(callId));
  board.beginBelow(callKey(callId), askKey(callId), place, draft);
  board.change(callKey(callId), { status: "waiting" });
}

function voted(event: ApprovalVoted, { board }: CallPlace, asks: AsksById): void {
  const key = asks.get(event.approvalId);
  const votes = key === undefined ? undefined : board.get(key)?.span.detail["votes"];
  if (key === undefined) return;
  const detail = {
    votes: (typeof votes === "number" ? votes : 0) + 1,
    from: event.from,
    ...(event.editedArgsRef !== undefined && { edited: true }),
  };
  board.change(key, { detail });
}

function decided(event: ApprovalDecided, { board, place }: CallPlace, asks: AsksById): void {
  const key = asks.get(event.approvalId);
  const ask = key === undefined ? undefined : board.get(key);
  asks.delete(event.approvalId);
  if (key === undefined || ask === undefined) return;
  const { decision, by, reason, expired } = event;
  const detail = {
    decision,
    by,
    waitedMs: Math.max(0, place.at - ask.span.startedAt),
    edited: ask.span.detail["edited"] === true,
    ...(reason !== undefined && { reason }),
    ...(expired === true && { expired }),
  };
  board.end(key, place, { status: decision === "reject" ? "refused" : "ok", detail });
  if (key !== askKey(ask.span.callId ?? "")) return;
  const { waitedMs, edited } = detail;
  board.change(callKey(ask.span.callId ?? ""), {
    status: "open",
    detail: { decision, decidedBy: by, waitedMs, edited },
  });
}

function childCalled(event: ChildCalled, { board, place, turnSpanId, agent }: CallPlace): void {
  const { callId, childRunId, runnable, allowance } = event;
  const detail = { agent, childRunId, runnable, ...(allowance && { allowance: { ...allowance } }) };
  board.begin(callKey(callId), place, { kind: "child", name: runnable, parent: turnSpanId, callId, detail });
}

function childEnded(event: ChildEnded, { board, place }: CallPlace): void {
  const { status, stopReason, error, costNanoUsd, tokens, effects } = event;
  // what the child cost is told and not billed here: the bills are in the child's own spans
  const detail = {
    status,
    childCostNanoUsd: costNanoUsd,
    childTokens: tokens,
    effects: { ...effects },
    ...(stopReason && { stopReason }),
  };
  board.end(callKey(event.callId), place, { status: spanStatusOf(status), error: error ?? null, detail });
}

/** A run that was stopped did not do what it was asked to do. */
export function spanStatusOf(status: EndStatus): SpanStatus {
  if (status === "completed") return "ok";
  return status === "cancelled" ? "cancelled" : "error";
}

function budgetRefused(event: BudgetRefused, { board, place, turnSpanId }: CallPlace): void {
  const { callId, scope, left, needed } = event;
  const key = budgetKey(callId);
  const draft = { kind: "wait", name: "budget", callId, status: "waiting", idKey: `seq:${place.seq}` } as const;
  if (board.get(callKey(callId)) === undefined) board.begin(key, place, { ...draft, parent: turnSpanId });
  else board.beginBelow(callKey(callId), key, place, draft);
  board.change(key, { detail: { kind: "budget", scope, left, needed } });
}
