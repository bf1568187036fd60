import { modelCheck, statusOfSource, type ModelCheck } from "../../models.ts";
import { checkModelRequest, modelCheckAnswer, sourceStatus } from "../api/models.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix } from "../route-parts.ts";

/** Endpoints and routes as this process sees them, for those who operate it: load and failures are of all tenants. */
export function modelRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  const { models } = pawl.deps;
  const underWay = new Map<string, Promise<ModelCheck>>();
  app.get(
    `${prefix}/models/status`,
    {
      config: { role: "operate" },
      schema: {
        operationId: "getModelStatus",
        tags: ["models"],
        summary: "Endpoints and routes: health, load, latency, limits, failures by code, price",
        response: { 200: sourceStatus },
      },
    },
    () => statusOfSource(models, [...new Set(pawl.registry.runnables.flatMap(({ routes }) => routes))]),
  );
  app.post(
    `${prefix}/models/check`,
    {
      // it costs what a call costs, outside of every budget
      config: { role: "admin" },
      schema: {
        operationId: "checkModel",
        tags: ["models"],
        summary: "Ask a route or an endpoint for one streamed tool call; one at a time for each",
        body: checkModelRequest,
        response: { 200: modelCheckAnswer },
      },
    },
    async ({ body: { route } }) => {
      const check = underWay.get(route) ?? modelCheck(models, route).finally(() => underWay.delete(route));
      underWay.set(route, check);
      return check;
    },
  );
}
