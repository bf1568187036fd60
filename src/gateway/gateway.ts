import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
} from "fastify";
import type { RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Clock, Entropy } from "../core/clock.ts";
import type { TraceIndex } from "../core/trace-contract.ts";
import type { Pawl } from "../engine/runtime.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { Caller } from "./caller.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { RouteRole } from "./roles.ts";
import type { Sessions } from "./sessions.ts";

/** The Fastify app as route modules see it: schemas are zod, and requests and replies are typed by them. */
export type GatewayApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What a route module is given: `export function runRoutes(app: GatewayApp, gateway: Gateway): void`. */
export interface Gateway {
  readonly app: Pawl;
  /** null = this process has no trace index. */
  readonly traces: TraceIndex | null;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Every long answer registers here: a revoked key, a logout and a shutdown close it. */
  readonly streams: OpenStreams;
  readonly keys: ApiKeys;
  readonly sessions: Sessions;
  /** Aborted when this process is about to end: it starts nothing, and says so to who asks whether it is ready. */
  readonly draining: AbortSignal;
  /** Aborted when the gateway shuts down: long polls answer with what they have. */
  readonly closing: AbortSignal;
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may call the route. A route without one fails when it is registered. */
    readonly role?: RouteRole;
    /** The route starts work: it counts against starts and concurrent runs, and is refused when too much waits. */
    readonly isStart?: true;
    /** Bytes of its body; default limits.requestBytes. */
    readonly bodyBytes?: number;
    /** Its body is that of a form, and not JSON. */
    readonly isForm?: true;
    /** Asked by orchestrators: not limited, and answered while draining. */
    readonly isHealth?: true;
    /** Needs no credential from this machine itself. */
    readonly isFreeOnLoopback?: true;
  }
  interface FastifyRequest {
    /** Set on every route but public ones, before the body is read. */
    caller: Caller;
  }
}
