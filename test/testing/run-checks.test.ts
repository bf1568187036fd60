import assert from "node:assert/strict";
import { test } from "node:test";
import { durable } from "../../src/engine/durable-function.ts";
import { checkRuns } from "../../src/testing/run-checks.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { onStage, type Stage } from "../engine/stage.ts";

const twoSteps = durable({
  name: "two-steps",
  run: async (ctx) => {
    await ctx.step("one", { effect: "pure" }, () => 1);
    return ctx.step("two", { effect: "pure" }, () => 2);
  },
});

/** The app with a store that gives back something else. */
function seenThrough(stage: Stage, changed: (store: Store) => Partial<Store>): Parameters<typeof checkRuns>[0] {
  const { deps } = stage.app;
  const other = changed(deps.store);
  const store = new Proxy(deps.store, {
    get(target, key) {
      const member: unknown = Reflect.get(key in other ? other : target, key);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  return { deps: { ...deps, store } };
}

test("runs that went as they should pass", async () => {
  await onStage({ agents: [twoSteps] }, async (stage) => {
    assert.equal((await stage.play()).result.status, "completed");
    await checkRuns(stage.app);
  });
});

test("a run that waits after its child has ended passes", async () => {
  const child = durable({ name: "child", run: () => Promise.resolve(1) });
  const parent = durable({
    name: "parent",
    uses: [child],
    run: async (ctx) => {
      await ctx.child({ runnable: "child", input: null });
      return ctx.ask({ question: "Go on?" });
    },
  });
  await onStage({ agents: [parent] }, async (stage) => {
    assert.equal((await stage.play()).result.status, "awaiting_approval");
    await checkRuns(stage.app);
  });
});

test("a body that asks for something else when it is run again is found", async () => {
  let begun = 0;
  const fickle = durable({
    name: "fickle",
    run: async (ctx) => {
      const name = begun++ === 0 ? "first" : "other";
      await ctx.step(name, { effect: "pure" }, () => 1);
      return ctx.step("last", { effect: "pure" }, () => 2);
    },
  });
  await onStage({ agents: [fickle], replay: false }, async (stage) => {
    await stage.play();
    await assert.rejects(checkRuns(stage.app), /run-1: replayed at seq \d+: PawlError: .*step first.*step other/);
    await checkRuns(stage.app, { replay: false });
  });
});

test("a head that is not the fold of its events is found", async () => {
  await onStage({ agents: [twoSteps] }, async (stage) => {
    await stage.play();
    const app = seenThrough(stage, (store) => ({
      list: async (...query) => {
        const page = await store.list(...query);
        return { ...page, items: page.items.map((head) => ({ ...head, fence: head.fence + 1 })) };
      },
    }));
    await assert.rejects(checkRuns(app), /its head is not the fold of its events/);
  });
});

test("a journal that lost a batch is found", async () => {
  await onStage({ agents: [twoSteps] }, async (stage) => {
    await stage.play();
    const app = seenThrough(stage, (store) => ({
      readEvents: async (ref) => (await store.readEvents(ref, 0, Infinity)).toSpliced(2, 1),
    }));
    await assert.rejects(checkRuns(app), /run-1: PawlError: batch \d+ follows seq/);
  });
});
