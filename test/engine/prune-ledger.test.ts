import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/core/limits.ts";
import type { LedgerScope } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { onStage } from "./stage.ts";

const DAY_MS = 86_400_000;

test("a worker forgets windows of budgets that are long past, and keeps those that people still look at", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const idle = durable({ name: "idle", run: async () => null });
  const dayBefore = (ms: number): LedgerScope => {
    const window = `day:${new Date(clock.nowMs() - ms).toISOString().slice(0, 10)}`;
    return { scope: "user:ada", window, unit: "tokens" };
  };
  const past = dayBefore(limits.budgetAccountMs + 2 * DAY_MS);
  const recent = dayBefore(limits.budgetAccountMs - 2 * DAY_MS);
  for (const scope of [past, recent]) await store.setCap("acme", scope, 9);
  await onStage({ agents: [idle], store, clock }, async ({ app }) => {
    await app.open();
    await clock.pass(limits.ledgerPruneMs + 2 * limits.sweepMs);
  });
  assert.equal((await store.readLedger("acme", past)).cap, null);
  assert.equal((await store.readLedger("acme", recent)).cap, 9);
});
