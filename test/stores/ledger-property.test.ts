import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { sqlite } from "../../src/sqlite.ts";
import { ledgerFollowsModel, type LedgerStep } from "../../src/testing/ledger-model.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { freshFolder } from "./folders.ts";
import { handClock } from "./manual-clock.ts";

const step: fc.Arbitrary<LedgerStep> = fc.record({
  kind: fc.constantFrom("reserve", "reserve", "settle"),
  id: fc.integer({ min: 1, max: 8 }).map((i) => `r${i}`),
  amounts: fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })),
});

/** Each try has a tenant of its own; fast-check makes a failing one small. */
async function holds(store: Store, numRuns: number): Promise<void> {
  let tenant = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) => ledgerFollowsModel(store, `t${++tenant}`, steps)),
    { numRuns },
  );
}

test("memory: no order of reserving and settling passes a cap or loses a unit", async () => {
  await holds(memoryStore({ clock: handClock() }), 300);
});

test("sqlite: no order of reserving and settling passes a cap or loses a unit", async (t) => {
  const folder = freshFolder();
  const store = sqlite(join(folder.path, "pawl.db"), { thread: "never" });
  t.after(async () => {
    await store.close();
    folder.remove();
  });
  await store.open();
  await holds(store, 40);
});
