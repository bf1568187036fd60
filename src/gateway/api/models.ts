import { z } from "zod";
import type { EndpointStatus, RouteStatus, SourceStatus } from "../../core/model-contract.ts";
import type { Price, Rates } from "../../core/usage.ts";
import type { ModelCheck } from "../../models.ts";
import { count, enumOf, errorRecord, usage } from "./values.ts";

const usd = z.number().min(0);
const rates = {
  inputUsd: usd,
  outputUsd: usd,
  cachedInputUsd: usd.exactOptional(),
  cacheWriteUsd: usd.exactOptional(),
} satisfies { readonly [name in keyof Rates]-?: z.ZodType };
const price: z.ZodType<Price> = z.object({
  ...rates,
  source: z.string(),
  date: z.string(),
  longPrompt: z.object({ ...rates, aboveTokens: count }).exactOptional(),
});

const endpointStatus: z.ZodType<EndpointStatus> = z
  .object({
    name: z.string(),
    provider: z.string(),
    model: z.string(),
    baseUrl: z.string(),
    weight: z.number(),
    health: enumOf<EndpointStatus["health"]>({ closed: true, starting: true, "half-open": true, open: true }),
    problem: z.string().nullable(),
    inFlight: count,
    queued: count,
    latencyMs: z.number().nullable(),
    p50Ms: z.number().nullable(),
    p95Ms: z.number().nullable(),
    failureShare: z.number(),
    answered: count,
    errors: z.record(z.string(), count),
    requestsPerMinute: z.number().nullable(),
    tokensPerMinute: z.number().nullable(),
    isLimitLearnt: z.boolean(),
    price: price.nullable(),
  })
  .meta({
    id: "EndpointStatus",
    description: "An endpoint as this process sees it: breaker, load, time to the first part, failures by code.",
  });
const routeStatus: z.ZodType<RouteStatus> = z.object({
  name: z.string(),
  endpoints: z.array(z.string()),
  fallbacks: z.array(z.string()),
  isHedged: z.boolean(),
});
export const sourceStatus: z.ZodType<SourceStatus> = z
  .object({ endpoints: z.array(endpointStatus), routes: z.array(routeStatus) })
  .meta({ id: "ModelStatus" });

/** `POST /models/check`: a route or an endpoint. */
export interface CheckModelRequest {
  readonly route: string;
}
export const checkModelRequest: z.ZodType<CheckModelRequest> = z
  .strictObject({ route: z.string().min(1).max(200) })
  .meta({ id: "CheckModelRequest" });
export type ModelCheckAnswer = ModelCheck;
export const modelCheckAnswer: z.ZodType<ModelCheckAnswer> = z
  .object({
    route: z.string(),
    endpoint: z.string().nullable(),
    model: z.string().nullable(),
    notice: z.string().nullable(),
    ttftMs: z.number().nullable(),
    totalMs: z.number().nullable(),
    usage: usage.nullable(),
    costNanoUsd: z.number().nullable(),
    priceSource: z.string().nullable(),
    problems: z.array(z.string()),
    error: errorRecord.nullable(),
  })
  .meta({ id: "ModelCheck", description: "What one streamed tool call told about a model." });
