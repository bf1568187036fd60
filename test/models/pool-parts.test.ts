import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { Breaker } from "../../src/models/breaker.ts";
import { FairLine } from "../../src/models/fair-line.ts";
import { Gate, type GateOptions } from "../../src/models/gate.ts";
import { localRates, rateNewsOf, resetMsOf, type RateLimiter } from "../../src/models/rate-limit.ts";
import { RetryBudget } from "../../src/models/retry-budget.ts";
import { handClock } from "./hand-clock.ts";

const noRates = localRates([]);
const signal = new AbortController().signal;

function gateOf(clock: ReturnType<typeof handClock>, options: Partial<GateOptions> = {}): Gate {
  const breaker = new Breaker(() => 0);
  return new Gate({
    endpoint: "a",
    clock,
    breaker,
    rates: noRates,
    inFlightMax: 2,
    queueMax: 4,
    queueMs: 1_000,
    ...options,
  });
}

async function refusal(promise: Promise<unknown>): Promise<PawlError> {
  const error: unknown = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(PawlError.is(error), String(error));
  return error;
}

// ---- the gate

test("models: no more calls at once than the cap, the next one when one leaves, and leaving twice is leaving once", async () => {
  const clock = handClock();
  const gate = gateOf(clock);
  const enter = () => gate.enter({ tenant: "t", tokens: 1, signal });
  const [first, second] = await Promise.all([enter(), enter()]);
  const third = enter();
  await clock.drain();
  assert.deepEqual([gate.inFlight, gate.queued], [2, 1]);
  first();
  first();
  const leaveThird = await third;
  assert.deepEqual([gate.inFlight, gate.queued], [2, 0]);
  second();
  leaveThird();
  assert.equal(gate.inFlight, 0);
  assert.equal(clock.timers(), 0, "nobody left a timer");
});

test("models: a full queue refuses at once with MODEL_QUEUE_FULL and a time to come back", async () => {
  const clock = handClock();
  const gate = gateOf(clock, { inFlightMax: 1, queueMax: 2 });
  const enter = () => gate.enter({ tenant: "t", tokens: 1, signal });
  const leave = await enter();
  const waiting = [enter(), enter()];
  const error = await refusal(enter());
  assert.equal(error.code, "MODEL_QUEUE_FULL");
  assert.equal(error.retry, "safe");
  assert.ok(Number(error.details?.["retryAfterMs"]) >= 1_000);
  leave();
  (await waiting[0])?.();
  (await waiting[1])?.();
});

test("models: who waits too long, or is cancelled, leaves the queue and takes no place", async () => {
  const clock = handClock();
  const gate = gateOf(clock, { inFlightMax: 1 });
  const leave = await gate.enter({ tenant: "t", tokens: 1, signal });
  const late = refusal(gate.enter({ tenant: "t", tokens: 1, signal }));
  const stop = new AbortController();
  const cancelled = refusal(gate.enter({ tenant: "t", tokens: 1, signal: stop.signal }));
  stop.abort(new PawlError("CANCELLED", "no more"));
  assert.equal((await cancelled).code, "CANCELLED");
  clock.pass(1_000);
  assert.equal((await late).code, "MODEL_QUEUE_FULL");
  assert.equal(gate.queued, 0);
  leave();
  await clock.drain();
  assert.equal(gate.inFlight, 0);
});

test("models: tenants take turns, and one with a thousand calls neither delays nor displaces another", async () => {
  const line = new FairLine<string>(6);
  for (let i = 0; i < 6; i++) assert.equal(line.join("loud", `loud ${i}`), null);
  assert.equal(line.join("loud", "loud 6"), "loud 6", "his own newest is the one without a place");
  assert.equal(line.join("quiet", "quiet 0"), "loud 5", "another's takes the place of his newest");
  const served: string[] = [];
  for (let next = line.first(); next !== null; next = line.first()) {
    served.push(next);
    assert.ok(line.leave(next.split(" ")[0] ?? "", next, true));
  }
  assert.deepEqual(served, ["loud 0", "quiet 0", "loud 1", "loud 2", "loud 3", "loud 4"]);
  assert.equal(line.length, 0);
});

test("models: an allowance that workers share is asked before each call, and gets back what was taken for who left", async () => {
  const clock = handClock();
  const asked: string[] = [];
  let waitMs = 500;
  const rates: RateLimiter = {
    take: async (endpoint, { tokens }) => {
      asked.push(`${endpoint} ${tokens}`);
      return waitMs;
    },
    correct: (endpoint, tokens) => void asked.push(`${endpoint} back ${tokens}`),
    learn: () => undefined,
  };
  const gate = gateOf(clock, { rates });
  const entering = gate.enter({ tenant: "t", tokens: 70, signal });
  await clock.drain();
  assert.equal(gate.inFlight, 0);
  waitMs = 0;
  clock.pass(500);
  (await entering)();
  await clock.drain();
  const stop = new AbortController();
  const gone = refusal(gate.enter({ tenant: "t", tokens: 5, signal: stop.signal }));
  stop.abort();
  await gone;
  await clock.drain();
  assert.deepEqual(asked, ["a 70", "a 70", "a 5", "a back -5"]);
  assert.equal(gate.inFlight, 0);
});

test("models: a shared allowance that fails is asked again, and who waited in vain leaves no timer behind", async () => {
  const clock = handClock();
  let isDown = true;
  const rates: RateLimiter = {
    take: async () => {
      if (isDown) throw new Error("the ledger is away");
      return 0;
    },
    correct: () => undefined,
    learn: () => undefined,
  };
  const gate = gateOf(clock, { rates, queueMs: 5_000 });
  const entering = gate.enter({ tenant: "t", tokens: 1, signal });
  await clock.drain();
  assert.ok(gate.heldMs(clock.monotonicMs()) > 0);
  isDown = false;
  clock.pass(1_000);
  (await entering)();
  isDown = true;
  const late = refusal(gate.enter({ tenant: "t", tokens: 1, signal }));
  for (let second = 0; second < 5; second++) {
    await clock.drain();
    clock.pass(1_000);
  }
  assert.equal((await late).code, "MODEL_QUEUE_FULL");
  await clock.drain();
  assert.deepEqual([gate.queued, gate.inFlight, clock.timers()], [0, 0, 0]);
});

// ---- the breaker

test("models: a breaker opens on failures in a row, or on a third of many, and not on those of a bad day", () => {
  const dead = new Breaker(() => 0);
  for (let i = 0; i < 4; i++) dead.record("failed", i);
  assert.equal(dead.health(4), "closed");
  dead.record("failed", 5);
  assert.equal(dead.health(5), "open");
  const stormy = new Breaker(() => 0);
  for (let i = 0; stormy.health(i) === "closed"; i++) {
    assert.ok(i < 30, "half of all calls fail and it is still closed");
    stormy.record(i % 2 === 0 ? "failed" : "ok", i);
  }
  const fine = new Breaker(() => 0);
  for (let i = 0; i < 2_000; i++) fine.record(i % 14 === 0 ? "failed" : "ok", i * 10);
  assert.equal(fine.health(20_000), "closed", "7 % of failures are a bad day, not a storm");
});

test("models: M15 after its pause a breaker lets one probe at a time through, then starts slowly; a failed probe doubles the pause", () => {
  const breaker = new Breaker(() => 1);
  for (let i = 0; i < 5; i++) breaker.record("failed", 0);
  assert.equal(breaker.room(4_999), 0);
  assert.equal(breaker.restMs(4_000), 1_000);
  assert.equal(breaker.room(5_000), 1);
  breaker.record("failed", 5_000);
  assert.equal(breaker.room(14_999), 0);
  assert.equal(breaker.room(15_000), 1);
  for (let i = 0; i < 3; i++) {
    assert.equal(breaker.health(15_000), "half-open");
    breaker.record("ok", 15_000);
  }
  assert.equal(breaker.health(15_000), "starting");
  assert.equal(breaker.room(15_000), 2);
  assert.equal(breaker.share(15_000), 0.1);
  for (let i = 0; i < 10; i++) breaker.record("ok", 16_000);
  assert.equal(breaker.room(16_000), 12);
  for (let i = 0; i < 60; i++) breaker.record("ok", 26_000);
  assert.equal(breaker.health(26_000), "closed");
});

test("models: a pause is never longer than a minute, and short again after a long good time", () => {
  const breaker = new Breaker(() => 1);
  let nowMs = 0;
  for (let i = 0; i < 12; i++) {
    for (let j = 0; j < 5; j++) breaker.record("failed", nowMs);
    assert.ok(breaker.restMs(nowMs) <= 60_000);
    nowMs += breaker.restMs(nowMs);
  }
  for (let i = 0; i < 100; i++) breaker.record("ok", nowMs);
  nowMs += 61_000;
  for (let i = 0; i < 2; i++) breaker.record("ok", nowMs);
  for (let i = 0; i < 5; i++) breaker.record("failed", nowMs + 40_000);
  assert.equal(breaker.restMs(nowMs + 40_000), 5_000);
});

// ---- rates

test("models: requests and tokens per minute are kept, and what was estimated is corrected", () => {
  const rates = localRates([{ name: "a", requestsPerMinute: 2, tokensPerMinute: 1_000 }]);
  const take = (tokens: number, nowMs: number) => rates.take("a", { tokens }, nowMs);
  assert.equal(take(400, 0), 0);
  assert.equal(take(400, 0), 0);
  assert.equal(take(1, 0), 30_000, "the third request of a minute");
  assert.equal(take(400, 30_000), 0);
  rates.correct("a", 600, 30_000);
  assert.ok(Number(take(400, 60_000)) > 0, "more tokens were used than were estimated");
  assert.equal(
    take(1_000_000, 300_000),
    0,
    "a call larger than a minute's allowance waits for a full bucket, not for ever",
  );
});

test("models: limits are learnt from headers, the stricter counts, and nothing left means waiting for the reset", () => {
  const rates = localRates([{ name: "a" }, { name: "b", requestsPerMinute: 10 }]);
  const told = (headers: Record<string, string>) =>
    rateNewsOf(new Headers(headers), Date.parse("2026-11-22T12:00:00Z"));
  const openai = told({
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149000",
    "x-ratelimit-reset-tokens": "6m0s",
  });
  assert.ok(openai !== null);
  assert.deepEqual(openai.tokens, { limit: 150_000, remaining: 149_000, resetMs: 360_000 });
  assert.equal(rates.take("a", { tokens: 1 }, 0), 0, "before anything is known nothing is held back");
  rates.learn("a", openai, 0);
  assert.equal(rates.take("a", { tokens: 1 }, 0), 1_000);
  assert.deepEqual(rates.inForce?.("a"), { requestsPerMinute: 60, tokensPerMinute: 150_000 });
  assert.equal(rates.take("a", { tokens: 1 }, 1_000), 0);
  rates.learn("b", openai, 0);
  assert.ok(Number(rates.take("b", { tokens: 1 }, 3_000)) > 0, "ten a minute were configured: the stricter counts");
  const anthropic = told({
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-22T12:00:30Z",
    "anthropic-ratelimit-input-tokens-limit": "30000",
    "anthropic-ratelimit-input-tokens-remaining": "12000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-22T12:00:10Z",
  });
  assert.deepEqual(anthropic, {
    requests: { limit: 50, remaining: 49, resetMs: 30_000 },
    tokens: { limit: 30_000, remaining: 12_000, resetMs: 10_000 },
  });
  assert.equal(told({ "content-type": "text/html", "x-ratelimit-limit-requests": "many" }), null);
});

test("models: times of a reset are read in every form, and nonsense is none", () => {
  const read = (text: string | null) => resetMsOf(text, Date.parse("2026-11-22T12:00:00Z"));
  assert.deepEqual(
    ["1s", "6m0s", "20ms", "1.5s", "1h2m3s", "7", "2026-11-22T12:00:01Z", "2020-01-01T00:00:00Z"].map(read),
    [1_000, 360_000, 20, 1_500, 3_723_000, 7_000, 1_000, 0],
  );
  assert.deepEqual([null, "", "soon", "-3", "1x", "s", "9".repeat(50)].map(read), [
    null,
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
});

// ---- the retry budget

test("models: M2 extra attempts are a tenth of the calls, and a quiet process earns one now and then", () => {
  const budget = new RetryBudget({ share: 0.1, inHand: 2 });
  assert.deepEqual([budget.take(0), budget.take(0), budget.take(0)], [true, true, false]);
  for (let i = 0; i < 10; i++) budget.called();
  assert.deepEqual([budget.take(0), budget.take(0)], [true, false]);
  assert.equal(budget.take(29_000), false);
  assert.equal(budget.take(31_000), true);
  assert.deepEqual(
    [budget.take(9e9), budget.take(9e9), budget.take(9e9)],
    [true, true, false],
    "idle time earns no more than what is in hand",
  );
});
