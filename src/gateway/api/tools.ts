import { z } from "zod";
import type { Effect } from "../../core/effect.ts";
import type { JsonObject } from "../../core/json.ts";
import { effect } from "./agents.ts";
import { count, jsonObject } from "./values.ts";

/** A tool of the registered agents. */
export interface ToolInfo {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly effect: Effect;
  readonly inputSchema: JsonObject;
  readonly trust: "untrusted" | "trusted" | { readonly trustedPaths: readonly string[] };
  readonly capabilities: readonly string[];
  readonly timeLimitMs: number;
  /** `always`, `never`, or `by-rule`: its author's rule looks at the arguments. */
  readonly approval: "always" | "never" | "by-rule";
  /** It can be asked later what became of a call. */
  readonly canReconcile: boolean;
  /** Agents and functions that have it. */
  readonly usedBy: readonly string[];
}
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

export const toolInfo: z.ZodType<ToolInfo> = z
  .object({
    name: z.string(),
    version: z.string(),
    description: z.string(),
    effect,
    inputSchema: jsonObject,
    trust: z.union([z.enum(["untrusted", "trusted"]), z.object({ trustedPaths: z.array(z.string()) })]),
    capabilities: z.array(z.string()),
    timeLimitMs: count,
    approval: z.enum(["always", "never", "by-rule"]),
    canReconcile: z.boolean(),
    usedBy: z.array(z.string()),
  })
  .meta({ id: "ToolInfo" });
export const modelInfo: z.ZodType<ModelInfo> = z
  .object({
    route: z.string(),
    provider: z.string(),
    isUsable: z.boolean(),
    problem: z.string().nullable(),
    usedBy: z.array(z.string()),
  })
  .meta({ id: "ModelInfo" });
