import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "pawl";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { limits } from "../../src/core/limits.ts";
import type { Price } from "../../src/core/usage.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel, type Script, type ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, Stage, type Played } from "../engine/stage.ts";

const price: Price = { inputUsd: 3, outputUsd: 15, source: "list", date: "2026-11-01" };
const writer = agent({
  name: "writer",
  model: "m",
  instructions: "x",
  maxOutputTokens: 100,
  limits: { tokens: 1_000_000 },
});
const usage = (inputTokens: number, outputTokens: number) => ({
  inputTokens,
  outputTokens,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
});
const failing = (code: ErrorCode, more: object = {}): ScriptedTurn => ({ error: { code, ...more } });
const answer: ScriptedTurn = { text: "Done.", usage: usage(1_000, 10) };

function played(script: Script, see: (play: Played, passedMs: number) => void, retry = {}): Promise<void> {
  const clock = manualClock();
  const models = scriptedModel(script, { clock, price, retry: { baseMs: 500, ...retry } });
  return onStage({ agents: [writer], clock, models }, async (stage) => {
    const begin = clock.nowMs();
    const play = await stage.play();
    const ended = ofType(play.events, "run.ended")[0];
    see(play, (ended?.at ?? 0) - begin);
  });
}

test("a failure that may pass is tried again, and every attempt is in the journal with its bill", () =>
  played([failing("MODEL_RATE_LIMITED"), failing("MODEL_BROKEN_STREAM"), answer], ({ result, events }) => {
    assert.equal(result.status, "completed");
    const attempted = ofType(events, "model.attempted");
    const bills = attempted.map(({ attempt, error, costNanoUsd, assumed }) => [
      attempt,
      error.code,
      assumed,
      costNanoUsd === 0,
    ]);
    assert.deepEqual(bills, [
      [1, "MODEL_RATE_LIMITED", false, true],
      [2, "MODEL_BROKEN_STREAM", true, false],
    ]);
    const [answered] = ofType(events, "model.answered");
    assert.deepEqual(
      [answered?.attempt, answered?.costNanoUsd, answered?.priceSource],
      [3, 1_000 * 3_000 + 10 * 15_000, "list 2026-11-01"],
    );
    assert.deepEqual(
      ofType(events, "model.called").map(({ attempt }) => attempt),
      [1, 2, 3],
    );
  }));

test("what the run says that it cost is the sum of its attempts, to the nano-dollar", () =>
  played([failing("MODEL_BROKEN_STREAM"), failing("MODEL_TIMED_OUT"), answer], ({ result, events }) => {
    const bills = [...ofType(events, "model.attempted"), ...ofType(events, "model.answered")];
    const sum = bills.reduce((total, { costNanoUsd }) => total + (costNanoUsd ?? 0), 0);
    assert.equal(Math.round(result.costUsd * 1e9), sum);
    assert.equal(
      result.usage.inputTokens,
      bills.reduce((total, bill) => total + (bill.usage?.inputTokens ?? 0), 0),
    );
  }));

test("an attempt that may have been billed is charged at its worst, one that was refused is not", async () => {
  const codes: readonly (readonly [ErrorCode, boolean])[] = [
    ["MODEL_RATE_LIMITED", false],
    ["MODEL_UNAVAILABLE", false],
    ["MODEL_TIMED_OUT", true],
    ["MODEL_BROKEN_STREAM", true],
    ["MODEL_BAD_RESPONSE", true],
    ["MODEL_EMPTY", true],
  ];
  for (const [code, isBilled] of codes) {
    await played([failing(code), answer], ({ events }) => {
      const [attempted] = ofType(events, "model.attempted");
      assert.equal((attempted?.costNanoUsd ?? 0) > 0, isBilled, code);
      assert.equal(attempted?.usage?.outputTokens ?? 0, isBilled ? 100 : 0, code);
    });
  }
});

test("waits grow with full jitter, and what the provider asked for comes before them", () =>
  played(
    [failing("MODEL_RATE_LIMITED", { retryAfterMs: 7_000 }), failing("MODEL_UNAVAILABLE"), answer],
    (_, passedMs) => {
      assert.ok(passedMs >= 7_000 && passedMs < 7_000 + 500 + 1_000, `${passedMs}`);
    },
  ));

test("an absurd Retry-After is capped, and ends the call where the deadline would pass", () =>
  played(
    [
      failing("MODEL_RATE_LIMITED", { retryAfterMs: 10 * 365 * 86_400_000 }),
      failing("MODEL_RATE_LIMITED", { retryAfterMs: 1e15 }),
      answer,
    ],
    ({ result }, passedMs) => {
      assert.equal(result.status, "failed");
      assert.ok(passedMs <= limits.modelRetryTotalMs, `${passedMs}`);
      assert.match(result.status === "failed" ? result.error.message : "", /would pass 120000 ms/);
    },
  ));

test("all attempts of a call share one deadline, from the start of the first", () => {
  const slow = (code: ErrorCode): ScriptedTurn => ({ ...failing(code), delayMs: 50_000 });
  return played(
    [slow("MODEL_TIMED_OUT"), slow("MODEL_TIMED_OUT"), slow("MODEL_TIMED_OUT"), slow("MODEL_TIMED_OUT"), answer],
    ({ result, events }, passedMs) => {
      assert.equal(result.status, "failed");
      assert.equal(ofType(events, "model.attempted").length, 3);
      assert.ok(passedMs < limits.modelRetryTotalMs + 50_000, `${passedMs}`);
    },
    { attempts: 10 },
  );
});

test("what cannot pass is not tried again, and fails with the provider's reason", async () => {
  const codes: readonly ErrorCode[] = [
    "MODEL_UNAUTHORIZED",
    "MODEL_NOT_FOUND",
    "MODEL_REQUEST_INVALID",
    "MODEL_QUOTA_EXHAUSTED",
  ];
  for (const code of codes) {
    await played([failing(code, { message: "the key was revoked" }), answer], ({ result, events }) => {
      assert.equal(result.status === "failed" && result.error.code, code);
      assert.match(result.status === "failed" ? result.error.message : "", /the key was revoked/);
      assert.equal(ofType(events, "model.attempted").length, 1, code);
      assert.equal(result.costUsd, 0);
    });
  }
});

test("a content filter that refuses the request is a stop, not a failure", () =>
  played([failing("MODEL_REFUSED")], ({ result }) => {
    assert.equal(result.status === "stopped" && result.stopReason, "refused");
  }));

test("after three failed attempts the run fails, and says what was tried", () =>
  played(
    [failing("MODEL_UNAVAILABLE"), failing("MODEL_RATE_LIMITED"), failing("MODEL_TIMED_OUT"), answer],
    ({ result }) => {
      assert.equal(result.status, "failed");
      assert.match(
        result.status === "failed" ? result.error.message : "",
        /m MODEL_UNAVAILABLE, m MODEL_RATE_LIMITED, m MODEL_TIMED_OUT/,
      );
    },
  ));

test("a cancel ends the wait between two attempts at once", async () => {
  const clock = manualClock();
  const models = scriptedModel([failing("MODEL_RATE_LIMITED", { retryAfterMs: 60_000 }), answer], { clock, price });
  await onStage({ agents: [writer], clock, models }, async (stage) => {
    const run = await stage.start();
    await clock.pass(5_000);
    await stage.app.cancel(run.id, "enough");
    await clock.pass(100);
    assert.equal((await run.head()).status, "cancelled");
    assert.equal(models.requests.length, 1);
  });
});

test("a cancel during a request charges it at its worst, and the run's sums are those of its events", async () => {
  const clock = manualClock();
  const models = scriptedModel([{ ...answer, delayMs: 10_000 }], { clock, price });
  await onStage({ agents: [writer], clock, models }, async (stage) => {
    const run = await stage.start();
    await clock.pass(1_000);
    await stage.app.cancel(run.id, "enough");
    const { result, events } = await stage.played(run);
    assert.equal(result.status, "cancelled");
    const [attempted] = ofType(events, "model.attempted");
    assert.equal(attempted?.assumed, true);
    assert.equal(Math.round(result.costUsd * 1e9), attempted?.costNanoUsd);
  });
});

test("a worker that takes over charges the lost attempt and begins the next, with the same prompt", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const script: Script = () => ({ ...answer, delayMs: 4_000 });
  const models = () => scriptedModel(script, { clock, price });
  const [first, second] = [models(), models()];
  const dying = new Stage({ agents: [writer], clock, store, models: first });
  const run = await dying.start("x", { runId: "run-1" });
  await clock.pass(1_000);
  await clock.until(dying.app.close(0));
  const next = new Stage({ agents: [writer], clock, store, models: second });
  await next.app.open();
  const { result, events } = await next.played(run);
  assert.equal(result.status, "completed");
  const lost = ofType(events, "model.attempted");
  assert.deepEqual(
    lost.map(({ error, assumed }) => [error.code, assumed]),
    [["WORKER_LOST", true]],
  );
  assert.deepEqual(second.requests[0]?.request.messages, first.requests[0]?.request.messages);
  await next.check();
  await next.close();
});

/** Two requests of one conversation at once, of which the first is answered at its second attempt only. */
const twoAtOnce = durable({
  name: "two",
  run: (ctx) => {
    const say = (text: string) =>
      ctx.model({
        route: "m",
        context: "main",
        system: "x",
        tools: [],
        add: [{ message: { role: "user", content: [{ type: "text", text }] } }],
        params: { maxOutputTokens: 100 },
      });
    return Promise.all([say("one"), say("two")]).then(() => "done");
  },
});

test("an attempt sends what its call sent first, whatever else the conversation has sent since", async () => {
  const clock = manualClock();
  const script: Script = (request, { repeat }) =>
    repeat === 0 && request.messages.length === 1 ? failing("MODEL_UNAVAILABLE") : answer;
  const models = scriptedModel(script, { clock, price, retry: { baseMs: 500 } });
  await onStage({ agents: [twoAtOnce], clock, models }, async (stage) => {
    const { result } = await stage.play(null);
    assert.equal(result.status, "completed");
  });
  const first = models.requests.filter(({ requestId }) => requestId.endsWith("t0-0"));
  assert.deepEqual(
    first.map(({ request }) => request.messages.length),
    [1, 1],
  );
});

test("an attempt of another worker sends what its call sent first as well", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const script: Script = (request) => ({ ...answer, delayMs: request.messages.length === 1 ? 4_000 : 10 });
  const models = () => scriptedModel(script, { clock, price });
  const [first, second] = [models(), models()];
  const dying = new Stage({ agents: [twoAtOnce], clock, store, models: first });
  const run = await dying.start(null, { runId: "run-1" });
  await clock.pass(1_000);
  await clock.until(dying.app.close(0));
  const next = new Stage({ agents: [twoAtOnce], clock, store, models: second });
  await next.app.open();
  const { result } = await next.played(run);
  assert.equal(result.status, "completed");
  assert.deepEqual(
    second.requests.map(({ request }) => request.messages),
    [first.requests[0]?.request.messages],
  );
  await next.check();
  await next.close();
});
