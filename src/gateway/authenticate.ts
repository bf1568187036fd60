import type { FastifyRequest } from "fastify";
import { PawlError } from "../core/errors.ts";
import { isApiKeyText, type ApiKeys } from "./api-keys.ts";
import type { Caller } from "./caller.ts";
import type { Tokens } from "./jwt.ts";
import { mayCall, roles, type RouteRole } from "./roles.ts";
import type { Sessions } from "./sessions.ts";
import { sessionTokenOf } from "./session-cookie.ts";

/** How credentials are judged. */
export interface Authentication {
  readonly keys: ApiKeys;
  readonly sessions: Sessions;
  /** null = no tokens of an identity provider are taken. */
  readonly tokens: Tokens | null;
  /** Everybody is this caller: development on loopback without authentication. */
  readonly everybody: Caller | null;
}

/**
 * Who asks. The tenant comes from the credential alone.
 * @throws AUTH_MISSING, AUTH_INVALID: the same answer for wrong, malformed, expired and revoked
 */
export async function authenticate(how: Authentication, request: FastifyRequest): Promise<Caller> {
  refuseKeysInUrl(request.query);
  const apiKey = request.headers["x-api-key"];
  // where Anthropic's clients put a key
  const { authorization = typeof apiKey === "string" ? `Bearer ${apiKey}` : undefined } = request.headers;
  if (authorization !== undefined) return judged(await bearer(how, authorization));
  const token = sessionTokenOf(request.headers.cookie);
  if (token !== null) return judged(await how.sessions.verify(token));
  if (how.everybody !== null) return how.everybody;
  throw new PawlError(
    "AUTH_MISSING",
    'the request has no credential. Send "authorization: Bearer pawl_…"; "pawl keys create" makes a key.',
  );
}

/** True while a caller that was let in would still be. */
export async function isStillValid(how: Authentication, caller: Caller, nowMs: number): Promise<boolean> {
  if (caller.expiresAt !== null && caller.expiresAt <= nowMs) return false;
  switch (caller.kind) {
    case "key":
      return caller.keyId !== null && (await how.keys.callerOf(caller.keyId)) !== null;
    case "session":
      return how.sessions.stillValid(caller.credential);
    case "token":
    case "development":
      return true;
  }
}

/** @throws ROLE_MISSING naming what is needed and what is held */
export function requireRole(caller: Caller, needed: Exclude<RouteRole, "public">): void {
  if (mayCall(caller.roles, needed)) return;
  throw new PawlError(
    "ROLE_MISSING",
    `this needs the role "${needed}"; the credential has ${caller.roles.join(", ") || "none"} of ${roles.join(", ")}. Use another key.`,
  );
}

async function bearer(how: Authentication, authorization: string): Promise<Caller | null> {
  const [, text = ""] = /^Bearer +([\x21-\x7e]{1,8192})$/i.exec(authorization) ?? [];
  if (how.tokens === null || isApiKeyText(text)) return how.keys.verify(text);
  return how.tokens.verify(text);
}

function judged(caller: Caller | null): Caller {
  if (caller !== null) return caller;
  throw new PawlError("AUTH_INVALID", "the credential is not valid here, or no longer. Use another one.");
}

const KEY_NAMES = new Set(["key", "api_key", "apikey", "api-key", "access_token", "token", "authorization", "auth"]);

/** What stands in a URL ends up in logs and histories. */
function refuseKeysInUrl(query: unknown): void {
  if (typeof query !== "object" || query === null) return;
  for (const [name, value] of Object.entries(query)) {
    const texts: readonly unknown[] = Array.isArray(value) ? value : [value];
    const holdsKey = texts.some((text) => typeof text === "string" && isApiKeyText(text));
    if (!holdsKey && !KEY_NAMES.has(name.toLowerCase())) continue;
    throw new PawlError(
      "REQUEST_INVALID",
      "a credential in the URL ends up in logs. Send it in the authorization header, and rotate it if it was real.",
    );
  }
}
