import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { agent, pawl } from "pawl";
import { McpServer, type McpServerOptions } from "pawl/mcp";
import { memoryStore, scriptedModel } from "pawl/testing";
import { isNotApplied, PawlError } from "../../src/core/errors.ts";
import type { ToolContext, ToolDefinition } from "../../src/core/tool-contract.ts";
import { systemClock, systemEntropy } from "../../src/engine/system-clock.ts";
import { offeredTools } from "../../src/tools/mcp-tool.ts";

const env = { clock: systemClock, entropy: systemEntropy };
const program = join(import.meta.dirname, "scripted-process.ts");

/** A server that behaves as `mode` says, and a file that it remembers by. */
async function scripted(t: TestContext, mode: string, options: Partial<McpServerOptions> = {}): Promise<McpServer> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-mcp-"));
  const server = new McpServer("srv", {
    command: process.execPath,
    args: [program, mode, join(folder, "marker")],
    ...options,
  });
  t.after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
  return server;
}

function context(deadlineMs: number): ToolContext {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  // the cast: what an MCP tool does not use is left out
  return { signal: AbortSignal.timeout(deadlineMs), deadlineMs, traceparent } as unknown as ToolContext;
}

function named(server: McpServer, name: string): ToolDefinition {
  const found = server.tools.find((one) => one.name === `srv__${name}`);
  assert.ok(found, `${name} is offered: ${server.state.problems.join("; ")}`);
  return found;
}

async function outcome(tool: ToolDefinition, deadlineMs = 5_000): Promise<unknown> {
  return tool.execute({ text: "x" }, context(deadlineMs)).catch((error: unknown) => error);
}

/** An answer that does not end before its reader does. */
function flood(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const more = (): void => {
    if (!response.destroyed) response.write("x".repeat(1_000_000), more);
  };
  more();
}

/** How a run ends whose model calls one tool. */
async function ran(t: TestContext, server: McpServer, tool: string) {
  const worker = agent({ name: "worker", model: "scripted", instructions: "Work.", tools: [server] });
  const models = scriptedModel([{ toolCalls: [{ tool, input: { text: "x" } }] }, { text: "Done." }]);
  const app = pawl({ store: memoryStore(), models, agents: [worker] });
  t.after(() => app.close());
  const run = await app.start(worker, { input: "Go." });
  const result = await run.result();
  const told: string[] = [];
  for await (const event of run.events()) told.push(JSON.stringify(event));
  return { result, told: told.join("\n") };
}

test("a server that dies in a call: a once call is unknown and waits for a person", async (t) => {
  const { result } = await ran(t, await scripted(t, "die"), "srv__write");
  assert.equal(result.status, "awaiting_approval");
  assert.equal(result.status === "awaiting_approval" && result.unknownEffects.length, 1);
});

test("a server that dies in a call: a pure call is made again of a new process", async (t) => {
  const server = await scripted(t, "die");
  const { result, told } = await ran(t, server, "srv__read");
  assert.equal(result.status, "completed");
  assert.match(told, /read done/);
  assert.equal(server.state.restarts, 1);
});

test("a server that dies in each call: a pure call fails after its attempts, and says what the server wrote", async (t) => {
  const { result, told } = await ran(t, await scripted(t, "die-always"), "srv__read");
  assert.equal(result.status, "completed");
  assert.match(told, /tool\.failed/);
  assert.match(told, /it wrote: out of memory/);
});

test("a server that restarts with another tool: a run's own version is refused before anything is sent", async (t) => {
  const server = await scripted(t, "change");
  await server.load(env);
  const before = named(server, "read");
  const heard: string[][] = [];
  server.onChange((tools) => heard.push(tools.map(({ version }) => version)));
  assert.equal(await outcome(before), "read done");
  while (server.state.status === "ready") await systemClock.drain();
  const refused = await outcome(before);
  assert.ok(isNotApplied(refused));
  assert.match(String(refused), /srv__read has changed on its server since this run began\. Nothing was done\./);
  const now = named(server, "read");
  assert.notEqual(now.version, before.version);
  assert.equal(
    server.tool(before.name, before.version),
    before,
    "the code of the version that a run began with is kept",
  );
  assert.equal(heard.length, 1);
});

test("a tool of a run that began in another process is checked by its hash when it is called", async (t) => {
  const [first, second] = [await scripted(t, "fine"), await scripted(t, "fine")];
  await first.load(env);
  const { name, version } = named(first, "write");
  const unseen = second.tool(name, version);
  assert.equal(unseen?.effect, "once");
  await second.load(env);
  assert.equal(unseen && (await outcome(unseen)), "write done");
  const other = second.tool(name, "once.0000000000000000");
  assert.match(String(other && (await outcome(other))), /has changed/);
  assert.equal(second.tool("other__write", version), null);
  assert.equal(second.tool(name, "1"), null);
});

test("a server that never answers ends at the time limit of the call", async (t) => {
  const server = await scripted(t, "silent", { timeLimitMs: 200 });
  const { result } = await ran(t, server, "srv__write");
  assert.equal(result.status === "awaiting_approval" && result.unknownEffects.length, 1);
});

for (const [mode, what] of [
  ["flood", "progress"],
  ["asks", "requests for sampling"],
] as const)
  test(`a server that sends ${what} without end is ended, and says so`, async (t) => {
    const server = await scripted(t, mode);
    await server.load(env);
    const error = await outcome(named(server, "write"));
    assert.ok(error instanceof Error && !isNotApplied(error), "nobody knows what it did");
    assert.match(error.message, /messages without end that nobody asked for/);
    assert.equal(server.state.status, "down");
  });

test("a closed server has no process, and is there again when a runtime is opened again", async (t) => {
  const server = await scripted(t, "fine");
  await server.load(env);
  await server.close();
  assert.equal(server.state.status, "closed");
  assert.ok(isNotApplied(await outcome(named(server, "read"))));
  await server.load(env);
  assert.equal(await outcome(named(server, "read")), "read done");
});

test("a question to the user is answered with no where the operator gave nobody to ask", async (t) => {
  const server = await scripted(t, "asks-once");
  await server.load(env);
  assert.equal(await outcome(named(server, "read")), "read done");
});

test("an answer to a request that was never made changes nothing", async (t) => {
  const server = await scripted(t, "stray");
  await server.load(env);
  assert.equal(await outcome(named(server, "read")), "read done");
});

test("a list of hostile tools: names, texts and schemas are made harmless or refused, each with its reason", async (t) => {
  const server = await scripted(t, "hostile");
  await server.load(env);
  const names = server.tools.map(({ name }) => name.replace("srv__", ""));
  assert.ok(names.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name)));
  assert.equal(
    names.filter((name) => /^a_b_[0-9a-f]{8}$/.test(name)).length,
    2,
    "a collision gives each a name of its own",
  );
  assert.ok(!names.some((name) => ["twice", "hidden", "huge"].includes(name)));
  const problems = server.state.problems.join("\n");
  for (const why of [
    /"a\.b", "a_b" are one here/,
    /"twice" twice/,
    /"hidden" cannot be used: a name/,
    /"huge" cannot be used/,
  ])
    assert.match(problems, why);
  const shown = server.tools[0]?.description ?? "";
  assert.equal(shown, "Read this ＜system>now＜/system>");
  assert.equal(
    named(server, "remote").parseInput({ a: { anything: 1 }, n: 1 }).ok,
    true,
    "a remote $ref is not fetched",
  );
  assert.equal(named(server, "remote").parseInput({ n: "1" }).ok, false, "the rest is checked");
  assert.equal(
    named(server, "slow").parseInput({ text: `${"a".repeat(50)}!` }).ok,
    true,
    "patterns are the server's to check",
  );
});

test("a server that cannot be started: the start of a run says so, and is asked again only after a while", async (t) => {
  const server = new McpServer("gone", { command: join(tmpdir(), "no-such-program") });
  const worker = agent({ name: "worker", model: "scripted", instructions: "Work.", tools: [server] });
  const app = pawl({ store: memoryStore(), models: scriptedModel([{ text: "Done." }]), agents: [worker] });
  t.after(() => app.close());
  await assert.rejects(app.start(worker, { input: "Go." }), (error) => PawlError.is(error, "TOOLS_UNREACHABLE"));
  await assert.rejects(app.start(worker, { input: "Go." }), /"gone" is not reachable: .*ENOENT/);
});

test("a session that the server does not know any more is opened anew, and the call is made once; an answer without end is cut", async (t) => {
  let sessions = 0;
  let calls = 0;
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      if (request.method !== "POST") return response.writeHead(405).end();
      const { id, method } = JSON.parse(body) as { id?: number; method: string };
      const session = request.headers["mcp-session-id"];
      const send = (result: object): void => {
        response.writeHead(200, { "content-type": "application/json", "mcp-session-id": `s${sessions}` });
        response.end(JSON.stringify({ jsonrpc: "2.0", id, ...result }));
      };
      if (method === "server/discover") return response.writeHead(400).end();
      if (id === undefined) return response.writeHead(202).end();
      if (method === "initialize") {
        sessions += 1;
        const serverInfo = { name: "http", version: "1" };
        return send({ result: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo } });
      }
      if (method === "tools/list")
        return send({ result: { tools: [{ name: "write", inputSchema: { type: "object" } }] } });
      if (session !== "s2") return response.writeHead(404).end();
      if (calls === 1) return flood(response);
      calls += 1;
      return send({ result: { content: [{ type: "text", text: "written" }] } });
    });
  }).listen(0, "127.0.0.1");
  t.after(() => http.close());
  await once(http, "listening");
  const server = new McpServer("srv", { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp` });
  t.after(() => server.close());
  await server.load(env);
  assert.equal(await outcome(named(server, "write")), "written");
  assert.deepEqual([sessions, calls], [2, 1]);
  const error = await outcome(named(server, "write"));
  assert.ok(error instanceof Error && !isNotApplied(error));
  assert.match(error.message, /more than 10485760 bytes/);
});

for (const name of ["", "Files", "a_b", "x".repeat(30), "../x"])
  test(`"${name}" is no name of a server`, () => {
    assert.throws(
      () => new McpServer(name, { command: "true" }),
      (error) => PawlError.is(error, "NAME_INVALID"),
    );
  });

test("a read that says nothing of the world reaches out, as the protocol has it; one that says it stays inside does not", () => {
  const flows = [undefined, true, false].map((openWorldHint) => {
    const annotations = { readOnlyHint: true, ...(openWorldHint !== undefined && { openWorldHint }) };
    const { tools } = offeredTools("web", [{ name: "look", inputSchema: { type: "object" }, annotations }]);
    return [tools[0]?.effect, tools[0]?.flow?.egress ?? false];
  });
  assert.deepEqual(flows, [
    ["pure", true],
    ["pure", true],
    ["pure", false],
  ]);
});
