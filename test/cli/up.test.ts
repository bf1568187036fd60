import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { project, slowSteps } from "./projects.ts";
import { Folder, type Started } from "./terminal.ts";

interface Up {
  readonly url: string;
  readonly key: string | null;
  readonly agents: readonly string[];
}

const words = ["up", "--port", "0", "--no-open", "--no-console", "--json"];

async function told(process: Started): Promise<Up> {
  const text = await process.says(/\{"url".*\}/);
  return JSON.parse(/\{"url".*\}/.exec(text)?.[0] ?? "") as Up;
}

async function ask(
  up: Up,
  path: string,
  body?: unknown,
  key = up.key,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${up.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { ...(key !== null && { authorization: `Bearer ${key}` }), "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

test("up serves the agents of the project; killed and started again the run goes on, under the same key", async () => {
  const folder = project(slowSteps);
  const first = folder.start(words);
  const up = await told(first);
  assert.deepEqual(up.agents, ["slow"]);
  assert.equal((await ask(up, "/api/v1/runs")).status, 200);
  assert.equal((await ask(up, "/api/v1/runs", undefined, null)).status, 401);
  const started = await ask(up, "/api/v1/runs", { agent: "slow", input: null, runId: "r" });
  assert.equal(started.status, 201, started.text);
  await folder.hasLines("world.log", 2);
  first.child.kill("SIGKILL");
  await first.ended;

  const second = folder.start(words);
  const again = await told(second);
  assert.equal(again.key, up.key);
  const result = await ask(again, "/api/v1/runs/r/result?waitMs=30000");
  assert.match(result.text, /"status":"completed"/, result.text);
  assert.deepEqual(folder.read("world.log").trim().split("\n").at(-1), "3");
  const traces = await ask(again, "/api/v1/traces");
  assert.equal(traces.status, 200, traces.text);
  second.child.kill("SIGTERM");
  assert.equal((await second.ended).code, 0);
  assert.match(folder.read(".pawl/development-key"), /^pawl_/);
});

test("keys that are made, revoked and rotated beside a running gateway are known there", async () => {
  const folder = project(slowSteps);
  const running = folder.start(words);
  const up = await told(running);
  const created = await folder.pawl("keys", "create", "ci", "--role", "read");
  assert.equal(created.code, 0, created.err);
  const key = created.out.trim();
  assert.match(key, /^pawl_[a-z0-9]{12}_[\w-]{43}$/);
  assert.equal((await ask(up, "/api/v1/runs", undefined, key)).status, 200);
  assert.equal((await ask(up, "/api/v1/runs", { agent: "slow", input: null }, key)).status, 403);
  const rotated = await folder.pawl("keys", "rotate", key);
  assert.equal(rotated.code, 0, rotated.err);
  const listed = await folder.pawl("keys", "list");
  assert.match(listed.out, new RegExp(`^${key.slice(5, 17)} +revoked`, "m"));
  assert.ok(!listed.out.includes(key.slice(18)));
  // within seconds, which the time limit of the test bounds
  while ((await ask(up, "/api/v1/runs", undefined, key)).status !== 401) await wait(100);
  const wrong = await folder.pawl("keys", "revoke", "000000000000");
  assert.match(wrong.err, /KEY_UNKNOWN/);
  assert.equal((await folder.pawl("keys", "create", "x", "--role", "root")).code, 2);
  running.child.kill("SIGTERM");
  assert.equal((await running.ended).code, 0);
});

test("up without a project serves the built-in agent; without authentication it says so, and only to this machine", async () => {
  const folder = new Folder();
  folder.write("docs/a.md", "# A\nThe pawl is a catch.\n");
  const open = await folder.pawl(...words, "--no-auth", "--host", "0.0.0.0", "--docs", "docs");
  assert.equal(open.code, 2, open.err);
  assert.match(open.err, /loopback/);
  const running = folder.start(["up", "--port", "0", "--no-open", "--no-console", "--no-auth", "--docs", "docs"]);
  await running.says(/authentication is OFF/);
  await running.says(/agents +research/);
  const url = await running.says(/console +(http:\/\/[\d.]+:\d+)/);
  const who = await fetch(`${url}/api/v1/session`);
  assert.match(await who.text(), /"kind":"development"/);
  running.child.kill("SIGINT");
  assert.equal((await running.ended).code, 0);
});

test("a port that is taken is an error that says so, before anything is left open", async () => {
  const folder = project(slowSteps);
  const taken = createServer();
  await new Promise<void>((resolve) => {
    taken.listen(0, "127.0.0.1", resolve);
  });
  const address = taken.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const ended = await folder.pawl("up", "--port", String(port), "--no-open", "--no-console");
  taken.close();
  assert.equal(ended.code, 2, ended.err);
  assert.match(ended.err, new RegExp(`OPTION_INVALID: nothing can listen on 127\\.0\\.0\\.1:${port}`));
  assert.equal((await folder.pawl("up", "--port", "x")).code, 2);
});

test("up puts a changed configuration of its pool in force without a restart, and keeps the old one where it is wrong", async () => {
  const body = (routes: string): string => `
    import { pool } from "pawl/models";
    const endpoint = (name) => ({
      name, provider: "own", model: name, price: null, contextTokens: null, countTokens: () => 1,
      async *generate() {
        const usage = { inputTokens: 1, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1, reasoningTokens: 0 };
        yield { type: "finish", content: [{ type: "text", text: "by " + name }], finish: "stop", usage, model: name };
      },
    });
    const models = pool({ endpoints: [endpoint("one"), endpoint("two")], routes: ${routes} });
    const agents = [agent({ name: "asker", model: "smart", instructions: "Answer." })];`;
  const options = "agents, models";
  const folder = project(body(`{ smart: { endpoints: ["one"] } }`), options);
  const config = folder.read("pawl.config.ts");
  const started = folder.start(words);
  const up = await told(started);
  const answer = async (runId: string): Promise<string> => {
    await ask(up, "/api/v1/runs", { agent: "asker", input: "Who?", runId });
    return (await ask(up, `/api/v1/runs/${runId}/result?waitMs=30000`)).text;
  };
  assert.match(await answer("a"), /by one/);
  folder.write("pawl.config.ts", config.replace(`["one"] }`, `["two"] }`));
  await started.says(/models reloaded: 2 endpoints, 1 routes/);
  assert.match(await answer("b"), /by two/);
  folder.write("pawl.config.ts", config.replace(`["one"] }`, `["three"] }`));
  started.child.kill("SIGHUP");
  await started.says(/not reloaded, the old ones stay in force: .*names the endpoint "three", which does not exist/);
  assert.match(await answer("c"), /by two/);
  started.child.kill("SIGTERM");
  assert.equal((await started.ended).code, 0);
});

/** It ends the process that executes it, and leaves a line with that process' id. */
const deadlyRun = `
const deadly = durable({
  name: "deadly",
  run: (ctx) =>
    ctx.step("die", { effect: "idempotent" }, () => {
      log(String(process.pid));
      process.exit(9);
    }),
});
${slowSteps.replace("[slow]", "[slow, deadly]")}
`;

test("a run that kills its process takes nobody with it from its third attempt on, and is blocked in the end", async () => {
  const folder = project(deadlyRun);
  const first = folder.start(words);
  const deaths = (): readonly string[] => folder.read("world.log").trim().split("\n");
  await ask(await told(first), "/api/v1/runs", { agent: "deadly", input: null, runId: "d" }).catch(() => undefined);
  await first.ended;
  const second = folder.start(words);
  await second.ended;
  assert.deepEqual(deaths(), [first.child.pid, second.child.pid].map(String));

  const third = folder.start(words);
  const up = await told(third);
  for (let status = ""; status !== "blocked"; await wait(200))
    status = (JSON.parse((await ask(up, "/api/v1/runs/d")).text) as { status: string }).status;
  const shown = (await ask(up, "/api/v1/runs/d")).text;
  assert.match(shown, /POISONED/, shown);
  assert.equal(third.child.exitCode, null, "the main process lives");
  assert.equal(deaths().includes(String(third.child.pid)), false);
  assert.equal(new Set(deaths()).size, deaths().length, "each attempt had a process of its own");
  assert.equal((await ask(up, "/api/v1/runs", { agent: "slow", input: null, runId: "s" })).status, 201);
  assert.match((await ask(up, "/api/v1/runs/s/result?waitMs=30000")).text, /"status":"completed"/);
  third.child.kill("SIGTERM");
  assert.equal((await third.ended).code, 0);
});

test("a run of the built-in agent that up began goes on with resume, in the same documents", async () => {
  const folder = new Folder();
  folder.write("notes/tea.md", "# Tea\n\nGreen tea is steeped for two minutes at 80 degrees.\n");
  const started = folder.start([...words, "--docs", "notes"]);
  const up = await told(started);
  await ask(up, "/api/v1/runs", { agent: "research", input: "How long is green tea steeped?", runId: "t" });
  assert.match((await ask(up, "/api/v1/runs/t/result?waitMs=30000")).text, /awaiting_approval/);
  started.child.kill("SIGTERM");
  assert.equal((await started.ended).code, 0);
  const resumed = await folder.pawl("resume", "t", "--yes");
  assert.equal(resumed.code, 0, resumed.err);
  assert.doesNotMatch(resumed.err, /RUNNABLE_MISSING/);
});
