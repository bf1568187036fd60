import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Caller } from "./caller.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import { roles } from "./roles.ts";
import { sessionCookie, sessionTokenOf } from "./session-cookie.ts";

const sessionSchema = z
  .strictObject({
    tenant: z.string(),
    principal: z.string(),
    roles: z.array(z.enum(roles)),
    keyId: z.string().nullable(),
    kind: z.enum(["key", "session", "token", "development"]).meta({ description: "How the caller is known." }),
    expiresAt: z.number().nullable(),
  })
  .meta({ id: "Session", description: "Who asks, and what they may do." });

/** Who am I; a browser's session: opened with an API key, kept in a cookie that no script reads. */
export function sessionRoutes(app: GatewayApp, gateway: Gateway, isSecure: boolean): void {
  app.get(
    "/api/v1/session",
    {
      config: { role: "read" },
      schema: { tags: ["session"], summary: "Who the credential is", response: { 200: sessionSchema } },
    },
    (request) => shown(request.caller),
  );
  app.post(
    "/api/v1/session",
    {
      // the key is in the body: it is what makes the session
      config: { role: "public" },
      schema: {
        tags: ["session"],
        summary: "Open a browser session with an API key",
        body: z.strictObject({ key: z.string().max(200) }),
        response: { 201: sessionSchema },
      },
    },
    async (request, reply) => {
      const caller = await gateway.keys.verify(request.body.key);
      if (caller === null || caller.keyId === null) {
        throw new PawlError("AUTH_INVALID", "the key is not valid here, or no longer. Use another one.");
      }
      const { token, expiresAt } = await gateway.sessions.open(caller.keyId);
      void reply.header("set-cookie", sessionCookie(token, limits.sessionMs / 1000, isSecure));
      return reply.code(201).send(shown({ ...caller, kind: "session", expiresAt }));
    },
  );
  app.delete(
    "/api/v1/session",
    {
      config: { role: "read" },
      schema: {
        tags: ["session"],
        summary: "Log out: the session and its streams end",
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const token = sessionTokenOf(request.headers.cookie);
      if (token !== null && request.caller.kind === "session") {
        await gateway.sessions.close(token);
        gateway.streams.closeWhere(({ credential }) => credential === request.caller.credential, "logged out");
      }
      void reply.header("set-cookie", sessionCookie("", 0, isSecure));
      return reply.code(204).send();
    },
  );
}

function shown({ tenant, principal, roles: held, keyId, kind, expiresAt }: Caller): z.output<typeof sessionSchema> {
  return { tenant, principal, roles: [...held], keyId, kind, expiresAt };
}
