import assert from "node:assert/strict";
import { test } from "node:test";
import { leftOf } from "../../src/core/budget.ts";
import { decodeBatches } from "../../src/core/journal-codec.ts";
import { limits } from "../../src/core/limits.ts";
import type { ModelSource } from "../../src/core/model-contract.ts";
import type { ModelCallSpec } from "../../src/core/runnable.ts";
import { firstState, foldBatch } from "../../src/core/run-fold.ts";
import type { LedgerScope } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { ownEndpoint } from "../models/own-endpoint.ts";
import { ofType, onStage, type Stage } from "./stage.ts";

const asked: ModelCallSpec = {
  context: "side",
  route: "r",
  system: "Answer.",
  add: [{ message: { role: "user", content: [{ type: "text", text: "?" }] } }],
  tools: [],
  params: { maxOutputTokens: 1_000 },
};

/** Both first attempts break off, and are billed at their worst case; both are tried again in the same moment. */
function breakingTwice() {
  const clock = manualClock();
  const endpoint = ownEndpoint("own", clock, (call) => ({ breaks: call < 2 }));
  const models: ModelSource = { check: () => undefined, next: () => ({ type: "try", endpoint, waitMs: 0 }) };
  return { clock, models, endpoint };
}

/** The least that was left of the run's tokens after any batch, by its journal. */
async function leastLeft(stage: Stage, runId: string): Promise<number> {
  const lines = await stage.app.store.readEvents({ tenant: "default", runId }, 0, limits.readBytes);
  const [first, ...rest] = decodeBatches(lines, { seq: 0, hash: "" }).batches;
  assert.ok(first !== undefined);
  let state = firstState(first, "");
  let least = Infinity;
  for (const batch of rest) {
    state = foldBatch(state, batch, "");
    least = Math.min(least, leftOf(state.caps, state.totals, Object.values(state.reserved)).tokens ?? Infinity);
  }
  return least;
}

// one attempt takes 111 + 1,000 at most, and 100 + 1,000 are billed for one that broke off
const roomForThree = 2 * 1_100 + 1_111 + 200;

test("of two calls that are tried again at once the second waits until the first gives back what it did not use", async () => {
  const both = durable({
    name: "both",
    limits: { tokens: roomForThree },
    run: async (ctx) => (await Promise.all([ctx.model(asked), ctx.model(asked)])).length,
  });
  const { clock, models, endpoint } = breakingTwice();
  await onStage({ agents: [both], clock, models }, async (stage) => {
    const { run, result, events } = await stage.play(null);
    assert.equal(result.status, "completed", "nobody has to raise what comes back by itself");
    assert.equal(endpoint.seen.calls, 4);
    assert.equal(ofType(events, "budget.refused").length, 1);
    assert.ok((await leastLeft(stage, run.id)) >= 0);
  });
});

test("where a smaller answer fits the second is fitted again, and what its first fit took of a shared budget is given back", async () => {
  const both = durable({
    name: "both",
    limits: { tokens: roomForThree + 400 },
    run: async (ctx) => (await Promise.all([ctx.model(asked), ctx.model(asked)])).length,
  });
  const { clock, models } = breakingTwice();
  const scope: LedgerScope = { scope: "tenant", window: "all", unit: "tokens" };
  const hooks = {
    sharedScopes: (_state: unknown, { tokens }: { readonly tokens: number }) => [{ ...scope, amount: tokens }],
  };
  await onStage({ agents: [both], clock, models, hooks }, async (stage) => {
    await stage.app.store.setCap("default", scope, 1_000_000);
    const { run, result, events } = await stage.play(null);
    assert.equal(result.status, "completed");
    assert.ok((await leastLeft(stage, run.id)) >= 0);
    const sent = ofType(events, "model.called").map(({ reservation }) => reservation.tokens);
    assert.deepEqual(sent, [1_111, 1_111, 1_111, 600]);
    const { spent, reserved } = await stage.app.store.readLedger("default", scope);
    assert.deepEqual([spent, reserved], [2 * 1_100 + 2 * 110, 0]);
  });
});
