import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, durable, tool } from "pawl";
import { z } from "zod";
import { costOfTotals, unpricedNanoUsdPerToken } from "../../src/core/budget.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { sleep } from "../../src/core/clock.ts";
import type { Run } from "../../src/engine/run-handle.ts";
import { ofType, onStage, type Stage } from "./stage.ts";

/** Its id, as soon as it is called. */
async function secondChild(stage: Stage, run: Run): Promise<string> {
  for (;;) {
    const [, second] = ofType(await stage.events(run), "child.called");
    if (second !== undefined) return second.childRunId;
    await sleep(stage.clock, 100);
  }
}

// A run's own budget holds for all that it starts, and for what nobody knows the price of.

test("tool calls of children count in their parent's cap: what a child is given, and what it used when it has ended", async () => {
  let done = 0;
  const look = tool({
    name: "look",
    version: "1",
    description: "x",
    inputSchema: z.object({ i: z.number() }),
    effect: "pure",
    execute: () => ++done,
  });
  const worker = durable({
    name: "worker",
    tools: [look],
    run: async (ctx) => {
      await ctx.call(look, { i: 1 });
      return ctx.call(look, { i: 2 });
    },
  });
  const boss = durable({
    name: "boss",
    run: async (ctx) => {
      await ctx.child({ runnable: "worker", input: null });
      return ctx.child({ runnable: "worker", input: 1 });
    },
  });
  await onStage({ agents: [boss, worker] }, async (stage) => {
    const run = await stage.start(null, { limits: { calls: 3 } });
    const second = await stage.clock.until(secondChild(stage, run));
    const result = await stage.clock.until(stage.app.run(second).result());
    assert.equal(result.status, "awaiting_budget");
    assert.equal(done, 3, "the second child has one call left");
    const given = ofType(await stage.events(run), "child.called").map(({ limits }) => limits?.calls);
    assert.deepEqual(given, [2, 1]);
    assert.equal((await run.head()).totals.childToolCalls, 2);
    const free = await stage.play(null);
    assert.equal(free.result.status, "completed");
  });
});

test("a run's budget of money fills up with calls of a model whose price nobody knows", async () => {
  const note = tool({
    name: "note",
    version: "1",
    description: "x",
    inputSchema: z.object({ i: z.number() }),
    effect: "pure",
    execute: ({ i }) => i,
  });
  const writer = agent({
    name: "writer",
    instructions: "x",
    model: "main",
    tools: [note],
    limits: { costUsd: 0.06, turns: 20 },
  });
  const usage = { inputTokens: 100, outputTokens: 20, cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 };
  const models = scriptedModel(
    (request) => ({
      text: `Step ${request.messages.length}`,
      usage,
      toolCalls: [{ tool: "note", input: { i: request.messages.length } }],
    }),
    { price: null },
  );
  await onStage({ agents: [writer], models }, async (stage) => {
    const { run, result } = await stage.play("Go.");
    assert.equal(result.status, "awaiting_budget");
    const { totals } = await run.head();
    assert.ok(totals.modelCalls > 1 && totals.costNanoUsd === 0);
    assert.equal(costOfTotals(totals), totals.modelCalls * 120 * unpricedNanoUsdPerToken);
  });
});
