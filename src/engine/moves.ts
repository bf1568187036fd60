import { recoveryOf } from "../core/effect.ts";
import type { ApprovalAsked } from "../core/approval-event.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";
import type { CallState, RunState } from "../core/run-state.ts";
import { unknownEffect } from "./unknown-effect.ts";

/**
 * What an open call of which nothing runs in this process needs next: the one table for fresh calls, for news from
 * outside, for the passing of time and for calls of a lost worker.
 */
export type Move =
  | { readonly type: "wait"; readonly untilMs: number | null }
  /** Start the next attempt; `attempt` is its number. */
  | { readonly type: "start"; readonly attempt: number }
  /** A model attempt died with its worker: charge it, then start the next. */
  | { readonly type: "charge-lost" }
  | { readonly type: "reconcile" }
  | { readonly type: "refuse"; readonly code: string; readonly shown: string }
  /** The outcome that a person or `reconcile` found. */
  | { readonly type: "resolved" }
  /** Events that are no outcome for the body. */
  | { readonly type: "record"; readonly events: readonly JournalEvent[] }
  | { readonly type: "fact"; readonly events: readonly JournalEvent[] };

export interface Now {
  readonly atMs: number;
  /** How long this owner has had the run, by its monotonic clock. */
  readonly ownedMs: number;
}

const idle: Move = { type: "wait", untilMs: null };

export function moveOf(state: RunState, call: CallState, now: Now): Move {
  if (call.fact !== null) return idle;
  switch (call.kind) {
    case "model":
      return modelMove(call);
    case "tool":
      return toolMove(call, now);
    case "step":
      return stepMove(call, now);
    case "child":
      return call.news === null ? idle : waitEnded(call.callId, call.news.seq);
    case "ask":
      return askMove(call, now);
    case "wait":
      return waitMove(state, call, now);
  }
}

function modelMove(call: CallState): Move {
  if (call.lostAt !== null) return { type: "charge-lost" };
  return { type: "start", attempt: call.started ? call.attempt : call.attempt + 1 };
}

function toolMove(call: CallState, now: Now): Move {
  if (call.unknown || call.news !== null || call.attempt > 0) return actMove(call, now);
  if (call.approval === null) return unaskedMove(call);
  if (call.decision === null) return askMove(call, now);
  const { decision, by, reason } = call.decision.event;
  if (decision === "approve") return { type: "start", attempt: 1 };
  return { type: "refuse", code: "APPROVAL_REJECTED", shown: rejectedText(by, reason) };
}

/** One that was asked about starts when it is approved; an answer is taken for its value, and it never runs. */
function stepMove(call: CallState, now: Now): Move {
  if (call.approval === null || call.unknown || call.news !== null || call.attempt > 0) return actMove(call, now);
  if (call.decision === null) return askMove(call, now);
  const { callId, decision, vote } = call;
  const { decision: said, by, reason } = decision.event;
  if (said === "approve") return { type: "start", attempt: 1 };
  if (said === "answer") {
    const valueRef = vote?.answerRef ?? { inline: null };
    return { type: "fact", events: [{ type: "step.returned", callId, valueRef }] };
  }
  const error = { code: "APPROVAL_REJECTED", message: rejectedText(by, reason) };
  return { type: "fact", events: [{ type: "step.failed", callId, error }] };
}

function rejectedText(by: string, reason: string | undefined): string {
  return `Refused by ${by}: ${reason ?? "no reason given"}.`;
}

/** Only what was allowed starts without an approval. */
function unaskedMove(call: CallState): Move {
  const verdict = call.intent.type === "tool.called" ? call.intent.verdict.decision : "refuse";
  if (verdict === "allow") return { type: "start", attempt: 1 };
  return { type: "refuse", code: "TOOL_REFUSED", shown: "Refused: the call was not allowed." };
}

/** A call that has touched the world, or may have. */
function actMove(call: CallState, now: Now): Move {
  if (call.unknown) return idle;
  const news = call.news?.event;
  if (news?.type === "effect.resolved" && !call.started) {
    return news.resolution === "applied" ? { type: "resolved" } : { type: "start", attempt: call.attempt + 1 };
  }
  if (call.lostAt === null) return { type: "start", attempt: call.started ? call.attempt : call.attempt + 1 };
  const { intent } = call;
  const effect = "effect" in intent ? intent.effect : "pure";
  const recovery = recoveryOf(effect, "started");
  if (recovery === "rerun" || recovery === "rerun-same-key") return { type: "start", attempt: call.attempt + 1 };
  const leftMs = limits.sessionDeadMs + deadlineMsOf(call) - call.waitedMs - now.ownedMs;
  // where the run is parked meanwhile, its next owner counts whole beats: those of the rest, the one cut by the park and
  // the one that is on its way. Without them a rest under two beats would be waited for again and again.
  if (leftMs > 0) return { type: "wait", untilMs: now.atMs + leftMs + 2 * limits.beatMs };
  if (recovery === "reconcile") return { type: "reconcile" };
  const reason = "the worker died while the call was running";
  return { type: "record", events: [unknownEffect(call, reason)] };
}

/** What the lost attempt was given: its worker may have stood still and still be running it, whatever is registered here. */
function deadlineMsOf(call: CallState): number {
  return call.deadlineMs ?? (call.kind === "step" ? limits.stepTimeMs : limits.toolTimeMs);
}

/** What an approval that nothing was changed about lets run. */
function askedHash({ intent }: CallState, asked: ApprovalAsked): string {
  return intent.type === "tool.called" ? intent.argsHash : asked.actionHash;
}

function askMove(call: CallState, now: Now): Move {
  const asked = call.approval?.event;
  if (call.decision !== null) return waitEnded(call.callId, call.decision.seq);
  if (asked === undefined || asked.expiresAt === null) return idle;
  if (now.atMs < asked.expiresAt) return { type: "wait", untilMs: asked.expiresAt };
  const { approvalId, default: decision } = asked;
  const events = [
    {
      type: "approval.decided",
      approvalId,
      decision,
      argsHash: askedHash(call, asked),
      by: "expiry",
      reason: "nobody answered in time",
      expired: true,
    },
  ] as const;
  return { type: "record", events };
}

function waitMove(state: RunState, call: CallState, now: Now): Move {
  if (call.intent.type !== "wait.started" || call.intent.wait.kind === "budget") return idle;
  const { wait } = call.intent;
  if (wait.kind === "signal") {
    const received = signalFor(state, call.callId, wait.name);
    if (received !== undefined) return waitEnded(call.callId, received.seq);
  }
  if (wait.dueAt === undefined) return idle;
  if (now.atMs < wait.dueAt) return { type: "wait", untilMs: wait.dueAt };
  return { type: "fact", events: [{ type: "wait.ended", callId: call.callId }] };
}

/** Of several waits for one name each gets a signal of its own: the oldest the first that came. */
function signalFor(state: RunState, callId: string, name: string): RunState["signals"][number] | undefined {
  const waiting = Object.values(state.calls)
    .filter(({ fact, intent }) => fact === null && intent.type === "wait.started" && intent.wait.kind === "signal")
    .filter(({ intent }) => intent.type === "wait.started" && "name" in intent.wait && intent.wait.name === name)
    .toSorted((a, b) => a.seq - b.seq);
  return state.signals.filter((signal) => signal.name === name)[waiting.findIndex((call) => call.callId === callId)];
}

function waitEnded(callId: string, bySeq: number): Move {
  return { type: "fact", events: [{ type: "wait.ended", callId, bySeq }] };
}
