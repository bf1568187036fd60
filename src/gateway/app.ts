import { randomUUID } from "node:crypto";
import { fastify } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { TraceIndex } from "../core/trace-contract.ts";
import type { Pawl } from "../engine/runtime.ts";
import { Admission, Backlog } from "./admission.ts";
import { ApiKeys } from "./api-keys.ts";
import type { Authentication } from "./authenticate.ts";
import type { Caller } from "./caller.ts";
import { ConcurrentRuns } from "./concurrent-runs.ts";
import { countSpending } from "./count-spending.ts";
import { consoleFiles, isPageRequest, sendIndex } from "./console-files.ts";
import { refuseBrokenRequest, sendProblem } from "./error-response.ts";
import { Limits, type GatewayLimits } from "./gateway-limits.ts";
import type { GatewayLog, GatewayLogLine } from "./gateway-log.ts";
import { GatewayServer } from "./gateway-server.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import { Front } from "./front/front.ts";
import { healthRoutes } from "./health-routes.ts";
import { takeOnlyJson } from "./json-body.ts";
import { Tokens, type JwtOptions } from "./jwt.ts";
import { keyRoutes } from "./key-routes.ts";
import { mcpRoutes } from "./mcp/mcp-route.ts";
import { Metrics } from "./metrics.ts";
import { collectOpenApi, openApiRoutes } from "./openapi.ts";
import { OpenStreams } from "./open-streams.ts";
import { RequestLimits } from "./rate-limit.ts";
import { addRequestHooks, type RequestHooks } from "./request-hooks.ts";
import { isLoopback, type Place } from "./request-guard.ts";
import { reviewRoutes } from "./review-routes.ts";
import { roles } from "./roles.ts";
import { routeModules } from "./routes.ts";
import { sessionRoutes } from "./session-routes.ts";
import { Sessions } from "./sessions.ts";
import { SpendQuota } from "./spend-quota.ts";
import { StartQuota } from "./start-quota.ts";
import { TokenBuckets } from "./token-buckets.ts";
import { Upkeep } from "./upkeep.ts";

export interface GatewayOptions {
  readonly app: Pawl;
  readonly traces?: TraceIndex;
  /** Take tokens of an identity provider beside API keys. */
  readonly jwt?: JwtOptions;
  /** No authentication: everybody is the admin of this tenant. Only on a loopback address, for development. */
  readonly openTo?: { readonly tenant: string; readonly principal: string };
  readonly limits?: GatewayLimits;
  /** Address under which browsers reach the gateway, when it is behind a proxy: https://pawl.example */
  readonly publicUrl?: string;
  /** Hosts that requests may name. Default: over a loopback address that and localhost, elsewhere any. */
  readonly hosts?: readonly string[];
  /** Proxies whose x-forwarded-for is believed, as addresses or networks; default none. */
  readonly proxies?: readonly string[];
  /** The built console; null or absent = a page says that it is not built. */
  readonly consoleFolder?: string | null;
  /** In the OpenAPI document. */
  readonly version?: string;
  readonly onLog?: GatewayLog;
}

/** The HTTP API over a runtime. Nothing listens before `listen`. @throws CONFIG_INVALID, OPTION_INVALID */
export function gateway(options: GatewayOptions): GatewayServer {
  const { app: runtime } = options;
  const { store, clock, entropy } = runtime.deps;
  const isCounting = countSpending(runtime, options.limits ?? {});
  const [closing, draining] = [new AbortController(), new AbortController()];
  const keys = new ApiKeys(store, clock);
  const parts: Gateway = {
    app: runtime,
    traces: options.traces ?? null,
    clock,
    entropy,
    streams: new OpenStreams(),
    keys,
    sessions: new Sessions(store, clock, keys),
    draining: draining.signal,
    closing: closing.signal,
  };
  const all = new Limits(options.limits);
  const backlog = new Backlog(store, clock, runtime.registry.lanes);
  const hooks: RequestHooks = {
    gateway: parts,
    how: authenticationOf(options, parts),
    place: placeOf(options),
    requests: new RequestLimits(all, new TokenBuckets(clock)),
    admission: new Admission({
      limits: all,
      backlog,
      starts: new StartQuota(store, clock),
      runs: new ConcurrentRuns(store, clock),
      spend: new SpendQuota(store, clock, all),
    }),
    metrics: new Metrics(),
    log: options.onLog ?? (() => undefined),
  };
  const app = fastifyApp(options);
  addRequestHooks(app, hooks);
  const { requests, admission, metrics, log, place } = hooks;
  const front = new Front({ gateway: parts, requests, admission, metrics, log, publicUrl: place.publicUrl });
  void app.register(async (scope) => {
    const routes: GatewayApp = scope.withTypeProvider<ZodTypeProvider>();
    await collectOpenApi(routes, options.version ?? "dev");
    addRoutes(routes, { hooks, backlog, consoleFolder: options.consoleFolder ?? null });
    front.register(routes);
  });
  const upkeep = new Upkeep({ gateway: parts, how: hooks.how, backlog, log: hooks.log });
  if (!isCounting) hooks.log(countedElsewhere);
  return new GatewayServer(app, {
    gateway: parts,
    front,
    metrics: hooks.metrics,
    closing,
    draining,
    upkeep,
    isOpen: hooks.how.everybody !== null,
  });
}

const countedElsewhere: GatewayLogLine = {
  level: "warn",
  event: "limits.unproved",
  text:
    "the limits of tokens and cost a day hold only where workers count: this process executes no runs. " +
    "Give the runtime of every worker its hooks: pawl({ …, hooks: spendHooks(limits) }).",
};

interface RouteParts {
  readonly hooks: RequestHooks;
  readonly backlog: Backlog;
  readonly consoleFolder: string | null;
}

function addRoutes(routes: GatewayApp, { hooks, backlog, consoleFolder }: RouteParts): void {
  const { gateway: parts, metrics, place } = hooks;
  answerUnknown(routes, hooks, consoleFolder !== null);
  healthRoutes(routes, { gateway: parts, backlog, metrics });
  openApiRoutes(routes);
  consoleFiles(routes, consoleFolder);
  sessionRoutes(routes, parts, place.publicUrl?.protocol === "https:");
  keyRoutes(routes, parts);
  reviewRoutes(routes, parts);
  mcpRoutes(routes, parts, place);
  for (const add of routeModules) add(routes, parts);
}

function fastifyApp({ proxies }: GatewayOptions): GatewayApp {
  const app: GatewayApp = fastify({
    bodyLimit: limits.requestBytes,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.requestMs,
    maxRequestsPerSocket: limits.requestsPerSocket,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    clientErrorHandler: refuseBrokenRequest,
    // closing answers with a problem document, see addRequestHooks
    return503OnClosing: false,
    forceCloseConnections: "idle",
    trustProxy: proxies === undefined ? false : [...proxies],
    routerOptions: { maxParamLength: limits.requestParamChars, caseSensitive: true, ignoreTrailingSlash: false },
    http: {
      maxHeaderSize: limits.requestHeaderBytes,
      headersTimeout: limits.requestHeadersMs,
      connectionsCheckingInterval: 1_000,
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.server.maxConnections = limits.connections;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  takeOnlyJson(app);
  return app;
}

function answerUnknown(app: GatewayApp, { log }: RequestHooks, hasConsole: boolean): void {
  app.setNotFoundHandler((request, reply) => {
    if (hasConsole && isPageRequest(request)) return sendIndex(reply);
    const unknown = new PawlError("ROUTE_UNKNOWN", "there is no such route. /openapi.json lists them.");
    return sendProblem(log, unknown, request, reply);
  });
}

function authenticationOf({ jwt, openTo }: GatewayOptions, { keys, sessions }: Gateway): Authentication {
  return {
    keys,
    sessions,
    tokens: jwt === undefined ? null : new Tokens(jwt),
    everybody: openTo === undefined ? null : everybody(openTo),
  };
}

function placeOf({ publicUrl, hosts, openTo }: GatewayOptions): Place {
  const url = publicUrl === undefined ? null : URL.parse(publicUrl);
  if (publicUrl !== undefined && (url === null || !/^https?:$/.test(url.protocol))) {
    throw new PawlError(
      "CONFIG_INVALID",
      `the gateway's publicUrl is "${publicUrl.slice(0, 200)}"; give an http(s) address.`,
    );
  }
  const names = [...(url === null ? [] : [url.host]), ...(hosts ?? [])].map((host) => host.toLowerCase());
  const known = names.find((name) => !isLoopback(name.replace(/:\d+$/, "")));
  if (openTo !== undefined && known !== undefined) {
    throw new PawlError(
      "CONFIG_INVALID",
      `without authentication the gateway is for this machine only, not for "${known.slice(0, 100)}". Use keys, or leave publicUrl and hosts out.`,
    );
  }
  return { publicUrl: url, hosts: hosts?.map((host) => host.toLowerCase()) ?? null };
}

function everybody({ tenant, principal }: { readonly tenant: string; readonly principal: string }): Caller {
  return { tenant, principal, roles, keyId: null, kind: "development", credential: "development", expiresAt: null };
}
