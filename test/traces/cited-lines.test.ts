import assert from "node:assert/strict";
import { test } from "node:test";
import { searchText } from "../../src/traces/causes.ts";
import { citedPlaces, ShownLines } from "../../src/traces/cited-lines.ts";

/** Whether a result shows what a text cites. */
function shows(result: Parameters<typeof searchText>[0], cited: string): boolean {
  const [place] = citedPlaces(cited);
  assert.ok(place !== undefined, cited);
  return new ShownLines(searchText(result)).has(place);
}

test("a file is named where its whole name stands, alone or at the end of a path", () => {
  assert.equal(shows("see pay.ts", "pay.ts:3"), true);
  assert.equal(shows({ path: "src/pay.ts" }, "pay.ts:3"), true);
  assert.equal(shows("Look at pay.ts.", "pay.ts:3"), true);
  for (const other of ["repay.ts", "pay.tsx", "pay.ts.bak", "pay.ts/x", "re-pay.ts", "pay.ts-old", "src/pay_ts"])
    assert.equal(shows(other, "pay.ts:3"), false, other);
});

test("a cited line lies in the lines that the result says it shows", () => {
  const read = { file: "a.md", startLine: 10, endLine: 20, lines: 90, text: "10| ten\n11| eleven" };
  assert.equal(shows(read, "a.md:15"), true);
  assert.equal(shows(read, "a.md:18-30"), true);
  assert.equal(shows(read, "a.md:9"), false);
  assert.equal(shows(read, "a.md:21-30"), false);
  const hits = [
    { file: "a.md", startLine: 1, endLine: 4 },
    { file: "b.md", startLine: 50, endLine: 60 },
  ];
  assert.equal(shows(hits, "a.md:55"), false, "the lines of another file");
  assert.equal(shows(hits, "b.md:55"), true);
  assert.equal(shows("src/a.ts:7: const x", "src/a.ts:7"), true);
  assert.equal(shows("src/a.ts:7: const x", "src/a.ts:8"), false);
});
