import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import { PawlClient } from "../../src/client/client.ts";
import { gateway } from "../../src/gateway.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import type { Role } from "../../src/gateway/roles.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { tool } from "../../src/tools/tool.ts";

const made = tool({
  name: "fetch",
  version: "1",
  description: "Fetches a page.",
  inputSchema: z.object({ host: z.string() }),
  effect: "pure",
  capabilities: ["net:*"],
  owner: "web team",
  execute: ({ host }) => `page of ${host}`,
});

async function serving(t: test.TestContext) {
  const app = new Pawl({
    store: memoryStore(),
    agents: [agent({ name: "clerk", model: "m", instructions: "Fetch.", tools: [made] })],
    models: scriptedModel((_, { turn }) =>
      turn === 0 ? { toolCalls: [{ tool: "fetch", input: { host: "a.example" } }] } : { text: "End." },
    ),
  });
  const server = gateway({ app });
  const url = await server.listen();
  t.after(async () => {
    await server.close();
    await app.close(0);
  });
  const clientOf = async (tenant: string, roles: readonly Role[]): Promise<PawlClient> => {
    const { key } = await server.gateway.keys.create(tenant, { name: roles.join("-"), roles, createdBy: "test" });
    return new PawlClient({ url, key });
  };
  return { clientOf };
}

/** The event that answered the run's one tool call. */
async function answer(client: PawlClient, runId: string): Promise<string> {
  await client.startRun({ agent: "clerk", input: "Go.", runId });
  await client.getResult(runId, { waitMs: 20_000 });
  const { items } = await client.listEvents(runId);
  return JSON.stringify(items.find(({ type }) => type === "tool.returned" || type === "tool.refused"));
}

test("an admin grants, an operator revokes, and each change names who made it; other tenants see none of it", async (t) => {
  const { clientOf } = await serving(t);
  const [admin, operator, other] = [
    await clientOf("acme", ["admin"]),
    await clientOf("acme", ["operate"]),
    await clientOf("beta", ["admin"]),
  ];
  assert.match(await answer(operator, "one"), /not granted/);
  assert.deepEqual((await admin.listTools()).items[0]?.missing, ["net:*"]);
  await assert.rejects(operator.grantTool({ tool: "fetch", capabilities: ["net:*"] }), /ROLE_MISSING|role/);
  const grant = await admin.grantTool({ tool: "fetch", capabilities: ["net:*"], role: "operate", reason: "ticket 7" });
  assert.match(await answer(operator, "two"), /page of a\.example/);
  const [line] = (await admin.listTools()).items;
  assert.deepEqual(
    [line?.owner, line?.state, line?.missing, line?.usedBy, line?.health.calls],
    ["web team", "accepted", [], ["clerk"], 1],
  );
  assert.deepEqual((await other.listGrants()).items, []);
  await assert.rejects(other.revokeGrant(grant.id), /GRANT_UNKNOWN|no grant/);
  const revoked = await operator.revokeGrant(grant.id);
  assert.deepEqual([revoked.state, revoked.revoked?.by === grant.by], ["revoked", false]);
  assert.match(await answer(operator, "three"), /not granted/);
  assert.deepEqual(
    (await admin.listGrants({ tool: "fetch" })).items.map(({ reason, state }) => [reason, state]),
    [["ticket 7", "revoked"]],
  );
});

test("an operator quarantines, and only an admin who saw the definition accepts it", async (t) => {
  const { clientOf } = await serving(t);
  const [admin, operator] = [await clientOf("acme", ["admin"]), await clientOf("acme", ["operate"])];
  await admin.grantTool({ tool: "fetch", capabilities: ["net:*"] });
  const { items } = await operator.quarantineTool("fetch", { reason: "looks odd" });
  assert.deepEqual([items[0]?.state, items[0]?.reason], ["quarantined", "it was quarantined: looks odd"]);
  assert.match(await answer(operator, "one"), /looks odd/);
  const { hash, changes } = await operator.diffTool("fetch");
  assert.ok(changes.some(({ path, after }) => path === "description" && after === "Fetches a page."));
  await assert.rejects(operator.acceptTool("fetch", { hash }), /role/);
  await assert.rejects(admin.acceptTool("fetch", { hash: "0".repeat(32) }), /Look again/);
  await admin.acceptTool("fetch", { hash });
  assert.match(await answer(operator, "two"), /page of a\.example/);
});

test("a grant with further, missing or odd members changes nothing", async (t) => {
  const { clientOf } = await serving(t);
  const admin = await clientOf("acme", ["admin"]);
  const good = { tool: "fetch", capabilities: ["net:*"] };
  const bad: readonly object[] = [
    { ...good, tenant: "beta" },
    { ...good, by: "somebody" },
    { tool: "fetch" },
    { ...good, tool: "fetch " },
    { ...good, tool: "fеtch" },
    { ...good, tool: "Fetch" },
    { ...good, capabilities: "net:*" },
    { ...good, until: "tomorrow" },
    { ...good, until: 1 },
    { ...good, role: "" },
  ];
  for (const body of bad) await assert.rejects(admin.grantTool(body as typeof good), JSON.stringify(body));
  assert.deepEqual((await admin.listGrants()).items, []);
});
