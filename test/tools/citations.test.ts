import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonValue } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { checkCitations, collectReads, noReads, type ReadMemo } from "../../src/tools/builtin/citations.ts";

const shown = (file: string, startLine: number, endLine: number): JsonValue => ({
  file,
  startLine,
  endLine,
  text: "…",
});
const memoOf = (...values: readonly JsonValue[]): ReadMemo => values.reduce(collectReads, noReads);
const memo = memoOf(
  { results: [shown("docs/guide.md", 10, 20), shown("README.md", 1, 5)] },
  shown("docs/guide.md", 21, 30),
  shown("My notes.txt", 1, 9),
  shown("Makefile", 3, 4),
);

test("ranges that touch or overlap are one, those apart stay apart", () => {
  const found = memoOf(shown("a.md", 10, 20), shown("a.md", 21, 25), shown("a.md", 40, 50), shown("a.md", 5, 12));
  assert.deepEqual(found.files["a.md"], [
    [5, 25],
    [40, 50],
  ]);
});

test("only what was shown counts as read: a listing, an error and a note do not", () => {
  const listing = { documents: [{ file: "a.md", size: "1 B", lines: 90 }], total: 1 };
  assert.deepEqual(memoOf(listing, { error: "no" }, { results: [], note: "x" }, "a.md:3", null, 4), noReads);
});

test("the memo keeps its bounds and then doubts rather than believes", () => {
  let many: ReadMemo = noReads;
  for (let i = 0; i <= limits.readFilesRemembered; i++) many = collectReads(many, shown(`f${i}.md`, 1, 2));
  assert.equal(Object.keys(many.files).length, limits.readFilesRemembered);
  let wide: ReadMemo = noReads;
  for (let i = 0; i <= limits.readRangesRemembered; i++)
    wide = collectReads(wide, shown("a.md", i * 10 + 1, i * 10 + 2));
  assert.equal(wide.files["a.md"]?.length, limits.readRangesRemembered);
  assert.equal(checkCitations(`It is so (a.md:${limits.readRangesRemembered * 10 + 1}).`, wide).ok, false);
});

test("an answer whose every claim cites what was read is ok", () => {
  const answer = [
    "# Answer",
    "",
    "From the documents:",
    "- The guide says so (docs/guide.md:12-14).",
    "- And more; with two places (docs/guide.md:30, README.md:1).",
    "",
    "The readme agrees. (README.md:5) So do the notes [My notes.txt:3]. `Makefile:3` builds it.",
    "Is that all?",
  ].join("\n");
  const report = checkCitations(answer, memo);
  assert.deepEqual(report.uncited, []);
  assert.equal(report.ok, true);
  assert.equal(report.feedback, "");
  assert.equal(report.annotated, answer);
  assert.equal(report.citations.length, 6);
});

test("a citation of lines that were never shown is marked, and the model is told which", () => {
  const report = checkCitations("It is hot (docs/guide.md:12). It is cold (docs/guide.md:31, other.md:4).", memo);
  assert.equal(report.ok, false);
  assert.equal(report.annotated, "It is hot (docs/guide.md:12). It is cold (docs/guide.md:31 ✗, other.md:4 ✗).");
  assert.match(report.feedback, /never read: docs\/guide\.md:31, other\.md:4/);
  assert.doesNotMatch(report.feedback, /no citation/);
});

test("a range is read only when all of it was shown", () => {
  assert.equal(checkCitations("So it is (docs/guide.md:28-31).", memo).ok, false);
  assert.equal(checkCitations("So it is (docs/guide.md:28-30).", memo).ok, true);
});

test("a claim without a citation is named to the model", () => {
  const report = checkCitations("It is hot (docs/guide.md:12). It is also heavy.\n- A bullet without one", memo);
  assert.deepEqual(report.uncited, ["It is also heavy.", "A bullet without one"]);
  assert.match(report.feedback, /no citation.*\n- It is also heavy\.\n- A bullet without one\n/);
});

test("saying that the documents hold no answer needs no citation, and excuses nothing else", () => {
  for (const answer of [
    "The documents hold no answer to this.",
    "The documentation does not say which port is used.",
    "I found nothing about refunds. I searched for refund, repayment and money back.",
    "There is no information about this in the documents.",
    "I could not find this in the folder.",
  ]) {
    assert.deepEqual(checkCitations(answer, memo).uncited, [], answer);
  }
  for (const answer of [
    "The documents do not say so. The port is 80.",
    "The files are not encrypted.",
    "The documents are old.",
  ]) {
    assert.equal(checkCitations(answer, memo).uncited.length, 1, answer);
  }
});

test("headings, code, rules, sums and introductions are no claims", () => {
  const answer = "## Result\n---\nThe steps are:\n```sh\nrun this now\n```\n12 * 3 = 36\n| --- | --- |";
  assert.deepEqual(checkCitations(answer, memo).uncited, []);
});

test("a quotation of several sentences is one claim", () => {
  assert.equal(checkCitations('It says "Open it. Close it. Go." (README.md:2).', memo).ok, true);
});

test("hosts, times, ratios and addresses are no citations", () => {
  const answer =
    "At 10:30 call http://example.org:8080/a.html:3 or 127.0.0.1:6379, db.internal:5432, ratio 3:4 (README.md:2).";
  assert.deepEqual(
    checkCitations(answer, memo).citations.map(({ text }) => text),
    ["README.md:2"],
  );
});

test("a file named by its end is the one that was read, if only one ends so", () => {
  assert.equal(checkCitations("Yes (guide.md:12).", memo).citations[0]?.readFile, "docs/guide.md");
  const two = memoOf(shown("a/guide.md", 1, 9), shown("b/guide.md", 1, 9));
  assert.equal(checkCitations("Yes (guide.md:2).", two).ok, false);
});

test("an answer of any shape is checked in time that grows with its length", () => {
  const nasty = [
    "a".repeat(50_000),
    "a.b:".repeat(12_000),
    "- ".repeat(20_000),
    '". A'.repeat(10_000),
    "documents ".repeat(5_000),
  ];
  for (const answer of nasty) assert.equal(typeof checkCitations(answer, memo).ok, "boolean");
});
