import { join } from "node:path";
import { encrypted } from "../../src/stores/encrypted.ts";
import { sqlite } from "../../src/sqlite.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { storeSuite } from "../../src/testing/store-suite.ts";
import { freshFolder } from "./folders.ts";
import { handClock } from "./manual-clock.ts";

const keys = { current: "m1", get: () => new Uint8Array(32).fill(7) };

storeSuite({
  name: "encrypted memory store",
  make: async () => {
    const clock = handClock();
    const store = encrypted(memoryStore({ clock }), { keys, clock });
    await store.open();
    return { store, passTime: async (ms) => clock.pass(ms), dispose: () => store.close() };
  },
});

storeSuite({
  name: "encrypted sqlite",
  make: async () => {
    const folder = freshFolder();
    const clock = handClock();
    const store = encrypted(sqlite(join(folder.path, "pawl.db"), { thread: "never", clock }), { keys, clock });
    await store.open();
    return {
      store,
      passTime: async (ms) => clock.pass(ms),
      dispose: async () => {
        await store.close();
        folder.remove();
      },
    };
  },
});
