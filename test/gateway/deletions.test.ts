import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ClientError, PawlClient, type StreamItem } from "pawl/client";
import { traceIndex } from "pawl/traces";
import { serve } from "./serving.ts";

const refused = (code: string, promise: Promise<unknown>): Promise<void> =>
  assert.rejects(promise, (error) => ClientError.is(error, code));

test("an admin deletes what has ended, for good: journal, values and spans; nobody else does, and others see no run", async (t) => {
  const served = await serve(t, { traces: (store, folder) => traceIndex({ store, path: join(folder, "traces.db") }) });
  const { url, server } = served;
  const { key: operator } = await served.keyFor("acme", ["operate"]);
  const [admin, other, weaker] = [served.key, served.otherKey, operator].map((key) => new PawlClient({ url, key }));
  assert.ok(admin !== undefined && other !== undefined && weaker !== undefined);
  await admin.startRun({ agent: "writer", input: "A poem about herons.", runId: "w" });
  await admin.getResult("w", { waitMs: 20_000 });
  await admin.startRun({ agent: "billing", input: "INV-7 was charged twice.", runId: "b" });
  await admin.getResult("b", { waitMs: 20_000 });
  await server.gateway.traces?.catchUp();
  assert.equal((await admin.listTraces({ text: "herons" })).items.length, 1);
  await refused("ROLE_MISSING", weaker.deleteRun("w"));
  await refused("RUN_UNKNOWN", other.deleteRun("w"));
  await refused("RUN_NOT_ENDED", admin.deleteRun("b"));
  assert.deepEqual(await admin.deleteRun("w"), { runs: 1 });
  await refused("RUN_UNKNOWN", admin.getRun("w"));
  await refused("RUN_UNKNOWN", admin.listSpans("w"));
  assert.deepEqual((await admin.listTraces({ text: "herons" })).items, []);
  assert.deepEqual(
    (await admin.listUsage({ by: "runnable" })).items.map(({ key }) => key),
    ["billing"],
  );
  assert.deepEqual(
    (await admin.listRuns()).items.map(({ runId }) => runId),
    ["b"],
  );
  assert.equal((await admin.getRun("b")).status, "awaiting_approval");
});

test("a conversation is deleted over HTTP with all its runs, of one tenant alone", async (t) => {
  const { url, key, otherKey } = await serve(t);
  const [admin, other] = [new PawlClient({ url, key }), new PawlClient({ url, key: otherKey })];
  for (const client of [admin, other]) {
    await client.startRun({ agent: "writer", input: "One.", runId: "one", threadId: "talk" });
    await client.getResult("one", { waitMs: 20_000 });
  }
  await refused("OPTION_INVALID", admin.deleteRun("one"));
  await refused("THREAD_UNKNOWN", admin.deleteThread("nobody"));
  // told of its end by now, or asked to come again
  while (
    !(await admin.deleteThread("talk").then(
      ({ runs }) => runs === 1,
      (error: unknown) => !(ClientError.is(error, "RUN_NOT_ENDED") || ClientError.is(error, "THREAD_BUSY")),
    ))
  );
  await refused("THREAD_UNKNOWN", admin.getThread("talk"));
  assert.deepEqual((await admin.listRuns()).items, []);
  assert.equal((await other.getRun("one")).status, "completed");
});

test("who streams, waits, signals or forks while a run is deleted gets the whole or a clear answer", async (t) => {
  const { url, key } = await serve(t);
  const client = new PawlClient({ url, key });
  await client.startRun({ agent: "writer", input: "One.", runId: "one" });
  await client.getResult("one", { waitMs: 20_000 });
  const stream = async (): Promise<readonly StreamItem[]> => {
    const items: StreamItem[] = [];
    for await (const item of client.events("one")) items.push(item);
    return items;
  };
  const asked = [
    ...Array.from({ length: 10 }, stream),
    client.getResult("one", { waitMs: 20_000 }),
    client.signalRun("one", { name: "go", value: 1 }),
    client.forkRun("one", { turn: 0, runId: "fork" }),
  ];
  const [deletion, ...outcomes] = await Promise.allSettled([client.deleteRun("one"), ...asked]);
  assert.equal(deletion.status, "fulfilled");
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    const { reason } = outcome as { readonly reason: unknown };
    assert.ok(
      ClientError.is(reason) && ["RUN_UNKNOWN", "RUN_DELETED", "RUN_ENDED"].includes(reason.code),
      String(reason),
    );
  }
  await refused("RUN_UNKNOWN", stream());
});
