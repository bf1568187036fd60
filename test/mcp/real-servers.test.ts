import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { agent, pawl, type Agent } from "pawl";
import { mcp, type McpServer } from "pawl/mcp";
import { memoryStore, scriptedModel } from "pawl/testing";
import type { ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { clientsMissing } from "../run/client-packages.ts";

const skip = clientsMissing();
const packages = join(import.meta.dirname, "../clients/node_modules/@modelcontextprotocol");
const command = process.execPath;
const script = (name: string): string => join(packages, name, "dist/index.js");

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "pawl-mcp-"));
  t.after(() => rm(made, { recursive: true }));
  return made;
}

/** What the tools of a server gave to an agent that calls them, each in its turn. */
async function played(t: TestContext, server: McpServer, turns: readonly ScriptedTurn[]): Promise<readonly unknown[]> {
  const worker: Agent = agent({ name: "worker", model: "scripted", instructions: "Work.", tools: [server] });
  const models = scriptedModel([...turns, { text: "Done." }]);
  const app = pawl({ store: memoryStore(), models, agents: [worker] });
  t.after(() => app.close());
  const run = await app.start(worker, { input: "Go." });
  let result = await run.result();
  // after the first untrusted read, calls that steer something are asked about
  while (result.status === "awaiting_approval") {
    for (const id of result.approvals) await app.approvals.approve(id, { by: "ann" });
    result = await run.result();
  }
  assert.equal(result.status, "completed", JSON.stringify(result));
  const seen: unknown[] = [];
  for await (const event of run.events())
    if (["tool.returned", "tool.failed", "tool.refused"].includes(event.type) && "output" in event)
      seen.push(event.output);
  return seen;
}

const call = (tool: string, input: object): ScriptedTurn => ({ toolCalls: [{ tool, input: input as never }] });

test("server-filesystem: files are read and written inside its folder, and nothing outside", { skip }, async (t) => {
  const root = await folder(t);
  await writeFile(join(root, "a.txt"), "alpha");
  const { files } = mcp({ files: { command, args: [script("server-filesystem"), root] } });
  const seen = await played(t, files, [
    call("files__read_text_file", { path: join(root, "a.txt") }),
    call("files__write_file", { path: join(root, "b.txt"), content: "beta" }),
    call("files__read_text_file", { path: "/etc/hostname" }),
    call("files__read_text_file", { path: 7 }),
  ]);
  const [read, written, outside, wrong] = seen.map((one) => JSON.stringify(one));
  assert.match(read ?? "", /alpha/);
  assert.match(written ?? "", /wrote to/);
  assert.equal(await readFile(join(root, "b.txt"), "utf8"), "beta");
  assert.match(outside ?? "", /outside allowed directories/);
  assert.match(wrong ?? "", /do not fit its schema/);
  const effects = Object.fromEntries(files.tools.map(({ name, effect }) => [name, effect]));
  assert.equal(effects["files__read_text_file"], "pure");
  assert.equal(effects["files__edit_file"], "once");
});

test("server-memory: what is written is found again", { skip }, async (t) => {
  const env = { MEMORY_FILE_PATH: join(await folder(t), "memory.json") };
  const { memory } = mcp({ memory: { command, args: [script("server-memory")], env } });
  const seen = await played(t, memory, [
    call("memory__create_entities", {
      entities: [{ name: "Ada", entityType: "person", observations: ["wrote Note G"] }],
    }),
    call("memory__search_nodes", { query: "Ada" }),
  ]);
  assert.match(JSON.stringify(seen[1]), /Note G/);
});

test("server-everything: its environment is PATH and what the configuration says", { skip }, async (t) => {
  const args = [script("server-everything")];
  const { everything } = mcp({ everything: { command, args, env: { GIVEN: "yes" } } });
  const [sum, env] = await played(t, everything, [
    call("everything__get-sum", { a: 2, b: 3 }),
    call("everything__get-env", {}),
  ]);
  assert.match(JSON.stringify(sum), /5/);
  const text = JSON.stringify(env);
  assert.match(text, /GIVEN/);
  assert.doesNotMatch(text, /HOME|USER|SHELL/);
});
