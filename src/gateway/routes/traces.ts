import { z } from "zod";
import { limits } from "../../core/limits.ts";
import { listTracesQuery, runUsageQuery, spansQuery, usageQuery } from "../api/list-queries.ts";
import { costRow, errorGroupPage, runCosts, spanDetail, spanWindow, traceIndexSize, tracePage } from "../api/traces.ts";
import { pageOf, runId, spanId } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix, refOf, runParams, tracesOf } from "../route-parts.ts";
import { traceFilterOf } from "../run-list.ts";

const spanParams: z.ZodType<{ readonly runId: string; readonly spanId: string }> = z.object({ runId, spanId });

/** What the trace index knows: traces, spans, failures of one kind, cost. */
export function traceRoutes(app: GatewayApp, gateway: Gateway): void {
  spanRoutes(app, gateway);
  sumRoutes(app, gateway);
  app.get(
    `${prefix}/traces`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listTraces",
        tags: ["traces"],
        summary: "Runs with the sums of their trees, by any filter of the index",
        querystring: listTracesQuery,
        response: { 200: tracePage },
      },
    },
    ({ caller, query }) =>
      tracesOf(gateway).list(caller.tenant, traceFilterOf(query), query.cursor ?? null, query.limit ?? 50),
  );
  app.get(
    `${prefix}/error-groups`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listErrorGroups",
        tags: ["traces"],
        summary: "Failures of one kind, counted",
        querystring: listTracesQuery,
        response: { 200: errorGroupPage },
      },
    },
    async ({ caller, query }) => ({
      ...(await tracesOf(gateway).errorGroups(caller.tenant, traceFilterOf(query), query.limit ?? 50)),
      cursor: null,
    }),
  );
}

function sumRoutes(app: GatewayApp, gateway: Gateway): void {
  app.get(
    `${prefix}/usage`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listUsage",
        tags: ["traces"],
        summary: "What each day, agent, request, run, thread, user, model, tool, tag or the tenant cost",
        querystring: usageQuery,
        response: { 200: pageOf(costRow) },
      },
    },
    async ({ caller, query }) => ({ items: await tracesOf(gateway).costs(caller.tenant, query), cursor: null }),
  );
  app.get(
    `${prefix}/runs/:runId/usage`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getRunUsage",
        tags: ["traces"],
        summary: "What each turn, call, run, model or tool of a run's tree cost",
        params: runParams,
        querystring: runUsageQuery,
        response: { 200: runCosts },
      },
    },
    (request) => tracesOf(gateway).runCosts(refOf(request), request.query),
  );
  app.get(
    `${prefix}/trace-index`,
    {
      // sizes are of all tenants
      config: { role: "admin" },
      schema: {
        operationId: "getTraceIndex",
        tags: ["traces"],
        summary: "Size of the trace index, and how far it is behind",
        response: { 200: traceIndexSize },
      },
    },
    () => tracesOf(gateway).size(),
  );
}

function spanRoutes(app: GatewayApp, gateway: Gateway): void {
  app.get(
    `${prefix}/runs/:runId/spans`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listSpans",
        tags: ["traces"],
        summary: "A window of the spans of a run's tree, in depth-first order",
        params: runParams,
        querystring: spansQuery,
        response: { 200: spanWindow },
      },
    },
    (request) => {
      const { from = 0, limit = limits.eventsPerPage / 5 } = request.query;
      return tracesOf(gateway).spans(refOf(request), { from, limit });
    },
  );
  app.get(
    `${prefix}/runs/:runId/spans/:spanId`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getSpan",
        tags: ["traces"],
        summary: "A span with input, output, exact prompt, causes and events",
        params: spanParams,
        response: { 200: spanDetail },
      },
    },
    (request) => tracesOf(gateway).span(refOf(request), request.params.spanId),
  );
}
