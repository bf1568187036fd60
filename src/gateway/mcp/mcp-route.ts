import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, type McpHttpHandler, type McpRequestContext, Server } from "@modelcontextprotocol/server";
import type { FastifyReply, FastifyRequest } from "fastify";
import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { plainHeaders } from "../front/front.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { ownOrigin, type Place } from "../request-guard.ts";
import { InnerApi } from "./inner-api.ts";
import { callTool, toolsFor } from "./mcp-tools.ts";

/**
 * Agents as tools of an MCP server: streamable HTTP, each request on its own, protocol 2026-07-28 and 2025-11-25. Who asks
 * is known from the same credentials as everywhere, and what they start, read and decide goes through the API's routes.
 */
export function mcpRoutes(app: GatewayApp, gateway: Gateway, place: Place): void {
  const handler = createMcpHandler((ctx) => serverFor(gateway, place, requestOf(ctx)), {
    maxSubscriptions: limits.streamsInAll,
    maxRequestBodySize: limits.requestBytes,
  });
  app.addHook("onClose", () => handler.close());
  const described = { operationId: "mcp", tags: ["mcp"], summary: "Agents as tools, over the Model Context Protocol" };
  // the SDK answers what is no POST with what its protocol says of it
  for (const method of ["POST", "GET", "DELETE"])
    app.route({
      method,
      url: "/mcp",
      config: { role: "read" },
      schema: method === "POST" ? described : { hide: true },
      handler: (request, reply) => answer(gateway, handler, request, reply),
    });
}

async function answer(
  gateway: Gateway,
  handler: McpHttpHandler,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { caller, raw } = request;
  const release = gateway.streams.open(caller, () => reply.raw.destroy());
  reply.raw.once("close", release);
  for (const [name, value] of Object.entries(plainHeaders(reply))) reply.raw.setHeader(name, value);
  reply.hijack();
  const auth = { token: "", clientId: caller.principal, scopes: [...caller.roles], extra: { request } };
  const fetch: McpHttpHandler["fetch"] = (web, options) => handler.fetch(web, { ...options, authInfo: auth });
  // the cast: node's own types say of absent members that they are undefined
  await toNodeHandler({ fetch })(raw as NodeIncomingMessageLike, reply.raw, request.body);
  return reply;
}

function requestOf({ authInfo }: McpRequestContext): FastifyRequest {
  const request = authInfo?.extra?.["request"];
  if (request === undefined)
    throw new PawlError("INTERNAL", "an MCP request came without the request that brought it.");
  // the cast: `answer` put it there
  return request as FastifyRequest;
}

function serverFor(gateway: Gateway, place: Place, request: FastifyRequest): Server {
  const { app, clock } = gateway;
  const server = new Server({ name: "pawl", version: "1" }, { capabilities: { tools: {} } });
  const { caller } = request;
  const { runnables } = app.registry;
  const api = new InnerApi(request);
  server.setRequestHandler("tools/list", async () => ({ tools: [...(await toolsFor(runnables, caller, api))] }));
  server.setRequestHandler("tools/call", ({ params }, ctx) =>
    callTool({
      api,
      runnables,
      caller,
      params,
      ctx,
      origin: ownOrigin(place, request),
      nowMs: () => clock.monotonicMs(),
    }),
  );
  return server;
}
