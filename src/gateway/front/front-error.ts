import type { FastifyReply, FastifyRequest } from "fastify";
import type { GatewayLog } from "../gateway-log.ts";
import { problemOf } from "../error-response.ts";
import type { Dialect, FrontError } from "./front-answer.ts";

/** The names that OpenAI's clients look for. */
const codes: { readonly [code: string]: string } = {
  AUTH_MISSING: "invalid_api_key",
  AUTH_INVALID: "invalid_api_key",
  RATE_LIMITED: "rate_limit_exceeded",
  MODEL_RATE_LIMITED: "rate_limit_exceeded",
  MODEL_UNKNOWN: "model_not_found",
  MODEL_NOT_FOUND: "model_not_found",
  AGENT_UNKNOWN: "model_not_found",
  BUDGET_REFUSED: "insufficient_quota",
  MODEL_QUOTA_EXHAUSTED: "insufficient_quota",
  MODEL_CONTEXT_OVERFLOW: "context_length_exceeded",
  MODEL_REFUSED: "content_filter",
};

/** What was thrown, in words for a caller of the front. */
export function frontErrorOf(
  log: GatewayLog,
  thrown: unknown,
  request: FastifyRequest,
): FrontError & { readonly own: string; readonly retryAfterMs: number | null } {
  const { code, detail, status, details } = problemOf(log, thrown, request);
  const param = details?.["param"];
  const retryAfterMs = details?.["retryAfterMs"];
  return {
    // clients take 413 for a body that is too large, and look for this as a request that is wrong
    status: code === "MODEL_CONTEXT_OVERFLOW" ? 400 : status,
    code: codes[code] ?? code.toLowerCase(),
    own: code,
    message: detail,
    param: typeof param === "string" ? param : null,
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : null,
  };
}

/** An error as this API's clients know it. Pawl's own code is in a header. */
export function sendFrontError(
  { log, dialect }: { readonly log: GatewayLog; readonly dialect: Dialect },
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const error = frontErrorOf(log, thrown, request);
  if (error.retryAfterMs !== null) void reply.header("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
  if (error.status === 401) void reply.header("www-authenticate", 'Bearer realm="pawl"');
  if (error.status === 408 || error.status === 413) void reply.header("connection", "close");
  void reply
    .code(error.status)
    .header("content-type", "application/json; charset=utf-8")
    .header("cache-control", "no-store")
    .header("x-pawl-error", error.own)
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(dialect.errorBody(error));
}
