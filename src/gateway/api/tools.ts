import { z } from "zod";
import { jsonObject, at, count, enumOf, hash, name, userId } from "./values.ts";
import { effect } from "./agents.ts";
import type { GrantRequest } from "../../core/tool-grants.ts";
import type { GrantLine, GrantState, ReviewState, ToolDiff, ToolLine } from "../../core/tool-line.ts";

/** A model route that registered agents call. */
export interface ModelInfo {
  readonly route: string;
  readonly provider: string;
  /** The provider's key is there, or none is needed. */
  readonly isUsable: boolean;
  /** Why it is not usable, without any part of a key; null where it is. */
  readonly problem: string | null;
  readonly usedBy: readonly string[];
}

export const modelInfo: z.ZodType<ModelInfo> = z
  .object({
    route: z.string(),
    provider: z.string(),
    isUsable: z.boolean(),
    problem: z.string().nullable(),
    usedBy: z.array(z.string()),
  })
  .meta({ id: "ModelInfo" });

const version = userId;
const text = z.string().nullable();
const capabilities = z.array(z.string().max(300)).max(32);

export const toolLine: z.ZodType<ToolLine> = z
  .object({
    name: z.string(),
    version: z.string(),
    description: z.string(),
    effect,
    inputSchema: jsonObject,
    trust: z.union([z.enum(["untrusted", "trusted"]), z.object({ trustedPaths: z.array(z.string()) })]),
    capabilities: z.array(z.string()),
    origin: text,
    owner: text,
    deprecated: text,
    rate: z.object({ calls: z.number(), perMs: z.number() }).nullable(),
    cost: z.object({ nanoUsdMax: z.number(), isFixed: z.boolean() }).nullable(),
    timeLimitMs: count,
    approval: z.enum(["always", "never", "by-rule"]),
    canReconcile: z.boolean(),
    usedBy: z.array(z.string()),
    hash,
    state: enumOf<ReviewState>({ accepted: true, new: true, changed: true, quarantined: true }),
    reason: text,
    review: z.object({ hash: hash.nullable(), by: text, at }).nullable(),
    missing: z.array(z.string()),
    health: z.object({
      calls: count,
      errors: count,
      p50Ms: count.nullable(),
      lastError: z.object({ at, code: z.string() }).nullable(),
      isResting: z.boolean(),
    }),
  })
  .meta({
    id: "Tool",
    description: "One version of a tool, and how it stands for the caller's tenant. Health is of this process.",
  });

const granting = {
  tool: name,
  version: version.exactOptional(),
  capabilities,
  agent: name.exactOptional(),
  principal: z.string().min(1).max(200).exactOptional(),
  role: z.string().min(1).max(64).exactOptional(),
  until: at.exactOptional(),
  reason: z.string().max(500).exactOptional(),
};
export const grantRequest: z.ZodType<GrantRequest> = z.strictObject(granting).meta({
  id: "GrantRequest",
  description: "Runs that fit all of agent, principal and role may call the tool. `until` in ms since 1970.",
});
export const grantLine: z.ZodType<GrantLine> = z
  .object({
    ...granting,
    id: z.string(),
    by: z.string(),
    at,
    revoked: z.object({ by: z.string(), at }).exactOptional(),
    state: enumOf<GrantState>({ active: true, expired: true, revoked: true }),
    declared: z.boolean(),
  })
  .meta({ id: "ToolGrant" });
export const toolDiff: z.ZodType<ToolDiff> = z
  .object({
    name: z.string(),
    version: z.string(),
    hash,
    acceptedHash: hash.nullable(),
    changes: z.array(z.object({ path: z.string(), before: text, after: text })),
  })
  .meta({
    id: "ToolDiff",
    description: "What changed since the definition was accepted; `hash` is what accept is told.",
  });

/** `POST /tools/{tool}/accept` */
export interface AcceptToolRequest {
  readonly version?: string;
  /** Of the definition that was shown. */
  readonly hash: string;
}
export const acceptToolRequest: z.ZodType<AcceptToolRequest> = z
  .strictObject({ version: version.exactOptional(), hash })
  .meta({ id: "AcceptToolRequest" });
/** `POST /tools/{tool}/quarantine` */
export interface QuarantineToolRequest {
  readonly version?: string;
  readonly reason?: string;
}
export const quarantineToolRequest: z.ZodType<QuarantineToolRequest> = z
  .strictObject({ version: version.exactOptional(), reason: z.string().max(500).exactOptional() })
  .meta({ id: "QuarantineToolRequest" });
