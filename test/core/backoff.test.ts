import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fullJitterMs, retryAfterMs } from "../../src/core/backoff.ts";

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);
const CAP = 60_000;
const asked = (value: string): number | null => retryAfterMs({ "retry-after": value }, NOW, CAP);

test("a wait is anywhere between nothing and twice as much after each failure, up to the cap", () => {
  const bounds = { baseMs: 100, capMs: 1_000 };
  assert.deepEqual(
    [1, 2, 3, 4, 5, 60].map((attempt) => fullJitterMs(attempt, 0.999999, bounds)),
    [99, 199, 399, 799, 999, 999],
  );
  assert.equal(fullJitterMs(9, 0, bounds), 0);
  fc.assert(
    fc.property(fc.integer(), fc.double({ min: 0, max: 0.9999, noNaN: true }), (attempt, random) => {
      const waitMs = fullJitterMs(attempt, random, bounds);
      assert.ok(Number.isInteger(waitMs) && waitMs >= 0 && waitMs < bounds.capMs);
    }),
  );
});

test("Retry-After in seconds is honoured, up to the cap", () => {
  assert.equal(asked("2"), 2_000);
  assert.equal(asked(" 1.5 "), 1_500);
  assert.equal(asked("0"), 0);
  assert.equal(asked("315360000"), CAP);
});

test("Retry-After as a date counts from now, and one that is past asks for no wait", () => {
  assert.equal(asked("Sun, 22 Nov 2026 12:00:09 GMT"), 9_000);
  assert.equal(asked("Sunday, 22-Nov-26 12:00:09 GMT"), 9_000);
  assert.equal(asked("Sun, 22 Nov 2020 12:00:00 GMT"), 0);
  assert.equal(asked("Fri, 22 Nov 2036 12:00:00 GMT"), CAP);
  assert.equal(asked("2026-11-22T12:00:05Z"), 5_000);
});

test("milliseconds go before seconds", () => {
  assert.equal(retryAfterMs({ "retry-after-ms": "250", "retry-after": "9" }, NOW, CAP), 250);
});

test("a negative wait is none", () => {
  assert.equal(asked("-5"), 0);
  assert.equal(retryAfterMs({ "retry-after-ms": "-1" }, NOW, CAP), 0);
});

test("what cannot be read counts as absent, so that the caller backs off by itself", () => {
  for (const value of ["", " ", "soon", "soon 5", "Infinity", "NaN", "5 minutes", "<html>"])
    assert.equal(asked(value), null, `"${value}"`);
  assert.equal(retryAfterMs({}, NOW, CAP), null);
  assert.equal(retryAfterMs({ "retry-after-ms": "", "retry-after": "3" }, NOW, CAP), 3_000);
  assert.equal(retryAfterMs({ "retry-after-ms": "x", "retry-after": "3" }, NOW, CAP), 3_000);
});

test("whatever a server sends, the wait is a whole number of milliseconds within the cap", () => {
  const header = fc.oneof(fc.string(), fc.double().map(String), fc.date().map(String), fc.bigInt().map(String));
  fc.assert(
    fc.property(header, header, (seconds, millis) => {
      const waitMs = retryAfterMs({ "retry-after": seconds, "retry-after-ms": millis }, NOW, CAP);
      assert.ok(waitMs === null || (Number.isInteger(waitMs) && waitMs >= 0 && waitMs <= CAP), `${waitMs}`);
    }),
  );
});
