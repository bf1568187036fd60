import { limits } from "../core/limits.ts";
import type { LedgerScope, Store } from "../core/store-contract.ts";

/**
 * Caps of kinds of windows, which hold for each window by itself, also for those to come: nobody has to be there when a
 * day begins. Each is set once by this process, before it first counts against it, and again where it changes.
 */
export class LedgerCaps {
  readonly #store: Store;
  readonly #known = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws STORE_UNREACHABLE: it is tried again the next time */
  async set(tenant: string, scope: LedgerScope, cap: number): Promise<void> {
    const key = JSON.stringify([tenant, scope.scope, scope.window, scope.unit]);
    if (this.#known.get(key) === cap) return;
    await this.#store.setCap(tenant, scope, cap);
    this.#known.set(key, cap);
    const oldest = this.#known.keys().next();
    if (this.#known.size > limits.budgetCapsKept && oldest.done !== true) this.#known.delete(oldest.value);
  }
}
