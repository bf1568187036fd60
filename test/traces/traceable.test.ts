import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as tick } from "node:timers/promises";
import { z } from "zod";
import { decodeBatches } from "../../src/core/journal-codec.ts";
import { limits } from "../../src/core/limits.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { traceable } from "../../src/engine/traceable.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { checkRuns } from "../../src/testing/run-checks.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { tool } from "../../src/tools/tool.ts";
import { onStage } from "../engine/stage.ts";
import { spansOf } from "./read-spans.ts";

const inner = traceable({ name: "inner", tags: ["db"] }, async (id: string) => {
  await tick();
  return { id };
});
const outer = traceable({ name: "outer" }, async (id: string) => inner(id));

const look = tool({
  name: "look",
  version: "1",
  description: "Looks.",
  inputSchema: z.object({ id: z.string() }),
  effect: "pure",
  execute: async ({ id }) => outer(id),
});

test("code that a tool calls is a span below the call, nested as the code is, with what went in and out", async () => {
  const asking = durable({ name: "asking", tools: [look], run: (ctx) => ctx.call(look, { id: "A-7" }) });
  await onStage({ agents: [asking] }, async (stage) => {
    const { run, result, events } = await stage.play("go");
    assert.equal(result.status, "completed");
    const spans = await spansOf(stage.app.store, run.ref);
    const called = spans.find((span) => span.kind === "tool");
    const [one, two] = ["outer", "inner"].map((name) => spans.find((span) => span.name === name));
    assert.equal(one?.parentSpanId, called?.spanId);
    assert.equal(two?.parentSpanId, one?.spanId);
    assert.deepEqual(two?.detail["tags"], ["db"]);
    const told = events.filter((event) => event.type === "span.recorded");
    assert.deepEqual(
      told.map(({ name, inputRef, outputRef }) => [name, inputRef, outputRef]),
      [
        ["outer", ref("A-7"), ref({ id: "A-7" })],
        ["inner", ref("A-7"), ref({ id: "A-7" })],
      ],
    );
    const last = told.at(-1)?.seq ?? Infinity;
    const returned = events.find((event) => event.type === "tool.returned")?.seq ?? 0;
    assert.ok(last < returned, "they are told before the outcome");
  });
});

function ref(inline: unknown): object {
  return { inline, label: { source: "untrusted", origin: "code" } };
}

test("a step's code and the body's own code are spans; the body's are told once, whatever was replayed", async () => {
  const failing = traceable({ name: "failing" }, () => {
    throw new Error("no such table");
  });
  const working = durable({
    name: "working",
    run: async (ctx) => {
      const first = await ctx.step("read", { effect: "pure" }, () => inner("s").then(({ id }) => id));
      await failing().catch(() => undefined);
      await ctx.sleep(60_000);
      return outer(first);
    },
  });
  await onStage({ agents: [working] }, async (stage) => {
    const { run, result } = await stage.play("go");
    assert.equal(result.status, "completed");
    const spans = await spansOf(stage.app.store, run.ref);
    const code = spans.filter((span) => span.kind === "code").map(({ name, status }) => `${name} ${status}`);
    assert.deepEqual(code.toSorted(), ["failing error", "inner ok", "inner ok", "outer ok"]);
    const turn = spans.find((span) => span.kind === "turn");
    assert.equal(spans.find((span) => span.name === "failing")?.parentSpanId, turn?.spanId);
  });
});

test("the spans of an attempt ride in the batch of its outcome: no write comes between an effect and that", async () => {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    inputSchema: z.object({}),
    effect: "idempotent",
    attempts: 2,
    execute: async (_, { attempt }) => {
      for (let i = 0; i < 60; i++) await inner(`${i}`);
      if (attempt === 1) throw new Error("not yet");
      return "paid";
    },
  });
  const paying = durable({
    name: "paying",
    tools: [pay],
    run: async (ctx) => [
      await ctx.call(pay, {}),
      await ctx.step("mail", { effect: "once" }, () => outer("m").then(({ id }) => id)),
    ],
  });
  await onStage({ agents: [paying] }, async (stage) => {
    const { run, result } = await stage.play("go");
    assert.equal(result.status, "completed");
    const lines = await stage.app.store.readEvents(run.ref, 0, limits.readBytes);
    const open = new Set<string>();
    const early: string[] = [];
    for (const { events } of decodeBatches(lines, { seq: 0, hash: "" }).batches) {
      for (const event of events) {
        if (event.type === "tool.started" || event.type === "step.started") open.add(event.callId);
        if (["tool.failed", "tool.returned", "step.returned"].includes(event.type) && "callId" in event)
          open.delete(event.callId);
      }
      for (const event of events)
        if (event.type === "span.recorded" && open.has(event.callId)) early.push(`${event.callId} ${event.name}`);
    }
    assert.deepEqual(early, []);
    const spans = await spansOf(stage.app.store, run.ref);
    assert.equal(spans.filter((span) => span.kind === "code").length, 122);
  });
});

test("of the spans of one call the first hundred are recorded, and the others counted", async () => {
  const many = tool({
    name: "many",
    version: "1",
    description: "Does many things.",
    inputSchema: z.object({}),
    effect: "pure",
    execute: async () => {
      for (let i = 0; i < limits.codeSpans + 7; i++) await inner(`${i}`);
      return "done";
    },
  });
  const asking = durable({ name: "asking", tools: [many], run: (ctx) => ctx.call(many, {}) });
  await onStage({ agents: [asking] }, async (stage) => {
    const { run } = await stage.play("go");
    const spans = await spansOf(stage.app.store, run.ref);
    assert.equal(spans.filter((span) => span.kind === "code").length, limits.codeSpans);
    assert.equal(spans.find((span) => span.kind === "tool")?.detail["spansDropped"], 7);
  });
});

test("outside of every run it is a light run with a journal of its own, and the function's errors stay its own", async () => {
  const clock = manualClock();
  const app = new Pawl({ store: memoryStore({ clock }), agents: [], models: scriptedModel([]), clock });
  const failing = traceable({ name: "failing", app, tags: ["nightly"] }, async (id: string) => {
    await inner(id);
    throw new TypeError("it broke");
  });
  const working = traceable({ name: "working", app }, (id: string) => outer(id));
  await assert.rejects(clock.until(failing("x")), new TypeError("it broke"));
  assert.deepEqual(await clock.until(working("y")), { id: "y" });
  const { items } = await app.runs();
  assert.deepEqual(
    items.map(({ runnable, version, status, title }) => `${runnable}@${version} ${title} ${status}`).toSorted(),
    ["pawl.trace@1 failing failed", "pawl.trace@1 working completed"],
  );
  const failed = items.find(({ title }) => title === "failing");
  assert.deepEqual(failed?.tags, ["nightly"]);
  const spans = await spansOf(app.store, { tenant: "default", runId: failed?.runId ?? "" });
  assert.deepEqual(
    spans.map(({ kind, name, status }) => `${kind} ${name} ${status}`),
    ["run pawl.trace error", "code failing error", "code inner ok"],
  );
  await checkRuns(app);
  await clock.until(app.close());
  assert.equal(clock.timers, 0);
});

test("a light run whose process died is ended as failed by any worker", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const dying = new Pawl({ store: unheard(store), agents: [], models: scriptedModel([]), clock, worker: false });
  const hanging = traceable({ name: "hanging", app: dying }, () => Promise.withResolvers<void>().promise);
  void hanging();
  await clock.pass(10);
  const [begun] = (await dying.runs()).items;
  assert.equal(begun?.status, "running");
  const other = new Pawl({ store, agents: [], models: scriptedModel([]), clock });
  await other.open();
  const result = await clock.until(other.run(begun.runId).result(), limits.sessionDeadMs + 3 * limits.sweepMs);
  assert.equal(result.status === "failed" && result.error.code, "WORKER_LOST");
  await clock.until(Promise.all([other.close(), dying.close()]));
  assert.equal(clock.timers, 0);
});

/** The store as a process sees it whose beats never arrive: for the others it is dead. */
function unheard(store: Store): Store {
  return new Proxy(store, {
    get(target, key) {
      if (key === "beat") return () => Promise.reject(new Error("the network is down"));
      const member: unknown = Reflect.get(target, key);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

test("without an app and outside of a run the function just runs", async () => {
  assert.deepEqual(await outer("z"), { id: "z" });
});
