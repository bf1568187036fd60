import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { project, slowSteps } from "../cli/projects.ts";
import type { Started } from "../cli/terminal.ts";
import { RedisServer, skipWithoutRedis } from "../stores/redis-server.ts";

const RUNS = 6;

interface Up {
  readonly url: string;
  readonly key: string;
}

/** The line of JSON that a process prints when it is up. */
async function told<T>(process: Started): Promise<T> {
  const text = await process.says(/\{.*"agents".*\}/);
  return JSON.parse(/\{.*"agents".*\}/.exec(text)?.[0] ?? "") as T;
}

async function ask(up: Up, path: string, body?: unknown): Promise<{ readonly status: number; readonly json: unknown }> {
  const response = await fetch(`${up.url}/api/v1${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${up.key}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

suite("roles of a deployment, each a process, on one Redis", { skip: skipWithoutRedis }, () => {
  for (const withQueue of [false, true]) {
    const how = withQueue ? "with a queue" : "by polling and hints";
    test(`two gateways and three workers ${how}: one worker is killed, one told to end, and every run ends`, async () => {
      const server = await RedisServer.start();
      const processes: Started[] = [];
      try {
        const env = { PAWL_STORE: server.url, ...(withQueue && { PAWL_QUEUE: server.url }) };
        const folder = project(slowSteps);
        const gatewayWords = ["up", "--role", "gateway", "--port", "0", "--no-open", "--no-console", "--json"];
        const gateways = [folder.start(gatewayWords, env), folder.start(gatewayWords, env)];
        const workers = [0, 1, 2].map(() => folder.start(["up", "--role", "worker", "--port", "0", "--json"], env));
        processes.push(...gateways, ...workers);
        const ups = await Promise.all(gateways.map((process) => told<Up>(process)));
        const health = await Promise.all(workers.map((process) => told<{ readonly health: string }>(process)));
        assert.equal((await fetch(`${health[0]?.health}/readyz`)).status, 200);
        const [first, second] = ups as [Up, Up];
        for (let i = 0; i < RUNS; i++) {
          const started = await ask(i % 2 === 0 ? first : second, "/runs", { agent: "slow", input: i, runId: `r${i}` });
          assert.equal(started.status, 201, JSON.stringify(started.json));
        }
        await folder.hasLines("world.log", 3);
        workers[0]?.child.kill("SIGKILL");
        workers[1]?.child.kill("SIGTERM");
        for (let i = 0; i < RUNS; i++) {
          const { json } = await ask(second, `/runs/r${i}/result?waitMs=60000`);
          assert.equal((json as { readonly status: string }).status, "completed", JSON.stringify(json));
        }
        assert.equal((await workers[1]?.ended)?.code, 0);
        for (const process of [workers[2], ...gateways]) process?.child.kill("SIGTERM");
        for (const process of [workers[2], ...gateways]) assert.equal((await process?.ended)?.code, 0);
      } finally {
        for (const { child } of processes) child.kill("SIGKILL");
        await server.remove();
      }
    });
  }
});

test("a database file has no roles, a store has one name, and what is not known is said with what is", async () => {
  const folder = project(slowSteps);
  const split = await folder.start(["up", "--role", "worker"]).ended;
  assert.match(split.err, /OPTION_INVALID: --role worker needs a store that several machines share/);
  const two = await folder.start(["runs", "--db", "x.db"], { PAWL_STORE: "redis://127.0.0.1:1" }).ended;
  assert.match(two.err, /OPTION_INVALID: two stores are named: PAWL_STORE, and "x\.db" by --db/);
  const scheme = await folder.start(["runs"], { PAWL_STORE: "mysql://secret@x" }).ended;
  assert.match(scheme.err, /OPTION_INVALID: PAWL_STORE is "mysql:\/\/…"\. Give redis:\/\//);
  assert.doesNotMatch(scheme.err, /secret/);
  const role = await folder.start(["up", "--role", "boss"]).ended;
  assert.match(role.err, /OPTION_INVALID: --role is "boss"\. Give one of all, gateway, worker/);
});
