import { z } from "zod";
import { PawlError } from "../../core/errors.ts";
import { mermaidOf, recordedPicture } from "../../graph/picture.ts";
import { readGraphState, readRunGraph } from "../../graph/run-graph.ts";
import { agentGraph, graphStateQuery, runGraph, runGraphState } from "../api/graphs.ts";
import { name } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix, refOf, runParams } from "../route-parts.ts";

/** Graphs: how they look, where a run of one is, and its state at any superstep. */
export function graphRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  app.get(
    `${prefix}/agents/:agent/graph`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getGraph",
        tags: ["agents"],
        summary: "The nodes and edges of a graph, also as Mermaid",
        params: z.object({ agent: name }),
        response: { 200: agentGraph },
      },
    },
    ({ params }) => {
      const picture = recordedPicture(pawl.registry.runnable(params.agent).definition);
      if (picture === null) throw new PawlError("OPTION_INVALID", `"${params.agent}" is no graph.`);
      return { ...picture, mermaid: mermaidOf(picture) };
    },
  );
  app.get(
    `${prefix}/runs/:runId/graph`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getRunGraph",
        tags: ["runs"],
        summary: "The graph of a run as it was when the run started, and the nodes of each superstep",
        params: runParams,
        response: { 200: runGraph },
      },
    },
    (request) => readRunGraph(pawl.deps, refOf(request)),
  );
  app.get(
    `${prefix}/runs/:runId/graph/state`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getGraphState",
        tags: ["runs"],
        summary: "The state of a graph's run after any superstep",
        params: runParams,
        querystring: graphStateQuery,
        response: { 200: runGraphState },
      },
    },
    (request) => readGraphState(pawl.deps, refOf(request), request.query.turn),
  );
}
