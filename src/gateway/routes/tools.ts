import { z } from "zod";
import { acceptToolRequest, grantLine, grantRequest, quarantineToolRequest, toolDiff, toolLine } from "../api/tools.ts";
import { name, pageOf, userId } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix } from "../route-parts.ts";

const about = { tags: ["tools"] };
const ofTool = { params: z.object({ tool: name }) };

/** Tools, what was reviewed of them, and who was granted what: of the caller's tenant. Who changes something is recorded. */
export function toolRoutes(app: GatewayApp, gateway: Gateway): void {
  readingRoutes(app, gateway);
  reviewRoutes(app, gateway);
  grantRoutes(app, gateway);
}

function readingRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  app.get(
    `${prefix}/tools`,
    {
      config: { role: "read" },
      schema: {
        ...about,
        operationId: "listTools",
        summary: "Tools of the registered agents, by version: reviewed or not, granted or not, how their calls went",
        response: { 200: pageOf(toolLine) },
      },
    },
    async ({ caller }) => ({ items: await pawl.tools(caller.tenant).list(), cursor: null }),
  );
  app.get(
    `${prefix}/tools/:tool/diff`,
    {
      config: { role: "read" },
      schema: {
        ...about,
        ...ofTool,
        operationId: "diffTool",
        summary: "What changed in a tool's definition since it was accepted",
        querystring: z.strictObject({ version: userId.optional() }),
        response: { 200: toolDiff },
      },
    },
    ({ caller, params, query }) => pawl.tools(caller.tenant).diff(params.tool, query.version),
  );
}

function reviewRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  const response = { 200: pageOf(toolLine) };
  app.post(
    `${prefix}/tools/:tool/accept`,
    {
      config: { role: "admin" },
      schema: {
        ...about,
        ...ofTool,
        operationId: "acceptTool",
        summary: "Accept a tool's definition as it was shown",
        body: acceptToolRequest,
        response,
      },
    },
    async ({ caller, params, body }) => {
      const tools = pawl.tools(caller.tenant);
      await tools.accept({ name: params.tool, ...body }, caller.principal);
      return { items: await tools.list(params.tool), cursor: null };
    },
  );
  app.post(
    `${prefix}/tools/:tool/quarantine`,
    {
      config: { role: "operate" },
      schema: {
        ...about,
        ...ofTool,
        operationId: "quarantineTool",
        summary: "Stop every call of a tool that has not started, until its definition is accepted again",
        body: quarantineToolRequest,
        response,
      },
    },
    async ({ caller, params, body }) => {
      const tools = pawl.tools(caller.tenant);
      await tools.quarantine({ name: params.tool, ...body }, caller.principal);
      return { items: await tools.list(params.tool), cursor: null };
    },
  );
}

function grantRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  app.get(
    `${prefix}/grants`,
    {
      config: { role: "read" },
      schema: {
        ...about,
        operationId: "listGrants",
        summary: "Who was granted what, by whom; the newest first, revoked ones too",
        querystring: z.strictObject({ tool: name.optional() }),
        response: { 200: pageOf(grantLine) },
      },
    },
    async ({ caller, query }) => ({ items: await pawl.tools(caller.tenant).grants(query.tool), cursor: null }),
  );
  app.post(
    `${prefix}/grants`,
    {
      config: { role: "admin" },
      schema: {
        ...about,
        operationId: "grantTool",
        summary: "Grant capabilities of a tool, to runs that start from now on",
        body: grantRequest,
        response: { 201: grantLine },
      },
    },
    async ({ caller, body }, reply) => {
      const grant = await pawl.tools(caller.tenant).grant(body, caller.principal);
      return reply.code(201).send({ ...grant, state: "active", declared: false });
    },
  );
  app.delete(
    `${prefix}/grants/:grant`,
    {
      config: { role: "operate" },
      schema: {
        ...about,
        operationId: "revokeGrant",
        summary: "Take a grant back, at once",
        params: z.object({ grant: userId }),
        response: { 200: grantLine },
      },
    },
    async ({ caller, params }) => {
      const grant = await pawl.tools(caller.tenant).revoke(params.grant, caller.principal);
      return { ...grant, state: "revoked" as const, declared: false };
    },
  );
}
