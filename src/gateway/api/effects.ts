import { z } from "zod";
import type { Effect, EffectStatus } from "../../core/effect.ts";
import type { JsonValue } from "../../core/json.ts";
import type { EffectRow } from "../../core/trace-contract.ts";
import { effect } from "./agents.ts";
import { effectStatus } from "./list-queries.ts";
import { at, count, json } from "./values.ts";

/** One tool call of a run, folded from its journal now. `GET /effects` has the rows of core's EffectRow instead. */
export interface EffectLine {
  readonly runId: string;
  readonly callId: string;
  /** Seq of the event that its status is from: an unknown is resolved by it. */
  readonly seq: number;
  readonly tool: string;
  readonly version: string;
  readonly effect: Effect;
  readonly status: EffectStatus;
  /** Attempts that began. */
  readonly attempts: number;
  /** Idempotency key, the same for all attempts. */
  readonly key: string;
  readonly input: JsonValue;
  /** Who decided about it; null = nobody was asked, or nobody has answered. */
  readonly approver: string | null;
  /** How the outcome became known where the call itself did not tell. */
  readonly via: "reconciled" | "resolved" | "cache" | "fork" | null;
  readonly calledAt: number;
  readonly changedAt: number;
}
export interface RunEffects {
  readonly items: readonly EffectLine[];
}
/** `POST /runs/{runId}/effects/{callId}/resolution`. */
export interface ResolveEffectRequest {
  /** `applied`: it happened, `result` is what it gave · `not_applied`: it did not, and is tried again with the same key */
  readonly resolution: "applied" | "not_applied";
  readonly result?: JsonValue;
  /** Which unknown it is about: a late answer about an earlier attempt is refused. */
  readonly seq?: number;
}

const shared = {
  runId: z.string(),
  callId: z.string(),
  tool: z.string(),
  version: z.string(),
  effect,
  status: effectStatus,
  key: z.string(),
  approver: z.string().nullable(),
  attempts: count,
  calledAt: at,
  changedAt: at,
};
export const effectRow: z.ZodType<EffectRow> = z
  .object({ ...shared, rootRunId: z.string(), spanId: z.string(), principal: z.string(), input: z.string() })
  .meta({ id: "EffectRow", description: "An outside action of any run. `input` is JSON text, cut." });
const effectLine: z.ZodType<EffectLine> = z
  .object({
    ...shared,
    seq: count,
    input: json,
    via: z.enum(["reconciled", "resolved", "cache", "fork"]).nullable(),
  })
  .meta({ id: "EffectLine", description: "A tool call of a run, folded from its journal now." });
export const runEffects: z.ZodType<RunEffects> = z.object({ items: z.array(effectLine) }).meta({ id: "RunEffects" });
export const resolveEffectRequest: z.ZodType<ResolveEffectRequest> = z
  .strictObject({
    resolution: z.enum(["applied", "not_applied"]),
    result: json.exactOptional(),
    seq: z.int().min(1).exactOptional(),
  })
  .meta({ id: "ResolveEffectRequest" });
