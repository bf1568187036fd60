import assert from "node:assert/strict";
import type { LedgerAmount, LedgerScope, LedgerStore } from "../core/store-contract.ts";

export interface LedgerStep {
  readonly kind: "reserve" | "settle";
  readonly id: string;
  /** One per scope. A settlement never uses more than was reserved. */
  readonly amounts: readonly [number, number];
}

const scopes: readonly LedgerScope[] = [
  { scope: "user:ada", window: "all", unit: "tokens" },
  { scope: "tenant", window: "all", unit: "tokens" },
];
const caps = [100, 150] as const;

const amountsOf = (values: readonly number[]): readonly LedgerAmount[] =>
  scopes.map((scope, i) => ({ ...scope, amount: values[i] ?? 0 }));

/**
 * Plays steps on a store's ledger and, beside it, on plain numbers; fails at the first difference, or when a cap is
 * passed. The tenant must be unused.
 */
export async function ledgerFollowsModel(
  store: LedgerStore,
  tenant: string,
  steps: readonly LedgerStep[],
): Promise<void> {
  const spent = [0, 0];
  const open = new Map<string, readonly number[]>();
  const settled = new Set<string>();
  const reservedOf = (i: number): number => open.values().reduce((sum, values) => sum + (values[i] ?? 0), 0);
  for (const [i, scope] of scopes.entries()) await store.setCap(tenant, scope, caps[i] ?? 0);

  for (const [at, { kind, id, amounts }] of steps.entries()) {
    if (kind === "reserve") {
      const fits = amounts.every((amount, i) => amount <= (caps[i] ?? 0) - (spent[i] ?? 0) - reservedOf(i));
      const isKnown = open.has(id) || settled.has(id);
      const answer = await store.reserve(tenant, { id, runId: "run", amounts: amountsOf(amounts) });
      assert.equal(answer.type, isKnown || fits ? "ok" : "refused", `step ${at}: reserve "${id}"`);
      if (!isKnown && fits) open.set(id, amounts);
    } else {
      const held = open.get(id);
      const used = (held ?? amounts).map((value, i) => Math.min(value, amounts[i] ?? 0));
      await store.settle(tenant, id, amountsOf(used));
      if (held !== undefined) {
        open.delete(id);
        settled.add(id);
        for (const [i, value] of used.entries()) spent[i] = (spent[i] ?? 0) + value;
      }
    }
    for (const [i, scope] of scopes.entries()) {
      const reading = await store.readLedger(tenant, scope);
      const expected = { ...scope, cap: caps[i] ?? 0, spent: spent[i] ?? 0, reserved: reservedOf(i) };
      assert.deepEqual(reading, expected, `step ${at}: ${kind} "${id}"`);
      assert.ok(reading.spent + reading.reserved <= (caps[i] ?? 0), `step ${at}: cap of ${scope.scope} passed`);
    }
  }
}
