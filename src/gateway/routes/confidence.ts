import { z } from "zod";
import { confidenceOf, judgeCall } from "../../engine/calibration.ts";
import { confidenceQuery, confidenceReport, outcomeRequest } from "../api/confidence.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { callParams, prefix } from "../route-parts.ts";

/** What measured confidence was worth, and what people say of it later. */
export function confidenceRoutes(app: GatewayApp, { app: pawl, clock }: Gateway): void {
  app.get(
    `${prefix}/confidence`,
    {
      config: { role: "review" },
      schema: {
        operationId: "getConfidence",
        tags: ["approvals"],
        summary: "Calls whose confidence was measured, auto-approved or asked, and what each threshold would have done",
        querystring: confidenceQuery,
        response: { 200: confidenceReport },
      },
    },
    ({ caller, query }) => confidenceOf(pawl.store, caller.tenant, query),
  );
  app.post(
    `${prefix}/runs/:runId/calls/:callId/outcome`,
    {
      config: { role: "review" },
      schema: {
        operationId: "judgeCall",
        tags: ["approvals"],
        summary: "Say later whether a call whose confidence was measured was right",
        params: callParams,
        body: outcomeRequest,
        response: { 204: z.undefined() },
      },
    },
    async ({ caller, params, body }, reply) => {
      const { tenant, principal: by } = caller;
      await judgeCall(pawl.store, { tenant, ...params }, { ...body, by, at: clock.nowMs() });
      return reply.code(204).send();
    },
  );
}
