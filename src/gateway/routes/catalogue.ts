import { z } from "zod";
import { errorRecord, PawlError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { Runnable } from "../../core/runnable.ts";
import { recordedPicture } from "../../graph/picture.ts";
import { agentDetail, agentSummary, type AgentDetail, type AgentSummary } from "../api/agents.ts";
import { modelInfo, type ModelInfo } from "../api/tools.ts";
import { name, pageOf } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix } from "../route-parts.ts";

/** What this process has: agents and functions, and the models that they call. */
export function catalogueRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  const { runnables } = pawl.registry;
  app.get(
    `${prefix}/agents`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listAgents",
        tags: ["agents"],
        summary: "Agents and functions that can be started",
        response: { 200: pageOf(agentSummary) },
      },
    },
    () => ({ items: runnables.map(agentOf), cursor: null }),
  );
  app.get(
    `${prefix}/agents/:agent`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getAgent",
        tags: ["agents"],
        summary: "An agent with the schema of its input",
        params: z.object({ agent: name }),
        response: { 200: agentDetail },
      },
    },
    (request) => agentDetailOf(pawl.registry.runnable(request.params.agent)),
  );
  app.get(
    `${prefix}/models`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listModels",
        tags: ["models"],
        summary: "Models that the registered agents call, and whether they can be called",
        response: { 200: pageOf(modelInfo) },
      },
    },
    () => ({ items: modelsOf(runnables, (route) => pawl.deps.models.check(route)), cursor: null }),
  );
}

function agentOf({
  name: agent,
  version,
  description,
  routes,
  tools,
  uses,
  limits,
  definition,
}: Runnable): AgentSummary {
  return {
    name: agent,
    version,
    kind: definition === null ? "function" : recordedPicture(definition) === null ? "agent" : "graph",
    description,
    models: routes,
    tools: tools.map((tool) => ({
      name: tool.name,
      version: tool.version,
      description: tool.description,
      effect: tool.effect,
    })),
    uses: uses.map((used) => used.name),
    limits,
  };
}

function agentDetailOf(runnable: Runnable): AgentDetail {
  const definition = isJsonObject(runnable.definition) ? runnable.definition : {};
  const { instructions, outputSchema } = definition;
  return {
    ...agentOf(runnable),
    inputSchema: runnable.inputSchema,
    samples: runnable.samples ?? [],
    instructions: typeof instructions === "string" ? instructions : null,
    outputSchema: isJsonObject(outputSchema) ? (outputSchema satisfies JsonObject) : null,
  };
}

function modelsOf(runnables: readonly Runnable[], check: (route: string) => void): readonly ModelInfo[] {
  const users = new Map<string, string[]>();
  for (const { name: agent, routes } of runnables) {
    for (const route of routes) users.set(route, [...(users.get(route) ?? []), agent]);
  }
  return [...users].map(([route, usedBy]) => {
    const problem = problemOf(() => check(route));
    return {
      route,
      provider: route.includes("/") ? route.slice(0, route.indexOf("/")) : route,
      isUsable: problem === null,
      problem,
      usedBy,
    };
  });
}

/** Messages of refusals name variables and options, never what is in them. */
function problemOf(check: () => void): string | null {
  try {
    check();
    return null;
  } catch (error) {
    return PawlError.is(error) ? error.message : errorRecord(error, "INTERNAL").code;
  }
}
