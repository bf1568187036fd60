import { z } from "zod";
import type { Gate } from "../../core/policy.ts";
import type { Calibration, GatedCall } from "../../engine/calibration.ts";
import { count, name } from "./values.ts";

/** What measured confidence was worth: for each tool, and call by call, the newest run first. */
export interface ConfidenceReport {
  readonly tools: readonly Calibration[];
  /** At most 200. */
  readonly calls: readonly GatedCall[];
}
export interface ConfidenceQuery {
  readonly tool?: string;
  /** Newest runs to read, 1 to 500; default 100. */
  readonly runs?: number;
}
/** `POST /runs/{runId}/calls/{callId}/outcome`. */
export interface OutcomeRequest {
  readonly outcome: "right" | "wrong";
}

const share = z.number().nullable();
const gateParts = {
  by: z.enum(["tool", "samples", "reviewer"]),
  score: share,
  threshold: z.number(),
  decision: z.enum(["auto_approved", "asked", "refused"]),
  reason: z.string(),
};
export const gate: z.ZodType<Gate> = z
  .object(gateParts)
  .meta({ id: "Gate", description: "How sure a measurement was that a call is right, and what came of it." });
const gatedCall = z
  .object({
    ...gateParts,
    runId: z.string(),
    callId: z.string(),
    tool: z.string(),
    outcome: z.enum(["right", "wrong", "open"]),
  })
  .meta({ id: "GatedCall" });
const calibration = z
  .object({
    tool: z.string(),
    right: count,
    wrong: count,
    open: count,
    threshold: z.number(),
    rates: z.array(z.object({ threshold: z.number(), falseAllow: share, falseAsk: share })),
    suggested: share,
  })
  .meta({ id: "Calibration" });

export const confidenceReport: z.ZodType<ConfidenceReport> = z
  .object({ tools: z.array(calibration), calls: z.array(gatedCall) })
  .meta({ id: "ConfidenceReport" });
export const confidenceQuery: z.ZodType<ConfidenceQuery> = z.strictObject({
  tool: name.exactOptional(),
  runs: z.coerce.number().int().min(1).max(500).exactOptional(),
});
export const outcomeRequest: z.ZodType<OutcomeRequest> = z
  .strictObject({ outcome: z.enum(["right", "wrong"]) })
  .meta({ id: "OutcomeRequest" });
