import assert from "node:assert/strict";
import { test } from "node:test";
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
