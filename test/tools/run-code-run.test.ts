import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { agent, pawl, policy } from "pawl";
import { bubblewrap, quickJs, sandbox } from "pawl/sandbox";
import { memoryStore, scriptedModel } from "pawl/testing";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { GuardOptions } from "../../src/core/guard-rules.ts";
import type { ToolDefinition } from "../../src/core/tool-contract.ts";
import { runCode } from "../../src/tools/builtin/run-code.ts";
import { skipWithout } from "../run/system-packages.ts";

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly cut?: readonly string[];
  readonly files: readonly { readonly path: string; readonly artifact: string }[];
  readonly sandbox: { readonly engine: string; readonly enforces: JsonObject };
}

/** A run of an agent that makes these calls of its tool, and what came of each. */
async function played(t: TestContext, tool: ToolDefinition, inputs: readonly JsonValue[], guard: GuardOptions = {}) {
  const models = scriptedModel((_, { turn }) => {
    const input = inputs[turn];
    return input === undefined ? { text: "End." } : { toolCalls: [{ tool: "run_code", input }] };
  });
  const coder = agent({ name: "coder", model: "test/model", instructions: "Compute.", tools: [tool] });
  const store = memoryStore();
  const app = pawl({
    store,
    agents: [coder],
    models,
    guard,
    tools: { grants: [{ tool: "run_code", capabilities: ["net:good.test"] }] },
  });
  t.after(() => app.close());
  const run = await app.start(coder, { runId: "r1", input: inputs.map((input) => JSON.stringify(input)).join("\n") });
  assert.equal((await run.result()).status, "completed");
  const said: JsonObject[] = [];
  for await (const event of run.events())
    if (event.type === "tool.returned" || event.type === "tool.refused") said.push(event as unknown as JsonObject);
  return { store, said };
}

const outputOf = (event: JsonObject | undefined): Ran => {
  const output = event?.["output"];
  // a fenced text holds the result as the model saw it
  assert.ok(typeof output === "object" && output !== null, JSON.stringify(event));
  return output as unknown as Ran;
};

test(
  "run_code in a run: hosts that were granted and no other, artifacts kept with the run, and the walls in the record",
  {
    skip: skipWithout("bwrap"),
  },
  async (t) => {
    const web = createServer((request, response) => void response.end(`hello ${request.headers.host ?? ""}`));
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    t.after(() => void web.close());
    const { port } = web.address() as AddressInfo;
    const resolve = (): Promise<readonly string[]> => Promise.resolve(["127.0.0.1"]);
    const box = await sandbox({ engines: [bubblewrap], egress: { ports: [port], allowPrivate: true, resolve } });
    t.after(() => box.close());
    const code = `import urllib.request
for host in ["good.test", "other.test"]:
  try: text = urllib.request.urlopen(f"http://{host}:${port}/", timeout=5).read().decode()
  except Exception as error: text = "no " + host
  print(text)
  open(host + ".txt", "w").write(text)`;
    const tool = runCode({ sandbox: box, hosts: ["*.test"] });
    const { store, said } = await played(t, tool, [{ kind: "python", code }]);
    // of all that the tool asks for one host is granted
    const { stdout, cut = [], files, sandbox: walls } = outputOf(said[0]);
    assert.deepEqual(stdout.trim().split("\n"), [`hello good.test:${port}`, "no other.test"]);
    assert.ok(
      cut.some((line) => line.includes("other.test is not granted")),
      cut.join("\n"),
    );
    assert.deepEqual([walls.engine, walls.enforces["network"], walls.enforces["syscalls"]], ["bubblewrap", true, true]);
    const name = files.find(({ path }) => path === "good.test.txt")?.artifact ?? "";
    const further = runCode({ sandbox: box, hosts: ["good.test", "asked.test"] });
    const refused = (await played(t, further, [{ kind: "python", code }])).said[0];
    assert.match(JSON.stringify(refused), /tool\.refused.*needs net:asked\.test, which is not granted/);
    const blob = await store.getBlob("default", "run:r1", name);
    assert.match(Buffer.from(blob ?? []).toString(), /hello good\.test/);
  },
);

test("a policy can demand a level: code that less is kept apart from is refused before it runs", async (t) => {
  const box = await sandbox({ engines: [quickJs], requires: ["network"] });
  t.after(() => box.close());
  const real = runCode({ sandbox: box });
  const input = { kind: "javascript", code: "console.log(6 * 7)" };
  assert.ok(real.isolation?.(input).includes("network"));
  assert.deepEqual(real.isolation?.({ kind: "python" }), [], "a kind that is not there keeps nothing apart");
  const walled = policy({
    name: "walled",
    tools: ["run_code"],
    decide: ({ isolation = [] }) => (isolation.includes("syscalls") ? "allow" : "refuse"),
  });
  for (const [level, outcome] of [
    [["network"], "tool.refused"],
    [["network", "syscalls"], "tool.returned"],
  ] as const) {
    const tool: ToolDefinition = { ...real, isolation: () => level };
    const { said } = await played(t, tool, [input], { policies: [walled] });
    assert.equal(said[0]?.["type"], outcome);
    assert.match(JSON.stringify(said[0]), outcome === "tool.refused" ? /policy\.walled|refused/i : /42/);
  }
});
