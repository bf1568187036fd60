import { z } from "zod";
import { listThreads, readThread, threadMessages, unknownThread } from "../../engine/read-thread.ts";
import { pageQuery } from "../api/list-queries.ts";
import { threadMessages as messagesShape, threadSummary } from "../api/threads.ts";
import { pageOf, userId } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix } from "../route-parts.ts";

const params: z.ZodType<{ readonly threadId: string }> = z.object({ threadId: userId });

/** Conversations across runs. The runs of one: `GET /runs?thread=ID`. */
export function threadRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  app.get(
    `${prefix}/threads`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listThreads",
        tags: ["threads"],
        summary: "Conversations, by id",
        querystring: pageQuery,
        response: { 200: pageOf(threadSummary) },
      },
    },
    ({ caller, query }) => listThreads(pawl.store, caller.tenant, query.cursor ?? null, query.limit ?? 50),
  );
  app.get(
    `${prefix}/threads/:threadId`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getThread",
        tags: ["threads"],
        summary: "A conversation: whose turn it is, and who waits",
        params,
        response: { 200: threadSummary },
      },
    },
    async ({ caller, params: { threadId } }) =>
      (await readThread(pawl.store, caller.tenant, threadId)) ?? missing(threadId),
  );
  app.get(
    `${prefix}/threads/:threadId/messages`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listThreadMessages",
        tags: ["threads"],
        summary: "What the conversation's next run would begin with",
        params,
        response: { 200: messagesShape },
      },
    },
    async ({ caller, params: { threadId } }) => {
      const items = await threadMessages(pawl.store, caller.tenant, threadId);
      return items === null ? missing(threadId) : { threadId, items };
    },
  );
}

function missing(threadId: string): never {
  throw unknownThread(threadId);
}
