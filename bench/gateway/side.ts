/** One side of the bench in a process of its own: `pawl FILE` or `bare`. Tells its address and key to its parent. */
import { fastify } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { durable, Pawl } from "pawl";
import { gateway } from "pawl/gateway";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { startRunRequest } from "../../src/gateway/api/run-requests.ts";
import type { RunSummary } from "../../src/core/run-summary.ts";
import { runDetail, runSummary, type RunDetail } from "../../src/gateway/api/runs.ts";
import { runParams } from "../../src/gateway/route-parts.ts";

const none = { requestsPerS: null, startsPerMinute: null, concurrentRuns: null };

/** The gateway as it is, without limits, over a database file; its worker does not take the runs. */
async function pawlSide(file: string): Promise<{ readonly url: string; readonly key: string }> {
  const app = new Pawl({
    store: sqlite(file),
    agents: [durable({ name: "waiter", run: (ctx) => ctx.waitForSignal("go") })],
    models: scriptedModel([]),
    worker: false,
  });
  await app.start("waiter", { input: "x", runId: "r", tenant: "bench" });
  const server = gateway({ app, limits: { key: none, tenant: none, addressRequestsPerS: null } });
  const url = await server.listen();
  const { key } = await server.gateway.keys.create("bench", { name: "bench", roles: ["admin"], createdBy: "bench" });
  process.on("message", (text) => void app.message("r", String(text), { tenant: "bench" }));
  return { url, key };
}

/** The same validation and the same answers, from memory: no key, no store, no limits. */
async function bareSide(answers: {
  readonly summary: RunSummary;
  readonly detail: RunDetail;
}): Promise<{ readonly url: string; readonly key: string }> {
  const app = fastify().withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.post(
    "/api/v1/runs",
    { schema: { body: startRunRequest, response: { 201: runSummary } } },
    async (_request, reply) => {
      void reply.code(201);
      return answers.summary;
    },
  );
  app.get(
    "/api/v1/runs/:runId",
    { schema: { params: runParams, response: { 200: runDetail } } },
    async () => answers.detail,
  );
  return { url: await app.listen({ host: "127.0.0.1", port: 0 }), key: "none" };
}

const [side, given = ""] = process.argv.slice(2);
const told =
  side === "pawl" ? await pawlSide(given) : await bareSide(JSON.parse(given) as Parameters<typeof bareSide>[0]);
process.send?.(told);
