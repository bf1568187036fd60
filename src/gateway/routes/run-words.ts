import { summaryOf, type RunSummary } from "../../core/run-summary.ts";
import {
  answerRequest,
  messageRequest,
  allowToolsRequest,
  raiseBudgetRequest,
  reasonRequest,
  signalRequest,
  unblockRequest,
} from "../api/run-requests.ts";
import { runSummary } from "../api/runs.ts";
import type { Caller } from "../caller.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { headOf, prefix, refOf, runParams, writerOf } from "../route-parts.ts";

/** What is said to a run. Each answers with how the run stands after it. */
export function runWordRoutes(app: GatewayApp, gateway: Gateway): void {
  const { app: pawl } = gateway;
  const after = async (request: {
    readonly caller: Caller;
    readonly params: { readonly runId: string };
  }): Promise<RunSummary> => summaryOf(await headOf(gateway, refOf(request)));
  const about = { tags: ["runs"], params: runParams, response: { 200: runSummary } };

  app.post(
    `${prefix}/runs/:runId/cancel`,
    {
      config: { role: "operate" },
      schema: { ...about, operationId: "cancelRun", summary: "Ask a run and its children to end", body: reasonRequest },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.cancel(params.runId, body.reason, writerOf(request, "cancel", body));
      return after(request);
    },
  );
  app.post(
    `${prefix}/runs/:runId/pause`,
    {
      config: { role: "operate" },
      schema: {
        ...about,
        operationId: "pauseRun",
        summary: "Nothing new starts until it is resumed",
        body: reasonRequest,
      },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.pause(params.runId, body.reason, writerOf(request, "pause", body));
      return after(request);
    },
  );
  app.post(
    `${prefix}/runs/:runId/resume`,
    { config: { role: "operate" }, schema: { ...about, operationId: "resumeRun", summary: "End a pause" } },
    async (request) => {
      await pawl.resume(request.params.runId, writerOf(request, "resume", null));
      return after(request);
    },
  );
  app.post(
    `${prefix}/runs/:runId/unblock`,
    {
      config: { role: "operate" },
      schema: { ...about, operationId: "unblockRun", summary: "Say how a blocked run goes on", body: unblockRequest },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.unblock(params.runId, body.action, writerOf(request, "unblock", body));
      return after(request);
    },
  );
  spokenRoutes(app, gateway, { about, after });
  toldRoutes(app, gateway, { about, after });
}

interface Told {
  readonly about: {
    readonly tags: string[];
    readonly params: typeof runParams;
    readonly response: { readonly 200: typeof runSummary };
  };
  readonly after: (request: {
    readonly caller: Caller;
    readonly params: { readonly runId: string };
  }) => Promise<RunSummary>;
}

/** What is said to an agent, and in its place. */
function spokenRoutes(app: GatewayApp, { app: pawl }: Gateway, { about, after }: Told): void {
  app.post(
    `${prefix}/runs/:runId/messages`,
    {
      config: { role: "run" },
      schema: {
        ...about,
        operationId: "messageRun",
        summary: "Steer: it is read at the next turn",
        body: messageRequest,
      },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.message(params.runId, body.text, writerOf(request, "message", body));
      return after(request);
    },
  );
  app.post(
    `${prefix}/runs/:runId/answer`,
    {
      config: { role: "operate" },
      schema: {
        ...about,
        operationId: "answerRun",
        summary: "Take the agent's next turn over: its next request is answered with this, and no model is asked",
        body: answerRequest,
      },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.answer(params.runId, body.text, writerOf(request, "answer", body));
      return after(request);
    },
  );
}

/** What else a run is given: signals, tools, money. */
function toldRoutes(app: GatewayApp, { app: pawl }: Gateway, { about, after }: Told): void {
  app.post(
    `${prefix}/runs/:runId/signals`,
    {
      config: { role: "run" },
      schema: {
        ...about,
        operationId: "signalRun",
        summary: "Give a run what it waits for by name",
        body: signalRequest,
      },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.signal(params.runId, body.name, body.value, writerOf(request, "signal", body));
      return after(request);
    },
  );
  app.post(
    `${prefix}/runs/:runId/tools`,
    {
      config: { role: "review" },
      schema: { ...about, operationId: "allowTools", summary: "Let a task use more tools", body: allowToolsRequest },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.allowTools(params.runId, body.tools, writerOf(request, "tools", body));
      return after(request);
    },
  );
  app.post(
    `${prefix}/runs/:runId/budget`,
    {
      config: { role: "operate" },
      schema: { ...about, operationId: "raiseBudget", summary: "Add to a cap of the run", body: raiseBudgetRequest },
    },
    async (request) => {
      const { params, body } = request;
      await pawl.raiseBudget(params.runId, body.scope, body.amount, writerOf(request, "budget", body));
      return after(request);
    },
  );
}
