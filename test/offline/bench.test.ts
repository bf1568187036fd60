import assert from "node:assert/strict";
import { test } from "node:test";
import { questionsOf } from "../../bench/offline/questions.ts";
import { runSet, totalsOf } from "../../bench/offline/run.ts";

test("at least 70 % of 40 questions cite the answering passage, and 10 of 10 without an answer are told so", async () => {
  const totals = totalsOf(await runSet(questionsOf("questions.json")));
  assert.deepEqual([totals.answerable, totals.unanswerable], [40, 10]);
  assert.ok(totals.cited >= 28, `${totals.cited} of 40`);
  assert.equal(totals.saidSo, 10);
});

test("questions that nothing was tuned on fare as bench/offline reports", async () => {
  const { answerable, cited, unanswerable, saidSo } = totalsOf(await runSet(questionsOf("held-out.json")));
  assert.deepEqual(
    { answerable, cited, unanswerable, saidSo },
    { answerable: 14, cited: 9, unanswerable: 6, saidSo: 6 },
  );
});
