import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "../../src/agent/agent.ts";
import type { Amount } from "../../src/core/budget.ts";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { ofType, onStage, rejectsWith } from "./stage.ts";

const writer = agent({ name: "writer", model: "m", instructions: "x", limits: { tokens: 100 } });
const codeOf = (error: unknown): string => (PawlError.is(error) ? error.code : "?");
const HOUR_MS = 3_600_000;

test("a run that waits for its own budget writes nothing while it waits", async () => {
  await onStage({ agents: [writer], script: [{ text: "end" }] }, async (stage) => {
    const { run, result } = await stage.play();
    assert.equal(result.status, "awaiting_budget");
    const { seq, dueAt } = await run.head();
    assert.equal(dueAt, null);
    await stage.clock.pass(HOUR_MS);
    assert.equal((await run.head()).seq, seq);
    await stage.app.raiseBudget(run.id, "tokens", 10_000);
    await stage.clock.settle();
    assert.equal((await stage.played(run)).result.status, "completed");
  });
});

test("a top-up that is too small leaves the run waiting, and says each time what it needs", async () => {
  await onStage({ agents: [writer], script: [{ text: "end" }] }, async (stage) => {
    const { run } = await stage.play();
    await stage.app.raiseBudget(run.id, "tokens", 1);
    await stage.clock.pass(2_000);
    assert.equal((await run.head()).status, "awaiting_budget");
    const refused = ofType(await stage.events(run), "budget.refused");
    assert.deepEqual(
      refused.map(({ scope, left }) => [scope, left]),
      [
        ["tokens", 100],
        ["tokens", 101],
      ],
    );
    assert.ok((refused[0]?.needed ?? 0) > 101);
  });
});

test("a run that waits for a shared budget looks again, as nobody tells it when there is room", async () => {
  const scope = { scope: "tenant", window: "all", unit: "tokens" } as const;
  const sharedScopes = (_: unknown, amount: Amount) => [{ ...scope, amount: amount.tokens }];
  const rich = agent({ name: "rich", model: "m", instructions: "x" });
  await onStage({ agents: [rich], script: [{ text: "end" }], hooks: { sharedScopes } }, async (stage) => {
    await stage.app.store.setCap("default", scope, 10);
    const { run, result } = await stage.play();
    assert.equal(result.status, "awaiting_budget");
    await stage.app.store.setCap("default", scope, 100_000);
    await stage.clock.pass(2 * limits.sweepMs + 2_000);
    assert.equal((await run.head()).status, "completed");
  });
});

test("a run asks at most so many people at once, and is told when it asks more", async () => {
  const asker = durable({
    name: "asker",
    run: async (ctx) => {
      const asks = Array.from({ length: limits.headWaits + 3 }, (_, i) =>
        ctx.ask({ question: `question ${i}`, expiresMs: null }).then(() => "answered", codeOf),
      );
      const answers = await Promise.all(asks);
      return [
        answers.filter((answer) => answer === "answered").length,
        answers.filter((answer) => answer === "ASKS_TOO_MANY").length,
      ];
    },
  });
  await onStage({ agents: [asker] }, async (stage) => {
    const { run, result } = await stage.play(null);
    assert.equal(result.status, "awaiting_approval");
    const approvals = result.status === "awaiting_approval" ? result.approvals : [];
    assert.equal(approvals.length, limits.headWaits);
    for (const id of approvals) await stage.app.approvals.approve(id, { by: "ada" });
    await stage.clock.settle();
    const ended = await stage.played(run);
    assert.deepEqual(ended.result.status === "completed" && ended.result.output, [limits.headWaits, 3]);
  });
});

test("signals that a run waits for are bounded as well", async () => {
  const waiter = durable({
    name: "waiter",
    run: async (ctx) => {
      const waits = Array.from({ length: limits.headWaits + 1 }, (_, i) =>
        ctx.waitForSignal(`s${i}`, { withinMs: 60_000 }).then(() => "over", codeOf),
      );
      return (await Promise.all(waits)).filter((wait) => wait === "ASKS_TOO_MANY").length;
    },
  });
  await onStage({ agents: [waiter] }, async (stage) => {
    const { result } = await stage.play(null);
    assert.equal(result.status === "completed" && result.output, 1);
  });
});

test("limits that are no numbers, or none that could ever end, are refused where they are stated", async () => {
  const bad: readonly object[] = [
    { turns: 0 },
    { turns: -1 },
    { turns: 1.5 },
    { turns: NaN },
    { tokens: -1 },
    { tokens: NaN },
    { tokens: "9" },
    { costUsd: Infinity },
    { costUsd: -0.1 },
    { calls: 0.5 },
    { onBudget: "stop" },
    { token: 5 },
  ];
  const plain = agent({ name: "plain", model: "m", instructions: "x" });
  await onStage({ agents: [plain], script: [{ text: "end" }] }, async (stage) => {
    for (const stated of bad) {
      await rejectsWith("OPTION_INVALID", stage.start("x", { limits: stated }));
      assert.throws(
        () => agent({ name: "b", model: "m", instructions: "x", limits: stated }),
        { code: "OPTION_INVALID" },
        JSON.stringify(stated),
      );
      assert.throws(() => durable({ name: "f", limits: stated, run: async () => null }), { code: "OPTION_INVALID" });
    }
    assert.equal(
      (await stage.play("x", { limits: { turns: 1, tokens: 100_000, costUsd: 0, calls: 0, onBudget: "finish" } }))
        .result.status,
      "completed",
    );
  });
});

test("signals that nobody waits for are bounded, and keep out none that is waited for", async () => {
  const work = durable({
    name: "work",
    run: async (ctx) => {
      const { received } = await ctx.waitForSignal("go");
      for (let i = 0; i < limits.signalsPending; i++) await ctx.waitForSignal("stray");
      await ctx.waitForSignal("last");
      return received;
    },
  });
  await onStage({ agents: [work], replay: false }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.settle();
    for (let i = 0; i < limits.signalsPending; i++) await stage.app.signal(run.id, "stray", i);
    await rejectsWith("SIGNALS_TOO_MANY", stage.app.signal(run.id, "stray", null));
    await stage.app.signal(run.id, "go", null);
    await stage.clock.pass(1_000);
    assert.deepEqual((await run.head()).signals, []);
    await stage.app.signal(run.id, "last", null);
    assert.equal((await stage.played(run)).result.status, "completed");
  });
});
