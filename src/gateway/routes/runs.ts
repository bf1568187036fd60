import { PawlError } from "../../core/errors.ts";
import type { JsonValue } from "../../core/json.ts";
import type { RunHead } from "../../core/run-head.ts";
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
import { KeyedStarts, reused, startMessage } from "../idempotent-start.ts";
import { headOf, idempotencyKeyOf, prefix, refOf, runParams } from "../route-parts.ts";
import { listRuns } from "../run-list.ts";
import { detailOf } from "../run-view.ts";

/** Runs: start, list, look at, fork. */
export function runRoutes(app: GatewayApp, gateway: Gateway): void {
  const keys = new KeyedStarts(gateway.app.store, gateway.clock);
  startRoute(app, gateway, keys);
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
  forkRoute(app, gateway, keys);
}

function startRoute(app: GatewayApp, gateway: Gateway, keys: KeyedStarts): void {
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
      const traceparent = parentOf(request.headers["traceparent"]);
      const identity = { runId: body.runId ?? gateway.entropy.id(), ...(traceparent && { traceparent }) };
      const { head, isRepeat } =
        key === null
          ? { ...(await start(gateway, caller, body, identity)), isRepeat: false }
          : await startByKey(gateway, keys, request, { key, identity });
      if (isRepeat) void reply.header("idempotency-replayed", "true");
      void reply.header("location", `${prefix}/runs/${head.runId}`);
      return reply.code(201).send(summaryOf(head));
    },
  );
}

/** @throws IDEMPOTENCY_KEY_REUSED */
async function startByKey(
  gateway: Gateway,
  keys: KeyedStarts,
  { body, caller }: { readonly body: StartRunRequest; readonly caller: Caller },
  { key, identity }: { readonly key: string; readonly identity: StartIdentity },
): Promise<{ readonly head: RunHead; readonly isRepeat: boolean }> {
  // the cast: the body was JSON
  const named = { tenant: caller.tenant, key, body: body as unknown as JsonValue };
  const isKeysOwn = body.runId === undefined;
  const bound = isKeysOwn ? await keys.idOf(named) : await keys.bind({ ...named, runId: identity.runId });
  const messageId = startMessage(named.body);
  const started = await start(gateway, caller, body, { ...identity, runId: bound.runId, messageId }).catch(
    (error: unknown) => {
      throw isKeysOwn && PawlError.is(error, "RUN_EXISTS_DIFFERENT") ? reused(bound.runId) : error;
    },
  );
  if (bound.isRepeat || started.created || !isKeysOwn) return { head: started.head, isRepeat: bound.isRepeat };
  await keys.checkSame(named);
  return { head: started.head, isRepeat: true };
}

interface StartIdentity {
  readonly runId: string;
  readonly traceparent?: string;
  readonly messageId?: string;
}

function start(
  { app }: Gateway,
  { tenant, principal, roles }: Caller,
  { agent, input, threadId, onBusy, limits, tools, tags }: StartRunRequest,
  identity: StartIdentity,
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

function forkRoute(app: GatewayApp, gateway: Gateway, keys: KeyedStarts): void {
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
          : await keys.bind({
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
