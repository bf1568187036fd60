import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "pawl";
import { ClientError, PawlClient } from "pawl/client";
import { pool } from "pawl/models";
import { memoryStore } from "pawl/testing";
import { gateway } from "../../src/gateway.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { ownEndpoint } from "../models/own-endpoint.ts";

test("endpoints are told as they are, checked by an admin only, and a cap that is set holds for its tenant", async (t) => {
  const well = ownEndpoint("well", systemClock);
  const ill = ownEndpoint("ill", systemClock, () => ({ error: "MODEL_UNAVAILABLE" }));
  const talker = agent({ name: "talker", model: "smart", instructions: "Talk." });
  const app = new Pawl({
    store: memoryStore(),
    agents: [talker],
    models: pool({ endpoints: [well, ill], routes: { smart: { endpoints: ["ill"], fallbacks: ["well"] } } }),
    budgets: [{ name: "everybody", scope: "tenant", window: "month", tokens: 1_000_000 }],
  });
  await app.open();
  const server = gateway({ app });
  t.after(async () => {
    await server.close();
    await app.close(0);
  });
  const url = await server.listen();
  const clientOf = async (role: "read" | "operate" | "admin", tenant = "acme"): Promise<PawlClient> => {
    const { key } = await server.gateway.keys.create(tenant, { name: role, roles: [role], createdBy: "test" });
    return new PawlClient({ url, key });
  };
  const [reader, operator, admin] = [await clientOf("read"), await clientOf("operate"), await clientOf("admin")];

  await operator.startRun({ agent: "talker", input: "Hello", runId: "r" });
  await operator.getResult("r", { waitMs: 20_000 });
  const { endpoints, routes } = await operator.getModelStatus();
  assert.deepEqual(routes, [{ name: "smart", endpoints: ["ill"], fallbacks: ["well"], isHedged: false }]);
  const [one, other] = endpoints;
  assert.deepEqual([one?.answered, one?.errors, one?.price?.source], [1, {}, "test"]);
  assert.ok(one?.p50Ms !== null && one?.p95Ms !== null);
  assert.deepEqual([other?.answered, other?.errors, other?.p50Ms], [0, { MODEL_UNAVAILABLE: 1 }, null]);

  const calls = well.seen.calls;
  const check = await admin.checkModel({ route: "well" });
  assert.deepEqual([check.endpoint, check.error, well.seen.calls], ["well", null, calls + 1]);
  const forbidden = (error: unknown): boolean => ClientError.is(error, "ROLE_MISSING");
  await assert.rejects(operator.checkModel({ route: "well" }), forbidden);
  await assert.rejects(reader.getModelStatus(), forbidden);

  // of another tenant, that no process has asked for its caps yet
  const [viewer, keeper] = [await clientOf("read", "globex"), await clientOf("operate", "globex")];
  await assert.rejects(viewer.setBudget("everybody", { caps: { tokens: 1 } }), forbidden);
  const { items } = await keeper.setBudget("everybody", { caps: { tokens: 1 } });
  assert.deepEqual([items[0]?.cap, items[0]?.setBy !== null], [1, true]);
  assert.equal((await operator.listBudgets()).items[0]?.cap, 1_000_000);
  await keeper.startRun({ agent: "talker", input: "Hello again", runId: "s" });
  assert.equal((await keeper.getResult("s", { waitMs: 20_000 })).status, "awaiting_budget");
  const { items: declared } = await keeper.setBudget("everybody", { caps: null });
  assert.deepEqual([declared[0]?.cap, declared[0]?.setBy], [1_000_000, null]);
});
