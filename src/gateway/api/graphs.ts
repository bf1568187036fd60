import { z } from "zod";
import type { RunStatus } from "../../core/run-outcome.ts";
import type { GraphStateAt, RunGraph } from "../../graph/run-graph.ts";
import type { GraphPicture } from "../../graph/picture.ts";
import { runStatus } from "./runs.ts";
import { count, json } from "./values.ts";

/** A graph as it is drawn, and the same as Mermaid. */
export interface AgentGraph extends GraphPicture {
  readonly mermaid: string;
}
/** A run of a graph: drawn as it was when the run started. */
export type RunGraphView = RunGraph & { readonly status: RunStatus };
export type RunGraphState = GraphStateAt;

const picture = {
  nodes: z.array(z.object({ name: z.string(), kind: z.enum(["code", "step", "child"]), isMap: z.boolean() })),
  edges: z.array(z.object({ from: z.string(), to: z.string(), kind: z.enum(["always", "join", "choice"]) })),
  channels: z.array(z.object({ name: z.string(), kind: z.string() })),
};
export const agentGraph: z.ZodType<AgentGraph> = z
  .object({ ...picture, mermaid: z.string() })
  .meta({ id: "AgentGraph" });
export const runGraph: z.ZodType<RunGraphView> = z
  .object({
    picture: z.object(picture),
    status: runStatus,
    supersteps: z.array(z.object({ turn: count, nodes: z.array(z.string()), at: z.number() })),
  })
  .meta({ id: "RunGraph" });
export const runGraphState: z.ZodType<RunGraphState> = z
  .object({ turn: count, turns: count, state: z.record(z.string(), json).nullable(), next: z.array(z.string()) })
  .meta({ id: "RunGraphState", description: "State after `turn` supersteps; null = the run has only its input." });

/** `GET /runs/{runId}/graph/state`: absent = the newest. */
export const graphStateQuery: z.ZodType<{ readonly turn?: number }> = z.strictObject({
  turn: z.coerce.number().int().min(0).max(1_000_000).exactOptional(),
});
