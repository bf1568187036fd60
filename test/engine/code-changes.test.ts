import assert from "node:assert/strict";
import { test } from "node:test";
import { durable, type FunctionContext } from "pawl";
import { manualClock, memoryStore } from "pawl/testing";
import { entropyOf, Stage, ofType, onStage, rejectsWith } from "./stage.ts";

function doNothing(): void {}

type Body = (ctx: FunctionContext) => Promise<unknown>;

/** Parks a run under one version of the code, then goes on with another. */
async function deployed(before: Body, after: Body, look: (stage: Stage) => Promise<void>): Promise<void> {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const old = new Stage({ agents: [durable({ name: "job", run: before })], clock, store });
  const run = await old.start(null);
  await clock.pass(100);
  assert.equal((await run.head()).status, "awaiting_signal");
  await old.close();
  const fresh = new Stage({
    agents: [durable({ name: "job", run: after })],
    clock,
    store,
    entropy: entropyOf(8),
    replay: false,
  });
  await clock.until(fresh.app.signal(run.id, "go", 1));
  await clock.pass(3_000);
  await look(fresh);
  await fresh.close();
}

const step = (name: string) => (ctx: FunctionContext) => ctx.step(name, { effect: "pure" }, () => name);
const original: Body = async (ctx) => [await step("one")(ctx), await ctx.waitForSignal("go"), await step("two")(ctx)];

test("code that does after the record what it did before goes on", () =>
  deployed(
    original,
    async (ctx) => [await step("one")(ctx), await ctx.waitForSignal("go"), await step("three")(ctx)],
    async (stage) => {
      assert.equal((await stage.app.run("run-1").result()).status, "completed");
    },
  ));

const changes: { readonly [what: string]: readonly [Body, RegExp, RegExp] } = {
  "a step renamed": [async (ctx) => [await step("uno")(ctx), await ctx.waitForSignal("go")], /step one/, /step uno/],
  "a step removed": [async (ctx) => [await ctx.waitForSignal("go")], /step one/, /wait signal go/],
  "two calls in another order": [
    async (ctx) => [await ctx.waitForSignal("go"), await step("one")(ctx)],
    /step one/,
    /wait signal go/,
  ],
  "an end before the record's": [async (ctx) => [await step("one")(ctx)], /wait signal go/, /nothing/],
};
for (const [what, [body, expected, found]] of Object.entries(changes)) {
  test(`${what}: the run is blocked, both sides are named, and nothing is guessed`, () =>
    deployed(original, body, async (stage) => {
      const head = await stage.app.run("run-1").head();
      assert.equal(head.status, "blocked");
      assert.equal(head.blocked?.code, "JOURNAL_DIVERGED");
      const blocked = ofType(await stage.events(stage.app.run("run-1")), "run.blocked")[0];
      assert.match(blocked?.expected ?? "", expected);
      assert.match(blocked?.found ?? "", found);
    }));
}

test("a blocked run goes on with the right code after unblock, and ends as failed where a person says so", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const wrong: Body = async (ctx) => [await step("uno")(ctx)];
  const first = new Stage({ agents: [durable({ name: "job", run: original })], clock, store });
  const runs = [await first.start(null), await first.start(null)];
  await clock.pass(100);
  await first.close();
  const second = new Stage({ agents: [durable({ name: "job", run: wrong })], clock, store, entropy: entropyOf(8) });
  for (const run of runs) await clock.until(second.app.signal(run.id, "go", 1));
  await clock.pass(3_000);
  await second.close();
  const third = new Stage({ agents: [durable({ name: "job", run: original })], clock, store, entropy: entropyOf(9) });
  await clock.until(third.app.unblock("run-1", "retry"));
  await clock.until(third.app.unblock("run-2", "fail"));
  assert.equal((await clock.until(third.app.run("run-1").result())).status, "completed");
  await clock.pass(3_000);
  const failed = await clock.until(third.app.run("run-2").result());
  assert.equal(failed.status === "failed" && failed.error.code, "POISONED");
  await rejectsWith("RUN_ENDED", clock.until(third.app.unblock("run-2", "retry")));
  await third.check();
  await third.close();
});

test("a body that awaits what is no call of its context is blocked with what to do, not lost", () =>
  onStage({ agents: [durable({ name: "job", run: () => new Promise(doNothing) })], replay: false }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(5_000);
    const head = await run.head();
    assert.equal(head.blocked?.code, "BODY_AWAITS_OUTSIDE");
    assert.match(head.blocked.detail, /ctx\.step/);
  }));

test("a body that throws ends its run as failed, with what it threw", () =>
  onStage(
    { agents: [durable({ name: "job", run: () => Promise.reject(new TypeError("no such customer")) })] },
    async (stage) => {
      const { result } = await stage.play(null);
      assert.equal(result.status === "failed" && result.error.message, "TypeError: no such customer");
    },
  ));

test("a context that is used after its turn refuses, and records nothing", async () => {
  let kept: FunctionContext | undefined;
  await onStage(
    { agents: [durable({ name: "job", run: (ctx) => Promise.resolve(void (kept = ctx)) })] },
    async (stage) => {
      const { run } = await stage.play(null);
      const before = (await run.head()).seq;
      await rejectsWith("CONTEXT_REVOKED", kept?.step("late", { effect: "pure" }, () => 1) ?? Promise.resolve());
      assert.equal((await run.head()).seq, before);
    },
  );
});
