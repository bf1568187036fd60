import assert from "node:assert/strict";
import { test } from "node:test";
import type { Store } from "../../src/core/store-contract.ts";
import { limits } from "../../src/core/limits.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";

/** Its first worker never gets done with it. */
function hanging(name: string) {
  const begun = new Set<string>();
  return durable({
    name,
    run: (ctx) =>
      ctx.step("hang", { effect: "pure" }, () => {
        if (begun.has(ctx.run.runId)) return "done";
        begun.add(ctx.run.runId);
        return Promise.withResolvers<string>().promise;
      }),
  });
}

/** The store as a worker sees it whose beats never arrive: for the others it is dead. */
function unheard(store: Store): Store {
  return new Proxy(store, {
    get(target, key) {
      if (key === "beat") return () => Promise.reject(new Error("the network is down"));
      const member: unknown = Reflect.get(target, key);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

test("runs of a dead worker that cannot be executed here do not hide the others", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const [foreign, known] = [hanging("foreign"), hanging("known")];
  const common = { models: scriptedModel([]), clock };
  const dying = new Pawl({ ...common, store: unheard(store), agents: [foreign, known] });
  for (let n = 1; n <= limits.claimsPerPoll + 1; n++) await dying.start(foreign, { runId: `foreign-${n}`, input: n });
  await dying.start(known, { runId: "known-1", input: 1 });
  await clock.pass(2 * limits.pollMs);

  const next = new Pawl({ ...common, store, agents: [known] });
  await next.open();
  const result = await clock.until(next.run("known-1").result(), limits.sessionDeadMs + 3 * limits.sweepMs);
  assert.equal(result.status, "completed");
  await clock.until(Promise.all([next.close(), dying.close()]));
});
