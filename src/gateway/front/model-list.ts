import { PawlError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";

/** `/v1/models`: routes and endpoints that can be called, and agents. */
export function frontModels(app: GatewayApp, gateway: Gateway): void {
  const schema = { tags: ["front"] };
  app.get(
    "/v1/models",
    {
      config: { role: "read" },
      schema: { ...schema, operationId: "front_models", summary: "Models that can be asked for" },
    },
    () => ({ object: "list", data: modelsOf(gateway), has_more: false }),
  );
  app.get<{ Params: { "*": string } }>(
    "/v1/models/*",
    { config: { role: "read" }, schema: { ...schema, operationId: "front_model", summary: "One of them" } },
    (request) => {
      const id = request.params["*"];
      const model = modelsOf(gateway).find((one) => one["id"] === id);
      if (model !== undefined) return model;
      throw new PawlError("MODEL_UNKNOWN", `there is no model "${id.slice(0, 200)}". GET /v1/models lists them.`);
    },
  );
}

function modelsOf({ app }: Gateway): readonly JsonObject[] {
  const { models, registry } = app.deps;
  const status = models.status?.();
  const used = registry.runnables.flatMap(({ routes }) => routes);
  const pooled = [...(status?.routes ?? []), ...(status?.endpoints ?? [])].map(({ name }) => name);
  const callable = [...new Set([...pooled, ...used])].filter((route) => {
    try {
      models.check(route);
      return true;
    } catch {
      return false;
    }
  });
  const agents = registry.runnables.filter(({ definition }) => definition !== null).map(({ name }) => `agent/${name}`);
  return [...callable, ...agents].map((id) => ({
    id,
    object: "model",
    type: "model",
    display_name: id,
    created: 0,
    created_at: "1970-01-01T00:00:00Z",
    owned_by: id.startsWith("agent/") ? "pawl" : (id.split("/")[0] ?? "pawl"),
  }));
}
