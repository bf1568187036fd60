import { join } from "node:path";
import { sqlite } from "../../src/sqlite.ts";
import type { StoreUnderTest } from "../../src/testing/store-claims.ts";
import { storeSuite } from "../../src/testing/store-suite.ts";
import { freshFolder } from "./folders.ts";
import { handClock } from "./manual-clock.ts";

async function openStore(thread: "always" | "never"): Promise<StoreUnderTest> {
  const folder = freshFolder();
  const clock = handClock();
  const store = sqlite(join(folder.path, "pawl.db"), { thread, clock });
  await store.open();
  return {
    store,
    passTime: async (ms) => clock.pass(ms),
    dispose: async () => {
      await store.close();
      folder.remove();
    },
  };
}

/** The second store on a file: it finds the lock taken and calls the first over the socket. */
async function openClient(): Promise<StoreUnderTest> {
  const folder = freshFolder();
  const clock = handClock();
  const path = join(folder.path, "pawl.db");
  const holder = sqlite(path, { thread: "never", clock });
  const store = sqlite(path, { clock });
  await holder.open();
  await store.open();
  return {
    store,
    passTime: async (ms) => clock.pass(ms),
    dispose: async () => {
      await store.close();
      await holder.close();
      folder.remove();
    },
  };
}

storeSuite({ name: "sqlite", make: () => openStore("never") });
storeSuite({ name: "sqlite in a thread", make: () => openStore("always") });
storeSuite({ name: "sqlite over the socket", make: openClient });
