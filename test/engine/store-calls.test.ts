import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import type { Effect } from "../../src/core/effect.ts";
import { limits } from "../../src/core/limits.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import type { Run } from "../../src/engine/run-handle.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { tool } from "../../src/tools/tool.ts";
import { Stage } from "./stage.ts";

interface Counting {
  readonly store: Store;
  /** Calls of each method. */
  readonly calls: Map<string, number>;
}

function counting(store: Store): Counting {
  const calls = new Map<string, number>();
  const get = (target: Store, key: string | symbol): unknown => {
    const member: unknown = Reflect.get(target, key);
    if (typeof member !== "function") return member;
    return (...args: unknown[]): unknown => {
      calls.set(String(key), (calls.get(String(key)) ?? 0) + 1);
      return Reflect.apply(member, target, args) as unknown;
    };
  };
  return { store: new Proxy(store, { get }), calls };
}

/** What a run of so many tool calls, one after the other, asks of its store; followed as a user follows it. */
async function callsOf(steps: number, effect: Exclude<Effect, "reconcilable">): Promise<ReadonlyMap<string, number>> {
  const clock = manualClock();
  const { store, calls } = counting(memoryStore({ clock }));
  const read = tool({
    name: "read",
    version: "1",
    description: "Reads one part.",
    inputSchema: z.object({ part: z.number() }),
    effect,
    trust: "trusted",
    execute: ({ part }) => `part ${part}`,
  });
  const reader = agent({
    name: "reader",
    model: "test/model",
    instructions: "Read.",
    tools: [read],
    limits: { turns: 99 },
  });
  const stage = new Stage({
    agents: [reader],
    clock,
    store,
    replay: false,
    script: (_request, { turn }) =>
      turn < steps ? { toolCalls: [{ tool: "read", input: { part: turn } }] } : { text: "Done." },
  });
  await stage.app.open();
  calls.clear();
  const run = await stage.start();
  const result = await clock.until(run.result());
  assert.equal(result.status, "completed");
  const counted = new Map(calls);
  await stage.close();
  return counted;
}

/** How much more of each method 15 steps need than 5, for each step, before a snapshot is due. Hints aside: they cost no I/O. */
async function perStep(effect: Exclude<Effect, "reconcilable">): Promise<{ readonly [method: string]: number }> {
  const [few, many] = [await callsOf(5, effect), await callsOf(15, effect)];
  const methods = [...many.keys()]
    .filter((method) => method !== "publish")
    .map((method) => [method, ((many.get(method) ?? 0) - (few.get(method) ?? 0)) / 10]);
  return Object.fromEntries(methods.filter(([, count]) => count !== 0)) as { readonly [method: string]: number };
}

test("a step with a pure tool that returns at once costs one append, and not one read", async () => {
  assert.deepEqual(await perStep("pure"), { append: 1 });
});

test("a step with a tool that acts costs one append more, its start, and one small read: may it still be called?", async () => {
  assert.deepEqual(await perStep("once"), { append: 3, getRecord: 1 });
});

/** A function that waits for a signal in each turn after the first `turns`, and a count of the batches it makes its store read. */
function waiting(turns: number) {
  const clock = manualClock();
  const inner = memoryStore({ clock });
  let batches = 0;
  const readEvents: Store["readEvents"] = async (...args) => {
    const lines = await inner.readEvents(...args);
    batches += lines.length;
    return lines;
  };
  const get = (target: Store, key: string | symbol): unknown => {
    const member: unknown = key === "readEvents" ? readEvents : Reflect.get(target, key);
    return typeof member === "function" ? (member.bind(target) as unknown) : member;
  };
  const counter = durable({
    name: "counter",
    run: async (ctx) => {
      const turn = Number(ctx.loopState ?? 0);
      if (turn >= turns) await ctx.waitForSignal("go");
      else await ctx.step("work", { effect: "pure" }, () => turn);
      return ctx.loop(turn + 1);
    },
  });
  const stage = new Stage({ agents: [counter], clock, store: new Proxy(inner, { get }), replay: false });
  const parked = async (run: Run): Promise<void> => {
    do await clock.pass(100);
    while ((await run.head()).status !== "awaiting_signal");
  };
  /** Batches that are read when the run goes on once more. */
  const goOn = async (run: Run): Promise<number> => {
    batches = 0;
    await stage.app.signal(run.id, "go", null);
    await parked(run);
    return batches;
  };
  return { stage, parked, goOn };
}

test("a run goes on from its newest snapshot: what came before is not read again, however long it is", async () => {
  const read = async (turns: number): Promise<number> => {
    const { stage, parked, goOn } = waiting(turns);
    const run = await stage.start(null);
    await parked(run);
    const batches = await goOn(run);
    await stage.close();
    return batches;
  };
  const [short, long] = [await read(10), await read(1_000)];
  assert.ok(long <= short + limits.snapshotEveryEvents, `${long} batches after 1,000 turns, ${short} after 10`);
});

test("a signal without an id of its own does not read the journal, however many came before", async () => {
  const { stage, parked, goOn } = waiting(0);
  const run = await stage.start(null);
  await parked(run);
  let batches = 0;
  for (let signal = 0; signal < 200; signal++) batches = await goOn(run);
  await stage.close();
  assert.ok((await run.head()).seq > 1_000);
  assert.ok(batches <= limits.snapshotEveryEvents, `${batches} batches were read for the last signal`);
});
