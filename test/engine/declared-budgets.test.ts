import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import type { Budget } from "../../src/core/budget-rules.ts";
import { limits } from "../../src/core/limits.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { pool } from "../../src/models/pool.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { tool } from "../../src/tools/tool.ts";
import { ownEndpoint } from "../models/own-endpoint.ts";
import { ofType, onStage, Stage } from "./stage.ts";

const helper = agent({ name: "helper", model: "r", instructions: "x", maxOutputTokens: 1_000 });
const usage = { inputTokens: 100, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 100, reasoningTokens: 0 };
const script = [{ text: "done", usage }];
const daily = (more: Partial<Budget>): Budget => ({ name: "team", scope: "tenant", window: "day", ...more });
const accountOf = (window: string) => ({ scope: "team", window, unit: "tokens" }) as const;

test("each bad value of a budget is named, with what is allowed", () => {
  const bad: readonly (readonly [object, RegExp])[] = [
    [daily({ tokens: -1 }), /budget "team": tokens is -1; it must be a whole number from 0/],
    [daily({ costUsd: Number.NaN }), /costUsd is NaN/],
    [daily({}), /caps nothing: state tokens, costUsd or calls/],
    [{ ...daily({ tokens: 1 }), scope: "team" }, /scope is "team"; it must be run, thread, user/],
    [{ ...daily({ tokens: 1 }), window: "week" }, /window is "week"; it must be run, hour, day, month/],
    [{ ...daily({ tokens: 1 }), mode: "loud" }, /mode is "loud"; it must be hard, soft, shadow/],
    [{ ...daily({ tokens: 1 }), warnAt: 80 }, /warnAt is 80; it must be a share above 0 and up to 1/],
    [{ ...daily({ tokens: 1 }), webhook: "file:///etc/passwd" }, /webhook is "file.*must be an http or https URL/],
    [{ ...daily({}), token: 1 }, /no option "token". Did you mean tokens\?/],
    [{ ...daily({ tokens: 1 }), scope: "tool" }, /state calls or costUsd/],
    [{ ...daily({ tokens: 1 }), name: "a:b" }, /name of budgets\[0\] "a:b" is not a name/],
    [{ name: "team", scope: "user", tokens: 1 }, /budget "team" has no window/],
  ];
  const define = (budgets: readonly object[]) =>
    new Pawl({ store: memoryStore(), agents: [], models: scriptedModel([]), budgets: budgets as readonly Budget[] });
  for (const [budget, expected] of bad) assert.throws(() => define([budget]), expected);
  assert.throws(() => define([daily({ tokens: 1 }), daily({ tokens: 2 })]), /two budgets "team"/);
});

test("200 calls at once at room for one: one starts, the others wait, and none that does not fit", async () => {
  const clock = manualClock();
  const endpoint = ownEndpoint("only", clock, () => ({ delayMs: 1_000 }));
  const models = pool({ endpoints: [endpoint], routes: { r: { endpoints: ["only"] } }, on: { clock } });
  const budgets = [daily({ tokens: 1_200, shrinkOutput: false })];
  await onStage(
    { agents: [helper], models, clock, budgets, replay: false, worker: { concurrency: 200 } },
    async (stage) => {
      const runs = await Promise.all(Array.from({ length: 200 }, () => stage.start()));
      await clock.settle();
      assert.equal(endpoint.seen.calls, 1);
      const statuses = await Promise.all(runs.map(async (run) => (await run.head()).status));
      assert.equal(statuses.filter((status) => status === "awaiting_budget").length, 199);
      const reading = await stage.app.store.readLedger("default", accountOf("day:2025-10-09"));
      assert.ok(reading.spent + reading.reserved <= 1_200);
    },
  );
});

test("the refusal says what is left, what was needed and when the window changes; then the run goes on by itself", async () => {
  const clock = manualClock(Date.UTC(2026, 10, 22, 23, 59, 30));
  const budgets = [daily({ tokens: 300, shrinkOutput: false }), daily({ name: "big", tokens: 1_000_000 })];
  const told = agent({ name: "helper", model: "r", instructions: "x", maxOutputTokens: 150 });
  await onStage({ agents: [told], script, clock, budgets }, async (stage) => {
    assert.equal((await stage.play()).result.status, "completed");
    const { run, result, events } = await stage.play();
    assert.equal(result.status, "awaiting_budget");
    const [refused] = ofType(events, "budget.refused");
    const until = Date.UTC(2026, 10, 23);
    assert.deepEqual([refused?.scope, refused?.left, refused?.until], ["team day:2026-11-22 tokens", 100, until]);
    assert.ok((refused?.needed ?? 0) > 150);
    assert.equal((await run.head()).dueAt, until, "it wakes as the window changes, not a minute after");
    await clock.pass(until - clock.nowMs() + limits.pollMs);
    const { result: later, events: all } = await stage.played(run);
    assert.equal(later.status, "completed");
    assert.equal(ofType(all, "run.started").length, 1, "with its work intact");
  });
});

test("the output limit shrinks to what a shared budget leaves, and the record says so; below a useful answer it waits", async () => {
  await onStage({ agents: [helper], script, budgets: [daily({ tokens: 900 })] }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    const [called] = ofType(events, "model.called");
    const output = Number(called?.params?.["maxOutputTokens"]);
    assert.ok(output >= 256 && output < 1_000, `${output}`);
    assert.ok((called?.reservation.tokens ?? Infinity) <= 900);
    await stage.app.budgets().set("team", { tokens: 300 }, "ada");
    await stage.clock.pass(limits.budgetOverrideMs);
    const second = await stage.play();
    assert.equal(second.result.status, "awaiting_budget");
    assert.equal(ofType(second.events, "budget.refused")[0]?.scope, "team day:2025-10-09 tokens");
  });
});

test("a cap that a person sets holds in place of the declared one, says who and when, and is taken back", async () => {
  await onStage({ agents: [helper], script, budgets: [daily({ tokens: 10 })] }, async (stage) => {
    const { run, result } = await stage.play();
    assert.equal(result.status, "awaiting_budget");
    const { seq, waits } = await run.head();
    assert.deepEqual(
      waits.map(({ kind, name }) => [kind, name]),
      [["budget", "team tokens"]],
    );
    await stage.clock.pass(10 * 60_000);
    assert.equal((await run.head()).seq, seq, "a run that waits writes nothing");
    await stage.app.budgets().set("team", { tokens: 5_000 }, "ada");
    await stage.clock.pass(3 * limits.sweepMs + limits.pollMs);
    assert.equal((await stage.played(run)).result.status, "completed");
    const [line] = await stage.app.budgets().list();
    assert.deepEqual([line?.cap, line?.used, line?.reserved, line?.left, line?.setBy], [5_000, 200, 0, 4_800, "ada"]);
    await stage.app.budgets().set("team", null, "ada");
    assert.deepEqual(
      (await stage.app.budgets().list()).map(({ cap, setBy }) => [cap, setBy]),
      [[10, null]],
    );
    await assert.rejects(stage.app.budgets().set("tem", { tokens: 1 }, "ada"), /no budget "tem". There are: team/);
    await assert.rejects(stage.app.budgets().set("team", { calls: 1 }, "ada"), /caps tokens: set these/);
  });
});

test("soft never refuses and warns once in a window; shadow records what it would have refused; hard warns too", async () => {
  const budgets = [
    daily({ name: "soft", tokens: 2_000, mode: "soft", webhook: "https://example.com/hook" }),
    daily({ name: "shadow", tokens: 1_300, mode: "shadow" }),
    daily({ name: "hard", tokens: 100_000, warnAt: 0.01 }),
  ];
  const posted: string[] = [];
  const hooks = {
    postWebhook: async ({ body }: { readonly body: string }) => {
      posted.push(body);
    },
  };
  await onStage({ agents: [helper], script, budgets, hooks }, async (stage) => {
    const notes: string[][] = [];
    for (let i = 0; i < 12; i++) {
      const { result, events } = await stage.play();
      assert.equal(result.status, "completed");
      const [called] = ofType(events, "model.called");
      notes.push((called?.budgetNotes ?? []).map(({ budget, says }) => `${budget} ${says}`));
    }
    const said = notes.flat();
    const count = (what: string): number => said.filter((one) => one === what).length;
    assert.deepEqual([count("soft warned"), count("soft over"), count("hard warned")], [1, 1, 1]);
    assert.ok(count("shadow would-refuse") > 3);
    assert.ok(notes.at(-1)?.includes("shadow would-refuse"), "every one of them");
    const lines = await stage.app.budgets().list();
    assert.ok((lines.find(({ name }) => name === "shadow")?.left ?? 0) < 0, "it counts on");
    await stage.clock.pass(2 * limits.sweepMs);
    const types = posted.map((body) => (JSON.parse(body) as { readonly type: string; readonly budget: string }).type);
    assert.deepEqual(types.toSorted(), ["budget.over", "budget.warned"]);
  });
});

test("a webhook that fails is posted again with the same id, and is given up in the end", async () => {
  const budgets = [daily({ tokens: 10, mode: "soft", webhook: "https://example.com/hook" })];
  const ids: string[] = [];
  const hooks = {
    postWebhook: async ({ id }: { readonly id: string }): Promise<void> => {
      ids.push(id);
      throw new Error("no answer");
    },
  };
  const stage = new Stage({ agents: [helper], script, budgets, hooks });
  try {
    await stage.play();
    for (let i = 0; i < 40 && ids.length < limits.webhookTries; i++) {
      await stage.clock.jump(limits.webhookRetryMs);
      await stage.clock.pass(limits.pollMs);
    }
    await stage.clock.jump(10 * limits.webhookRetryMs);
    assert.equal(ids.length, limits.webhookTries);
    assert.equal(new Set(ids).size, 1);
    assert.equal(stage.workerEvents.filter(({ type }) => type === "failed").length, 1, "then somebody is told");
  } finally {
    await stage.close();
  }
});

test("a budget of a user, an agent or a tool counts each by itself; a thread's children count for the thread", async () => {
  const act = tool({
    name: "act",
    version: "1",
    description: "x",
    inputSchema: z.object({}),
    effect: "pure",
    execute: () => "ok",
  });
  const child = agent({ name: "child", model: "r", instructions: "x", maxOutputTokens: 300 });
  const parent = durable({
    name: "parent",
    tools: [act],
    uses: [child],
    run: async (ctx) => {
      await ctx.call(act, {});
      return ctx.callRun(child, "go");
    },
  });
  const budgets: readonly Budget[] = [
    { name: "users", scope: "user", window: "day", tokens: 100_000 },
    { name: "agents", scope: "agent", match: "child", window: "hour", tokens: 100_000 },
    { name: "tools", scope: "tool", window: "month", calls: 100 },
    { name: "threads", scope: "thread", window: "day", tokens: 100_000 },
    { name: "trees", scope: "run", window: "run", tokens: 100_000 },
    { name: "other", scope: "user", match: "bob", window: "day", tokens: 0 },
  ];
  await onStage({ agents: [parent, child], script, budgets }, async (stage) => {
    const { run } = await stage.play(null, { principal: "ada", threadId: "t1" });
    await stage.clock.settle();
    assert.equal((await run.head()).status, "completed");
    const read = async (scope: string, window: string, unit: "tokens" | "calls") => {
      const { spent, reserved } = await stage.app.store.readLedger("default", { scope, window, unit });
      return [spent, reserved];
    };
    assert.deepEqual(await read("users:ada", "day:2025-10-09", "tokens"), [200, 0]);
    assert.deepEqual(await read("agents:child", "hour:2025-10-09T08", "tokens"), [200, 0]);
    assert.deepEqual(await read("tools:act", "month:2025-10", "calls"), [1, 0]);
    assert.deepEqual(await read("threads:t1", "day:2025-10-09", "tokens"), [200, 0]);
    assert.deepEqual(await read("trees", `run:${run.id}`, "tokens"), [200, 0]);
    const bobs = await stage.start(null, { principal: "bob" });
    await stage.clock.pass(10_000);
    assert.equal((await bobs.head()).status, "awaiting_child");
  });
});

test("children without an allowance share what their parent has: the tree stays within its root's budget", async () => {
  const child = agent({ name: "child", model: "r", instructions: "x", maxOutputTokens: 2_000 });
  const parent = durable({
    name: "parent",
    uses: [child],
    limits: { tokens: 10_000 },
    run: async (ctx) => Promise.all(Array.from({ length: 5 }, (_, i) => ctx.callRun(child, `part ${i}`))),
  });
  const big = { ...usage, outputTokens: 1_900 };
  await onStage({ agents: [parent, child], script: [{ text: "done", usage: big }] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(60_000);
    const head = await run.head();
    assert.ok(head.totals.childTokens <= 10_000, `${head.totals.childTokens}`);
    const called = ofType(await stage.events(run), "child.called");
    const given = called.map(({ allowance }) => allowance?.tokens ?? Infinity);
    assert.ok(
      given.every((tokens) => tokens <= 5_000),
      `${given.join(" ")}`,
    );
    assert.deepEqual(given.slice(0, 2), [5_000, 2_500], "half of what is left");
  });
});

test("a tool that a person is asked about counts as soon as it is asked, and a run out of budget may finish", async () => {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "x",
    inputSchema: z.object({}),
    effect: "once",
    approval: "always",
    execute: () => "ok",
  });
  const payer = durable({ name: "payer", tools: [pay], run: async (ctx) => ctx.call(pay, {}) });
  const budgets: readonly Budget[] = [{ name: "pays", scope: "tool", match: "pay", window: "day", calls: 1 }];
  await onStage({ agents: [payer], script, budgets }, async (stage) => {
    assert.equal((await stage.play(null)).result.status, "awaiting_approval");
    assert.equal((await stage.play(null)).result.status, "awaiting_budget");
    const finished = await stage.play(null, { limits: { onBudget: "finish" } });
    assert.equal(finished.result.status === "stopped" && finished.result.stopReason, "budget");
  });
});
