import type { Amount, RunLimits } from "./budget.ts";
import type { Effect } from "./effect.ts";
import type { ErrorRecord } from "./errors.ts";
import type { GuardFlagged } from "./journal-event.ts";
import type { FinishReason } from "./model-event.ts";
import type { ToolRetracted } from "./tool-event.ts";
import type { PlanUpdated, TaskPlanned } from "./plan-event.ts";
import type { ContextCompacted } from "./context-event.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Ref, Label } from "./label.ts";
import type { Message } from "./message.ts";
import type { ModelParams, ToolSpec } from "./model-contract.ts";
import type { Approvers, Verdict } from "./policy.ts";
import type { EndStatus, StopReason } from "./run-outcome.ts";
import type { RunState } from "./run-state.ts";
import type { Parsed, ToolDefinition, ToolSource } from "./tool-contract.ts";
import type { Usage } from "./usage.ts";

/** What the engine executes: an agent, a graph, a team or a plain durable function. */
export interface Runnable {
  readonly name: string;
  /** Content hash of an agent's definition, stated version of a function. */
  readonly version: string;
  /** `name@major`: workers claim the lanes they can run. */
  readonly lane: string;
  readonly description: string;
  readonly inputSchema: JsonObject | null;
  /** Inputs to begin with, for people. */
  readonly samples?: readonly JsonValue[];
  /** Recorded in run.started, so that the run continues by it; null where code is all there is. */
  readonly definition: JsonValue | null;
  /** Code that recovery needs: every tool a run of this may have in flight. */
  readonly tools: readonly ToolDefinition[];
  /** It is this tool, called by itself. */
  readonly offers?: ToolDefinition;
  /** Where some of `tools` come from: asked before a run starts or goes on. */
  readonly sources?: readonly ToolSource[];
  /** Refuses a start for what those offer now. @throws AGENT_UNSUPERVISED */
  checkStart?(): void;
  /** Runnables it may start as children. */
  readonly uses: readonly Runnable[];
  /** Model routes it calls, checked when it is registered. */
  readonly routes: readonly string[];
  readonly limits: RunLimits;
  parseInput(input: JsonValue): Parsed;
  /**
   * One turn. Deterministic between its context calls: same journal, same calls in the same order.
   * @param state what the last turn returned as `state`, null in the first
   */
  turn(ctx: TurnContext, state: JsonValue | null): Promise<TurnResult>;
  /**
   * The state of a turn with members that a person sets: how a fork starts from another state. Absent where a state is its
   * runnable's own affair.
   * @throws OPTION_INVALID  `patch` names what the state does not have
   */
  patchState?(state: JsonValue | null, patch: JsonObject, values: ValueShelf): Promise<JsonValue>;
  /** Best answer so far, for a run that is stopped from outside its turns. */
  bestAnswer(state: RunState): JsonValue;
}

export type TurnResult =
  | { readonly type: "next"; readonly state?: JsonValue }
  /** `unlessTold`: where a message came in that no request has held yet, the turn ends so instead, and the run goes on. */
  | {
      readonly type: "end";
      readonly value: JsonValue;
      readonly thread?: readonly Message[];
      readonly unlessTold?: { readonly state?: JsonValue };
    }
  | { readonly type: "stop"; readonly stopReason: StopReason; readonly value: JsonValue; readonly detail?: string }
  | { readonly type: "fail"; readonly error: ErrorRecord };

export interface RunInfo {
  readonly tenant: string;
  readonly runId: string;
  readonly rootRunId: string;
  readonly threadId: string | null;
  readonly principal: string;
  readonly depth: number;
  /** Turns ended before this one. */
  readonly turn: number;
  readonly tags: readonly string[];
}

/** Messages of a prompt: recorded by an event, stored by an earlier run (one message or a list), or new. */
export type PromptDraft =
  | { readonly ref: Ref }
  | { readonly seq: number }
  | { readonly message: Message; readonly label?: Label };

export interface ModelCallSpec {
  readonly route: string;
  /** Asked instead where `route` does not exist or cannot be used; the record says which it was. */
  readonly orRoute?: string;
  /** `main` continues the agent's conversation; any other name is a conversation of its own. */
  readonly context: string;
  readonly system: string;
  readonly tools: readonly ToolSpec[];
  /** Messages after those of the previous request of the same context, less its last `drop`. */
  readonly add: readonly PromptDraft[];
  readonly drop?: number;
  readonly params: ModelParams;
  /** The route that is spared by asking this one: its price is recorded, so that the saving can be told. */
  readonly insteadOf?: string;
  /** The call that was not good enough, so that this one is made. */
  readonly escalates?: string;
}
export type ModelOutcome =
  | {
      readonly status: "answered";
      readonly callId: string;
      readonly message: Message;
      readonly finish: FinishReason;
      readonly usage: Usage;
      readonly model: string;
    }
  | { readonly status: "failed"; readonly callId: string; readonly error: ErrorRecord };

export interface AskSpec extends Omit<Approvers, "above"> {
  readonly question: string;
  /** JSON Schema of the answer; absent for approve or reject. */
  readonly schema?: JsonObject;
}
export type AskOutcome = {
  readonly decision: "approve" | "reject" | "answer";
  readonly answer: JsonValue;
  readonly by: string;
  readonly reason: string | null;
  readonly expired: boolean;
};

export interface ToolCallSpec {
  /** Name, version, and code where this worker has it. */
  readonly tool: { readonly name: string; readonly version: string; readonly effect: Effect };
  readonly args: JsonValue;
  /** Where a model asked: its call and the index in its answer. */
  readonly modelCallId?: string;
  readonly index?: number;
  readonly verdict: Verdict;
  /** With verdict `ask`: what the person is asked. */
  readonly ask?: AskSpec;
  /** With verdict `refuse`, or where the call cannot run at all: what the model is shown instead. */
  readonly refusal?: { readonly code: string; readonly shown: JsonValue };
  readonly provenance?: JsonObject;
  /** Done by the turn itself: the call returns this value, and the tool's code is not run. */
  readonly done?: { readonly value: JsonValue };
  /** What the model sees of an outcome: sanitised, wrapped, cut. Pure. */
  readonly show: (outcome: { readonly ok: boolean; readonly value: JsonValue; readonly error?: ErrorRecord }) => {
    readonly value: JsonValue;
    readonly label?: Label;
  };
}
/** What work in a turn came to: what the model is shown of it, and the value that ends the run, where it does. */
export type TurnWork =
  | { readonly ok: true; readonly value: JsonValue; readonly end?: { readonly value: JsonValue } }
  | { readonly ok: false; readonly code: string; readonly message: string };
/**
 * A tool whose work the run does itself, within its turn: by child runs, questions and waits. `execute` is never called.
 */
export interface TurnTool extends ToolDefinition {
  /** Runnables that its work starts. */
  readonly uses: readonly Runnable[];
  inTurn(ctx: TurnContext, input: JsonValue): Promise<TurnWork>;
}
export function isTurnTool(tool: ToolDefinition): tool is TurnTool {
  return "inTurn" in tool;
}
export type ToolOutcome =
  | { readonly status: "returned"; readonly callId: string; readonly value: JsonValue; readonly shown: JsonValue }
  | { readonly status: "failed"; readonly callId: string; readonly error: ErrorRecord; readonly shown: JsonValue }
  | { readonly status: "refused"; readonly callId: string; readonly code: string; readonly shown: JsonValue };

export interface ChildSpec {
  readonly runnable: string;
  readonly input: JsonValue;
  readonly allowance?: Amount;
  readonly limits?: RunLimits;
}
export interface ChildOutcome {
  readonly childRunId: string;
  readonly status: EndStatus;
  readonly stopReason: StopReason | null;
  readonly error: ErrorRecord | null;
  readonly value: JsonValue;
}

export interface StepOptions {
  /** A `once` step that was interrupted asks a person; `pure` and `idempotent` ones run again. */
  readonly effect: Exclude<Effect, "reconcilable">;
  /** Attempts in all when it throws; default 1. */
  readonly attemptsMax?: number;
  readonly timeLimitMs?: number;
}
export interface StepContext {
  readonly idempotencyKey: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}
export type SignalOutcome = { readonly received: true; readonly value: JsonValue } | { readonly received: false };

export type StoredRef = { readonly inline: JsonValue } | { readonly blob: string; readonly bytes: number };
/** Where values that a state names are put and read. */
export type ValueShelf = Pick<TurnContext, "put" | "read">;

type NoteOf<T extends { readonly callId: string }> = Omit<T, "callId">;
/** Facts without an outcome: recorded in order with the calls around them. */
export type Note =
  | NoteOf<PlanUpdated>
  | NoteOf<TaskPlanned>
  | NoteOf<ContextCompacted>
  | NoteOf<GuardFlagged>
  | ToolRetracted;

/**
 * What a turn is given. Every method is one durable call: recorded, and on replay answered from the record. Methods
 * reject with CONTEXT_REVOKED, or never settle, once the run was parked or lost: a body must not outlive its turn.
 */
export interface TurnContext {
  readonly run: RunInfo;
  readonly input: JsonValue;
  /** The fold at the turn's start; the same on replay. */
  readonly state: RunState;
  /** The definition recorded when the run started; null for code. */
  readonly definition: JsonValue | null;
  readonly limits: RunLimits;
  /** Aborted on cancel and loss of ownership. */
  readonly signal: AbortSignal;
  /** Time of the last delivered fact, ms since 1970: the same on replay. */
  now(): number;
  /** Seeded by the run: the same on replay. */
  random(): number;
  /** What is left of the run's budget at this turn's start; null = no cap. */
  left(): { readonly tokens: number | null; readonly costNanoUsd: number | null; readonly calls: number | null };
  model(spec: ModelCallSpec): Promise<ModelOutcome>;
  tool(spec: ToolCallSpec): Promise<ToolOutcome>;
  step<T extends JsonValue>(
    name: string,
    options: StepOptions,
    body: (step: StepContext) => Promise<T> | T,
  ): Promise<T>;
  child(spec: ChildSpec): Promise<ChildOutcome>;
  ask(spec: AskSpec): Promise<AskOutcome>;
  sleep(delayMs: number): Promise<void>;
  waitForSignal(name: string, options?: { readonly withinMs?: number }): Promise<SignalOutcome>;
  note(note: Note): void;
  /** Reads a value that the journal names; blobs included. Not a durable call: reading is free to repeat. */
  read(ref: StoredRef): Promise<JsonValue>;
  /** Stores a value for later turns, whose state names it: durable when this resolves. Free to repeat, as reading is. */
  put(value: JsonValue): Promise<Ref>;
  /** Tools whose code this worker has, by name. */
  toolOf(name: string): ToolDefinition | null;
}
