import assert from "node:assert/strict";
import { test } from "node:test";
import type { Runnable } from "../../src/core/runnable.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { limits } from "../../src/core/limits.ts";
import { durable, type FunctionContext } from "../../src/engine/durable-function.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { tool } from "../../src/tools/tool.ts";
import { z } from "zod";

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

/** Time between the claim of the worker that took over and its word that an effect is unknown. */
async function graceOf(agents: readonly [Runnable, Runnable]): Promise<number> {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const common = { models: scriptedModel([]), clock };
  const dying = new Pawl({ ...common, store: unheard(store), agents: [agents[0]] });
  await dying.start(agents[0], { runId: "run-1", input: null });
  await clock.pass(limits.pollMs);
  const next = new Pawl({ ...common, store, agents: [agents[1]] });
  await next.open();
  const result = await clock.until(next.run("run-1").result());
  assert.equal(result.status === "awaiting_approval" && result.unknownEffects.length, 1);
  let claimedAt = 0;
  for await (const event of next.run("run-1").events()) {
    if (event.type === "run.claimed") claimedAt = claimedAt === 0 || event.fence === 2 ? event.at : claimedAt;
    if (event.type === "effect.unknown") {
      await clock.until(Promise.all([next.close(), dying.close()]));
      return event.at - claimedAt;
    }
  }
  throw new Error("nobody said that the effect is unknown");
}

const never = (): Promise<string> => Promise.withResolvers<string>().promise;

for (const [what, timeLimitMs] of [
  ["its own limit", 120_000],
  ["the default limit", undefined],
] as const) {
  test(`a once step of a lost worker with ${what} is unknown no earlier than its code must have stopped`, async () => {
    const charging = durable({
      name: "charging",
      run: (ctx) => ctx.step("charge", { effect: "once", ...(timeLimitMs && { timeLimitMs }) }, never),
    });
    const graceMs = await graceOf([charging, charging]);
    assert.ok(graceMs >= limits.sessionDeadMs + (timeLimitMs ?? limits.stepTimeMs), `${graceMs} ms`);
  });
}

test("a lost call's grace is the limit with which it was started, not the one that is registered today", async () => {
  const payingWithin = (timeLimitMs: number): Runnable => {
    const pay = tool({
      name: "pay",
      version: "1",
      description: "Pays.",
      inputSchema: z.object({}),
      effect: "once",
      timeLimitMs,
      execute: never,
    });
    return durable({ name: "paying", tools: [pay], run: (ctx: FunctionContext) => ctx.call(pay, {}) });
  };
  const graceMs = await graceOf([payingWithin(300_000), payingWithin(1_000)]);
  assert.ok(graceMs >= limits.sessionDeadMs + 300_000, `${graceMs} ms`);
});

const FAR_MS = 600_000;

for (const [what, parkerCloses, leastMs, mostMs] of [
  ["goes on where it was", false, 126_000, 132_000],
  ["begins again where the first one's beats ended", true, 126_000, 2 * 126_000],
] as const) {
  test(`a grace that one worker parked and another with a date of its own takes up ${what}`, async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const charging = durable({
      name: "charging",
      run: (ctx) => ctx.step("charge", { effect: "once", timeLimitMs: 120_000 }, never),
    });
    const app = (dateMs: number, over: Store = store): Pawl =>
      new Pawl({
        models: scriptedModel([]),
        agents: [charging],
        store: over,
        clock: {
          nowMs: () => clock.nowMs() + dateMs,
          monotonicMs: () => clock.monotonicMs(),
          setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire),
          drain: () => clock.drain(),
        },
      });
    const dying = app(0, unheard(store));
    await dying.start(charging, { runId: "run-1", input: null });
    await clock.pass(limits.pollMs);
    const parker = app(0);
    await parker.open();
    const head = async () => store.readHead({ tenant: "default", runId: "run-1" });
    while ((await head())?.fence !== 2 || (await head())?.session !== null) await clock.pass(limits.pollMs);
    const parkedAt = clock.nowMs();
    if (parkerCloses) await clock.until(parker.close());
    const ahead = app(FAR_MS);
    await ahead.open();
    const result = await clock.until(ahead.run("run-1").result());
    assert.equal(result.status === "awaiting_approval" && result.unknownEffects.length, 1);
    const graceMs = clock.nowMs() - parkedAt;
    assert.ok(graceMs >= leastMs - limits.pollMs && graceMs <= mostMs, `${graceMs} ms`);
    await clock.until(Promise.all([parker.close(), ahead.close(), dying.close()]));
  });
}
