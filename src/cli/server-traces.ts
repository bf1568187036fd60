import type { ListTracesQuery, PawlClient } from "../client.ts";
import type { TraceFilter, TraceIndex } from "../core/trace-contract.ts";

/** What the commands that look at traces read. */
export type TraceReader = Pick<TraceIndex, "list" | "spans" | "span" | "errorGroups" | "costs" | "runCosts">;

const PAGE_MAX = 100;

/** The index of a gateway, read as a local one is; the tenant is that of the key. */
export function serverTraces(client: PawlClient): TraceReader {
  return {
    list: (_tenant, filter, cursor, limit) =>
      client.listTraces({ ...queryOf(filter), ...(cursor !== null && { cursor }), limit: Math.min(PAGE_MAX, limit) }),
    spans: ({ runId }, window) => client.listSpans(runId, window),
    span: ({ runId }, spanId) => client.getSpan(runId, spanId),
    errorGroups: (_tenant, filter, limit) =>
      client.listErrorGroups({ ...queryOf(filter), limit: Math.min(PAGE_MAX, limit) }),
    costs: async (_tenant, query) => (await client.listUsage(query)).items,
    runCosts: ({ runId }, query) => client.getRunUsage(runId, query),
  };
}

function queryOf({ runnable, statuses, principal, threadId, children, ...same }: TraceFilter): ListTracesQuery {
  return {
    ...same,
    ...(runnable !== undefined && { agent: runnable }),
    ...(statuses !== undefined && { status: statuses }),
    ...(principal !== undefined && { user: principal }),
    ...(threadId !== undefined && { thread: threadId }),
    ...(children === true && { children: "true" }),
  };
}
