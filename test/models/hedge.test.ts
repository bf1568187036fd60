import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { billsOf, type ModelPart } from "../../src/core/model-contract.ts";
import { pool } from "../../src/models/pool.ts";
import type { RouteOptions } from "../../src/models/pool-options.ts";
import { generateOptions, requestOf } from "./ask.ts";
import { handClock } from "./hand-clock.ts";
import { makeCall, until } from "./make-call.ts";
import { ownEndpoint, type Behaviour } from "./own-endpoint.ts";

function race(of: {
  readonly first: (call: number) => Behaviour;
  readonly second?: (call: number) => Behaviour;
  readonly hedge?: RouteOptions["hedge"];
  readonly inHand?: number;
}) {
  const clock = handClock();
  const first = ownEndpoint("first", clock, of.first);
  const second = ownEndpoint("second", clock, of.second);
  const source = pool({
    endpoints: [first, second],
    routes: { r: { endpoints: ["first"], fallbacks: ["second"], hedge: of.hedge ?? { afterMs: 300 } } },
    bounds: { retryBudget: { share: 0, inHand: of.inHand ?? 10 } },
    on: { clock, random: () => 0.5 },
  });
  const generate = (signal?: AbortSignal): AsyncIterable<ModelPart> => {
    const next = source.next("r", [], 0.5);
    assert.ok(next.type === "try");
    const options = generateOptions(true, { mayHedge: true, ...(signal === undefined ? {} : { signal }) });
    return next.endpoint.generate(requestOf(), options);
  };
  return { clock, first, second, source, generate };
}

async function finishOf(parts: AsyncIterable<ModelPart>): Promise<Extract<ModelPart, { type: "finish" }>> {
  for await (const part of parts) if (part.type === "finish") return part;
  throw new Error("no finish");
}

test("models: a hedge starts after the route's p95, once that is known, and not for a call in time", async () => {
  const { clock, first, second, source } = race({
    first: (call) => ({ delayMs: call < 30 ? 100 : 5_000 }),
    second: () => ({ delayMs: 100 }),
    hedge: { afterMs: "p95" },
  });
  const ask = () => until(makeCall(source, "r", { clock, mayHedge: true }), clock, 50);
  for (let i = 0; i < 30; i++) assert.equal((await ask()).answeredBy, "first");
  assert.equal(second.seen.calls, 0);
  const startMs = clock.monotonicMs();
  assert.equal((await ask()).answeredBy, "second");
  assert.ok(clock.monotonicMs() - startMs < 1_000, "it did not wait for the slow one");
  await clock.drain();
  assert.equal(first.seen.running, 0, "the slow one was stopped");
});

test("models: the winner's answer says who it is from and carries the other's bill", async () => {
  const { clock, generate } = race({ first: () => ({ delayMs: Infinity }) });
  const finish = await until(finishOf(generate()), clock);
  assert.equal(finish.by?.name, "second");
  assert.deepEqual(
    finish.beside?.map(({ endpoint, error }) => [endpoint.name, error.code]),
    [["first", "CANCELLED"]],
  );
});

test("models: the first that speaks after all wins, and pays for the second", async () => {
  const { clock, generate, second } = race({
    first: () => ({ delayMs: 500 }),
    second: () => ({ delayMs: Infinity }),
  });
  const finish = await until(finishOf(generate()), clock);
  assert.equal(finish.by, undefined);
  assert.deepEqual(
    finish.beside?.map(({ endpoint }) => endpoint.name),
    ["second"],
  );
  assert.deepEqual([second.seen.running, second.seen.stopped], [0, 1]);
});

test("models: an error before the hedge is the call's, one of either after it leaves the other, two are one error with a bill", async () => {
  const early = race({ first: () => ({ error: "MODEL_UNAVAILABLE" }) });
  await assert.rejects(finishOf(early.generate()), (error) => PawlError.is(error, "MODEL_UNAVAILABLE"));
  assert.equal(early.second.seen.calls, 0);
  const late = race({
    first: () => ({ delayMs: 800, error: "MODEL_UNAVAILABLE" }),
    second: () => ({ delayMs: 1_000 }),
  });
  assert.equal((await until(finishOf(late.generate()), late.clock)).by?.name, "second");
  const both = race({
    first: () => ({ delayMs: 800, error: "MODEL_UNAVAILABLE" }),
    second: () => ({ delayMs: 900, error: "MODEL_TIMED_OUT" }),
  });
  const failure: unknown = await until(
    finishOf(both.generate()).then(
      () => null,
      (error: unknown) => error,
    ),
    both.clock,
  );
  assert.ok(PawlError.is(failure, "MODEL_TIMED_OUT"));
  assert.deepEqual(
    billsOf(failure).map(({ endpoint, error }) => [endpoint.name, error.code]),
    [["first", "MODEL_UNAVAILABLE"]],
  );
});

test("models: a winner that breaks off is a failed attempt with both bills", async () => {
  const { clock, generate } = race({ first: () => ({ delayMs: Infinity }), second: () => ({ breaks: true }) });
  const failure: unknown = await until(
    finishOf(generate()).then(
      () => null,
      (error: unknown) => error,
    ),
    clock,
  );
  assert.ok(PawlError.is(failure, "MODEL_BROKEN_STREAM"));
  assert.deepEqual(
    billsOf(failure).map(({ endpoint }) => endpoint.name),
    ["first"],
  );
});

test("models: hedges are paid from the retry budget, and without one the call waits for its endpoint", async () => {
  const { clock, second, source } = race({ first: () => ({ delayMs: 600 }), inHand: 1 });
  const ask = () => until(makeCall(source, "r", { clock, mayHedge: true }), clock);
  assert.equal((await ask()).answeredBy, "second");
  assert.equal((await ask()).answeredBy, "first");
  assert.equal(second.seen.calls, 1);
});

test("models: a call that is cancelled stops both, and leaves no timer", async () => {
  const { clock, first, second, generate } = race({
    first: () => ({ delayMs: Infinity }),
    second: () => ({ delayMs: Infinity }),
  });
  const stop = new AbortController();
  const work = finishOf(generate(stop.signal));
  work.catch(() => undefined);
  await clock.drain();
  clock.pass(300);
  await clock.drain();
  assert.deepEqual([first.seen.running, second.seen.running], [1, 1]);
  stop.abort(new PawlError("CANCELLED", "enough"));
  await assert.rejects(work, /enough/);
  await clock.drain();
  assert.deepEqual([first.seen.running, second.seen.running, clock.timers()], [0, 0, 0]);
});
