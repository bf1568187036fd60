import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { errorTable, type ErrorCode, type Retry } from "../core/error-table.ts";
import { errorRecord, PawlError, type ErrorRecord } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { GatewayLog } from "./gateway-log.ts";

/** `application/problem+json` (RFC 9457) with the code of the one error table. */
export interface Problem {
  /** `urn:pawl:error:CODE` */
  readonly type: string;
  /** What the code means. */
  readonly title: string;
  readonly status: number;
  readonly code: string;
  /** What was got, what is allowed and the next step. */
  readonly detail: string;
  readonly retry: Retry;
  readonly details?: NonNullable<ErrorRecord["details"]>;
  /** Where the request breaks its schema. */
  readonly issues?: readonly { readonly path: string; readonly message: string }[];
}

const DETAIL_MS = "retryAfterMs";

/** Answers with the problem document of anything that was thrown. Unknown errors are logged and told only by an id. */
export function sendProblem(log: GatewayLog, thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(log, thrown, request);
  const retryAfterMs = problem.details?.[DETAIL_MS];
  if (typeof retryAfterMs === "number") void reply.header("retry-after", String(Math.ceil(retryAfterMs / 1000)));
  if (problem.status === 401) void reply.header("www-authenticate", 'Bearer realm="pawl"');
  // what is left of a refused body is not read: the connection ends with the answer
  if (problem.status === 408 || problem.status === 413) void reply.header("connection", "close");
  void reply
    .code(problem.status)
    .header("content-type", "application/problem+json; charset=utf-8")
    .header("cache-control", "no-store")
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(problem);
}

export function problemOf(log: GatewayLog, thrown: unknown, request: FastifyRequest): Problem {
  if (PawlError.is(thrown)) {
    if (thrown.status >= 500) log({ level: "error", event: "request.failed", requestId: request.id, error: thrown });
    return ofRecord(errorRecord(thrown, "INTERNAL"), thrown.code);
  }
  if (hasZodFastifySchemaValidationErrors(thrown)) return schemaProblem(thrown);
  const refusal = fastifyRefusal(thrown);
  if (refusal !== null) return ofRecord(errorRecord(refusal, "INTERNAL"), refusal.code);
  log({ level: "error", event: "request.failed", requestId: request.id, error: thrown });
  return ofRecord(
    {
      code: "INTERNAL",
      message: `the request failed here, and its cause is in the server's log under "${request.id}".`,
    },
    "INTERNAL",
  );
}

function ofRecord(record: ErrorRecord, code: ErrorCode): Problem {
  const { status, meaning, retry } = errorTable[code];
  return {
    type: `urn:pawl:error:${code}`,
    title: meaning,
    status,
    code,
    detail: record.message,
    retry,
    ...(record.details && { details: record.details }),
  };
}

interface SchemaRefusal {
  readonly validation: readonly { readonly instancePath?: string; readonly message?: string | undefined }[];
}

function schemaProblem(thrown: SchemaRefusal & { readonly validationContext?: unknown }): Problem {
  const { validationContext } = thrown;
  const where = typeof validationContext === "string" ? validationContext : "request";
  const issues = thrown.validation.slice(0, limits.problemIssues).map(({ instancePath, message }) => ({
    path: (instancePath ?? "").slice(0, 200).toWellFormed(),
    message: (message ?? "is not allowed").slice(0, 200).toWellFormed(),
  }));
  const first = issues[0];
  const place = first === undefined || first.path === "/" ? "" : ` at ${first.path}`;
  const detail = `the ${where} does not fit the route${place}: ${first?.message ?? "see issues"}. Correct it; /openapi.json has the schema.`;
  return { ...ofRecord({ code: "REQUEST_INVALID", message: detail }, "REQUEST_INVALID"), issues };
}

/** What Fastify itself refuses, in the words of the table; null = not a refusal of the request. */
function fastifyRefusal(thrown: unknown): PawlError | null {
  if (!(thrown instanceof Error) || !("code" in thrown)) return null;
  switch (thrown.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new PawlError("BODY_TOO_LARGE", "the body is larger than this route takes. Send less.");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new PawlError("CONTENT_TYPE_REFUSED", `send the body as "content-type: application/json".`);
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return new PawlError("BODY_INVALID", `the body is empty or shorter than its content-length says.`);
    case "FST_ERR_BAD_URL":
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new PawlError("ROUTE_UNKNOWN", "there is no such route. /openapi.json lists them.");
    default:
      return isRefusal(thrown) ? new PawlError("REQUEST_INVALID", "the request cannot be served as it is.") : null;
  }
}

/** Of Fastify and its plugins: they say by the status that it is the request. */
function isRefusal(thrown: Error): boolean {
  const status = "statusCode" in thrown ? thrown.statusCode : undefined;
  return typeof status === "number" && status >= 400 && status < 500;
}

const parserCodes: {
  readonly [code: string]: { readonly status: string; readonly code: ErrorCode; readonly detail: string };
} = {
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    code: "REQUEST_INVALID",
    detail: `the headers are larger than ${limits.requestHeaderBytes} bytes. Send less.`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: "408 Request Timeout",
    code: "REQUEST_TIMED_OUT",
    detail: "the request did not arrive in time. Send it again.",
  },
};

/** What the parser refuses has no request yet: the answer is written to its socket, which then ends. */
export function refuseBrokenRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code, detail } = parserCodes[error.code ?? ""] ?? {
    status: "400 Bad Request",
    code: "REQUEST_INVALID" as const,
    detail: "the request breaks HTTP's rules.",
  };
  const problem = { ...ofRecord({ code, message: detail }, code), status: Number(status.slice(0, 3)) };
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
