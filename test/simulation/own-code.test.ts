import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { durable, tool } from "pawl";
import { simulate } from "pawl/testing";

const inputSchema = z.object({ order: z.number() });

const ship = tool({
  name: "ship",
  version: "1",
  description: "Ships an order.",
  effect: "idempotent",
  inputSchema,
  execute: ({ order }) => `shipped ${order}`,
});

test("a function of one's own is simulated, and what it promises holds in every seed", async () => {
  const shop = durable({
    name: "shop",
    tools: [ship],
    run: async (ctx, input) => {
      const { order } = inputSchema.parse(input);
      const price = await ctx.step("price", { effect: "pure", attemptsMax: 3 }, () => order * 10);
      const asked = await ctx.ask({ question: `Ship for ${price}?` });
      if (asked.decision !== "approve") return "kept";
      const shipped = await ctx.tool({
        tool: ship,
        args: { order },
        verdict: { decision: "allow", rules: [] },
        show: ({ value }) => ({ value }),
      });
      return shipped.status;
    },
  });
  const endings = new Set<string>();
  const report = await simulate(
    {
      runnables: [shop],
      starts: (random) => [{ runnable: shop, input: { order: Math.floor(random() * 100) } }],
      check: ({ runs, effects }) => {
        for (const { state } of runs) {
          const ref = state.ended?.valueRef;
          if (ref !== undefined && "inline" in ref) endings.add(JSON.stringify(ref.inline));
        }
        for (const { name, acted } of effects) if (name === "ship") assert.ok(acted <= 1);
      },
    },
    { seeds: 60 },
  );
  assert.deepEqual(report.failures, []);
  assert.equal(report.hashes.length, 60);
  assert.ok(endings.has(`"kept"`) && endings.has(`"returned"`), "people said yes, and no");
  assert.ok(report.faults.crash.live > 0);
});

test("a body that does not ask the same again is found, with the seed that shows it", async () => {
  let calls = 0;
  const moody = durable({
    name: "moody",
    run: async (ctx) => {
      if (calls++ % 2 === 0) await ctx.step("first", { effect: "pure", attemptsMax: 3 }, () => 1);
      await ctx.sleep(5_000);
      return null;
    },
  });
  const report = await simulate(
    { runnables: [moody], starts: () => [{ runnable: moody, input: null }] },
    { seeds: 20 },
  );
  const [failure] = report.failures;
  assert.match(failure?.claim ?? "nothing was found", /JOURNAL_DIVERGED/);
  assert.equal(report.hashes.length, failure?.seed);
  assert.ok((failure?.log.length ?? 0) > 10, "the story is told");
});

test("a check of one's own that throws fails the seed with what it says", async () => {
  const plain = durable({ name: "plain", run: async () => 1 });
  const check = (): never => {
    throw new Error("the books do not balance");
  };
  const options = { runnables: [plain], starts: () => [{ runnable: plain, input: null }], check };
  const report = await simulate(options, { seeds: 3, failuresMax: 3 });
  assert.deepEqual(
    report.failures.map(({ claim }) => claim),
    Array.from({ length: 3 }, () => "Error: the books do not balance"),
  );
});
