import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { onStage } from "./stage.ts";

/** A store whose `method` fails at its first `times` calls after the first one. */
function failing(store: Store, method: "append" | "readEvents", code: ErrorCode, times: number): Store {
  let calls = 0;
  return new Proxy(store, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        const fails = key === method && ++calls > 1 && calls <= times + 1;
        if (fails) return Promise.reject(new PawlError(code, "not now"));
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
}

const threeSteps = durable({
  name: "three-steps",
  run: async (ctx) => {
    for (const name of ["one", "two", "three"]) await ctx.step(name, { effect: "pure" }, () => name);
    return "done";
  },
});

for (const code of ["STORE_UNREACHABLE", "STORE_LOCKED", "STORE_FULL"] as const) {
  for (const method of ["append", "readEvents"] as const) {
    test(`${code} of ${method} passes: the run goes on and nobody has to unblock it`, async () => {
      const clock = manualClock();
      const store = failing(memoryStore({ clock }), method, code, 3);
      await onStage({ agents: [threeSteps], clock, store }, async (stage) => {
        const { result } = await stage.play();
        assert.equal(result.status, "completed");
      });
    });
  }
}
