import { fullJitterMs } from "../core/backoff.ts";
import { errorRecord, PawlError } from "../core/errors.ts";
import type {
  CallHint,
  FailedAttempt,
  ModelEndpoint,
  ModelSource,
  NextAttempt,
  SourceStatus,
} from "../core/model-contract.ts";
import { hedged } from "./hedge.ts";
import { nearestRoute } from "./nearest-route.ts";
import { chooseOf } from "./pool-choice.ts";
import { membersOf, routesOf, setupOf, type PoolRoute, type PoolSetup } from "./pool-build.ts";
import type { Member } from "./pool-member.ts";
import { checkPool, type PoolOptions } from "./pool-options.ts";
import { attemptsOf, decideRetry, finalError, isElsewhere, isFree } from "./retry.ts";

/** A pool of model endpoints, as a source of models for `pawl({ models })`. */
export interface Pool extends ModelSource {
  /** Those in force. */
  readonly options: PoolOptions;
  status(): SourceStatus;
  /**
   * Puts other options in force, or the same again, e.g. after a file or a secret changed. Calls under way keep what they
   * began with; endpoints that did not change keep what is known of them. Every key is read again.
   * @throws OPTION_INVALID  the old options stay in force
   */
  reload(options?: PoolOptions): void;
}

/** A failover goes at once, but not everybody's at the same instant. */
const FAILOVER_MS = 250;

/**
 * Endpoints balanced behind routes: the better of two by load and latency, equal prompt prefixes to one endpoint, a
 * breaker and a queue for each, fallbacks, at most 3 attempts of a call, one budget of extra attempts for all calls.
 * @throws OPTION_INVALID  one message for the first thing that is wrong
 */
export function pool(options: PoolOptions): Pool {
  checkPool(options);
  let current = options;
  let setup = setupOf(options);
  let members = membersOf(options, setup, new Map());
  let routes = routesOf(options, members, new Map());
  return {
    get options() {
      return current;
    },
    next: (route, failed, random, hint) => nextAttempt({ routes, setup }, { route, failed, random, hint }),
    check(route) {
      checkRoute(routeOf(routes, route));
    },
    priceOf: (route) => routes.get(route)?.primaries[0]?.of.endpoint.price ?? null,
    status() {
      const nowMs = setup.clock.monotonicMs();
      return {
        endpoints: [...members.values()].map(({ member }) => member.status(nowMs)),
        routes: [...routes.values()].filter(({ isImplicit }) => !isImplicit).map(statusOf),
      };
    },
    reload(next = current) {
      checkPool(next);
      current = next;
      setup = { ...setupOf(next), budget: setup.budget };
      members = membersOf(next, setup, members);
      routes = routesOf(next, members, routes);
    },
  };
}

type Routes = ReadonlyMap<string, PoolRoute>;

function routeOf(routes: Routes, asked: string): PoolRoute {
  const route = routes.get(asked);
  if (route !== undefined) return route;
  const near = nearestRoute(asked, [...routes.keys()]);
  const known = [...routes.keys()].slice(0, 20).join(", ");
  throw new PawlError(
    "MODEL_UNKNOWN",
    `the pool has no route "${asked.slice(0, 200)}". It has: ${known}.${near === null ? "" : ` Did you mean "${near}"?`}`,
  );
}

/** A route works as long as one of its endpoints can be used; what is wrong with the others is in the status. */
function checkRoute({ primaries, fallbacks }: PoolRoute): void {
  const problems = [...primaries, ...fallbacks].map((member) => member.of.problem());
  const [first] = problems;
  if (first !== undefined && first !== null && problems.every((problem) => problem !== null)) throw first;
}

function statusOf({ name, primaries, fallbacks, hedge }: PoolRoute): SourceStatus["routes"][number] {
  const names = (members: readonly Member[]): readonly string[] => members.map((member) => member.name);
  return { name, endpoints: names(primaries), fallbacks: names(fallbacks), isHedged: hedge !== undefined };
}

interface Call {
  readonly route: string;
  readonly failed: readonly FailedAttempt[];
  readonly random: number;
  readonly hint: CallHint | undefined;
}
interface Pooled {
  readonly routes: Routes;
  readonly setup: PoolSetup;
}

function nextAttempt({ routes, setup }: Pooled, call: Call): NextAttempt {
  let route: PoolRoute;
  try {
    route = routeOf(routes, call.route);
    checkRoute(route);
  } catch (error) {
    return { type: "give-up", error: errorRecord(error, "MODEL_UNKNOWN") };
  }
  const { failed } = call;
  const last = failed.at(-1);
  if (last === undefined) {
    setup.budget.called();
    const member = place(route, call, setup);
    return { type: "try", endpoint: viewOf(route, member, setup), waitMs: 0 };
  }
  const decision = decideRetry(failed, call.random, setup.retry, true);
  if (decision.type === "give-up") return decision;
  const member = place(route, call, setup);
  const isOther = failed.every((attempt) => attempt.endpoint !== member.name);
  if (!isOther && isElsewhere(last.error)) return giveUp(failed, "no other endpoint of the route can be asked");
  if (!isFree(last.error) && !setup.budget.take(setup.clock.monotonicMs()))
    return giveUp(failed, "the pool has made as many extra attempts as its retry budget allows");
  const waitMs = isOther
    ? fullJitterMs(attemptsOf(failed), call.random, {
        baseMs: Math.min(FAILOVER_MS, setup.retry.baseMs),
        capMs: FAILOVER_MS,
      })
    : decision.waitMs;
  return { type: "try", endpoint: viewOf(route, member, setup), waitMs };
}

function giveUp(failed: readonly FailedAttempt[], why: string): NextAttempt {
  return { type: "give-up", error: finalError(failed, why) };
}

/**
 * Where a call goes: an endpoint that it has not tried, then a fallback in their order, then one that it has tried, then
 * whichever is back first. There is always one: its gate is where the call waits, or is told to come back later.
 */
function place(route: PoolRoute, { failed, random, hint }: Call, { clock }: PoolSetup): Member {
  const nowMs = clock.monotonicMs();
  const out = new Set(failed.filter(({ error }) => isElsewhere(error)).map(({ endpoint }) => endpoint));
  const tried = new Set(failed.filter(({ error }) => error.code !== "WORKER_LOST").map(({ endpoint }) => endpoint));
  const isUsable = (member: Member): boolean => !out.has(member.name) && member.isAvailable(nowMs);
  const isFresh = (member: Member): boolean => isUsable(member) && !tried.has(member.name);
  const on = { nowMs, random, affinity: hint?.affinity };
  // Somebody has to find out whether an endpoint is back; a call that can still be repeated elsewhere is the one to do it.
  const probe = failed.length === 0 ? route.primaries.find((member) => isProbe(member, nowMs)) : undefined;
  const member =
    probe ??
    chooseOf(route.primaries.filter(isFresh), on) ??
    route.fallbacks.find(isFresh) ??
    chooseOf(route.primaries.filter(isUsable), on) ??
    route.fallbacks.find(isUsable) ??
    soonest(route, out, nowMs);
  member.lease(nowMs);
  return member;
}

function isProbe(member: Member, nowMs: number): boolean {
  return member.breaker.health(nowMs) === "half-open" && member.isAvailable(nowMs);
}

function soonest({ primaries, fallbacks }: PoolRoute, out: ReadonlySet<string>, nowMs: number): Member {
  const all = [...primaries, ...fallbacks];
  const possible = all.filter((member) => !out.has(member.name) && member.of.problem() === null);
  const load = (member: Member): number => member.gate.queued + member.gate.inFlight;
  const [first] = (possible.length > 0 ? possible : all).toSorted(
    (a, b) => a.restMs(nowMs) - b.restMs(nowMs) || load(a) - load(b),
  );
  if (first === undefined) throw new PawlError("INTERNAL", "a route of the pool has no endpoint.");
  return first;
}

/** The endpoint as the engine calls it; where the route is hedged, with another beside it that can take the call now. */
function viewOf(route: PoolRoute, member: Member, setup: PoolSetup): ModelEndpoint {
  const view = route.views.get(member.name);
  if (view === undefined) throw new PawlError("INTERNAL", `the pool has no endpoint "${member.name}".`);
  const { hedge } = route;
  if (hedge === undefined) return view;
  const nowMs = setup.clock.monotonicMs();
  const others = [...route.primaries, ...route.fallbacks].filter((one) => one !== member && one.isAvailable(nowMs));
  const [other] = others;
  const second = other === undefined ? undefined : route.views.get(other.name);
  if (second === undefined) return view;
  return hedged({
    first: view,
    second,
    clock: setup.clock,
    afterMs() {
      if (hedge.afterMs !== "p95") return hedge.afterMs;
      const p95 = route.firstParts.p95();
      return p95 === null ? null : p95 + 1;
    },
    mayAsk: () => setup.budget.take(setup.clock.monotonicMs()),
  });
}
