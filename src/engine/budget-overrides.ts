import { checkCaps, type BudgetCaps } from "../core/budget-rules.ts";
import type { JsonObject } from "../core/json.ts";
import type { Store } from "../core/store-contract.ts";

/** Caps that somebody set in place of the declared ones, for a tenant. */
export interface CapOverride {
  readonly caps: BudgetCaps;
  readonly by: string;
  readonly at: number;
}

const PREFIX = "budget-caps/";

/** By the budget's name. There are no more of them than budgets that were ever declared. */
export async function capsInForce(store: Store, tenant: string): Promise<ReadonlyMap<string, CapOverride>> {
  const found = new Map<string, CapOverride>();
  let cursor: string | null = null;
  do {
    const page = await store.listRecords(tenant, PREFIX, cursor, 100);
    for (const { key, value } of page.items) found.set(key.slice(PREFIX.length), value as unknown as CapOverride);
    cursor = page.cursor;
  } while (cursor !== null);
  return found;
}

/** @param caps  null = the declared ones hold again @throws OPTION_INVALID */
export async function putOverride(
  store: Store,
  tenant: string,
  name: string,
  override: { readonly caps: BudgetCaps | null; readonly by: string; readonly at: number },
): Promise<void> {
  const { caps, by, at } = override;
  if (caps === null) return store.deleteRecord(tenant, PREFIX + name);
  checkCaps(name, caps);
  const value: JsonObject = { caps: { ...caps } as JsonObject, by, at };
  await store.putRecord(tenant, PREFIX + name, value, {});
}
