import assert from "node:assert/strict";
import { durable, Pawl, type Dispatch, type RunResult } from "pawl";
import { memoryStore } from "pawl/testing";
import type { Store } from "../../src/core/store-contract.ts";
import type { WorkerEvent } from "../../src/engine/worker.ts";

const RUNS = 40;
const WORKERS = 3;

const noModels = {
  check: () => undefined,
  open: () => Promise.reject(new Error("no model is asked here")),
};

const adds = durable({
  name: "adds",
  version: "1",
  run: async (ctx, input) => {
    const half = await ctx.step("half", { effect: "pure" }, () => (input as { readonly n: number }).n / 2);
    await ctx.sleep(20);
    return half * 2;
  },
});
const other = durable({ name: "other", version: "1", run: () => Promise.resolve("other") });

/** One process' runtime, in this one: they share the store and the queue and nothing else. */
function app(
  store: Store,
  queue: Dispatch,
  options: { readonly worker: boolean; readonly heard?: WorkerEvent[] },
): Pawl {
  return new Pawl({
    store,
    queue,
    agents: [adds],
    models: noModels as never,
    worker: options.worker ? { concurrency: 8 } : false,
    onWorkerEvent: (event) => options.heard?.push(event),
  });
}

/**
 * A gateway that only starts and three workers on a queue: every run ends with its answer, each was executed by who was
 * told of it, and what the queue loses or doubles changes nothing.
 * @param lose  empties the queue
 */
export async function checkQueue(open: () => Dispatch, lose: () => Promise<void>): Promise<void> {
  const store = memoryStore();
  const kept = shared(store);
  const heard: WorkerEvent[] = [];
  const put = watched(open());
  const gateway = app(kept, put.queue, { worker: false });
  const runs = [];
  for (let n = 0; n < RUNS; n++) runs.push(await gateway.start(adds, { runId: `run-${n}`, input: { n } }));
  // nobody has taken any yet: all are lost, and no worker was told
  await Promise.all(put.underWay);
  assert.equal(put.underWay.length, RUNS);
  await lose();
  const workers = Array.from({ length: WORKERS }, () => app(kept, open(), { worker: true, heard }));
  await Promise.all(workers.map((worker) => worker.open()));
  for (let n = RUNS; n < 2 * RUNS; n++) runs.push(await gateway.start(adds, { runId: `run-${n}`, input: { n } }));
  const results = await Promise.all(runs.map((run) => run.result()));
  assert.deepEqual(
    results.map(outputOf),
    results.map((_, n) => n),
  );
  assert.deepEqual(
    heard.flatMap((event) => (event.type === "failed" ? [String(event.error)] : [])),
    [],
  );
  await Promise.all([...workers, gateway].map((one) => one.close()));
  await store.close();
}

/** A worker without a run's code leaves it for another. */
export async function checkLanes(open: () => Dispatch): Promise<void> {
  const store = memoryStore();
  const kept = shared(store);
  const without = new Pawl({ store: kept, queue: open(), agents: [other], models: noModels as never });
  await without.open();
  const gateway = app(kept, open(), { worker: false });
  const run = await gateway.start(adds, { runId: "run-1", input: { n: 7 } });
  const within = app(kept, open(), { worker: true });
  await within.open();
  assert.deepEqual(outputOf(await run.result()), 7);
  await Promise.all([without, within, gateway].map((one) => one.close()));
  await store.close();
}

function watched(queue: Dispatch): { readonly queue: Dispatch; readonly underWay: readonly Promise<void>[] } {
  const underWay: Promise<void>[] = [];
  const enqueue: Dispatch["enqueue"] = (due) => {
    const work = queue.enqueue(due);
    underWay.push(work);
    return work;
  };
  const { name } = queue;
  return {
    queue: {
      name,
      enqueue,
      open: () => queue.open(),
      consume: (...args) => queue.consume(...args),
      close: () => queue.close(),
    },
    underWay,
  };
}

function outputOf(result: RunResult): unknown {
  return result.status === "completed" ? result.output : result.status;
}

/** The runtimes share one store in memory: the one that closes first must not close it for the others. */
function shared(store: Store): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "close") return () => Promise.resolve();
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
