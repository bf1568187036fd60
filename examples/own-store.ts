// A store of your own passes the same suite as every other: one test for each thing that Pawl asks of a store.
// Here a thin wrapper around the memory store stands for yours: it counts the appends.
import { manualClock, memoryStore, storeSuite } from "pawl/testing";
import type { Store } from "pawl";

let appends = 0;

function countingStore(inner: Store): Store {
  return new Proxy(inner, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      if (key === "append") appends++;
      return (...given: readonly unknown[]): unknown => Reflect.apply(member, target, given);
    },
  });
}

storeSuite({
  name: "counting",
  make: async () => {
    const clock = manualClock();
    const store = countingStore(memoryStore({ clock }));
    await store.open();
    return { store, passTime: (ms) => clock.pass(ms), dispose: () => store.close() };
  },
});

process.once("exit", () => console.log(`the suite appended ${appends > 100 ? "more than 100" : appends} times`));
