import { randomUUID } from "node:crypto";
import { fastify } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { TraceIndex } from "../core/trace-contract.ts";
import type { Pawl } from "../engine/runtime.ts";
import { ApiKeys } from "./api-keys.ts";
import { authenticate, requireRole, type Authentication } from "./authenticate.ts";
import type { Caller } from "./caller.ts";
import { consoleFiles, isPageRequest, sendIndex } from "./console-files.ts";
import { sendProblem } from "./error-response.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import type { GatewayLog } from "./gateway-log.ts";
import { checkBodyHeaders, takeOnlyJson } from "./json-body.ts";
import { Tokens, type JwtOptions } from "./jwt.ts";
import { OpenStreams } from "./open-streams.ts";
import { checkHeaders, checkHost, checkOrigin, isLoopback, setSecurityHeaders, type Place } from "./request-guard.ts";
import { roles } from "./roles.ts";
import { routeModules } from "./routes.ts";
import { sessionRoutes } from "./session-routes.ts";
import { Sessions } from "./sessions.ts";

export interface GatewayOptions {
  readonly app: Pawl;
  readonly traces?: TraceIndex;
  /** Take tokens of an identity provider beside API keys. */
  readonly jwt?: JwtOptions;
  /** No authentication: everybody is the admin of this tenant. Only on a loopback address, for development. */
  readonly openTo?: { readonly tenant: string; readonly principal: string };
  /** Address under which browsers reach the gateway, when it is behind a proxy: https://pawl.example */
  readonly publicUrl?: string;
  /** Hosts that requests may name. Default: on a loopback address that address and localhost, elsewhere any. */
  readonly hosts?: readonly string[];
  /** The built console; null or absent = a page says that it is not built. */
  readonly consoleFolder?: string | null;
  readonly onLog?: GatewayLog;
}

/** The gateway as a process holds it. */
export class GatewayServer {
  readonly app: GatewayApp;
  readonly gateway: Gateway;
  readonly #closing: AbortController;
  readonly #isOpen: boolean;

  constructor(app: GatewayApp, gateway: Gateway, own: { readonly closing: AbortController; readonly isOpen: boolean }) {
    this.app = app;
    this.gateway = gateway;
    this.#closing = own.closing;
    this.#isOpen = own.isOpen;
  }

  /** @returns the address that answers, such as http://127.0.0.1:7295 */
  async listen(at: { readonly host?: string; readonly port?: number } = {}): Promise<string> {
    const { host = "127.0.0.1", port = 0 } = at;
    if (this.#isOpen && !isLoopback(host)) {
      throw new PawlError(
        "OPTION_INVALID",
        `without authentication the gateway listens on a loopback address only, not on "${host}". Use 127.0.0.1, or keys.`,
      );
    }
    await this.gateway.app.open();
    return this.app.listen({ host, port });
  }

  /** Ends streams and long polls, lets the other requests finish, and stops listening. The runtime stays open. */
  async close(): Promise<void> {
    this.#closing.abort(new PawlError("DRAINING", "the gateway is shutting down."));
    this.gateway.streams.closeAll("the gateway is shutting down");
    await this.app.close();
  }
}

/** The HTTP API over a runtime. Nothing listens before `listen`. */
export function gateway(options: GatewayOptions): GatewayServer {
  const { app: runtime } = options;
  const { store, clock, entropy } = runtime.deps;
  const closing = new AbortController();
  const keys = new ApiKeys(store, clock);
  const sessions = new Sessions(store, clock, keys);
  const parts: Gateway = {
    app: runtime,
    traces: options.traces ?? null,
    clock,
    entropy,
    streams: new OpenStreams(),
    keys,
    sessions,
    closing: closing.signal,
  };
  const how: Authentication = {
    keys,
    sessions,
    tokens: options.jwt === undefined ? null : new Tokens(options.jwt),
    everybody: options.openTo === undefined ? null : everybody(options.openTo),
  };
  const place: Place = {
    publicUrl: options.publicUrl === undefined ? null : new URL(options.publicUrl),
    hosts: options.hosts?.map((host) => host.toLowerCase()) ?? null,
  };
  const app = fastifyApp();
  guard(app, {
    how,
    place,
    log: options.onLog ?? (() => undefined),
    hasConsole: typeof options.consoleFolder === "string",
  });
  consoleFiles(app, options.consoleFolder ?? null);
  sessionRoutes(app, parts, place.publicUrl?.protocol === "https:");
  for (const addRoutes of routeModules) addRoutes(app, parts);
  return new GatewayServer(app, parts, { closing, isOpen: how.everybody !== null });
}

function fastifyApp(): GatewayApp {
  const app: GatewayApp = fastify({
    bodyLimit: limits.requestBytes,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.requestMs,
    maxRequestsPerSocket: limits.requestsPerSocket,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    return503OnClosing: true,
    forceCloseConnections: "idle",
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

interface Guards {
  readonly how: Authentication;
  readonly place: Place;
  readonly log: GatewayLog;
  readonly hasConsole: boolean;
}

/** What happens before any route: in this order, and before a byte of the body is read. */
function guard(app: GatewayApp, { how, place, log, hasConsole }: Guards): void {
  app.addHook("onRoute", (route) => {
    if (route.config?.role !== undefined) return;
    throw new PawlError("INTERNAL", `route ${String(route.method)} ${route.url} names no role. Add config: { role }.`);
  });
  app.addHook("onRequest", async (request, reply) => {
    setSecurityHeaders(place, request, reply);
    if (how.everybody !== null) void reply.header("x-pawl-authentication", "off");
    checkHeaders(request);
    checkHost(place, request);
    checkOrigin(place, request);
    checkBodyHeaders(request);
    const { role } = request.routeOptions.config;
    if (role === undefined || role === "public") return;
    request.caller = await authenticate(how, request);
    requireRole(request.caller, role);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(log, error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    if (hasConsole && isPageRequest(request)) return sendIndex(reply);
    const unknown = new PawlError("ROUTE_UNKNOWN", "there is no such route. /openapi.json lists them.");
    return sendProblem(log, unknown, request, reply);
  });
}

function everybody({ tenant, principal }: { readonly tenant: string; readonly principal: string }): Caller {
  return {
    tenant,
    principal,
    roles,
    keyId: null,
    kind: "development",
    credential: "development",
    expiresAt: null,
  };
}
