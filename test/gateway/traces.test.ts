import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ClientError, PawlClient } from "pawl/client";
import { traceIndex } from "pawl/traces";
import { serve, type Served } from "./serving.ts";

interface Traced {
  readonly client: PawlClient;
  readonly other: PawlClient;
  readonly served: Served;
}

/** A refund that a person approved, and a line that was written, both indexed. */
async function traced(t: TestContext): Promise<Traced> {
  const served = await serve(t, { traces: (store, folder) => traceIndex({ store, path: join(folder, "traces.db") }) });
  const [client, other] = [served.key, served.otherKey].map((key) => new PawlClient({ url: served.url, key }));
  assert.ok(client !== undefined && other !== undefined);
  await client.startRun({ agent: "writer", input: "A poem about herons.", runId: "w", tags: ["poem"] });
  await client.getResult("w", { waitMs: 20_000 });
  await client.startRun({ agent: "billing", input: "INV-7 was charged 80 twice.", runId: "b" });
  const asked = await client.getResult("b", { waitMs: 20_000 });
  assert.ok(asked.status === "awaiting_approval");
  return { client, other, served };
}

test("lists, spans, sums and effects are read through the index, each tenant its own", async (t) => {
  const { client, other, served } = await traced(t);
  const { provenance } = await client.getApproval(await approvalId(client));
  assert.ok(provenance !== null && provenance.some(({ from }) => from.kind === "goal"), JSON.stringify(provenance));
  await client.decideApproval(await approvalId(client), { decision: "approve" });
  await client.getResult("b", { waitMs: 20_000 });
  await served.server.gateway.traces?.catchUp();
  const ids = async (query: Parameters<PawlClient["listRuns"]>[0]): Promise<readonly string[]> =>
    (await client.listRuns(query)).items.map(({ runId }) => runId);
  assert.deepEqual(await ids({ text: "herons" }), ["w"]);
  assert.deepEqual(await ids({ tag: "poem" }), ["w"]);
  assert.deepEqual(await ids({ tool: "refund" }), ["b"]);
  assert.deepEqual(await ids({ user: "nobody" }), []);
  assert.equal((await ids({ sort: "cost" })).length, 2);
  assert.match((await client.listRuns({ text: "herons" })).items[0]?.snippet ?? "", /herons/);
  await assert.rejects(client.listRuns({ text: "x", parent: "b" }), (error) => ClientError.is(error, "OPTION_INVALID"));

  const spans = await client.listSpans("b");
  assert.equal(spans.rows.length, spans.total);
  const call = spans.rows.find(({ kind }) => kind === "tool");
  assert.ok(call !== undefined);
  const detail = await client.getSpan("b", call.spanId);
  assert.deepEqual(detail.input, { invoiceId: "INV-7", amountUsd: 80 });
  await assert.rejects(client.getSpan("b", "0".repeat(16)), (error) => ClientError.is(error, "SPAN_UNKNOWN"));
  const window = await client.listSpans("b", { from: 1, limit: 1 });
  assert.deepEqual(window.rows, spans.rows.slice(1, 2));

  const [effect] = (await client.listEffects()).items;
  assert.deepEqual([effect?.tool, effect?.status, effect?.approver], ["refund", "done", "acme-user"]);
  assert.deepEqual((await client.listEffects({ status: ["unknown", "held"] })).items, []);
  assert.equal((await client.listTraces({ agent: "billing" })).items[0]?.runId, "b");
  assert.deepEqual((await client.listUsage({ by: "runnable" })).items.map(({ key }) => key).toSorted(), [
    "billing",
    "writer",
  ]);
  const asked = ["day", "runnable", "rootRunId", "runId", "threadId", "principal", "tenant"] as const;
  for (const by of asked) assert.ok(Array.isArray((await client.listUsage({ by })).items), by);
  const cost = async (query: Omit<Parameters<PawlClient["listUsage"]>[0], "by">): Promise<number> =>
    (await client.listUsage({ by: "day", ...query })).items.reduce((sum, { calls }) => sum + calls, 0);
  assert.equal((await cost({ agent: "writer" })) + (await cost({ agent: "billing" })), await cost({}));
  assert.ok((await cost({ agent: "writer" })) > 0);
  assert.deepEqual(
    [await cost({ user: "nobody" }), await cost({ model: "no/model" }), await cost({ tool: "x" })],
    [0, 0, 0],
  );
  assert.deepEqual([await cost({ thread: "t" }), await cost({ user: "acme-user" })], [0, await cost({})]);
  const { totals } = await client.getRun("b");
  for (const by of ["turn", "call", "run", "model", "tool"] as const) {
    const { items, total } = await client.getRunUsage("b", { by });
    assert.equal(total.usage.inputTokens, totals.usage.inputTokens, by);
    assert.equal(
      items.reduce((sum, { usage }) => sum + usage.inputTokens, 0),
      totals.usage.inputTokens,
      by,
    );
    await assert.rejects(other.getRunUsage("b", { by }), (error) => ClientError.is(error, "RUN_UNKNOWN"));
  }
  assert.deepEqual((await client.listErrorGroups()).items, []);
  assert.ok((await client.getTraceIndex()).spans > 0);
  await othersSeeNothing(other, call.spanId);
});

async function othersSeeNothing(other: PawlClient, spanId: string): Promise<void> {
  for (const list of [other.listTraces(), other.listEffects(), other.listRuns({ text: "herons" })]) {
    assert.deepEqual((await list).items, []);
  }
  assert.deepEqual((await other.listUsage({ by: "day" })).items, []);
  await assert.rejects(other.listSpans("b"), (error) => ClientError.is(error, "RUN_UNKNOWN"));
  await assert.rejects(other.getSpan("b", spanId), (error) => ClientError.is(error, "RUN_UNKNOWN"));
}

async function approvalId(client: PawlClient): Promise<string> {
  const [item] = (await client.listApprovals()).items;
  assert.ok(typeof item?.approvalId === "string");
  return item.approvalId;
}
