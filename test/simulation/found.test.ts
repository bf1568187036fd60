import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { sleep } from "../../src/core/clock.ts";
import { PawlError } from "../../src/core/errors.ts";
import { decodeBatches } from "../../src/core/journal-codec.ts";
import type { JournalEvent } from "../../src/core/journal-event.ts";
import { limits } from "../../src/core/limits.ts";
import { allowed } from "../../src/core/policy.ts";
import type { Append, Store } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { registryOf } from "../../src/engine/registry.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { Worker } from "../../src/engine/worker.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { tool } from "../../src/tools/tool.ts";
import { entropyOf, onStage } from "../engine/stage.ts";

// What the simulator found, each once more by hand: a seed tells another story as soon as its workload changes.

const tenant = "default";
const models = scriptedModel([]);

async function eventsOf(store: Store, runId: string): Promise<readonly JournalEvent[]> {
  const lines = await store.readEvents({ tenant, runId }, 0, limits.readBytes);
  return decodeBatches(lines, { seq: 0, hash: "" }).batches.flatMap(({ events }) => events);
}

/** A store whose appends a test sees, and may fail, before they are made. */
function watched(store: Store, before: (runId: string, append: Append) => Promise<void>): Store {
  const append: Store["append"] = async (ref, given) => {
    await before(ref.runId, given);
    return store.append(ref, given);
  };
  return replaced(store, "append", append);
}

/** The same store but for one operation. */
function replaced<K extends keyof Store>(store: Store, name: K, operation: Store[K]): Store {
  return new Proxy(store, {
    get(target, key) {
      if (key === name) return operation;
      const member: unknown = Reflect.get(target, key);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

test("each of two waits for one signal name gets a signal of its own", async () => {
  const both = durable({
    name: "both",
    run: (ctx) => Promise.all([ctx.waitForSignal("go"), ctx.waitForSignal("go")]),
  });
  await onStage({ agents: [both] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.until(stage.app.signal(run.id, "go", 1));
    await stage.clock.until(stage.app.signal(run.id, "go", 2));
    const { result } = await stage.played(run);
    assert.deepEqual(result.status === "completed" && result.output, [
      { received: true, value: 1 },
      { received: true, value: 2 },
    ]);
  });
});

test("an approval that a person decides while its expiry is being written is decided once, by the person", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const asking = durable({ name: "asking", run: async (ctx) => (await ctx.ask({ question: "?", expiresMs: 900 })).by });
  const early = { ...clock, nowMs: () => clock.nowMs() - 500, drain: () => clock.drain() };
  const person = new Pawl({ store, agents: [asking], models, worker: false, clock: early, entropy: entropyOf(901) });
  let isFirst = true;
  const slow = watched(store, async (_runId, { batch }) => {
    if (!isFirst || !batch.line.includes(`"expired":true`)) return;
    isFirst = false;
    await person.approvals.approve("run-1:t0-0", { by: "ada" });
  });
  const app = new Pawl({ store: slow, agents: [asking], models, clock, entropy: entropyOf(902) });
  const run = await app.start(asking, { runId: "run-1", input: null });
  const result = await clock.until(run.result());
  assert.equal(isFirst, false, "the expiry was written after the decision");
  assert.equal(result.status === "completed" && result.output, "ada");
  const decisions = (await eventsOf(store, "run-1")).filter(({ type }) => type === "approval.decided");
  assert.equal(decisions.length, 1);
  await clock.until(app.close());
});

test("a worker that is stopped while it starts listens no more, sets no timers and leaves no session", async () => {
  const clock = manualClock();
  const inner = memoryStore({ clock });
  const openSession: Store["openSession"] = async (id, name) => {
    await sleep(clock, 100);
    await inner.openSession(id, name);
  };
  const store = replaced(inner, "openSession", openSession);
  const registry = registryOf([durable({ name: "any", run: async () => null })]);
  const worker = new Worker(
    { store, clock, entropy: entropyOf(903), models, registry, build: "test", hooks: {}, redaction: null },
    { name: "w" },
  );
  const starting = worker.start();
  await clock.until(Promise.all([starting, worker.stop()]));
  await clock.pass(limits.beatMs * 2);
  assert.equal(clock.timers, 0);
  assert.deepEqual(
    (await store.listSessions()).map(({ dead }) => dead),
    [true],
  );
});

test("a fork that broke off is completed by its repeat, though the original went on meanwhile", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const counting = durable({
    name: "counting",
    run: async (ctx) => {
      const n = (ctx.loopState as number | null) ?? 0;
      await ctx.sleep(10_000);
      return n < 3 ? ctx.loop(n + 1) : n;
    },
  });
  let isDown = true;
  const failing = watched(store, async (runId) => {
    if (runId === "fork" && isDown) throw new PawlError("STORE_UNREACHABLE", "down");
  });
  const app = new Pawl({ store: failing, agents: [counting], models, clock, entropy: entropyOf(904) });
  await app.start(counting, { runId: "run-1", input: null });
  await clock.pass(15_000);
  await assert.rejects(clock.until(app.fork("run-1", { turn: 1, runId: "fork", by: "ada" })));
  await assert.rejects(clock.until(app.message("fork", "hello")), (error) => PawlError.is(error, "JOURNAL_CONFLICT"));
  isDown = false;
  await clock.pass(15_000);
  const fork = await clock.until(app.fork("run-1", { turn: 1, runId: "fork", by: "ada" }));
  const result = await clock.until(fork.result());
  assert.equal(result.status === "completed" && result.output, 3);
  assert.equal((await eventsOf(store, "fork"))[0]?.type, "run.started");
  await clock.until(app.close());
});

test("a run whose body is done parks while the loser of its race is unknown, and ends once a person says what became of it", async () => {
  const mail = tool({
    name: "mail",
    version: "1",
    description: "Mails.",
    effect: "once",
    inputSchema: z.object({}),
    execute: () => {
      throw new Error("the connection was lost");
    },
  });
  const racing = durable({
    name: "racing",
    tools: [mail],
    run: async (ctx) => {
      const slow = ctx.tool({ tool: mail, args: {}, verdict: allowed, show: ({ value }) => ({ value }) });
      await Promise.race([slow, ctx.step("quick", { effect: "pure" }, () => 1)]);
      return "raced";
    },
  });
  await onStage({ agents: [racing] }, async (stage) => {
    const { run, result } = await stage.play(null);
    assert.equal(result.status, "awaiting_approval");
    assert.equal((await run.head()).session, null, "nobody holds it");
    const [open] = (await run.head()).waits;
    const unknown = (await stage.events(run)).find(({ type }) => type === "effect.unknown");
    assert.equal(open?.seq, unknown?.seq, "a wait names the unknown that it is about");
    const other = { resolution: "applied", by: "ada", seq: 1 } as const;
    await assert.rejects(stage.app.approvals.resolveEffect(run.id, "t0-0", other));
    await stage.app.approvals.resolveEffect(run.id, "t0-0", { ...other, seq: open?.seq ?? 0 });
    const ended = await stage.played(run);
    assert.equal(ended.result.status === "completed" && ended.result.output, "raced");
  });
});

test("calls of two tenants' runs that have one id have two keys, and one tenant's attempts the same", async () => {
  const keys: string[] = [];
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect: "idempotent",
    inputSchema: z.object({}),
    execute: (_input, { idempotencyKey }) => keys.push(idempotencyKey),
  });
  const buying = durable({
    name: "buying",
    tools: [pay],
    run: async (ctx) => {
      await ctx.tool({ tool: pay, args: {}, verdict: allowed, show: ({ value }) => ({ value }) });
      const options = { effect: "idempotent", attemptsMax: 2 } as const;
      await ctx.step("book", options, ({ idempotencyKey, attempt }) => {
        keys.push(idempotencyKey);
        if (attempt === 1) throw new Error("the connection was lost");
        return null;
      });
      return null;
    },
  });
  await onStage({ agents: [buying] }, async (stage) => {
    for (const other of ["default", "acme", "globex"])
      await stage.played(await stage.start(null, { runId: "run-1", tenant: other }));
  });
  assert.deepEqual(keys.slice(0, 3), ["run-1:t0-0", "run-1:t0-1", "run-1:t0-1"]);
  assert.equal(keys.length, 9);
  assert.equal(new Set(keys).size, 6, "each tenant's tool and step has its own");
});
