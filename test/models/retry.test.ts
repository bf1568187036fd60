import assert from "node:assert/strict";
import { test } from "node:test";
import type { FailedAttempt } from "../../src/core/model-contract.ts";
import { decideRetry, defaultRetry } from "../../src/models/retry.ts";

const failed = (code: string, elapsedMs = 100, retryAfterMs?: number | null): FailedAttempt => ({
  attempt: 1,
  endpoint: "a/b",
  error: { code, message: `${code} happened.`, ...(retryAfterMs === undefined ? {} : { details: { retryAfterMs } }) },
  elapsedMs,
});

test("models: the first attempt waits for nothing", () => {
  assert.deepEqual(decideRetry([], 0.5, defaultRetry), { type: "wait", waitMs: 0 });
});

test("models: a wait is full jitter over a doubling base, and never longer than its cap", () => {
  const wait = (attempts: number, random: number): unknown => {
    const list = Array.from({ length: attempts }, () => failed("MODEL_UNAVAILABLE"));
    return decideRetry(list, random, { ...defaultRetry, attempts: 99 });
  };
  assert.deepEqual(wait(1, 0), { type: "wait", waitMs: 0 });
  assert.deepEqual(wait(1, 0.5), { type: "wait", waitMs: 250 });
  assert.deepEqual(wait(2, 0.5), { type: "wait", waitMs: 500 });
  assert.deepEqual(wait(20, 0.5), { type: "wait", waitMs: 10_000 });
});

test("models: what the provider asked for is waited for, capped, with jitter on top", () => {
  const wait = (retryAfterMs: number | null): unknown =>
    decideRetry([failed("MODEL_RATE_LIMITED", 100, retryAfterMs)], 0.5, defaultRetry);
  assert.deepEqual(wait(7_000), { type: "wait", waitMs: 7_250 });
  assert.deepEqual(wait(-7_000), { type: "wait", waitMs: 250 });
  assert.deepEqual(wait(null), { type: "wait", waitMs: 250 });
  assert.deepEqual(wait(1e12), { type: "wait", waitMs: 60_250 });
});

test("models: an error that a retry cannot help ends the call with that error", () => {
  for (const code of [
    "MODEL_UNAUTHORIZED",
    "MODEL_NOT_FOUND",
    "MODEL_CONTEXT_OVERFLOW",
    "MODEL_QUOTA_EXHAUSTED",
    "SOMETHING_ELSE",
  ]) {
    const decision = decideRetry([failed(code)], 0.5, defaultRetry);
    assert.deepEqual(decision, { type: "give-up", error: { code, message: `${code} happened.` } });
  }
});

test("models: attempts are counted, and the last error says what was tried", () => {
  const list = [failed("MODEL_RATE_LIMITED", 10), failed("MODEL_UNAVAILABLE", 20), failed("MODEL_TIMED_OUT", 30)];
  assert.equal(decideRetry(list.slice(0, 2), 0.5, defaultRetry).type, "wait");
  const decision = decideRetry(list, 0.5, defaultRetry);
  assert.ok(decision.type === "give-up");
  assert.equal(decision.error.code, "MODEL_TIMED_OUT");
  assert.match(
    decision.error.message,
    /3 attempts failed.*a\/b MODEL_RATE_LIMITED, a\/b MODEL_UNAVAILABLE, a\/b MODEL_TIMED_OUT/,
  );
  assert.equal(decision.error.details?.["attempts"], 3);
});

test("models: no attempt starts after the time for all of them", () => {
  const decision = decideRetry([failed("MODEL_RATE_LIMITED", 100_000, 30_000)], 0, defaultRetry);
  assert.ok(decision.type === "give-up");
  assert.equal(decision.error.code, "MODEL_RATE_LIMITED");
  assert.match(decision.error.message, /120000 ms/);
});

test("models: a worker's death costs no attempt and no time of the provider's", () => {
  const hour = 3_600_000;
  assert.deepEqual(decideRetry([failed("WORKER_LOST", hour)], 0.9, defaultRetry), { type: "wait", waitMs: 0 });
  const list = [failed("MODEL_UNAVAILABLE", 10), failed("WORKER_LOST", hour), failed("MODEL_UNAVAILABLE", hour + 50)];
  assert.equal(decideRetry(list, 0.5, defaultRetry).type, "wait");
  const deaths = Array.from({ length: 6 }, (_, i) => failed("WORKER_LOST", i));
  assert.equal(decideRetry(deaths, 0.5, defaultRetry).type, "give-up");
});
