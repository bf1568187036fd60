import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { spanIdOf, sha256 } from "../../console/src/api/span-id.ts";
import { usdText } from "../../console/src/format/figures.ts";
import { oneLine, piecesOf } from "../../console/src/format/visible-text.ts";
import { lineDiff } from "../../console/src/reviews/line-diff.ts";
import { axisOf, barOf, ticksOf } from "../../console/src/run/timeline/axis.ts";
import { rowPlaces, type ClosedRow } from "../../console/src/run/timeline/row-places.ts";
import { checked, formShapeOf, readFields } from "../../console/src/start/schema-fields.ts";
import { linesOf, withoutClosed } from "../../console/src/value/value-lines.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { hashText } from "../../src/core/hash.ts";
import { spanIdOf as coreSpanIdOf } from "../../src/core/trace-ids.ts";

test("the page computes the same span ids as the runtime", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 300 }),
      (text) => sha256(text).slice(0, 32) === hashText(text.toWellFormed()),
    ),
  );
  const ref = { tenant: "acme", runId: "ticket-7~00112233aabbccdd" };
  assert.equal(spanIdOf(ref.tenant, ref.runId, "call:t3-1"), coreSpanIdOf(ref, "call:t3-1"));
});

test("no text loses a character on its way to the page, and none that hides is left as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const pieces = piecesOf(text);
      assert.equal(pieces.map(({ start, end }) => text.slice(start, end)).join(""), text);
      const shown = pieces.flatMap(({ isGlyph, text: part }) => (isGlyph ? [] : [part.replaceAll(/[\t\n]/g, "")]));
      for (const part of shown) assert.doesNotMatch(part, /\p{Cc}|\p{Bidi_Control}/u);
    }),
  );
  assert.equal(oneLine("a\u202eb\n\tc"), "a[RLO]b c");
  assert.equal(oneLine("family 👨\u200d👩\u200d👧"), "family 👨\u200d👩\u200d👧");
});

test("closed rows: a line on the screen and a place in the tree are each other's way back", () => {
  const total = 60;
  const closed = fc.uniqueArray(fc.record({ position: fc.nat(total - 1), below: fc.nat(12) }), {
    selector: ({ position }) => position,
    maxLength: 8,
  });
  fc.assert(
    fc.property(closed, (rows) => {
      const nested = rows.filter((row) => rows.every((other) => isApart(row, other)));
      const hidden = new Set<number>();
      for (const { position, below } of nested)
        for (let i = position + 1; i <= Math.min(position + below, total - 1); i++) hidden.add(i);
      const visible = Array.from({ length: total }, (_, i) => i).filter((i) => !hidden.has(i));
      const places = rowPlaces(total, nested);
      assert.equal(places.count, visible.length);
      visible.forEach((position, line) => {
        assert.equal(places.positionOf(line), position);
        assert.equal(places.lineOf(position), line);
      });
    }),
  );
});

/** Rows of a tree: one is inside of the other, or beside it. */
function isApart(a: ClosedRow, b: ClosedRow): boolean {
  const [first, second] = a.position <= b.position ? [a, b] : [b, a];
  const end = first.position + first.below;
  return second.position > end || second.position + second.below <= end;
}

test("a value of any size is lines of bounded length, and a long text is folded until it is opened", () => {
  const long = "x".repeat(1_000_000);
  const folded = linesOf({ text: long, list: [1, null, true] }, { opened: new Set() });
  assert.ok(folded.length < 20);
  assert.equal(folded.find(({ more }) => more > 0)?.path, "/text");
  const opened = linesOf({ text: long }, { opened: new Set(["/text"]) });
  assert.equal(
    opened
      .filter(({ kind }) => kind === "string")
      .map(({ text }) => text)
      .join("").length,
    long.length,
  );
  assert.ok(opened.every(({ text }) => text.length <= 600));
  const closed = withoutClosed(folded, new Set(["/list"]));
  assert.ok(closed.some(({ text }) => text === "[ … ]"));
  assert.equal(folded.length - closed.length, 4);
});

test("a diff keeps every line of both texts, in order", () => {
  const line = fc.constantFrom("a", "b", "c", "d");
  fc.assert(
    fc.property(fc.array(line, { minLength: 1 }), fc.array(line, { minLength: 1 }), (a, b) => {
      const lines = lineDiff(a.join("\n"), b.join("\n"));
      const of = (without: string): string[] => lines.filter(({ type }) => type !== without).map(({ text }) => text);
      assert.deepEqual(of("new"), a);
      assert.deepEqual(of("old"), b);
    }),
  );
});

test("a form takes what a schema says, and names the field that is missing", () => {
  const shape = formShapeOf({
    type: "object",
    properties: {
      name: { type: "string" },
      amount: { type: "number" },
      tags: { type: "array", items: { type: "string" } },
    },
    required: ["name", "amount"],
  });
  assert.equal(shape.type, "fields");
  const { fields } = shape as Extract<typeof shape, { type: "fields" }>;
  assert.deepEqual(readFields(fields, { name: "Ada", amount: "3", tags: "a\nb" }), {
    ok: true,
    value: { name: "Ada", amount: 3, tags: ["a", "b"] },
  });
  assert.deepEqual(readFields(fields, { name: "Ada" }), { ok: false, problem: "amount is missing" });
});

test("a cost above nothing is never shown as 0, and an unknown one never as a number", () => {
  assert.equal(usdText(1), "<$0.0001");
  assert.equal(usdText(0), "$0");
  assert.equal(usdText(null), "unpriced");
});

test("an axis keeps the order of all times, and gives a long wait a place that is short", () => {
  const ms = fc.integer({ min: 0, max: 10_000_000 });
  const waits = fc.array(fc.tuple(ms, ms), { maxLength: 4 });
  fc.assert(
    fc.property(waits, ms, ms, (drawn, a, b) => {
      let end = 0;
      const stretches = drawn
        .map(([x, y]) => ({ startedAt: Math.min(x, y), endedAt: Math.max(x, y) }))
        .toSorted((x, y) => x.startedAt - y.startedAt)
        .filter(({ startedAt, endedAt }) => startedAt >= end && (end = endedAt) >= 0);
      const axis = axisOf({ from: 0, to: 10_000_000 }, stretches);
      const bar = barOf(axis, Math.min(a, b), Math.max(a, b));
      assert.ok(bar.left >= 0 && bar.width >= 0 && bar.left + bar.width <= 100.000_001);
      for (const one of axis.breaks) assert.ok(Math.abs(barOf(axis, one.from, one.to).width - 5) < 1e-6);
      const ticks = ticksOf(axis).map((tick) => tick.ms);
      assert.deepEqual(
        ticks,
        ticks.toSorted((x, y) => x - y),
      );
    }),
  );
  // a night of waiting for a person between two seconds of work
  const night = axisOf({ from: 0, to: 36_002_000 }, [{ startedAt: 1_000, endedAt: 36_001_000 }]);
  assert.ok(barOf(night, 0, 1_000).width > 45);
});

test("a form says what its schema allows, and refuses the rest before it is sent", () => {
  const shape = formShapeOf({
    type: "object",
    properties: {
      n: { type: "integer", minimum: 1, maximum: 5 },
      who: { type: "string", enum: ["ada", "bob"] },
      text: { type: "string", minLength: 2, maxLength: 4 },
    },
    required: ["n"],
  });
  assert.equal(shape.type, "fields");
  const { fields } = shape as Extract<typeof shape, { type: "fields" }>;
  const problem = (value: JsonValue): string => {
    const read = checked(fields, value);
    return read.ok ? "" : read.problem;
  };
  assert.equal(problem({ n: 5, who: "ada", text: "abc", more: 1 }), "");
  assert.equal(problem({ n: 6 }), "n must be a whole number, at least 1, at most 5");
  assert.equal(problem({ n: 1.5 }), "n must be a whole number, at least 1, at most 5");
  assert.equal(problem({ n: "1" }), "n must be a number");
  assert.equal(problem({}), "n is missing");
  assert.equal(problem({ n: 1, who: "eve" }), "who must be one of ada, bob");
  assert.equal(problem({ n: 1, text: "a" }), "text must be at least 2 characters, at most 4 characters");
  assert.equal(problem([1]), "the arguments must be an object: { … }");
});
