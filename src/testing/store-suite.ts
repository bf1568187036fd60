import { test } from "node:test";
import type { Store } from "../core/store-contract.ts";
import { blobClaims } from "./suite-blobs.ts";
import { indexClaims } from "./suite-index.ts";
import { ledgerClaims } from "./suite-ledger.ts";
import { listClaims } from "./suite-list.ts";
import { notifyClaims, recordClaims } from "./suite-records.ts";
import { runClaims } from "./suite-runs.ts";
import { sessionClaims } from "./suite-sessions.ts";
import { tenantClaims } from "./suite-tenants.ts";

/** One store as a claim meets it: open, and empty except for tenants of other tests. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Lets this much time pass by the store's clock: moves a manual clock, or really waits where a server has its own. */
  readonly passTime: (ms: number) => Promise<void>;
  /** Closes the store and removes what it kept. */
  readonly dispose: () => Promise<void>;
}

export interface StoreSuiteOptions {
  /** Begins the name of each test. */
  readonly name: string;
  /** Called once for each test. */
  readonly make: () => Promise<StoreUnderTest>;
  /** Claims (by name) that this store does not keep, each with the reason; they show as skipped. */
  readonly skip?: { readonly [claim: string]: string };
}

/** What a store must do, each by name: fails by throwing. */
export type Claims = { readonly [claim: string]: (under: StoreUnderTest) => Promise<void> };

/** Every claim of the store contract, by name. */
export const storeClaims: Claims = {
  ...runClaims,
  ...indexClaims,
  ...listClaims,
  ...blobClaims,
  ...sessionClaims,
  ...ledgerClaims,
  ...recordClaims,
  ...notifyClaims,
  ...tenantClaims,
};

/**
 * Declares one test of `node:test` for each thing that Pawl asks of a store. Call it in a test file of your own:
 * `storeSuite({ name: "mine", make: async () => ({ store, passTime, dispose }) })`
 */
export function storeSuite({ name, make, skip = {} }: StoreSuiteOptions): void {
  for (const [claim, check] of Object.entries(storeClaims)) {
    test(`${name}: ${claim}`, { skip: skip[claim] ?? false }, async () => {
      const under = await make();
      try {
        await check(under);
      } finally {
        await under.dispose();
      }
    });
  }
  const unknown = Object.keys(skip).filter((claim) => !(claim in storeClaims));
  if (unknown.length > 0) throw new Error(`storeSuite has no claim "${unknown.join('", "')}" that could be skipped`);
}
