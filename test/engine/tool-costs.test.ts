import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import type { Budget } from "../../src/core/budget-rules.ts";
import type { RunLimits } from "../../src/core/budget.ts";
import { tool } from "../../src/tools/tool.ts";
import { spansOf } from "../traces/read-spans.ts";
import { ofType, onStage, type Stage } from "./stage.ts";

type Cost = number | { readonly max: number; of(result: { readonly units: number }): number };

/** An agent that asks a service that is paid for each question. */
interface Asking {
  readonly costUsd: Cost;
  /** What comes back of each question; an error where it throws. */
  readonly answer?: (n: number) => { readonly units: number };
  readonly questions?: readonly number[];
  readonly cached?: boolean;
  readonly budgets?: readonly Budget[];
  readonly limits?: RunLimits;
}

function asking(given: Asking, act: (stage: Stage) => Promise<void>): Promise<void> {
  const { costUsd, answer = () => ({ units: 3 }), questions = [1], budgets = [], limits = {} } = given;
  const lookUp = tool({
    name: "look_up",
    version: "1",
    description: "Asks a service that is paid for each question.",
    inputSchema: z.object({ n: z.number() }),
    outputSchema: z.object({ units: z.number() }),
    effect: "pure",
    attempts: 1,
    costUsd,
    ...(given.cached === true && { cache: { ttlMs: 60_000, per: "tenant" } as const }),
    execute: ({ n }) => answer(n),
  });
  const clerk = agent({ name: "clerk", model: "m", instructions: "Ask.", tools: [lookUp], limits });
  const script = (_: unknown, { turn }: { readonly turn: number }) => {
    const n = questions[turn];
    return n === undefined ? { text: "End." } : { toolCalls: [{ tool: "look_up", input: { n } }] };
  };
  return onStage({ agents: [clerk], script, budgets }, act);
}

const byUnits = { max: 0.02, of: ({ units }: { readonly units: number }) => units / 1_000 };

test("a call's cost is in its record, its run, its trace and its tool's line, by a price or by its result", async () => {
  for (const [costUsd, usd] of [
    [0.005, 0.005],
    [byUnits, 0.003],
  ] as const)
    await asking({ costUsd }, async (stage) => {
      const { run, result, events } = await stage.play();
      assert.equal(ofType(events, "tool.called")[0]?.reservedNanoUsd, typeof costUsd === "number" ? 5e6 : 20e6);
      assert.equal(ofType(events, "tool.returned")[0]?.costNanoUsd, usd * 1e9);
      assert.equal("costUsd" in result ? result.costUsd : null, usd);
      const spans = await spansOf(stage.app.store, { tenant: "default", runId: run.id });
      const bill = spans.find(({ kind, name }) => kind === "tool" && name === "look_up")?.bill;
      assert.deepEqual([bill?.costNanoUsd, bill?.priceSource, bill?.assumed], [usd * 1e9, "tool look_up", false]);
      const [line] = await stage.app.tools().list();
      const isFixed = typeof costUsd === "number";
      assert.deepEqual(line?.cost, { nanoUsdMax: isFixed ? 5e6 : 20e6, isFixed });
    });
});

test("a call that may cost more than its run has left is not made: the run waits, and goes on when there is more", async () => {
  const asked: number[] = [];
  const answer = (n: number) => ({ units: asked.push(n) });
  await asking({ costUsd: 0.004, answer, questions: [1, 2, 3], limits: { costUsd: 0.01 } }, async (stage) => {
    const { run, result, events } = await stage.play();
    assert.equal(result.status, "awaiting_budget");
    assert.deepEqual(asked, [1, 2]);
    const [refused] = ofType(events, "budget.refused");
    assert.deepEqual([refused?.scope, refused?.left, refused?.needed], ["costNanoUsd", 2e6, 4e6]);
    await stage.app.raiseBudget(run.id, "costNanoUsd", 2e6);
    assert.equal((await stage.played(run)).result.status, "completed");
    assert.deepEqual(asked, [1, 2, 3]);
  });
});

test("calls count against shared budgets: of their tool and of their tenant, over all runs", async () => {
  for (const scope of ["tool", "tenant"] as const) {
    const budgets: readonly Budget[] = [{ name: "paid", scope, window: "day", costUsd: 0.025 }];
    await asking({ costUsd: byUnits, budgets }, async (stage) => {
      // each takes 0.02 before it starts and gives back what it did not use: 0.003 are spent
      assert.equal((await stage.play()).result.status, "completed");
      assert.equal((await stage.play()).result.status, "completed");
      const [line] = await stage.app.budgets().list();
      assert.deepEqual([line?.used, line?.reserved], [6e6, 0]);
      assert.equal((await stage.play()).result.status, "awaiting_budget", "0.006 and 0.02 are more than 0.025");
    });
  }
});

test("a call that costs something is on record before it is made", async () => {
  let stage: Stage | null = null;
  const heads: Promise<number>[] = [];
  const answer = () => {
    const ref = { tenant: "default", runId: "run-1" };
    heads.push(Promise.resolve(stage?.app.store.readHead(ref)).then((head) => head?.totals.toolCalls ?? -1));
    return { units: 3 };
  };
  await asking({ costUsd: 0.005, answer }, async (on) => {
    stage = on;
    await on.play();
    assert.deepEqual(await Promise.all(heads), [1]);
  });
});

test("what failed costs nothing, what came from the cache was paid once, and a broken cost function charges the most", async () => {
  const down = () => {
    throw new Error("down");
  };
  await asking({ costUsd: 0.005, answer: down, limits: { costUsd: 0.005 } }, async (stage) => {
    const { result } = await stage.play();
    assert.equal("costUsd" in result ? result.costUsd : null, 0);
  });
  await asking({ costUsd: 0.005, cached: true, questions: [7, 7] }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal("costUsd" in result ? result.costUsd : null, 0.005);
    assert.deepEqual(ofType(events, "tool.returned")[1]?.saved?.costNanoUsd, 5e6);
  });
  for (const broken of [down, () => Number.NaN, () => -1])
    await asking({ costUsd: { max: 0.01, of: broken } }, async (stage) => {
      const [returned] = ofType((await stage.play()).events, "tool.returned");
      assert.deepEqual([returned?.costNanoUsd, returned?.costAssumed], [10e6, true]);
    });
});

test("a result that cost more than the most is charged in full, and says so; what breaks its schema is charged the most", async () => {
  await asking({ costUsd: byUnits, answer: () => ({ units: 50 }) }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal("costUsd" in result ? result.costUsd : null, 0.05);
    assert.equal(ofType(events, "budget.overrun")[0]?.by.costNanoUsd, 30e6);
  });
  // the cast: what a service should not answer
  await asking({ costUsd: byUnits, answer: () => "nothing" as unknown as { units: number } }, async (stage) => {
    const [returned] = ofType((await stage.play()).events, "tool.returned");
    assert.deepEqual([returned?.costNanoUsd, returned?.invalid?.code], [20e6, "TOOL_OUTPUT_INVALID"]);
  });
});

test("a cost that is no amount is refused where the tool is defined", () => {
  for (const costUsd of [-1, Number.NaN, Infinity, { max: 1 }, { of: () => 1 }, "0.1"])
    // the cast: what its type refuses
    assert.throws(() => void asking({ costUsd: costUsd as Cost }, async () => undefined), /costUsd is .*amount in USD/);
});
