import type { Effect } from "../core/effect.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Runnable, StepContext } from "../core/runnable.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { Channels } from "./channel.ts";
import type { NodeContext } from "./node-context.ts";

export const START = "__start__";
export const END = "__end__";

/** How a node is carried out. */
export interface NodeRules {
  /** Attempts in all when it throws; default 1. */
  readonly attemptsMax?: number;
  readonly timeLimitMs?: number;
}
/** A node that acts outside: one step, with what a repeat of it would do. */
export interface StepRules extends NodeRules {
  readonly effect: Exclude<Effect, "reconcilable">;
}

export interface GraphNode {
  readonly name: string;
  readonly rules: NodeRules & Partial<StepRules>;
  /** Channels it may write; null = not stated. */
  readonly writes: readonly string[] | null;
  /** Makes the list that the node goes over; null = it runs once. */
  readonly over: ((state: JsonObject) => unknown) | null;
  readonly concurrency: number;
  /** `item` and `index` only in a map. @returns an update of the channels */
  readonly run: (given: Given) => unknown;
  /** A child run instead; its output is handed to `run`'s place. */
  readonly child: Runnable | null;
}
export interface Given {
  readonly state: JsonObject;
  readonly ctx: NodeContext | StepContext;
  readonly item: JsonValue;
  readonly index: number;
  /** Only of a node that is a runnable. */
  readonly callRun: NodeContext["callRun"] | null;
}

export interface Edge {
  /** More than one: a join, which waits for all. */
  readonly from: readonly string[];
  readonly to: string;
}
export interface ConditionalEdge {
  readonly from: string;
  readonly route: (state: JsonObject) => unknown;
  /** null: any node. */
  readonly targets: readonly string[] | null;
}

export interface GraphDefinition {
  readonly name: string;
  readonly channels: Channels;
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly edges: readonly Edge[];
  readonly conditional: readonly ConditionalEdge[];
  readonly tools: readonly ToolDefinition[];
  readonly output: ((state: JsonObject) => unknown) | null;
}
