import { fastifySwagger } from "@fastify/swagger";
import { createJsonSchemaTransform, jsonSchemaTransformObject } from "fastify-type-provider-zod";
import { errorTable } from "../core/error-table.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { docsPage, docsStyle } from "./docs-page.ts";
import type { GatewayApp } from "./gateway.ts";

const PROBLEM: JsonObject = {
  type: "object",
  description: "RFC 9457 problem document. `code` is stable; docs/errors.md lists every one.",
  required: ["type", "title", "status", "code", "detail", "retry"],
  properties: {
    type: { type: "string", description: "urn:pawl:error:CODE" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string", enum: Object.keys(errorTable) },
    detail: { type: "string" },
    retry: { type: "string", enum: ["safe", "read-first", "never"] },
    details: { type: "object", additionalProperties: true },
    issues: {
      type: "array",
      items: { type: "object", properties: { path: { type: "string" }, message: { type: "string" } } },
    },
  },
};
const PROBLEM_ANSWER: JsonObject = {
  description: "Refused or failed.",
  content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** Collects the schemas of every route that is registered after it. Register it before any. */
export async function collectOpenApi(app: GatewayApp, version: string): Promise<void> {
  const transform = createJsonSchemaTransform({});
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Pawl", version, description: "Runs AI agents as production workloads: every run is a journal." },
      components: {
        securitySchemes: {
          key: {
            type: "http",
            scheme: "bearer",
            description: "An API key (pawl_…) or a token of the identity provider.",
          },
          session: {
            type: "apiKey",
            in: "cookie",
            name: "pawl_session",
            description: "Opened by POST /api/v1/session.",
          },
        },
      },
    },
    transform: (route) => {
      const { schema, url } = transform(route);
      const { role } = route.route.config ?? {};
      return { schema: { ...schema, ...(role !== undefined && { "x-pawl-role": role }) }, url };
    },
    transformObject: jsonSchemaTransformObject,
  });
}

/** `/openapi.json`, and the same for people at `/docs`. Both are made once, when every route is known. */
export function openApiRoutes(app: GatewayApp): void {
  let made: { readonly json: string; readonly page: string } | null = null;
  const make = (): { readonly json: string; readonly page: string } => {
    const document = completed(app.swagger() as unknown as JsonObject);
    made ??= { json: JSON.stringify(document), page: docsPage(document) };
    return made;
  };
  const options = { config: { role: "public" }, schema: { hide: true } } as const;
  app.get("/openapi.json", options, (_request, reply) =>
    reply.type("application/json; charset=utf-8").send(make().json),
  );
  app.get("/docs", options, (_request, reply) => reply.type("text/html; charset=utf-8").send(make().page));
  app.get("/docs.css", options, (_request, reply) => reply.type("text/css; charset=utf-8").send(docsStyle));
}

/** What holds for every operation: the role it needs, how to show one has it, and problem documents. */
function completed(document: JsonObject): JsonObject {
  const paths = Object.entries(objectOf(document["paths"])).map(([path, operations]) => [
    path,
    Object.fromEntries(Object.entries(objectOf(operations)).map(([method, one]) => [method, operation(objectOf(one))])),
  ]);
  const components = objectOf(document["components"]);
  const schemas = { ...objectOf(components["schemas"]), Problem: PROBLEM };
  return { ...document, paths: Object.fromEntries(paths) as JsonObject, components: { ...components, schemas } };
}

function operation(one: JsonObject): JsonObject {
  const isPublic = one["x-pawl-role"] === "public";
  return {
    ...one,
    security: isPublic ? [] : [{ key: [] }, { session: [] }],
    responses: { ...objectOf(one["responses"]), default: PROBLEM_ANSWER },
  };
}

export function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
