import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seededRandom, sleep } from "../../src/core/clock.ts";
import { decodeCursor, encodeCursor } from "../../src/core/cursor.ts";
import { checkId, checkName, childRunId, rootRunIdOf } from "../../src/core/id.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { joinLabels, type Label } from "../../src/core/label.ts";
import { limits } from "../../src/core/limits.ts";
import { nearest } from "../../src/core/nearest.ts";
import { strictest, type Verdict } from "../../src/core/policy.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { refusesWith } from "./refusals.ts";

test("ids take letters, digits, dots, dashes and underscores, up to their limit", () => {
  for (const id of ["a", "0", "ticket-4711", "A.b_c-d", "x".repeat(limits.idChars)])
    assert.equal(checkId("runId", id), id);
  for (const id of ["", ".a", "-a", "a b", "a/b", "a~b", "ä", "a\n", "a:b", "../x", "x".repeat(limits.idChars + 1)])
    refusesWith("ID_INVALID", () => checkId("runId", id), id);
});

test("names begin with a letter", () => {
  for (const name of ["a", "search_docs", "B-2"]) assert.equal(checkName("tool", name), name);
  for (const name of ["", "1a", "a.b", "a b", "__proto__", "x".repeat(limits.nameChars + 1)])
    refusesWith("NAME_INVALID", () => checkName("tool", name), name);
});

test("a refusal shows what was got, cut", () => {
  assert.throws(() => checkId("runId", `${"y".repeat(500)} `), /runId "y{60}" is not an id\. Use 1 to/);
});

test("a child's id is the same for every start, differs by call, and tells its root", () => {
  const child = childRunId("root", "t0-0");
  assert.equal(childRunId("root", "t0-0"), child);
  assert.notEqual(childRunId("root", "t0-1"), child);
  const grandchild = childRunId(child, "t0-0");
  assert.deepEqual([rootRunIdOf(child), rootRunIdOf(grandchild), rootRunIdOf("root")], ["root", "root", "root"]);
});

test("a cursor is URL-safe, and gives back its place to its own listing only", () => {
  const place = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
  fc.assert(
    fc.property(place, (value) => {
      const cursor = encodeCursor("runs", value);
      assert.match(cursor, /^[A-Za-z0-9_-]+$/);
      assert.deepEqual(decodeCursor("runs", cursor), value);
      refusesWith("CURSOR_INVALID", () => decodeCursor("asks", cursor));
    }),
  );
});

test("a made-up cursor is refused, whatever it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      refusesWith("CURSOR_INVALID", () => decodeCursor("runs", text));
    }),
  );
});

test("what is joined is trusted only if all of it is, and for the narrowest audience", () => {
  const trusted: Label = { source: "trusted", origin: "prompt" };
  assert.equal(joinLabels([trusted, trusted]).source, "trusted");
  assert.equal(joinLabels([trusted, { source: "untrusted" }]).source, "untrusted");
  assert.equal(joinLabels([trusted, undefined]).source, "untrusted");
  assert.equal(joinLabels([]).source, "untrusted");
  assert.equal(
    joinLabels([{ ...trusted, audience: "public" }, { ...trusted, audience: "confidential" }, trusted]).audience,
    "confidential",
  );
  assert.equal(joinLabels([trusted]).audience, undefined);
});

test("of several verdicts the strictest stands, with the rules and reasons of all that are as strict", () => {
  const verdict = (decision: Verdict["decision"], rule: string, reason?: string): Verdict => ({
    decision,
    rules: [rule],
    ...(reason !== undefined && { reason }),
  });
  assert.deepEqual(strictest([]), { decision: "allow", rules: [] });
  const found = strictest([verdict("allow", "a"), verdict("ask", "b", "dear"), verdict("ask", "c", "far")]);
  assert.deepEqual(found, { decision: "ask", rules: ["b", "c"], reason: "dear; far" });
  assert.deepEqual(strictest([verdict("ask", "a"), verdict("refuse", "b")]), { decision: "refuse", rules: ["b"] });
});

test("the nearest name is a slip away, and none is offered where nothing is near", () => {
  const names = ["search_docs", "read_document", "calculate"];
  assert.equal(nearest("serch_docs", names), "search_docs");
  assert.equal(nearest(" Calculate ", names), "calculate");
  assert.equal(nearest("send_email", names), null);
  assert.equal(nearest("x".repeat(100_000), names), null);
  assert.equal(nearest("__proto__", names), null);
  assert.equal(nearest("anything", []), null);
});

test("the same seed gives the same numbers, spread over the unit interval", () => {
  const [a, b] = [seededRandom(7), seededRandom(7)];
  const numbers = Array.from({ length: 10_000 }, () => a());
  assert.deepEqual(
    numbers.slice(0, 100),
    Array.from({ length: 100 }, () => b()),
  );
  assert.ok(numbers.every((number) => number >= 0 && number < 1));
  for (let tenth = 0; tenth < 10; tenth++) {
    const share = numbers.filter((number) => Math.floor(number * 10) === tenth).length;
    assert.ok(share > 850 && share < 1_150, `${tenth}: ${share}`);
  }
  assert.notEqual(seededRandom(8)(), seededRandom(9)());
});

test("a sleep ends with its time or its signal, and leaves neither timer nor listener", async () => {
  const clock = manualClock();
  const abort = new AbortController();
  const slept = sleep(clock, 100, abort.signal);
  await clock.until(slept);
  const woken = assert.rejects(sleep(clock, 100, abort.signal), /enough/);
  abort.abort(new Error("enough"));
  await woken;
  await assert.rejects(sleep(clock, 100, abort.signal), /enough/);
  assert.equal(clock.timers, 0);
});
