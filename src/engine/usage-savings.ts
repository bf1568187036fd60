import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import { addSavings, noSavings, savings, type Savings, type UsageSavings } from "../core/savings.ts";
import type { Store } from "../core/store-contract.ts";
import { batchesAfter } from "./load-run.ts";

/** Folds journals of the newest runs; a run that did not go on since is not read again. */
export class SavingsReader {
  readonly #store: Store;
  readonly #known = new Map<string, Savings>();

  constructor(store: Store) {
    this.#store = store;
  }

  async of(tenant: string, runsMax: number): Promise<UsageSavings> {
    const { items, cursor } = await this.#store.list(tenant, { children: true }, null, runsMax);
    let sums = noSavings;
    let notRead = 0;
    for (const head of items) {
      if (head.seq <= limits.savingsEvents) sums = addSavings(sums, await this.#ofRun(tenant, head));
      else notRead++;
    }
    return { ...sums, runs: items.length, notRead, isAll: cursor === null };
  }

  async #ofRun(tenant: string, { runId, seq }: RunHead): Promise<Savings> {
    const key = `${tenant} ${runId} ${seq}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const events = [];
    for await (const batch of batchesAfter(this.#store, { tenant, runId }, 0)) events.push(...batch.events);
    const found = savings(events);
    if (this.#known.size >= limits.savingsRemembered) this.#known.clear();
    this.#known.set(key, found);
    return found;
  }
}
