import type { Amount, Caps } from "./budget.ts";
import type { ErrorRecord } from "./errors.ts";
import type { ApprovalAsked, ApprovalDecided } from "./approval-event.ts";
import type { JournalEvent, RunEnded, RunStarted } from "./journal-event.ts";
import type { PlanItem } from "./plan-event.ts";
import type { ReadSource, Ref } from "./label.ts";
import type { ContextState } from "./run-context.ts";
import type { RunTotals } from "./run-outcome.ts";
import type { GraceSeen } from "./run-waits.ts";

/** Rises when the shape of a stored snapshot changes; an older snapshot is then ignored and the journal read. */
export const foldVersion = 7;

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
    readonly type:
      | "model.called"
      | "tool.called"
      | "step.called"
      | "step.started"
      | "child.called"
      | "wait.started"
      | "approval.asked";
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
  /** How long the newest attempt may take, as its start says; null = nothing is recorded. */
  readonly deadlineMs: number | null;
  /** Set when an owner died with the attempt in flight: `at` of the next claim. */
  readonly lostAt: number | null;
  /** What surely passed since then while earlier owners had the run, and in between: by clocks that only go forward. */
  readonly waitedMs: number;
  readonly unknown: boolean;
  /** Approval of a tool call or step that was asked, and its decision. */
  readonly approval: { readonly seq: number; readonly event: ApprovalAsked } | null;
  /** A person's (or time's) decision about the call. */
  readonly decision: { readonly seq: number; readonly event: ApprovalDecided } | null;
  readonly news: { readonly seq: number; readonly event: OutsideNews } | null;
  readonly vote: { readonly editedArgsRef?: Ref; readonly answerRef?: Ref; readonly reason?: string } | null;
  /** The main context as this model call sent it: another call may have sent more since. null for other calls. */
  readonly sent: ContextState | null;
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

/** A settled call of a tool, or of a child run as `@<runnable>`, as far as it says whether the run gets on. */
export interface RecentCall {
  readonly turn: number;
  readonly tool: string;
  readonly argsHash: string;
  /** Had no effect outside: all that it can bring is its result. */
  readonly pure: boolean;
  /** `error`: failed, or returned what breaks its outputSchema. */
  readonly outcome: "ok" | "error" | "refused";
  /** Of a result its identity, of an error its code and text without numbers, of a refusal its code. */
  readonly digest: string;
}
/** A reservation on shared scopes; `fate` is what its attempt was billed, null while nobody knows. */
export interface Unsettled {
  readonly callId: string;
  readonly attempt: number;
  readonly fate: SettledFate | null;
}
/** `isUnused`: the call was refused, and counts for nothing. */
export interface SettledFate {
  readonly tokens: number;
  readonly costNanoUsd: number;
  readonly isUnused?: true;
}
export interface UnknownEffect {
  readonly callId: string;
  readonly tool: string;
  readonly argsHash: string;
}

/** What a run has read and been told, as far as its calls are judged by it. It survives compaction, a crash and a fork. */
export interface RunTrust {
  /** Where untrusted data first came in; null = nothing but people, developers and trusted tools was read. */
  readonly tainted: { readonly seq: number; readonly callId: string | null } | null;
  /** The first result that only those may see whom the prompt names. */
  readonly confidential: { readonly seq: number; readonly callId: string | null } | null;
  /** All that was read beside what people asked; those that came first. */
  readonly sources: readonly ReadSource[];
  /** What people said after the input: messages, answers, edited arguments. The newest; what is older vouches for nothing. */
  readonly said: readonly Ref[];
  /** The set of tools that was planned from what people said; null = none was. */
  readonly planned: readonly string[] | null;
  /** What people allowed on the way. */
  readonly tools: readonly string[];
}

/** Everything a worker needs to go on with a run: a fold of its journal. Bounded by one turn, plus the context. */
export interface RunState {
  readonly started: RunStarted;
  readonly startedAt: number;
  readonly seq: number;
  readonly hash: string;
  readonly fence: number;
  readonly session: string | null;
  /** Of the owner that gave the run back while lost calls waited. */
  readonly graceSeen: GraceSeen | null;
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
  /** What a person said in the agent's place, until its next request is answered with it. */
  readonly answer: { readonly seq: number; readonly valueRef: Ref; readonly by: string } | null;
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
  /** Idempotent calls that failed and may have happened. */
  readonly effectsMaybe: number;
  readonly trust: RunTrust;
  readonly plan: readonly PlanItem[];
  readonly recent: readonly RecentCall[];
  /** First seq of the main context: where reading starts when a snapshot is used; 0 = it never held anything. */
  readonly contextFromSeq: number;
  readonly context: ContextState;
  readonly ended: RunEnded | null;
}
