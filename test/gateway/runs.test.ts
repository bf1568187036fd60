import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { AgentDetail, AgentSummary } from "../../src/gateway/api/agents.ts";
import type { RunSummary } from "../../src/core/run-summary.ts";
import type { RunDetail, RunListItem, RunResultOrStatus } from "../../src/gateway/api/runs.ts";
import type { ToolLine } from "../../src/core/tool-line.ts";
import type { ModelInfo } from "../../src/gateway/api/tools.ts";
import type { Page } from "../../src/core/store-contract.ts";
import { bodyOf, refused, serve } from "./serving.ts";

test("agents, tools and models are listed with what a form needs, and no key", async (t) => {
  const { ask } = await serve(t);
  const agents = bodyOf<Page<AgentSummary>>(await ask("GET", "/agents"));
  assert.deepEqual(
    agents.items.map(({ name, kind }) => [name, kind]),
    [
      ["writer", "agent"],
      ["billing", "agent"],
      ["post", "agent"],
      ["waiter", "function"],
    ],
  );
  const writer = bodyOf<AgentDetail>(await ask("GET", "/agents/writer"));
  assert.deepEqual(writer.samples, ["Write a line."]);
  assert.deepEqual(writer.inputSchema, { type: "string", minLength: 1 });
  assert.equal(writer.instructions, "Write.");
  const waiter = bodyOf<AgentDetail>(await ask("GET", "/agents/waiter"));
  assert.deepEqual(Object.keys((waiter.inputSchema?.["properties"] ?? {}) as object), ["name"]);
  const tools = bodyOf<Page<ToolLine>>(await ask("GET", "/tools"));
  assert.deepEqual(
    tools.items.map(({ name, approval, effect, usedBy }) => [name, approval, effect, usedBy]),
    [
      ["refund", "always", "idempotent", ["billing"]],
      ["send_letter", "never", "once", ["post"]],
    ],
  );
  const models = bodyOf<Page<ModelInfo>>(await ask("GET", "/models"));
  assert.deepEqual(models.items[0], {
    route: "test/writer",
    provider: "test",
    isUsable: true,
    problem: null,
    usedBy: ["writer"],
  });
  refused(await ask("GET", "/agents/nobody"), 404, "AGENT_UNKNOWN");
  refused(await ask("GET", "/agents/no%20name"), 400, "REQUEST_INVALID");
});

test("a run is started, waited for, read and listed", async (t) => {
  const { ask } = await serve(t);
  const started = await ask("POST", "/runs", { body: { agent: "writer", input: "Go.", runId: "r-1", tags: ["a"] } });
  assert.equal(started.headers.get("location"), "/api/v1/runs/r-1");
  const { status, principal, tags } = bodyOf<RunSummary>(started, 201);
  assert.deepEqual([principal, tags], ["acme-user", ["a"]]);
  assert.ok(status === "queued" || status === "running" || status === "completed", status);
  const result = bodyOf<RunResultOrStatus>(await ask("GET", "/runs/r-1/result?waitMs=20000"));
  assert.ok(result.status === "completed");
  assert.equal(result.output, "A line, written.");
  const detail = bodyOf<RunDetail>(await ask("GET", "/runs/r-1"));
  assert.equal(detail.input, "Go.");
  assert.equal(detail.output, "A line, written.");
  assert.equal(detail.limits.turns, 5);
  assert.deepEqual(detail.budget.turns, { cap: 5, spent: 1 });
  assert.equal(detail.budget.costNanoUsd.cap, 1_000_000_000);
  assert.equal(detail.endedAt, detail.updatedAt);
  const list = bodyOf<Page<RunListItem>>(
    await ask("GET", "/runs?status=completed&status=failed&agent=writer&limit=10"),
  );
  assert.deepEqual(
    list.items.map(({ runId }) => runId),
    ["r-1"],
  );
  assert.deepEqual(bodyOf<Page<RunListItem>>(await ask("GET", "/runs?status=failed")).items, []);
});

test("a list goes on by its cursor, and refuses another listing's", async (t) => {
  const { ask } = await serve(t);
  for (const n of [1, 2, 3])
    bodyOf(await ask("POST", "/runs", { body: { agent: "writer", input: "x", runId: `r-${n}` } }), 201);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "" : `&cursor=${cursor}`;
    const page: Page<RunListItem> = bodyOf(await ask("GET", `/runs?limit=1${query}`));
    seen.push(...page.items.map(({ runId }) => runId));
    cursor = page.cursor;
  } while (cursor !== null);
  assert.deepEqual(seen, ["r-3", "r-2", "r-1"]);
  refused(await ask("GET", "/runs?cursor=nonsense"), 400, "CURSOR_INVALID");
  refused(await ask("GET", "/runs?limit=0"), 400, "REQUEST_INVALID");
  refused(await ask("GET", "/runs?limit=101"), 400, "REQUEST_INVALID");
  refused(await ask("GET", "/runs?colour=red"), 400, "REQUEST_INVALID");
  refused(await ask("GET", "/runs?status=gone"), 400, "REQUEST_INVALID");
});

test("what does not fit is refused, and no run is there", async (t) => {
  const { ask } = await serve(t);
  const bad: readonly (readonly [unknown, number, string])[] = [
    [{ agent: "nobody", input: "x" }, 404, "AGENT_UNKNOWN"],
    [{ agent: "writer", input: 7 }, 400, "INPUT_INVALID"],
    [{ agent: "waiter", input: { nam: "x" } }, 400, "INPUT_INVALID"],
    [{ agent: "writer" }, 400, "REQUEST_INVALID"],
    [{ agent: "writer", input: "x", tenant: "globex" }, 400, "REQUEST_INVALID"],
    [{ agent: "writer", input: "x", runId: "a~b" }, 400, "REQUEST_INVALID"],
    [{ agent: "writer", input: "x", runId: "../x" }, 400, "REQUEST_INVALID"],
    [{ agent: "writer", input: "x", limits: { turns: 0 } }, 400, "REQUEST_INVALID"],
    [{ agent: "writer", input: "x", tags: ["x".repeat(65)] }, 400, "REQUEST_INVALID"],
  ];
  for (const [body, status, code] of bad) refused(await ask("POST", "/runs", { body }), status, code);
  assert.deepEqual(bodyOf<Page<RunListItem>>(await ask("GET", "/runs")).items, []);
});

test("the same Idempotency-Key and body is one run, raced 50 times, also by another process and per tenant", async (t) => {
  const { ask, otherKey, app } = await serve(t);
  const body = { agent: "writer", input: "Once." };
  const headers = { "idempotency-key": "order-1" };
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask("POST", "/runs", { body, headers })));
  const ids = new Set(answers.map((answer) => bodyOf<RunSummary>(answer, 201).runId));
  assert.equal(ids.size, 1);
  assert.equal(answers.filter(({ headers: given }) => given.get("idempotency-replayed") === null).length, 1);
  assert.equal((await app.runs({}, { tenant: "acme" })).items.length, 1);
  refused(await ask("POST", "/runs", { body: { ...body, input: "Other." }, headers }), 409, "IDEMPOTENCY_KEY_REUSED");
  refused(await ask("POST", "/runs", { body: { ...body, tags: ["t"] }, headers }), 409, "IDEMPOTENCY_KEY_REUSED");
  const other = bodyOf<RunSummary>(
    await ask("POST", "/runs", { body: { ...body, input: "Mine." }, headers, key: otherKey }),
    201,
  );
  assert.ok(!ids.has(other.runId));
  refused(await ask("POST", "/runs", { body, headers: { "idempotency-key": "a b" } }), 400, "IDEMPOTENCY_KEY_INVALID");
});

test("a key is bound to one request, whether its body names the run, forks one or leaves the id to the key", async (t) => {
  const { ask, app } = await serve(t);
  const body = { agent: "writer", input: "Once." };
  const asked = (key: string, more: object = {}): ReturnType<typeof ask> =>
    ask("POST", "/runs", { body: { ...body, ...more }, headers: { "idempotency-key": key } });
  const { runId } = bodyOf<RunSummary>(await asked("a"), 201);
  assert.deepEqual(
    (await app.store.listRecords("acme", "start/", null, 10)).items,
    [],
    "nothing but the run is written",
  );
  refused(await asked("a", { runId: "own" }), 409, "IDEMPOTENCY_KEY_REUSED");
  refused(await asked("a", { runId: "own" }), 409, "IDEMPOTENCY_KEY_REUSED");
  refused(await asked("a", { threadId: "t" }), 409, "IDEMPOTENCY_KEY_REUSED");
  bodyOf(await asked("b", { runId: "own" }), 201);
  refused(await asked("b"), 409, "IDEMPOTENCY_KEY_REUSED");
  assert.equal((await asked("b", { runId: "own" })).headers.get("idempotency-replayed"), "true");
  const again = await asked("a");
  assert.equal(bodyOf<RunSummary>(again, 201).runId, runId);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  await ask("GET", "/runs/own/result?waitMs=20000");
  const forked = { body: { turn: 0 }, headers: { "idempotency-key": "a" } };
  refused(await ask("POST", "/runs/own/fork", forked), 409, "IDEMPOTENCY_KEY_REUSED");
  const inThread = bodyOf<RunSummary>(await asked("c", { threadId: "t" }), 201);
  assert.equal(bodyOf<RunSummary>(await asked("c", { threadId: "t" }), 201).runId, inThread.runId);
  refused(await asked("c", { threadId: "other" }), 409, "IDEMPOTENCY_KEY_REUSED");
  assert.equal((await app.runs({}, { tenant: "acme" })).items.length, 3);
});

test("a refused start does not use its Idempotency-Key up", async (t) => {
  const { ask } = await serve(t);
  const headers = { "idempotency-key": "k" };
  refused(await ask("POST", "/runs", { body: { agent: "writer", input: 7 }, headers }), 400, "INPUT_INVALID");
  bodyOf(await ask("POST", "/runs", { body: { agent: "writer", input: "seven" }, headers }), 201);
});

test("another tenant's run is like one that is missing, whatever is asked of it", async (t) => {
  const { ask, otherKey } = await serve(t);
  bodyOf(await ask("POST", "/runs", { body: { agent: "billing", input: "x", runId: "secret" } }), 201);
  await ask("GET", "/runs/secret/result?waitMs=20000");
  const routes: readonly (readonly [string, string, unknown?])[] = [
    ["GET", "/runs/ID"],
    ["GET", "/runs/ID/result"],
    ["GET", "/runs/ID/result?waitMs=1000"],
    ["GET", "/runs/ID/events"],
    ["GET", "/runs/ID/effects"],
    ["GET", `/runs/ID/values/${"0".repeat(32)}`],
    ["POST", "/runs/ID/cancel", { reason: "x" }],
    ["POST", "/runs/ID/pause", { reason: "x" }],
    ["POST", "/runs/ID/resume"],
    ["POST", "/runs/ID/unblock", { action: "retry" }],
    ["POST", "/runs/ID/messages", { text: "x" }],
    ["POST", "/runs/ID/signals", { name: "x", value: 1 }],
    ["POST", "/runs/ID/budget", { scope: "tokens", amount: 1 }],
    ["POST", "/runs/ID/fork", { turn: 0 }],
    ["POST", "/runs/ID/effects/t0-0/resolution", { resolution: "applied" }],
  ];
  for (const [method, path, body] of routes) {
    const on = (id: string): Promise<Awaited<ReturnType<typeof ask>>> =>
      ask(method, path.replace("ID", id), { key: otherKey, ...(body !== undefined && { body }) });
    const [theirs, missing] = [await on("secret"), await on("nosuch")];
    refused(theirs, 404, "RUN_UNKNOWN");
    assert.equal(JSON.stringify(theirs.body), JSON.stringify(missing.body).replaceAll("nosuch", "secret"), path);
  }
  assert.deepEqual(bodyOf<Page<RunListItem>>(await ask("GET", "/runs", { key: otherKey })).items, []);
});

test("a run is told: paused, resumed, messaged, signalled, given money, cancelled", async (t) => {
  const { ask } = await serve(t);
  const post = (path: string, body?: unknown): ReturnType<typeof ask> =>
    ask("POST", `/runs/w${path}`, body === undefined ? {} : { body });
  bodyOf(await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId: "w" } }), 201);
  assert.equal(bodyOf<RunSummary>(await post("/pause", { reason: "lunch" })).paused, true);
  assert.equal(bodyOf<RunSummary>(await post("/resume")).paused, false);
  bodyOf(await post("/messages", { text: "Hello." }));
  bodyOf(await post("/budget", { scope: "tokens", amount: 5 }));
  refused(await post("/budget", { scope: "tokens", amount: 0 }), 400, "REQUEST_INVALID");
  refused(await post("/budget", { scope: "hats", amount: 1 }), 400, "REQUEST_INVALID");
  refused(await post("/unblock", { action: "retry" }), 409, "RUN_NOT_BLOCKED");
  bodyOf(await post("/signals", { name: "go", value: { n: 1 } }));
  const result = bodyOf<RunResultOrStatus>(await ask("GET", "/runs/w/result?waitMs=20000"));
  assert.ok(result.status === "completed");
  assert.deepEqual(result.output, { received: true, value: { n: 1 } });
  refused(await post("/cancel", { reason: "late" }), 409, "RUN_ENDED");
  bodyOf(await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId: "w2" } }), 201);
  bodyOf(await ask("POST", "/runs/w2/cancel", { body: { reason: "not needed" } }));
  const cancelled = bodyOf<RunResultOrStatus>(await ask("GET", "/runs/w2/result?waitMs=20000"));
  assert.ok(cancelled.status === "cancelled");
  assert.equal(cancelled.reason, "not needed");
});

test("a message with an Idempotency-Key is taken once, another body is another message", async (t) => {
  const { ask, app } = await serve(t);
  bodyOf(await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId: "w" } }), 201);
  const say = (text: string): ReturnType<typeof ask> =>
    ask("POST", "/runs/w/messages", { body: { text }, headers: { "idempotency-key": "m" } });
  for (const text of ["a", "a", "b"]) bodyOf(await say(text));
  const texts: unknown[] = [];
  for await (const event of app.run("w", "acme").events()) {
    if (event.type === "message.received" && "inline" in event.valueRef) texts.push(event.valueRef.inline);
  }
  assert.deepEqual(texts, ["a", "b"]);
});

test("a long poll answers when the time is up, and lets go when its client leaves", async (t) => {
  const { ask, url, key, server } = await serve(t);
  bodyOf(await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId: "w" } }), 201);
  const late = bodyOf<RunResultOrStatus>(await ask("GET", "/runs/w/result?waitMs=50"));
  assert.ok(["queued", "running", "awaiting_signal"].includes(late.status), late.status);
  refused(await ask("GET", "/runs/w/result?waitMs=60001"), 400, "REQUEST_INVALID");
  const polled = request(`${url}/api/v1/runs/w/result?waitMs=60000`, {
    agent: false,
    headers: { authorization: `Bearer ${key}` },
  });
  const ended = once(polled, "error");
  polled.end();
  const { streams } = server.gateway;
  await until(() => streams.size === 1);
  polled.destroy();
  await ended;
  await until(() => streams.size === 0);
});

test("a long poll ends when its key is revoked, and says nothing more of the run", async (t) => {
  const { ask, keyFor, server } = await serve(t);
  bodyOf(await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId: "w" } }), 201);
  const { key, id } = await keyFor("acme", ["read"]);
  const polled = ask("GET", "/runs/w/result?waitMs=60000", { key });
  await until(() => server.gateway.streams.size === 1);
  bodyOf(await ask("POST", `/keys/${id}/revoke`));
  refused(await polled, 401, "AUTH_INVALID");
});

test("a fork begins with the first turns, and its key is bound like a start's", async (t) => {
  const { ask } = await serve(t);
  bodyOf(await ask("POST", "/runs", { body: { agent: "writer", input: "Go.", runId: "o" } }), 201);
  await ask("GET", "/runs/o/result?waitMs=20000");
  const headers = { "idempotency-key": "f" };
  const fork = (turn: number): ReturnType<typeof ask> => ask("POST", "/runs/o/fork", { body: { turn }, headers });
  const { runId } = bodyOf<RunSummary>(await fork(0), 201);
  assert.equal(bodyOf<RunSummary>(await fork(0), 201).runId, runId);
  refused(await fork(1), 409, "IDEMPOTENCY_KEY_REUSED");
  refused(await ask("POST", "/runs/o/fork", { body: { turn: 9 } }), 400, "FORK_NOT_AT_TURN");
  const result = bodyOf<RunResultOrStatus>(await ask("GET", `/runs/${runId}/result?waitMs=20000`));
  assert.equal(result.status, "completed");
  assert.deepEqual(bodyOf<RunDetail>(await ask("GET", `/runs/${runId}`)).forkedFrom?.runId, "o");
});

/** Looks again after each turn of the event loop. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate();
}

test("a task is started with the tools that it may use, and a reviewer lets it use more", async (t) => {
  const { ask } = await serve(t);
  const body = { agent: "post", input: "Write to Ada.", runId: "narrow", tools: ["fly"] };
  const problem = await ask("POST", "/runs", { body });
  refused(problem, 400, "OPTION_INVALID");
  assert.match(JSON.stringify(problem.body), /has no tool .*fly.*It has: send_letter/);
  await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId: "wide", tools: [] } });
  refused(await ask("POST", "/runs/wide/tools", { body: { tools: ["fly"] } }), 400, "OPTION_INVALID");
  bodyOf<RunSummary>(await ask("POST", "/runs", { body: { ...body, tools: [] } }), 201);
  const result = bodyOf<RunResultOrStatus>(await ask("GET", "/runs/narrow/result?waitMs=20000"));
  assert.equal(result.status, "completed");
  const events = JSON.stringify((await ask("GET", "/runs/narrow/events")).body);
  assert.match(events, /this task may not use send_letter/);
});
