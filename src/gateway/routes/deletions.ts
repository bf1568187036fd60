import { z } from "zod";
import { deleted } from "../api/deletion.ts";
import { userId } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix, runParams } from "../route-parts.ts";

const threadParams: z.ZodType<{ readonly threadId: string }> = z.object({ threadId: userId });
const config = { role: "admin" } as const;

/** Taking away for good what has ended. */
export function deletionRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  app.delete(
    `${prefix}/runs/:runId`,
    {
      config,
      schema: {
        operationId: "deleteRun",
        tags: ["runs"],
        summary: "Delete an ended run with its children: journal, values, spans. What budgets counted stays counted",
        params: runParams,
        response: { 200: deleted },
      },
    },
    ({ caller, params }) => pawl.deleteRun(params.runId, caller.tenant),
  );
  app.delete(
    `${prefix}/threads/:threadId`,
    {
      config,
      schema: {
        operationId: "deleteThread",
        tags: ["threads"],
        summary: "Delete a conversation with all its runs, when none of them goes on",
        params: threadParams,
        response: { 200: deleted },
      },
    },
    ({ caller, params }) => pawl.deleteThread(params.threadId, caller.tenant),
  );
}
