import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import type { Admission } from "./admission.ts";
import { authenticate, requireRole, type Authentication } from "./authenticate.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import { sendProblem } from "./error-response.ts";
import type { GatewayLog } from "./gateway-log.ts";
import { checkBodyHeaders } from "./json-body.ts";
import type { Metrics } from "./metrics.ts";
import type { RequestLimits } from "./rate-limit.ts";
import { checkHeaders, checkHost, checkOrigin, isLoopback, setSecurityHeaders, type Place } from "./request-guard.ts";

export interface RequestHooks {
  readonly gateway: Gateway;
  readonly how: Authentication;
  readonly place: Place;
  readonly requests: RequestLimits;
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly log: GatewayLog;
}

/** What happens around every route: refusals before a byte of the body is read, and what is counted after. */
export function addRequestHooks(app: GatewayApp, hooks: RequestHooks): void {
  const { gateway, how, place, requests, log } = hooks;
  app.addHook("onRoute", ({ config, schema, method, url }) => {
    if (config?.role === undefined) {
      throw new PawlError("INTERNAL", `route ${String(method)} ${url} names no role. Add config: { role }.`);
    }
    if (schema?.body !== undefined && !isStrict(schema.body)) {
      throw new PawlError(
        "INTERNAL",
        `the body of ${String(method)} ${url} takes members it does not know. Use z.strictObject.`,
      );
    }
  });
  app.addHook("onRequest", async (request, reply) => {
    setSecurityHeaders(place, request, reply);
    if (how.everybody !== null) void reply.header("x-pawl-authentication", "off");
    const { role, isHealth, isFreeOnLoopback } = request.routeOptions.config;
    if (isHealth !== true) requests.takeAddress(request);
    checkHeaders(request);
    checkHost(place, request);
    checkOrigin(place, request);
    checkBodyHeaders(request);
    if (gateway.closing.aborted && isHealth !== true) throw draining();
    if (role === undefined || role === "public" || (isFreeOnLoopback === true && isBareLoopback(request))) return;
    request.caller = await authenticate(how, request);
    requests.takeCaller(request.caller, reply);
    requireRole(request.caller, role);
  });
  countStarts(app, hooks);
  app.addHook("onResponse", async (request, reply) => {
    const { url } = request.routeOptions;
    hooks.metrics.request(
      {
        http_request_method: request.method,
        http_route: url ?? "none",
        http_response_status_code: reply.statusCode,
      },
      reply.elapsedTime / 1000,
    );
  });
  app.setErrorHandler((error, request, reply) => {
    if (PawlError.is(error)) hooks.metrics.count("pawl_refusals_total", { code: error.code });
    if (PawlError.is(error, "AUTH_INVALID")) requests.punishAddress(request);
    return sendProblem(log, error, request, reply);
  });
}

/** Starts are admitted when their body was read and fits: a request that is wrong anyhow takes nobody's room. */
function countStarts(app: GatewayApp, { gateway, admission, metrics }: RequestHooks): void {
  app.addHook("preHandler", async (request, reply) => {
    if (request.routeOptions.config.isStart !== true) return;
    if (gateway.draining.aborted) throw draining();
    const release = await admission.admit(request.caller);
    // also when the client went away: then there is no answer that ends
    if (reply.raw.closed) release();
    else reply.raw.once("close", release);
  });
  app.addHook("onResponse", async (request, reply) => {
    if (request.routeOptions.config.isStart !== true) return;
    const taken = String(reply.statusCode < 400);
    metrics.count("pawl_runs_started_total", { route: request.routeOptions.url ?? "none", taken });
  });
}

/** Refuses members that it does not name: what a caller misspells, or hopes to slip in, is told and not dropped. */
function isStrict(schema: unknown): boolean {
  return schema instanceof z.ZodObject && schema.def.catchall instanceof z.ZodNever;
}

function draining(): PawlError {
  return new PawlError("DRAINING", "this process is shutting down and takes no new work. Try again in a moment.", {
    details: { retryAfterMs: 2_000 },
  });
}

/** From this machine, not through a proxy on it, and without a credential that would be judged. */
function isBareLoopback({ socket, headers }: FastifyRequest): boolean {
  const isForwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].some((name) => headers[name] !== undefined);
  const host = (headers.host ?? "").replace(/:\d+$/, "");
  const isAnonymous = headers.authorization === undefined && headers.cookie === undefined;
  return isLoopback(socket.remoteAddress ?? "") && isLoopback(host) && !isForwarded && isAnonymous;
}
