import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Client, StreamableHTTPClientTransport, type CallToolResult } from "@modelcontextprotocol/client";
import { agent, offered, tool, type Agent } from "pawl";
import { z } from "zod";
import { paid, served, type Served } from "../gateway/served.ts";

interface As {
  readonly key: string;
  readonly mode?: "auto" | "legacy";
  /** What the person at the client says; absent = the client cannot ask. */
  readonly says?: { readonly approve: boolean };
  readonly seen?: string[];
}

async function client(t: TestContext, { url }: Served, { key, mode = "auto", says, seen }: As): Promise<Client> {
  const capabilities = says === undefined ? {} : { elicitation: { form: {} } };
  const one = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode }, capabilities });
  if (says !== undefined)
    one.setRequestHandler("elicitation/create", ({ params }) => {
      seen?.push(params.message);
      return { action: "accept", content: { ...says } };
    });
  const headers = { authorization: `Bearer ${key}` };
  await one.connect(new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit: { headers } }));
  t.after(() => one.close());
  return one;
}

const textOf = ({ content }: CallToolResult): string => content.map((one) => ("text" in one ? one.text : "")).join("");

for (const mode of ["auto", "legacy"] as const)
  test(`the official client lists agents and gets a run's answer (${mode})`, async (t) => {
    const up = await served(t);
    const { key } = await up.key("acme", ["run"]);
    const one = await client(t, up, { key, mode });
    assert.match(one.getNegotiatedProtocolVersion() ?? "", mode === "auto" ? /^2026/ : /^2025-11-25/);
    const { tools } = await one.listTools();
    assert.deepEqual(tools.map(({ name }) => name).toSorted(), ["get_run", "greeter", "payer"]);
    const progress: unknown[] = [];
    const answer = await one.callTool(
      { name: "greeter", arguments: { input: "Hi", key: "k1" } },
      { onprogress: (said) => progress.push(said) },
    );
    assert.equal(textOf(answer), "Hello.");
    const again = await one.callTool({ name: "greeter", arguments: { input: "Hi", key: "k1" } });
    assert.deepEqual(again.structuredContent, answer.structuredContent, "the same run");
    const other = await one.callTool({ name: "greeter", arguments: { input: "Ho", key: "k1" } });
    assert.match(textOf(other), /IDEMPOTENCY/);
    assert.equal(other.isError, true);
  });

test("roles hold: who reads starts nothing, and another tenant's run is unknown", async (t) => {
  const up = await served(t);
  const owner = await client(t, up, { key: (await up.key("acme", ["run"])).key });
  const started = await owner.callTool({ name: "greeter", arguments: { input: "Hi" } });
  const runId = String((started.structuredContent as { runId: unknown }).runId);
  const reader = await client(t, up, { key: (await up.key("acme", ["read"])).key });
  assert.deepEqual(
    (await reader.listTools()).tools.map(({ name }) => name),
    ["get_run"],
  );
  assert.match(textOf(await reader.callTool({ name: "greeter", arguments: { input: "Hi" } })), /ROLE|FORBIDDEN/);
  assert.equal(textOf(await reader.callTool({ name: "get_run", arguments: { runId } })), "Hello.");
  const stranger = await client(t, up, { key: (await up.key("globex", ["admin"])).key });
  assert.match(textOf(await stranger.callTool({ name: "get_run", arguments: { runId } })), /RUN_UNKNOWN/);
});

test("an approval is asked where the client can ask and the caller may decide; it is bound to what was shown", async (t) => {
  const up = await served(t);
  paid.length = 0;
  const seen: string[] = [];
  const { key } = await up.key("acme", ["run", "review"]);
  const one = await client(t, up, { key, says: { approve: true }, seen });
  assert.equal(textOf(await one.callTool({ name: "payer", arguments: { input: "Pay INV-7" } })), "Paid.");
  assert.match(seen[0] ?? "", /pay \{"invoice":"INV-7"\}/);
  assert.deepEqual(paid, ["INV-7"]);
});

test("where nobody can be asked the answer says where people review", async (t) => {
  const up = await served(t);
  paid.length = 0;
  const one = await client(t, up, { key: (await up.key("acme", ["operate"])).key, says: { approve: true } });
  const waiting = await one.callTool({ name: "payer", arguments: { input: "Pay INV-7" } });
  assert.match(textOf(waiting), /awaiting_approval.*\/reviews/);
  assert.deepEqual(paid, []);
  const { runId } = waiting.structuredContent as { runId: string };
  const cancelled = await one.callTool({ name: "cancel_run", arguments: { runId } });
  assert.match(textOf(cancelled), /"cancelled"/);
});

test("what is no key, another origin or another host is refused as everywhere", async (t) => {
  const up = await served(t);
  const body = { jsonrpc: "2.0", id: 1, method: "tools/list" };
  const { key } = await up.key("acme", ["run"]);
  assert.equal((await up.call("POST", "/mcp", { key: null, body })).status, 401);
  assert.equal(
    (await up.call("POST", "/mcp", { key, body, headers: { origin: "https://evil.example" } })).code,
    "ORIGIN_REFUSED",
  );
  assert.equal((await up.call("GET", "/mcp", { key })).status, 405);
});

const idle: Agent = agent({
  name: "get_run",
  model: "test/greeter",
  instructions: "An agent with the name of a tool.",
});

test("an agent with the name of one of the server's own tools is not offered in its place", async (t) => {
  const up = await served(t, { agents: [idle] });
  const one = await client(t, up, { key: (await up.key("acme", ["operate"])).key });
  const { tools } = await one.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    ["get_run", "cancel_run"],
  );
  assert.match(tools[0]?.description ?? "", /^How a run stands/);
});

test("an offered tool is listed with its own arguments while it is granted, and called by itself under the rules of runs", async (t) => {
  const done: string[] = [];
  const refund = tool({
    name: "refund",
    version: "1",
    description: "Refunds an invoice.",
    inputSchema: z.object({ invoice: z.string() }),
    effect: "once",
    capabilities: ["money"],
    approval: true,
    execute: ({ invoice }) => ({ refunded: invoice, nth: done.push(invoice) }),
  });
  const up = await served(t, { agents: [offered(refund)] });
  const tools = up.app.tools("acme");
  const seen: string[] = [];
  const { key } = await up.key("acme", ["run", "review"]);
  const one = await client(t, up, { key, says: { approve: true }, seen });
  const listed = async (): Promise<readonly string[]> => (await one.listTools()).tools.map(({ name }) => name);
  const call = async (input: Record<string, unknown>): Promise<CallToolResult> =>
    one.callTool({ name: "refund", arguments: input });
  assert.deepEqual(await listed(), ["get_run"], "default deny");
  assert.match(textOf(await call({ invoice: "INV-7" })), /needs money, which is not granted/);
  await tools.grant({ tool: "refund", agent: "refund", capabilities: ["money"] }, "op");
  const [shown] = (await one.listTools()).tools;
  assert.deepEqual(Object.keys(shown?.inputSchema.properties ?? {}), ["invoice"]);
  assert.deepEqual([shown?.annotations?.readOnlyHint, shown?.annotations?.destructiveHint], [false, true]);
  const { isError, content } = await call({ invoice: 7 });
  assert.equal(isError, true, JSON.stringify(content));
  const answer = await call({ invoice: "INV-7" });
  assert.match(textOf(answer), /"refunded": "INV-7"/);
  assert.match(seen[0] ?? "", /refund \{"invoice":"INV-7"\}/);
  assert.deepEqual(done, ["INV-7"]);
  await tools.quarantine({ name: "refund" }, "op");
  assert.deepEqual(await listed(), ["get_run"]);
  assert.match(textOf(await call({ invoice: "INV-8" })), /quarantined/);
  assert.deepEqual(done, ["INV-7"]);
});
