import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorRecord } from "../../src/core/errors.ts";
import type { Span } from "../../src/core/trace-contract.ts";
import { failureOf, normalised } from "../../src/traces/error-groups.ts";

function span(over: Partial<Span>): Span {
  return {
    traceId: "t",
    spanId: "s",
    parentSpanId: null,
    runId: "run-1",
    callId: "t0-0",
    seq: 1,
    endSeq: 2,
    kind: "tool",
    name: "pay",
    status: "error",
    error: null,
    startedAt: 0,
    endedAt: 1,
    bill: null,
    detail: {},
    ...over,
  };
}
const failed = (message: string, over: Partial<Span> = {}, code = "TOOL_FAILED"): string | undefined => {
  const error: ErrorRecord = { code, message };
  return failureOf(span({ error, ...over }), { runnable: "clerk" })?.id;
};

test("the same failure has one fingerprint, whatever ids, numbers, times, paths and quoted text are in its message", () => {
  const same = [
    'Error: order "ORD-7781" of 2026-11-22T10:00:00Z not found in /var/data/a.db (12 ms) at https://api.example/v1/x?id=7',
    'Error: order "X" of 2025-01-02T23:59:59.123Z not found in /srv/b/c.db (9041 ms) at https://api.example/v2/y',
  ];
  assert.equal(normalised(same[0] ?? ""), "Error: order … of <time> not found in <path> (# ms) at <url>");
  assert.equal(failed(same[0] ?? ""), failed(same[1] ?? ""));
  const ids = ["job 8f14e45f-ceea-467f-9575-6d3c1a2b3c4d lost", "job 0cc175b9-c0f1-b6a8-31c3-99e269772661 lost"];
  assert.equal(failed(ids[0] ?? ""), failed(ids[1] ?? ""));
  assert.equal(failed("hash deadbeef00112233 differs"), failed("hash 00aa11bb22cc33dd differs"));
});

test("another tool, code, agent or text is another group", () => {
  const ids = [
    failed("Error: closed"),
    failed("Error: open"),
    failed("Error: closed", { name: "refund" }),
    failed("Error: closed", {}, "TOOL_TIMED_OUT"),
    failed("Error: closed", { kind: "step" }),
    failureOf(span({ error: { code: "TOOL_FAILED", message: "Error: closed" } }), { runnable: "other" })?.id,
  ];
  assert.equal(new Set(ids).size, ids.length);
});

test("what did not fail is in no group: refusals by rule or person, repeated tellings; a fault of the model and an unknown effect are", () => {
  const refused = (code: string): unknown =>
    failureOf(span({ status: "refused", error: { code, message: "x" } }), { runnable: "a" });
  assert.equal(refused("APPROVAL_REJECTED"), null);
  assert.ok(refused("TOOL_UNKNOWN") !== null);
  assert.equal(failed("x", { kind: "turn" }), undefined);
  assert.equal(failed("x", { kind: "attempt" }), undefined);
  assert.equal(failed("x", { status: "ok" }), undefined);
  const unknown = span({ status: "unknown", detail: { unknownBecause: "the worker died" } });
  assert.equal(failureOf(unknown, { runnable: "a" })?.title, "EFFECT_UNKNOWN · the worker died");
  const stopped = span({ kind: "run", name: "clerk", detail: { stopReason: "max_turns" } });
  assert.equal(failureOf(stopped, { runnable: "clerk" })?.title, "STOPPED · max_turns");
});

test("a message of a megabyte without a break is normalised as any other", { timeout: 20_000 }, () => {
  for (const text of ["a", "/", '"', "1", "a1-", "http://", "\\x", "0a"])
    assert.ok(normalised(text.repeat(1_000_000)).length <= 600);
});
