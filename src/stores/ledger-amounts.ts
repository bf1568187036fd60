import { PawlError } from "../core/errors.ts";
import type { LedgerAmount, LedgerScope } from "../core/store-contract.ts";

/** One amount per scope. @throws OPTION_INVALID for an amount that is not a whole number from 0 */
export function mergedAmounts(amounts: readonly LedgerAmount[]): readonly LedgerAmount[] {
  const merged = new Map<string, LedgerAmount>();
  for (const one of amounts) {
    if (!Number.isSafeInteger(one.amount) || one.amount < 0) {
      throw new PawlError(
        "OPTION_INVALID",
        `the ledger got ${one.amount} ${one.unit} for scope "${one.scope}". Use whole numbers from 0.`,
      );
    }
    const key = scopeKey(one);
    merged.set(key, { ...scopeOf(one), amount: one.amount + (merged.get(key)?.amount ?? 0) });
  }
  return [...merged.values()];
}

/** Text that is equal for equal scopes only. */
export function scopeKey(scope: LedgerScope): string {
  return JSON.stringify([scope.scope, scope.window, scope.unit]);
}

export function scopeOf(scope: LedgerScope): LedgerScope {
  return { scope: scope.scope, window: scope.window, unit: scope.unit };
}

/** @throws OPTION_INVALID for a cap that is not a whole number from 0; null removes a cap */
export function checkCap(scope: LedgerScope, cap: number | null): void {
  if (cap === null || (Number.isSafeInteger(cap) && cap >= 0)) return;
  throw new PawlError(
    "OPTION_INVALID",
    `the cap of scope "${scope.scope}" is ${cap} ${scope.unit}. Use a whole number from 0, or null for no cap.`,
  );
}
