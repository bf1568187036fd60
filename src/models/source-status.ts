import type { EndpointStatus, ModelSource, SourceStatus } from "../core/model-contract.ts";

/**
 * What a source has and how it is. One without endpoints of its own has one for each route that is asked for, of which
 * nothing is known but whether it can be used.
 */
export function statusOfSource(source: ModelSource, routes: readonly string[]): SourceStatus {
  return source.status?.() ?? { endpoints: routes.map((route) => plainEndpoint(source, route)), routes: [] };
}

function plainEndpoint(source: ModelSource, route: string): EndpointStatus {
  const next = source.next(route, [], 0);
  const found = next.type === "try" ? next.endpoint : null;
  const slash = route.indexOf("/");
  return {
    name: found?.name ?? route,
    provider: found?.provider ?? route.slice(0, Math.max(0, slash)),
    model: found?.model ?? route.slice(slash + 1),
    baseUrl: "",
    weight: 1,
    health: "closed",
    problem: next.type === "try" ? null : next.error.message,
    inFlight: 0,
    queued: 0,
    latencyMs: null,
    p50Ms: null,
    p95Ms: null,
    failureShare: 0,
    answered: 0,
    errors: {},
    requestsPerMinute: null,
    tokensPerMinute: null,
    isLimitLearnt: false,
    price: found?.price ?? null,
  };
}
