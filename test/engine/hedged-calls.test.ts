import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "../../src/agent/agent.ts";
import type { Amount } from "../../src/core/budget.ts";
import { pool } from "../../src/models/pool.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { ownEndpoint } from "../models/own-endpoint.ts";
import { ofType, onStage } from "./stage.ts";

const helper = (tokens: number) =>
  agent({ name: "helper", model: "r", instructions: "x", maxOutputTokens: 1_000, limits: { tokens } });

/** `slow` is the first in the route; `other` the only one left to hedge with. */
function hedgedPool(slowMs: number, otherError?: "MODEL_UNAVAILABLE") {
  const clock = manualClock();
  const slow = ownEndpoint("slow", clock, () => ({ delayMs: slowMs }));
  const other = ownEndpoint("other", clock, () => (otherError === undefined ? {} : { error: otherError }));
  const routes = { r: { endpoints: ["slow"], fallbacks: ["other"], hedge: { afterMs: 500 } } };
  return { clock, slow, other, models: pool({ endpoints: [slow, other], routes, on: { clock } }) };
}

test("a hedged call is answered by who speaks first; the other is stopped, and both are billed and explained", async () => {
  const { clock, slow, other, models } = hedgedPool(60_000);
  await onStage({ agents: [helper(10_000)], models, clock }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    assert.equal(result.status === "completed" && result.output, "other");
    assert.deepEqual([slow.seen.calls, slow.seen.stopped, other.seen.calls], [1, 1, 1]);
    const [lost] = ofType(events, "model.attempted");
    const [answered] = ofType(events, "model.answered");
    assert.ok(lost !== undefined && answered !== undefined);
    assert.deepEqual([lost.endpoint, lost.beside, lost.error.code, lost.assumed], ["slow", true, "CANCELLED", true]);
    assert.deepEqual(lost.usage?.outputTokens, 1_000, "nobody tells what it used: its worst case");
    assert.deepEqual([answered.endpoint, answered.attempt, lost.attempt], ["other", 1, 1]);
    const bills = (lost.costNanoUsd ?? 0) + (answered.costNanoUsd ?? 0);
    assert.ok(bills > 0);
    assert.equal(result.costUsd, bills / 1e9);
    const [called] = ofType(events, "model.called");
    assert.equal(called?.reservation.tokens, 2 * (111 + 1_000), "both were reserved before");
    assert.equal(ofType(events, "budget.overrun").length, 0);
  });
});

test("a call that is quick enough is not hedged, and costs once", async () => {
  const { clock, slow, other, models } = hedgedPool(100);
  await onStage({ agents: [helper(10_000)], models, clock }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status === "completed" && result.output, "slow");
    assert.deepEqual([slow.seen.calls, other.seen.calls], [1, 0]);
    assert.equal(ofType(events, "model.attempted").length, 0);
  });
});

test("a budget with room for one endpoint is not overshot by a second: the call goes out unhedged", async () => {
  const { clock, slow, other, models } = hedgedPool(2_000);
  await onStage({ agents: [helper(1_500)], models, clock }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status === "completed" && result.output, "slow");
    assert.deepEqual([slow.seen.calls, other.seen.calls], [1, 0]);
    assert.equal(ofType(events, "model.called")[0]?.reservation.tokens, 111 + 1_000);
  });
});

test("a second endpoint that fails leaves the first to answer, and its free failure is recorded as free", async () => {
  const { clock, other, models } = hedgedPool(2_000, "MODEL_UNAVAILABLE");
  await onStage({ agents: [helper(10_000)], models, clock }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status === "completed" && result.output, "slow");
    assert.equal(other.seen.calls, 1);
    const [failed] = ofType(events, "model.attempted");
    assert.deepEqual([failed?.endpoint, failed?.costNanoUsd, failed?.error.code], ["other", 0, "MODEL_UNAVAILABLE"]);
  });
});

test("a shared budget is settled with both bills of a hedged call", async () => {
  const { clock, models } = hedgedPool(60_000);
  const scope = { scope: "tenant", window: "all", unit: "tokens" } as const;
  const sharedScopes = (_: unknown, amount: Amount) => [{ ...scope, amount: amount.tokens }];
  await onStage({ agents: [helper(10_000)], models, clock, hooks: { sharedScopes } }, async (stage) => {
    await stage.app.store.setCap("default", scope, 100_000);
    const { result } = await stage.play();
    assert.equal(result.status, "completed");
    await stage.clock.settle();
    const { spent, reserved } = await stage.app.store.readLedger("default", scope);
    assert.deepEqual([spent, reserved], [110 + 100 + 1_000, 0]);
  });
});
