import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { RunHead } from "../../core/run-head.ts";
import { summaryOf } from "../../core/run-summary.ts";
import { EffectLedger } from "../../engine/effect-ledger.ts";
import { RunReader } from "../../engine/run-events.ts";
import { effectRow, resolveEffectRequest, runEffects, type EffectLine } from "../api/effects.ts";
import { listEffectsQuery, type ListEffectsQuery } from "../api/list-queries.ts";
import { runSummary } from "../api/runs.ts";
import { pageOf } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { callParams, headOf, prefix, refOf, runParams, tracesOf, writerOf } from "../route-parts.ts";
import { listOf } from "../run-list.ts";
import type { EffectFilter } from "../../core/trace-contract.ts";

/** Actions on the world outside. */
export function effectRoutes(app: GatewayApp, gateway: Gateway): void {
  app.get(
    `${prefix}/effects`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listEffects",
        tags: ["effects"],
        summary: "Outside actions of all runs, the newest first",
        querystring: listEffectsQuery,
        response: { 200: pageOf(effectRow) },
      },
    },
    ({ caller, query }) =>
      tracesOf(gateway).effects(caller.tenant, filterOf(query), query.cursor ?? null, query.limit ?? 50),
  );
  app.get(
    `${prefix}/runs/:runId/effects`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listRunEffects",
        tags: ["effects"],
        summary: "Tool calls of a run, as its journal tells them now",
        params: runParams,
        response: { 200: runEffects },
      },
    },
    async (request) => ({ items: await ledgerOf(gateway, await headOf(gateway, refOf(request))) }),
  );
  app.post(
    `${prefix}/runs/:runId/effects/:callId/resolution`,
    {
      config: { role: "review" },
      schema: {
        operationId: "resolveEffect",
        tags: ["effects"],
        summary: "Say what became of a call whose outcome nobody knows",
        params: callParams,
        body: resolveEffectRequest,
        response: { 200: runSummary },
      },
    },
    async (request) => {
      const { params, body } = request;
      const { tenant, by, messageId } = writerOf(request, `resolve ${params.callId}`, body);
      await gateway.app.people(tenant).resolveEffect(params.runId, params.callId, {
        ...body,
        by,
        ...(messageId !== undefined && { messageId }),
      });
      return summaryOf(await headOf(gateway, refOf(request)));
    },
  );
}

function filterOf({ status, tool, run, user }: ListEffectsQuery): EffectFilter {
  return {
    ...(status !== undefined && { statuses: listOf(status) }),
    ...(tool !== undefined && { tool }),
    ...(run !== undefined && { runId: run }),
    ...(user !== undefined && { principal: user }),
  };
}

/** @throws EVENT_TOO_LARGE where a run has more calls than one answer holds */
async function ledgerOf({ app }: Gateway, head: RunHead): Promise<readonly EffectLine[]> {
  if (head.totals.toolCalls > limits.effectsPerAnswer) {
    throw new PawlError(
      "EVENT_TOO_LARGE",
      `run "${head.runId}" has ${head.totals.toolCalls} tool calls, more than the ${limits.effectsPerAnswer} of one answer. Read them page by page: GET /api/v1/effects?run=${head.runId}.`,
    );
  }
  const ledger = new EffectLedger();
  const reader = new RunReader(app.deps, head, head.blobScope, { valueBytesMax: limits.effectInputBytes });
  for await (const event of reader.read()) ledger.add(event);
  return ledger.entries().map(({ decidedBy, at, ...entry }) => ({
    runId: head.runId,
    ...entry,
    approver: decidedBy,
    changedAt: at,
  }));
}
