import { PawlError } from "./errors.ts";
import type { RecordStore } from "./store-contract.ts";

/** No tenant of a user can have this name: ids begin with a letter or digit. */
const OWN = "_traces";
const PREFIX = "tenant/";
const PAGE = 200;

/**
 * The tenants whose runs were ever indexed, or started where runs are kept for a time only, as records of the store. A store
 * lists runs by tenant only: a new index must find those that no mark offers any more, and retention those of everybody.
 */
export class KnownTenants {
  readonly #store: RecordStore;
  readonly #noted = new Set<string>();

  constructor(store: RecordStore) {
    this.#store = store;
  }

  async note(tenant: string): Promise<void> {
    if (this.#noted.has(tenant)) return;
    try {
      await this.#store.putRecord(OWN, `${PREFIX}${tenant}`, true, { ifAbsent: true });
    } catch (error) {
      // a reader raises no marks either
      if (!PawlError.is(error, "STORE_READ_ONLY")) throw error;
    }
    this.#noted.add(tenant);
  }

  async all(): Promise<readonly string[]> {
    const tenants: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.#store.listRecords(OWN, PREFIX, cursor, PAGE);
      tenants.push(...page.items.map(({ key }) => key.slice(PREFIX.length)));
      cursor = page.cursor;
    } while (cursor !== null);
    return tenants;
  }
}
