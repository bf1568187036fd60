import type { Store } from "../core/store-contract.ts";

/** One store as a claim meets it: open, and empty except for tenants of other tests. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Lets this much time pass by the store's clock: moves a manual clock, or really waits where a server has its own. */
  readonly passTime: (ms: number) => Promise<void>;
  /** Closes the store and removes what it kept. */
  readonly dispose: () => Promise<void>;
}

/** What a store must do, each by name: fails by throwing. */
export type Claims = { readonly [claim: string]: (under: StoreUnderTest) => Promise<void> };
