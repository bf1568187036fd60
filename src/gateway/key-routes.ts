import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { ApiKey, IssuedKey } from "./api-keys.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import { mayCall, roles, type Role } from "./roles.ts";

const keyShape = {
  id: z.string().meta({ description: "The middle part of the key." }),
  tenant: z.string(),
  name: z.string(),
  principal: z.string().meta({ description: "Whom the journal names." }),
  roles: z.array(z.enum(roles)),
  createdAt: z.number(),
  createdBy: z.string(),
  expiresAt: z.number().nullable(),
  revokedAt: z.number().nullable(),
  replacedBy: z.string().nullable(),
};
const keySchema = z.strictObject(keyShape).meta({ id: "ApiKey", description: "An API key without its secret." });
const issuedSchema = z
  .strictObject({ ...keyShape, key: z.string().meta({ description: "Shown this once." }) })
  .meta({ id: "IssuedApiKey", description: "A new API key with its text." });
const idParams = z.strictObject({ keyId: z.string().regex(/^[a-z0-9]{12}$/) });
const createBody = z.strictObject({
  name: z.string().min(1).max(100),
  roles: z.array(z.enum(roles)).min(1),
  principal: z.string().max(128).optional(),
  expiresInDays: z.number().positive().max(3_650).optional(),
});
const DAY_MS = 86_400_000;
const config = { role: "admin" } as const;

/** API keys of the caller's own tenant. */
export function keyRoutes(app: GatewayApp, gateway: Gateway): void {
  const { keys, clock } = gateway;
  app.get(
    "/api/v1/keys",
    {
      config,
      schema: {
        tags: ["keys"],
        summary: "API keys, without their secrets",
        querystring: z.strictObject({
          cursor: z.string().max(1_000).optional(),
          limit: z.coerce.number().int().min(1).max(limits.keysPerTenant).default(50),
        }),
        response: { 200: z.strictObject({ items: z.array(keySchema), cursor: z.string().nullable() }) },
      },
    },
    async ({ caller, query }) => {
      const page = await keys.list(caller.tenant, query.cursor ?? null, query.limit);
      return { items: page.items.map(shown), cursor: page.cursor };
    },
  );
  app.post(
    "/api/v1/keys",
    {
      config,
      schema: { tags: ["keys"], summary: "Create an API key", body: createBody, response: { 201: issuedSchema } },
    },
    async ({ caller, body }, reply) => {
      refuseMore(caller.roles, body.roles);
      const issued = await keys.create(caller.tenant, {
        name: body.name,
        roles: body.roles,
        createdBy: caller.principal,
        ...(body.principal !== undefined && { principal: body.principal }),
        ...(body.expiresInDays !== undefined && { expiresAt: clock.nowMs() + body.expiresInDays * DAY_MS }),
      });
      return reply.code(201).send(issuedShown(issued));
    },
  );
  endingRoutes(app, gateway);
}

function endingRoutes(app: GatewayApp, { keys, streams }: Gateway): void {
  const closeStreams = (id: string, why: string): number => streams.closeWhere(({ keyId }) => keyId === id, why);
  app.post(
    "/api/v1/keys/:keyId/revoke",
    {
      config,
      schema: { tags: ["keys"], summary: "Refuse a key from now on", params: idParams, response: { 200: keySchema } },
    },
    async ({ caller, params }) => {
      const key = await keys.revoke(caller.tenant, params.keyId);
      closeStreams(key.id, "the key was revoked");
      return shown(key);
    },
  );
  app.post(
    "/api/v1/keys/:keyId/rotate",
    {
      config,
      schema: {
        tags: ["keys"],
        summary: "Replace a key by a new one; the old one's streams end with it",
        params: idParams,
        body: z.strictObject({ graceSeconds: z.number().int().min(0).max(86_400).default(0) }),
        response: { 201: issuedSchema },
      },
    },
    async ({ caller, params, body }, reply) => {
      const graceMs = body.graceSeconds * 1000;
      const issued = await keys.rotate(caller.tenant, params.keyId, { createdBy: caller.principal, graceMs });
      if (graceMs === 0) closeStreams(params.keyId, "the key was rotated");
      return reply.code(201).send(issuedShown(issued));
    },
  );
}

/** Nobody gives what they do not have. */
function refuseMore(held: readonly Role[], wanted: readonly Role[]): void {
  const more = wanted.find((role) => !mayCall(held, role));
  if (more === undefined) return;
  throw new PawlError("ROLE_MISSING", `a key with the role "${more}" can be made only by one that has it.`);
}

function shown(key: ApiKey): z.output<typeof keySchema> {
  return { ...key, roles: [...key.roles] };
}

function issuedShown(key: IssuedKey): z.output<typeof issuedSchema> {
  return { ...key, roles: [...key.roles] };
}
