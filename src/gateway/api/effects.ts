import { z } from "zod";
import type { Effect, EffectStatus } from "../../core/effect.ts";
import type { JsonValue } from "../../core/json.ts";
import { effect } from "./agents.ts";
import { effectStatus } from "./list-queries.ts";
import { at, count, json } from "./values.ts";

/** One outside action of a run, as its journal tells it. */
export interface EffectLine {
  readonly runId: string;
  readonly callId: string;
  /** Seq of the event that its status is from: an unknown is resolved by it. */
  readonly seq: number;
  readonly tool: string;
  readonly toolVersion: string;
  readonly effect: Effect;
  readonly status: EffectStatus;
  /** Attempts that began. */
  readonly attempts: number;
  /** Idempotency key, the same for all attempts. */
  readonly key: string;
  readonly input: JsonValue;
  /** Who approved or rejected it; null = nobody was asked. */
  readonly decidedBy: string | null;
  /** How the outcome became known where the call itself did not tell. */
  readonly via: "reconciled" | "resolved" | "cache" | "fork" | null;
  /** When it was decided, and when its status came about. */
  readonly calledAt: number;
  readonly at: number;
}
/** `POST /runs/{runId}/effects/{callId}/resolution`. */
export interface ResolveEffectRequest {
  /** `applied`: it happened, `result` is what it gave · `not_applied`: it did not, and is tried again with the same key */
  readonly resolution: "applied" | "not_applied";
  readonly result?: JsonValue;
  /** Which unknown it is about: a late answer about an earlier attempt is refused. */
  readonly seq?: number;
}

export const effectLine: z.ZodType<EffectLine> = z
  .object({
    runId: z.string(),
    callId: z.string(),
    seq: count,
    tool: z.string(),
    toolVersion: z.string(),
    effect,
    status: effectStatus,
    attempts: count,
    key: z.string(),
    input: json,
    decidedBy: z.string().nullable(),
    via: z.enum(["reconciled", "resolved", "cache", "fork"]).nullable(),
    calledAt: at,
    at,
  })
  .meta({ id: "EffectLine" });
export const resolveEffectRequest: z.ZodType<ResolveEffectRequest> = z
  .strictObject({
    resolution: z.enum(["applied", "not_applied"]),
    result: json.exactOptional(),
    seq: z.int().min(1).exactOptional(),
  })
  .meta({ id: "ResolveEffectRequest" });
