import { test } from "node:test";
import type { Claims, StoreUnderTest } from "./store-claims.ts";
import { blobClaims } from "./suite-blobs.ts";
import { indexClaims } from "./suite-index.ts";
import { ledgerClaims } from "./suite-ledger.ts";
import { listClaims } from "./suite-list.ts";
import { notifyClaims, recordClaims } from "./suite-records.ts";
import { runClaims } from "./suite-runs.ts";
import { sessionClaims } from "./suite-sessions.ts";
import { tenantClaims } from "./suite-tenants.ts";

export interface StoreSuiteOptions {
  /** Begins the name of each test. */
  readonly name: string;
  /** Called once for each test. */
  readonly make: () => Promise<StoreUnderTest>;
  /** Claims (by name) that this store does not keep, each with the reason; they show as skipped. */
  readonly skip?: { readonly [claim: string]: string };
}

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
