import { PawlError } from "../core/errors.ts";
import type { RunStatus } from "../core/run-outcome.ts";
import { summaryOf } from "../core/run-summary.ts";
import type { Page, RunFilter } from "../core/store-contract.ts";
import type { TraceFilter } from "../core/trace-contract.ts";
import type { ListRunsQuery, ListTracesQuery } from "./api/list-queries.ts";
import type { RunListItem, RunListPage } from "./api/runs.ts";
import type { Gateway } from "./gateway.ts";
import { tracesOf } from "./route-parts.ts";

const PAGE = 50;

/** Filters that the store does not have. */
const traced = [
  "text",
  "tag",
  "user",
  "model",
  "tool",
  "errorGroup",
  "minCostNanoUsd",
  "minDurationMs",
  "minTokens",
  "startedFrom",
  "startedTo",
  "sort",
] as const satisfies readonly (keyof ListRunsQuery)[];

/** @throws TRACES_OFF, OPTION_INVALID, CURSOR_INVALID */
export async function listRuns(gateway: Gateway, tenant: string, query: ListRunsQuery): Promise<RunListPage> {
  const found = traced.find((name) => query[name] !== undefined);
  if (found === undefined) return listHeads(gateway, tenant, query);
  if (query.parent !== undefined) {
    throw new PawlError("OPTION_INVALID", `"parent" cannot be joined with "${found}". Leave one of them out.`);
  }
  const { items, cursor, partial } = await tracesOf(gateway).list(
    tenant,
    traceFilterOf(query),
    query.cursor ?? null,
    query.limit ?? PAGE,
  );
  const heads = await Promise.all(items.map(({ runId }) => gateway.app.store.readHead({ tenant, runId })));
  const lines = heads.flatMap((head, i) =>
    // a run that retention has taken since
    head === null ? [] : [{ ...summaryOf(head), snippet: items[i]?.snippet ?? null }],
  );
  return { items: lines, cursor, ...(partial && { partial }) };
}

async function listHeads({ app }: Gateway, tenant: string, query: ListRunsQuery): Promise<Page<RunListItem>> {
  const filter: RunFilter = {
    ...(query.status !== undefined && { statuses: listOf(query.status) }),
    ...(query.agent !== undefined && { runnable: query.agent }),
    ...(query.thread !== undefined && { threadId: query.thread }),
    ...(query.parent !== undefined && { parentRunId: query.parent }),
    ...(query.children === "true" && { children: true }),
  };
  const page = await app.store.list(tenant, filter, query.cursor ?? null, query.limit ?? PAGE);
  return { items: page.items.map((head) => ({ ...summaryOf(head), snippet: null })), cursor: page.cursor };
}

/** A query in the words of the trace index. */
export function traceFilterOf(query: ListTracesQuery): TraceFilter {
  const { status, agent, thread, children, user, cursor: _cursor, limit: _limit, ...same } = query;
  return {
    ...plainFilter(same),
    ...(status !== undefined && { statuses: listOf(status) }),
    ...(agent !== undefined && { runnable: agent }),
    ...(thread !== undefined && { threadId: thread }),
    ...(user !== undefined && { principal: user }),
    ...(children === "true" && { children: true }),
  };
}

/** Those with the same name here and there, and nothing else. */
function plainFilter(query: Pick<ListTracesQuery, Exclude<(typeof traced)[number], "user">>): TraceFilter {
  const names = traced.filter((name) => name !== "user");
  return Object.fromEntries(names.flatMap((name) => (query[name] === undefined ? [] : [[name, query[name]]])));
}

export function listOf<T extends string = RunStatus>(one: T | readonly T[]): readonly T[] {
  return typeof one === "string" ? [one] : one;
}
