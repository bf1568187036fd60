import assert from "node:assert/strict";
import { test } from "node:test";
import { durable } from "pawl";
import { Pawl } from "../../src/engine/runtime.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";

const naps = durable({
  name: "naps",
  run: async (ctx, input) => {
    await ctx.sleep(Number(input));
    return "awake";
  },
});

test(
  "a timer that runs out between a look at the calls and the park is no timer that is never due",
  { timeout: 60_000 },
  async () => {
    // each look at the clock takes a while, as on a machine that has much else to do
    let passed = 0;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + (passed += 3) };
    const app = new Pawl({ store: memoryStore(), agents: [naps], models: scriptedModel([], { clock }), clock });
    for (let ms = 1; ms <= 60; ms++) {
      const run = await app.start(naps, { runId: `nap-${ms}`, input: ms });
      assert.equal((await run.result()).status, "completed", `${ms} ms`);
    }
    await app.close();
  },
);
