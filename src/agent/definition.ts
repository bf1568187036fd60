import type { AgentGuard } from "../core/guard-rules.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { ModelParams, ToolSpec } from "../core/model-contract.ts";
import type { ModelOutcome, TurnContext } from "../core/runnable.ts";
import type { Parsed } from "../core/tool-contract.ts";
import type { Memo } from "./memo.ts";

/** Checks an agent's final text against what its tools really returned. */
export interface Grounding {
  /** Adds what one successful tool call showed; `memo` is null at the start and must stay small. Pure. */
  collect(
    memo: JsonValue,
    call: { readonly tool: string; readonly args: JsonValue; readonly value: JsonValue },
  ): JsonValue;
  /** Judges the answer. Not ok: `feedback` goes back to the model, once; then `text` is the answer as it is, marked. Pure. */
  check(text: string, memo: JsonValue): { readonly ok: boolean; readonly feedback: string; readonly text: string };
  /** The answer in a call that carries it out, such as a report to save: judged before the call. null = none. Pure. */
  answerIn?(call: { readonly tool: string; readonly args: JsonValue }): string | null;
}

/** What is recorded of an agent when a run starts: the run continues by this, whatever is registered later. */
export interface AgentDefinition {
  readonly name: string;
  readonly model: string;
  readonly instructions: string;
  readonly tools: readonly ToolSpec[];
  readonly params: ModelParams;
  readonly contextTokens: number;
  readonly outputSchema: JsonObject | null;
  readonly guard?: AgentGuard;
}

/** Code of an agent that a turn needs beside its recorded definition. */
export interface AgentCode {
  readonly parseOutput: ((value: JsonValue) => Parsed) | null;
  readonly grounding: Grounding | null;
}

/** A turn under way. */
export interface AgentTurn {
  readonly ctx: TurnContext;
  readonly code: AgentCode;
  readonly definition: AgentDefinition;
  readonly memo: Memo;
  /** Calls that loop detection refuses, as `tool argsHash`. */
  readonly forbidden: readonly string[];
}
export type Answer = ModelOutcome & { readonly status: "answered" };
