import { memoryStore } from "../../src/testing/memory-store.ts";
import { storeSuite } from "../../src/testing/store-suite.ts";
import { handClock } from "./manual-clock.ts";

storeSuite({
  name: "memory store",
  make: async () => {
    const clock = handClock();
    const store = memoryStore({ clock });
    await store.open();
    return { store, passTime: async (ms) => clock.pass(ms), dispose: () => store.close() };
  },
});
