import { z } from "zod";
import type { RunLimits } from "../../core/budget.ts";
import type { Effect } from "../../core/effect.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { count, enumOf, json, jsonObject } from "./values.ts";

/** An agent or durable function that can be started. */
export interface AgentSummary {
  readonly name: string;
  /** Content hash of an agent, stated version of a function. */
  readonly version: string;
  readonly kind: "agent" | "function" | "graph";
  readonly description: string;
  /** Model routes it calls. */
  readonly models: readonly string[];
  readonly tools: readonly AgentTool[];
  /** Agents and functions that it may start as children. */
  readonly uses: readonly string[];
  readonly limits: RunLimits;
}
export interface AgentTool {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly effect: Effect;
}
export interface AgentDetail extends AgentSummary {
  /** JSON Schema of the input; null = any JSON. `{ "type": "string" }` = a text. */
  readonly inputSchema: JsonObject | null;
  /** Inputs to begin with. */
  readonly samples: readonly JsonValue[];
  readonly instructions: string | null;
  /** JSON Schema of the answer; null = a text. */
  readonly outputSchema: JsonObject | null;
}

export const effect: z.ZodType<Effect> = enumOf<Effect>({
  pure: true,
  idempotent: true,
  reconcilable: true,
  once: true,
});

export const runLimits: z.ZodType<RunLimits> = z
  .strictObject({
    turns: z.int().min(1).exactOptional(),
    tokens: count.exactOptional(),
    costUsd: z.number().min(0).exactOptional(),
    calls: count.exactOptional(),
    onBudget: z.enum(["park", "finish"]).exactOptional(),
  })
  .meta({ id: "RunLimits", description: "Limits of one run. Absent = no cap, but 100,000 tokens without any budget." });

const summary = {
  name: z.string(),
  version: z.string(),
  kind: z.enum(["agent", "function", "graph"]),
  description: z.string(),
  models: z.array(z.string()),
  tools: z.array(z.object({ name: z.string(), version: z.string(), description: z.string(), effect })),
  uses: z.array(z.string()),
  limits: runLimits,
};
export const agentSummary: z.ZodType<AgentSummary> = z.object(summary).meta({ id: "AgentSummary" });
export const agentDetail: z.ZodType<AgentDetail> = z
  .object({
    ...summary,
    inputSchema: jsonObject.nullable(),
    samples: z.array(json),
    instructions: z.string().nullable(),
    outputSchema: jsonObject.nullable(),
  })
  .meta({ id: "AgentDetail" });
