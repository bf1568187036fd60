import type {
  ApprovalAsked,
  ApprovalCommented,
  ApprovalDecided,
  ApprovalRefused,
  ApprovalVoted,
} from "./approval-event.ts";
import type { ContextCompacted } from "./context-event.ts";
import type { Amount, BudgetRefusal, BudgetScope, RunLimits } from "./budget.ts";
import type { EffectCounts } from "./effect.ts";
import type { ErrorRecord } from "./errors.ts";
import type { GuardProfile } from "./guard-rules.ts";
import type { AnswerNotes, Ref } from "./label.ts";
import type { ModelAnswered, ModelAttempted, ModelCalled, ModelFailed } from "./model-event.ts";
import type { PlanUpdated, TaskPlanned } from "./plan-event.ts";
import type { EndStatus, RunTotals, StopReason } from "./run-outcome.ts";
import type { GivenBack, HeadWait, TakenUp } from "./run-waits.ts";
import type { SpanRecorded } from "./span-event.ts";
import type { StepEvent } from "./step-event.ts";
import type { TaskScope, ToldEvent } from "./told-event.ts";
import type {
  EffectResolved,
  EffectUnknown,
  ToolCalled,
  ToolFailed,
  ToolRefused,
  ToolRetracted,
  ToolReturned,
  ToolStarted,
} from "./tool-event.ts";
import type { Pins } from "./pins.ts";

/** Format of batches written by this build. Readers ship one release before writers. */
export const journalFormat = 1;

/** Who wrote a batch: the owner by its fence, anybody else by principal and message id. */
export type Writer = { readonly fence: number } | { readonly principal: string; readonly messageId: string };

// Events in order of a run's life. O: written by the run's owner. X: by outside writers. Names say what happened.

/** X. First event of every run. */
export interface RunStarted {
  readonly type: "run.started";
  /** Name of the runnable, and its version: the content hash of an agent, the stated version of a function. */
  readonly runnable: string;
  readonly version: string;
  readonly lane: string;
  readonly tenant: string;
  readonly principal: string;
  readonly inputRef: Ref;
  readonly inputHash: string;
  readonly limits: RunLimits;
  readonly pins: Pins;
  /** Roles of who started it, for grants; a child has its root's. */
  readonly roles?: readonly string[];
  readonly task?: TaskScope;
  /** The profile that it is held to at least; its untrusted results are fenced in its prompts. Absent: it began without. */
  readonly guard?: GuardProfile;
  readonly seed: number;
  readonly rootRunId: string;
  /** Where the run's blobs are: a child's are with its root's. Absent = the root run's own scope. */
  readonly blobScope?: string;
  readonly parent?: ParentLink;
  readonly threadId?: string;
  /** Messages of earlier runs of the thread, in order. */
  readonly contextRefs?: readonly Ref[];
  /** `stateRef`: what was set of the state that the fork begins with. */
  readonly forkedFrom?: { readonly runId: string; readonly seq: number; readonly stateRef?: Ref };
  readonly traceparent?: string;
  /** The thread has an active run: nothing happens until run.resumed. */
  readonly heldByThread?: true;
  readonly tags?: readonly string[];
  /** The input in at most 120 characters, for listings. */
  readonly title?: string;
}
export interface ParentLink {
  readonly runId: string;
  readonly callId: string;
  readonly depth: number;
}

/** O. A worker took the run: from here on only this fence appends as owner. By X only with the start of a light run, whose process owns it from the first. */
export interface RunClaimed extends TakenUp {
  readonly type: "run.claimed";
  readonly fence: number;
  readonly session: string;
  readonly worker: string;
  readonly build: string;
}
/** O. A duty of the outbox: the child is started by message, once. */
export interface ChildCalled {
  readonly type: "child.called";
  readonly callId: string;
  readonly childRunId: string;
  readonly runnable: string;
  readonly inputRef: Ref;
  readonly inputHash: string;
  /** Budget taken from this run and returned at the child's end. Absent: no budget of its own. */
  readonly allowance?: Amount;
  readonly limits?: RunLimits;
  readonly task?: TaskScope;
  /** Where this run was started with one: the call's own span in that trace. */
  readonly traceparent?: string;
}
/** X. The child's end, told by its outbox. */
export interface ChildEnded {
  readonly type: "child.ended";
  readonly childRunId: string;
  readonly callId: string;
  readonly status: EndStatus;
  readonly stopReason?: StopReason;
  readonly error?: ErrorRecord;
  readonly valueRef: Ref;
  readonly costNanoUsd: number;
  readonly tokens: number;
  /** With those of its own children; absent in older journals. */
  readonly toolCalls?: number;
  readonly unpricedTokens?: number;
  readonly effects: EffectCounts;
}
export type WaitFor =
  | { readonly kind: "timer"; readonly dueAt: number }
  | { readonly kind: "signal"; readonly name: string; readonly dueAt?: number }
  | { readonly kind: "budget"; readonly scope: BudgetScope; readonly needed: number };
/** O. */
export interface WaitStarted {
  readonly type: "wait.started";
  readonly callId: string;
  readonly wait: WaitFor;
}
/** O. Brings an outside event (`bySeq`) or the passing of time (no `bySeq`) to the body. */
export interface WaitEnded {
  readonly type: "wait.ended";
  readonly callId: string;
  readonly bySeq?: number;
}
/** O. A finding of the sanitiser, loop detection, intent check or a revocation. */
export interface GuardFlagged {
  readonly type: "guard.flagged";
  readonly callId: string;
  readonly rule: string;
  readonly action: string;
  readonly detail?: string;
}
/** O. */
export interface BudgetRefused extends BudgetRefusal {
  readonly type: "budget.refused";
  readonly callId: string;
}
/** O. Reservations on shared scopes that were settled. */
export interface BudgetSettled {
  readonly type: "budget.settled";
  readonly ids: readonly string[];
}
/** O. More was billed than reserved; settled in full. */
export interface BudgetOverrun {
  readonly type: "budget.overrun";
  readonly callId: string;
  readonly attempt: number;
  readonly by: Amount;
}
/** X. */
export interface BudgetRaised {
  readonly type: "budget.raised";
  readonly scope: BudgetScope;
  readonly amount: number;
}
/** O. */
export interface TurnEnded {
  readonly type: "turn.ended";
  readonly turn: number;
  readonly stateRef?: Ref;
}
/** X. */
export interface RunPaused {
  readonly type: "run.paused";
  readonly reason: string;
}
/** X. Ends a pause; with `contextRefs` (what the thread's runs left) lets a held run go instead, and a pause stays. */
export interface RunResumed {
  readonly type: "run.resumed";
  readonly contextRefs?: readonly Ref[];
}
/** X. */
export interface CancelRequested {
  readonly type: "cancel.requested";
  readonly reason: string;
}
/** O. Nothing runs; the session is cleared and the run holds no memory. */
export interface RunParked extends GivenBack {
  readonly type: "run.parked";
  readonly waits: readonly HeadWait[];
  /** When a worker must look again; null = only an outside event wakes it. */
  readonly dueAt: number | null;
}
/** O. Given back unfinished, to be claimed at once. */
export interface RunReleased extends GivenBack {
  readonly type: "run.released";
  readonly reason: string;
}
/** O. Nothing goes on until a person says how. */
export interface RunBlocked {
  readonly type: "run.blocked";
  readonly code: string;
  readonly detail: string;
  readonly expected?: string;
  readonly found?: string;
}
/** X. `retry` runs it again; `fail` ends it. */
export interface RunUnblocked {
  readonly type: "run.unblocked";
  readonly action: "retry" | "fail";
}
/** O, last. By X only for a child that was cancelled before it was created. */
export interface RunEnded extends AnswerNotes {
  readonly type: "run.ended";
  readonly status: EndStatus;
  readonly stopReason?: StopReason;
  readonly valueRef: Ref;
  readonly error?: ErrorRecord;
  readonly reason?: string;
  /** What a later run of the thread begins with: a list of messages. */
  readonly threadRef?: Ref;
  readonly effects: EffectCounts;
  readonly totals: RunTotals;
}

export type JournalEvent =
  | RunStarted
  | RunClaimed
  | PlanUpdated
  | TaskPlanned
  | ContextCompacted
  | ModelCalled
  | ModelAttempted
  | ModelAnswered
  | ModelFailed
  | ToolCalled
  | SpanRecorded
  | ApprovalAsked
  | ApprovalVoted
  | ApprovalCommented
  | ApprovalRefused
  | ApprovalDecided
  | ToolStarted
  | ToolReturned
  | ToolFailed
  | ToolRefused
  | ToolRetracted
  | EffectUnknown
  | EffectResolved
  | StepEvent
  | ChildCalled
  | ChildEnded
  | WaitStarted
  | WaitEnded
  | GuardFlagged
  | BudgetRefused
  | BudgetSettled
  | BudgetOverrun
  | BudgetRaised
  | TurnEnded
  | RunPaused
  | RunResumed
  | ToldEvent
  | CancelRequested
  | RunParked
  | RunReleased
  | RunBlocked
  | RunUnblocked
  | RunEnded;

export type EventType = JournalEvent["type"];

/** One journal batch: appended whole or not at all, 1 to 64 events. `firstSeq` is the seq of its first event. */
export interface Batch {
  readonly id: string;
  readonly firstSeq: number;
  /** ms since 1970 by the writer's clock: for people, never for order. */
  readonly at: number;
  readonly format: number;
  readonly by: Writer;
  /** Hash of the batch before it, "" for the first. */
  readonly prevHash: string;
  readonly events: readonly JournalEvent[];
}

/** An event with its place: what `events()` and `stream()` give. */
export type RunEvent = JournalEvent & { readonly seq: number; readonly at: number; readonly runId: string };

export function lastSeqOf(batch: Batch): number {
  return batch.firstSeq + batch.events.length - 1;
}

export function isOwner(writer: Writer): writer is { readonly fence: number } {
  return "fence" in writer;
}
