import assert from "node:assert/strict";
import { test } from "node:test";
import { durable } from "../../src/engine/durable-function.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { Stage } from "./stage.ts";

const quick = durable({ name: "quick", run: (ctx) => ctx.step("step", { effect: "pure" }, () => "done") });

test("a worker that takes one run only leaves the others to other workers, however many are due before it", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const starter = new Stage({ agents: [quick], store, clock, worker: false });
  for (let i = 0; i < 40; i++) await starter.app.start(quick, { runId: `other-${i}`, input: i });
  await starter.app.start(quick, { runId: "mine", input: "mine" });
  const worker = new Stage({ agents: [quick], store, clock, worker: { only: ({ runId }) => runId === "mine" } });
  await worker.app.open();
  const { result } = await worker.played(worker.app.run("mine"));
  assert.equal(result.status, "completed");
  await clock.pass(10_000);
  const others = await starter.app.runs({}, { limit: 100 });
  assert.deepEqual(
    others.items.filter(({ status }) => status !== "queued").map(({ runId }) => runId),
    ["mine"],
  );
  await worker.close();
});

test("a run that is paused while its worker shuts down stays paused, and goes on where it was when resumed", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  let attempts = 0;
  let letGo = (): void => undefined;
  const slow = durable({
    name: "slow",
    run: async (ctx) => {
      await ctx.step("first", { effect: "once" }, () => {
        attempts++;
        return new Promise<string>((resolve) => {
          letGo = () => resolve("first");
        });
      });
      return ctx.step("second", { effect: "once" }, () => "second");
    },
  });
  const first = new Stage({ agents: [slow], store, clock });
  const run = await first.start(null);
  while (attempts === 0) await clock.pass(10);
  await first.app.pause(run.id, "Ctrl-C");
  const closing = first.app.close();
  letGo();
  await clock.until(closing);
  await store.open();
  const head = await run.head();
  assert.deepEqual([head.status, head.dueAt, head.session], ["paused", null, null]);

  const second = new Stage({ agents: [slow], store, clock });
  await second.app.open();
  await clock.pass(5_000);
  assert.equal((await run.head()).status, "paused", "no worker takes it up");
  await second.app.resume(run.id);
  const { result } = await second.played(second.app.run(run.id));
  assert.deepEqual([result.status, attempts], ["completed", 1]);
  await second.close();
});

test("a stream that ends where a run waits has shown everything that led there", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const asker = durable({ name: "asker", run: (ctx) => ctx.ask({ question: "Go on?" }).then(() => "done") });
  const starter = new Stage({ agents: [asker], store, clock, worker: false });
  const worker = new Stage({ agents: [asker], store, clock });
  const run = await starter.start(null);
  // nothing happens until the stream asks whether the run stands still; before the answer it parks
  let asked = 0;
  const head = run.head.bind(run);
  run.head = async () => {
    if (++asked === 2) {
      await worker.app.open();
      await worker.app.run(run.id).result();
    }
    return head();
  };
  const seen: string[] = [];
  const streamed = (async () => {
    for await (const event of run.stream({ untilParked: true })) seen.push(event.type);
  })();
  await clock.until(streamed);
  assert.equal(seen.at(-1), "run.parked");
  await worker.close();
});
