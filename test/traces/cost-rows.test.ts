import assert from "node:assert/strict";
import { test } from "node:test";
import type { CostKey, CostSums } from "../../src/core/trace-contract.ts";
import { indexStage, tenant } from "./index-stage.ts";

test("the cost of 1,200 users adds up: whom there is no row for is in the last one", async (t) => {
  const stage = await indexStage(t);
  for (let i = 0; i < 1_200; i++) {
    const run = await stage.run(`r${i}`, { principal: `user-${i}` });
    await run.turn(1, "Well.");
  }
  await stage.index.catchUp();
  const [all] = await stage.index.costs(tenant, { by: "tenant" });
  assert.equal(all?.calls, 1_200);
  for (const limit of [10, 1_000]) {
    const rows = await stage.index.costs(tenant, { by: "principal", limit });
    assert.equal(rows.length, limit + 1);
    const others = rows.at(-1);
    assert.deepEqual([others?.key, others?.calls], ["(others)", 1_200 - limit]);
    assert.equal(
      rows.reduce((sum, row) => sum + row.costNanoUsd, 0),
      all.costNanoUsd,
    );
    assert.equal(
      rows.reduce((sum, row) => sum + row.usage.inputTokens, 0),
      all.usage.inputTokens,
    );
  }
  assert.ok((await stage.index.costs(tenant, { by: "tenant", limit: 1 })).every(({ key }) => key !== "(others)"));
});

test("what a run cost is told by turn, call, run, model and tool, and every sum is that of its tree", async (t) => {
  const stage = await indexStage(t);
  const child = "root~0123456789abcdef";
  const root = await stage.run("root");
  await root.turn(1, "root work", [{ tool: "look" }]);
  const called = { callId: "t1-0", childRunId: child, runnable: "clerk" };
  await root.owner({ type: "child.called", ...called, inputRef: { inline: null }, inputHash: "0" });
  const parent = { runId: "root", callId: "t1-0", depth: 1 };
  const below = await stage.run(child, { parent, rootRunId: "root" });
  for (const turn of [1, 2]) await below.turn(turn, "child work");
  const other = await stage.run("other");
  await other.turn(1, "not of it");
  await stage.index.catchUp();
  const keys = {
    // journals.ts counts turns in call ids from 1
    turn: ["root:2", `${child}:2`, `${child}:3`],
    call: ["root:t1-m", `${child}:t1-m`, `${child}:t2-m`],
    run: ["root", child],
    model: ["anthropic/claude-sonnet-4-5"],
    tool: ["(others)"],
  };
  const { sums } = (await stage.index.list(tenant, {}, null, 10)).items.find(({ runId }) => runId === "root")!;
  for (const by of ["turn", "call", "run", "model", "tool"] as const) {
    for (const limit of [1, 100]) {
      const costs = await stage.index.runCosts({ tenant, runId: "root" }, { by, limit });
      if (limit === 100) assert.deepEqual(costs.items.map(({ key }) => key).toSorted(), keys[by].toSorted(), by);
      const added = (of: (row: CostSums) => number): number => costs.items.reduce((sum, row) => sum + of(row), 0);
      assert.equal(costs.total.calls, 3);
      assert.equal(
        added(({ calls }) => calls),
        3,
        by,
      );
      assert.equal(costs.total.costNanoUsd, sums.costNanoUsd);
      assert.equal(
        added(({ costNanoUsd }) => costNanoUsd),
        sums.costNanoUsd,
        by,
      );
      assert.equal(
        added(({ usage }) => usage.outputTokens),
        sums.usage.outputTokens,
        by,
      );
    }
  }
  assert.equal((await stage.index.runCosts({ tenant, runId: child }, { by: "turn" })).total.calls, 2);
  const rows = async (by: CostKey): Promise<readonly (readonly [string, number])[]> =>
    (await stage.index.costs(tenant, { by })).map(({ key, calls }) => [key, calls]);
  assert.deepEqual(await rows("rootRunId"), [
    ["root", 3],
    ["other", 1],
  ]);
  assert.deepEqual(await rows("runId"), [
    [child, 2],
    ["other", 1],
    ["root", 1],
  ]);
  await assert.rejects(stage.index.runCosts({ tenant: "other", runId: "root" }, { by: "turn" }), {
    code: "RUN_UNKNOWN",
  });
});
