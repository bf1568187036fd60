import { PawlError } from "../../core/errors.ts";
import type { JsonValue } from "../../core/json.ts";
import { summaryOf } from "../../core/run-summary.ts";
import { parseTraceparent } from "../../core/trace-ids.ts";
import { loadRun } from "../../engine/load-run.ts";
import { unknownRun } from "../../engine/outbox.ts";
import { checkTaskSet } from "../../engine/start-options.ts";
import { listRunsQuery } from "../api/list-queries.ts";
import { forkRequest, startRunRequest, type StartRunRequest } from "../api/run-requests.ts";
import { runDetail, runListPage, runSummary } from "../api/runs.ts";
import type { Caller } from "../caller.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { bindStart } from "../idempotent-start.ts";
import { headOf, idempotencyKeyOf, prefix, refOf, runParams } from "../route-parts.ts";
import { listRuns } from "../run-list.ts";
import { detailOf } from "../run-view.ts";

/** Runs: start, list, look at, fork. */
export function runRoutes(app: GatewayApp, gateway: Gateway): void {
  startRoute(app, gateway);
  app.get(
    `${prefix}/runs`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listRuns",
        tags: ["runs"],
        summary: "Runs, the newest first; with a filter of the trace index, what it finds",
        querystring: listRunsQuery,
        response: { 200: runListPage },
      },
    },
    (request) => listRuns(gateway, request.caller.tenant, request.query),
  );
  app.get(
    `${prefix}/runs/:runId`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getRun",
        tags: ["runs"],
        summary: "A run: how it stands, its input, budget, plan and outcome",
        params: runParams,
        response: { 200: runDetail },
      },
    },
    async (request) => {
      const ref = refOf(request);
      const loaded = await loadRun(gateway.app.store, ref);
      if (loaded === null) throw unknownRun(ref);
      return detailOf(gateway.app.store, loaded);
    },
  );
  forkRoute(app, gateway);
}

function startRoute(app: GatewayApp, gateway: Gateway): void {
  app.post(
    `${prefix}/runs`,
    {
      config: { role: "run", isStart: true },
      schema: {
        operationId: "startRun",
        tags: ["runs"],
        summary: "Start a run. With an Idempotency-Key, a repeat of the same body gives the same run",
        body: startRunRequest,
        response: { 201: runSummary },
      },
    },
    async (request, reply) => {
      const { body, caller } = request;
      const key = idempotencyKeyOf(request);
      checkStart(gateway, body);
      const fresh = body.runId ?? gateway.entropy.id();
      const bound =
        key === null
          ? { runId: fresh, isRepeat: false }
          : await bindStart(gateway.app.store, {
              tenant: caller.tenant,
              key,
              // the cast: the body was JSON
              body: body as unknown as JsonValue,
              runId: fresh,
            });
      const traceparent = parentOf(request.headers["traceparent"]);
      const { head } = await start(gateway, caller, body, { runId: bound.runId, ...(traceparent && { traceparent }) });
      if (bound.isRepeat) void reply.header("idempotency-replayed", "true");
      void reply.header("location", `${prefix}/runs/${bound.runId}`);
      return reply.code(201).send(summaryOf(head));
    },
  );
}

function start(
  { app }: Gateway,
  { tenant, principal, roles }: Caller,
  { agent, input, threadId, onBusy, limits, tools, tags }: StartRunRequest,
  identity: { readonly runId: string; readonly traceparent?: string },
): ReturnType<Gateway["app"]["startWithHead"]> {
  return app.startWithHead(agent, {
    ...identity,
    input,
    tenant,
    principal,
    roles,
    ...(threadId !== undefined && { threadId }),
    ...(onBusy !== undefined && { onBusy }),
    ...(limits !== undefined && { limits }),
    ...(tools !== undefined && { tools }),
    ...(tags !== undefined && { tags }),
  });
}

/** What would be refused whatever the run's id is refused before an Idempotency-Key is bound to it. */
function checkStart({ app }: Gateway, { agent, input, tools = [] }: StartRunRequest): void {
  const runnable = app.registry.runnable(agent);
  checkTaskSet(runnable, tools);
  for (const route of runnable.routes) app.deps.models.check(route);
  const parsed = runnable.parseInput(input);
  if (parsed.ok) return;
  const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
  throw new PawlError("INPUT_INVALID", `the input does not fit "${runnable.name}": ${issues}.`);
}

/** A caller's trace goes on in the run; what is no traceparent is ignored, as W3C Trace Context asks. */
function parentOf(header: string | readonly string[] | undefined): string | null {
  return typeof header === "string" && header.length <= 200 && parseTraceparent(header) !== null ? header : null;
}

function forkRoute(app: GatewayApp, gateway: Gateway): void {
  app.post(
    `${prefix}/runs/:runId/fork`,
    {
      config: { role: "run", isStart: true },
      schema: {
        operationId: "forkRun",
        tags: ["runs"],
        summary: "A new run from the first turns of another",
        params: runParams,
        body: forkRequest,
        response: { 201: runSummary },
      },
    },
    async (request, reply) => {
      const ref = refOf(request);
      const { caller, body } = request;
      await headOf(gateway, ref);
      const key = idempotencyKeyOf(request);
      const fresh = body.runId ?? gateway.entropy.id();
      const bound =
        key === null
          ? { runId: fresh, isRepeat: false }
          : await bindStart(gateway.app.store, {
              tenant: caller.tenant,
              key,
              // the cast: the body was JSON
              body: { fork: ref.runId, by: caller.principal, ...body } as unknown as JsonValue,
              runId: fresh,
            });
      const run = await gateway.app.fork(ref.runId, {
        turn: body.turn,
        ...(body.limits !== undefined && { limits: body.limits }),
        ...(body.state !== undefined && { state: body.state }),
        runId: bound.runId,
        by: caller.principal,
        tenant: caller.tenant,
      });
      if (bound.isRepeat) void reply.header("idempotency-replayed", "true");
      void reply.header("location", `${prefix}/runs/${bound.runId}`);
      return reply.code(201).send(summaryOf(await run.head()));
    },
  );
}
