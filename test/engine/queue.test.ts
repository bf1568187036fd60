import assert from "node:assert/strict";
import { test } from "node:test";
import { durable, type Dispatch, type RunResult } from "pawl";
import type { DueRun } from "../../src/core/dispatch-contract.ts";
import type { RunRef } from "../../src/core/id.ts";
import { limits } from "../../src/core/limits.ts";
import { TenantTurns } from "../../src/engine/tenant-turns.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { Stage } from "./stage.ts";

/** A queue in memory, which a test may flush, double and let fail. */
class TestQueue implements Dispatch {
  readonly name = "test";
  readonly jobs = new Map<string, DueRun>();
  readonly put: DueRun[] = [];
  isDown = false;
  #handle: (ref: RunRef) => Promise<void> = () => Promise.resolve();

  open(): Promise<void> {
    return Promise.resolve();
  }

  async enqueue(due: DueRun): Promise<void> {
    if (this.isDown) throw new Error("the queue is down");
    this.put.push(due);
    this.jobs.set(`${due.ref.tenant}/${due.ref.runId}-${due.headSeq}`, due);
  }

  consume(_lanes: readonly string[], _concurrency: number, handle: (ref: RunRef) => Promise<void>) {
    this.#handle = handle;
    return Promise.resolve(() => Promise.resolve());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Delivers what waits, `times` each. */
  async deliver(times = 1): Promise<void> {
    const due = [...this.jobs.values()];
    this.jobs.clear();
    await Promise.all(due.flatMap(({ ref }) => Array.from({ length: times }, () => this.#handle(ref))));
  }
}

const echo = durable({ name: "echo", version: "1", run: (_, input) => Promise.resolve(input) });
const sleeper = durable({
  name: "sleeper",
  version: "1",
  run: async (ctx) => {
    await ctx.sleep(3_600_000);
    return "slept";
  },
});

function outputOf(result: RunResult): unknown {
  return result.status === "completed" ? result.output : result.status;
}

function staged(queue: TestQueue, worker: boolean | { readonly tenantConcurrency: number } = true): Stage {
  return new Stage({ agents: [echo, sleeper], queue, worker, replay: false });
}

test("a run is put into the queue when it is due, delivered any number of times, and executed once", async () => {
  const queue = new TestQueue();
  const stage = staged(queue);
  const run = await stage.start("hello");
  await stage.clock.drain();
  assert.deepEqual(
    queue.put.map(({ ref, lane, headSeq, delayMs }) => [ref.runId, lane, headSeq, delayMs]),
    [["run-1", "echo@1", 1, 0]],
  );
  await stage.clock.until(queue.deliver(3));
  assert.equal(outputOf(await stage.clock.until(run.result())), "hello");
  assert.equal(stage.workerEvents.filter(({ type }) => type === "claimed").length, 1);
  await stage.app.close();
});

test("a run that sleeps is put in with its delay; one that is delivered early is put in again", async () => {
  const queue = new TestQueue();
  const stage = staged(queue);
  const run = await stage.app.start("sleeper", { runId: "run-1", input: null });
  await stage.clock.drain();
  await stage.clock.until(queue.deliver());
  const parked = queue.put.at(-1);
  assert.equal(parked?.delayMs, 3_600_000);
  await stage.clock.until(queue.deliver());
  assert.ok(queue.put.length >= 3 && (queue.put.at(-1)?.delayMs ?? 0) > 3_000_000, "too early: it waits on");
  await stage.clock.pass(3_600_000);
  await stage.clock.until(queue.deliver());
  assert.equal(outputOf(await stage.clock.until(run.result())), "slept");
  await stage.app.close();
});

test("what a flushed queue lost is put in again by the sweep, once in a while and not at each sweep", async () => {
  const queue = new TestQueue();
  const stage = staged(queue);
  const run = await stage.start("hello");
  await stage.clock.drain();
  queue.jobs.clear();
  await stage.clock.pass(2 * limits.sweepMs);
  assert.deepEqual([...queue.jobs.keys()], ["default/run-1-1"]);
  const putIn = queue.put.length;
  await stage.clock.pass(limits.offerAgainMs / 2);
  assert.equal(queue.put.length, putIn, "it is in the queue already");
  await stage.clock.until(queue.deliver());
  assert.equal((await stage.clock.until(run.result())).status, "completed");
  await stage.app.close();
});

test("a queue that is down fails no start; the run is put in when it is overdue", async () => {
  const queue = new TestQueue();
  queue.isDown = true;
  const stage = staged(queue);
  const run = await stage.start("hello");
  await stage.clock.drain();
  assert.equal(stage.workerEvents.filter(({ type }) => type === "failed").length, 1);
  queue.isDown = false;
  await stage.clock.pass(2 * limits.sweepMs);
  await stage.clock.until(queue.deliver());
  assert.equal((await stage.clock.until(run.result())).status, "completed");
  await stage.app.close();
});

test("a queue that takes everything and delivers nothing holds up a run for some seconds only", async () => {
  const queue = new TestQueue();
  const stage = staged(queue);
  const run = await stage.start("hello");
  assert.equal(outputOf(await stage.clock.until(run.result())), "hello");
  assert.ok(queue.put.length > 1, "it was put in again first");
  await stage.app.close();
});

test("tenants take turns, and none has more than its share of a worker", async () => {
  const turns = new TenantTurns(2);
  const of = (tenant: string, runId: string): RunRef => ({ tenant, runId });
  const many = ["1", "2", "3"].map((id) => of("a", id));
  assert.deepEqual(
    turns.inTurns([...many, of("b", "4"), of("c", "5")]).map(({ runId }) => runId),
    ["1", "4", "5", "2", "3"],
  );
  assert.deepEqual(
    many.map((ref) => turns.enter(ref)),
    [true, true, false],
  );
  assert.equal(turns.enter(of("b", "4")), true, "another tenant has room");
  assert.deepEqual(turns.leave(of("a", "1")), of("a", "3"));
  assert.equal(turns.leave(of("a", "2")), null);
});

test("a tenant with many runs leaves room for another, on a store that is polled", async () => {
  const ended: string[] = [];
  const slow = durable({
    name: "slow",
    version: "1",
    run: async (ctx, input) => {
      await ctx.step("note", { effect: "pure" }, () => {
        ended.push(JSON.stringify(input));
        return null;
      });
      return input;
    },
  });
  const clock = manualClock();
  const store = memoryStore({ clock });
  const starter = new Stage({ agents: [slow], worker: false, store, clock, replay: false });
  for (let i = 0; i < 40; i++) await starter.start("big");
  const small = await starter.app.start("slow", { tenant: "small", runId: "s", input: "small" });
  const stage = new Stage({
    agents: [slow],
    worker: { concurrency: 4, tenantConcurrency: 2 },
    store,
    clock,
    replay: false,
  });
  await stage.app.open();
  await clock.until(small.result());
  assert.ok(ended.indexOf('"small"') < 6, `small came after ${ended.indexOf('"small"')} runs of the big one`);
  await stage.app.close();
});
