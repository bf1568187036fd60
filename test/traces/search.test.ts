import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { searchable, shortTokens, snippetOf, termsOf } from "../../src/traces/search-text.ts";
import { indexStage, tenant } from "./index-stage.ts";

/** run id → what was said in it */
const texts = {
  english: "The refund of invoice INV-7 was refused twice, see ticket C#-42.",
  chinese: "请检查这张发票的金额是否正确",
  japanese: "請求書の金額を確認してください。東京オフィス",
  thai: "กรุณาตรวจสอบใบแจ้งหนี้ของลูกค้า",
  arabic: "يرجى التحقق من الفَاتُورَة المرفقة",
  german: "Die Rückerstattung für Müller ist über 5 €",
  emoji: "shipped 🚀🚀🚀 today",
} as const;

/** query → runs that it finds */
const queries: readonly (readonly [query: string, runs: readonly (keyof typeof texts)[]])[] = [
  ["invoice", ["english"]],
  ["voic", ["english"]],
  ["INVOICE refused", ["english"]],
  ["invoice absent", []],
  ['"refund of invoice"', ["english"]],
  ['"refund invoice"', []],
  ["inv-7", ["english"]],
  ["42", ["english"]],
  ["of", ["english"]],
  ["发票", ["chinese"]],
  ["票", ["chinese"]],
  ["发票的金额", ["chinese"]],
  ["金额 发票", ["chinese"]],
  ["请求", []],
  ["請求書", ["japanese"]],
  ["東京", ["japanese"]],
  ["オフィス", ["japanese"]],
  ["金額", ["japanese"]],
  ["ใบแจ้งหนี้", ["thai"]],
  ["ลูกค้า", ["thai"]],
  ["แจ้ง", ["thai"]],
  ["الفاتورة", ["arabic"]],
  ["فاتورة", ["arabic"]],
  ["المرفقه", []],
  ["muller", ["german"]],
  ["MÜLLER", ["german"]],
  ["rückerstattung", ["german"]],
  ["🚀🚀🚀", ["emoji"]],
];

test("words and pieces of words are found in any language, and nothing else is", async (t) => {
  const stage = await indexStage(t);
  for (const [runId, text] of Object.entries(texts)) {
    const run = await stage.run(runId, { inputRef: { inline: { note: text } } });
    await run.turn(1, "Well.");
    await run.end();
  }
  await stage.index.catchUp();
  for (const [text, runs] of queries) assert.deepEqual(await stage.found({ text }), runs, text);
});

test("a query is data: no sign of it is syntax, and none is an error", async (t) => {
  const stage = await indexStage(t);
  await stage.run("one", { inputRef: { inline: 'he said "stop" AND left: a*b NEAR(c) col:x ^y -z (q' } });
  await stage.index.catchUp();
  const hostile = [
    '"',
    '""',
    '"""',
    "*",
    "a*",
    "OR",
    "AND OR NOT",
    "NEAR(a b)",
    "col:",
    "^",
    "-",
    "(",
    ")",
    "\0",
    "\uE000",
    "a\0b",
  ];
  for (const text of [
    ...hostile,
    ...hostile.map((one) => `${one} stop`),
    "x".repeat(100_000),
    '"'.repeat(5_000),
    "\uD800",
  ])
    assert.ok((await stage.found({ text })).length <= 1, text.slice(0, 40));
  assert.deepEqual(await stage.found({ text: '"stop"' }), ["one"]);
  assert.deepEqual(await stage.found({ text: "a*b" }), ["one"]);
  assert.deepEqual(await stage.found({ text: "and" }), ["one"]);
  assert.deepEqual(await stage.found({ text: "xyz OR stop" }), []);
});

test("a word is found in outputs, arguments, results, errors and messages, and shown with the words around it", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("one");
  await run.turn(1, "the model says anchovy", [
    { tool: "look", input: { query: "barracuda" }, output: { rows: ["a cuttlefish here"] } },
    { tool: "look", fails: { code: "TOOL_FAILED", message: "no dogfish today" } },
  ]);
  await run.outside({ type: "message.received", valueRef: { inline: "mind the eel" } });
  await run.end("completed", { report: "five flounders" });
  await stage.index.catchUp();
  const { items } = await stage.index.list("acme", { text: "cuttlefish" }, null, 10);
  assert.equal(items[0]?.snippet, "rows a cuttlefish here");
  for (const text of ["anchovy", "barracuda", "dogfish", "eel", "flounders"])
    assert.deepEqual(await stage.found({ text }), ["one"], text);
});

test("of a value only its first 64 KiB are searched", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("one");
  await run.turn(1, `${"x ".repeat(32_760)}early ${"y ".repeat(100)}late`);
  await stage.index.catchUp();
  assert.deepEqual(await stage.found({ text: "early" }), ["one"]);
  assert.deepEqual(await stage.found({ text: "late" }), []);
});

test("words that stand in every run are found page by page, in the order of the list", async (t) => {
  const stage = await indexStage(t);
  const count = 450;
  for (let i = 0; i < count; i++)
    await stage.run(`r${i}`, { inputRef: { inline: `common words ${i % 90 === 0 ? "rare" : ""}` } });
  await stage.index.catchUp();
  const all = await stage.found({ text: "common" });
  assert.equal(all.length, count);
  assert.deepEqual(new Set(all).size, count);
  assert.deepEqual(await stage.found({ text: "common rare" }), ["r360", "r270", "r180", "r90", "r0"]);
});

test("failures are searched in a bounded number of pages, and where there are more that is said", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("r1", { inputRef: { inline: "common" } });
  await run.end();
  await stage.index.catchUp();
  assert.deepEqual(await stage.index.errorGroups(tenant, { text: "common" }, 10), { items: [] });
  let pages = 0;
  stage.index.list = async () => ({ items: [], cursor: `page ${++pages}` });
  assert.deepEqual(await stage.index.errorGroups(tenant, { text: "common" }, 10), { items: [], partial: true });
  assert.ok(pages < 100);
});

test("where a run has more texts than are read, the page says that it is partial", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("long");
  await run.end();
  await stage.index.catchUp();
  const db = new DatabaseSync(stage.path);
  // each has the four groups of three letters of the words that are asked for, and only the last has the words
  db.exec(`BEGIN;
    CREATE TEMP TABLE made AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001)
      SELECT (SELECT max(id) FROM doc) + i AS id, iif(i = 20001, 'abcabd', 'abcab xabd') AS text FROM n;
    INSERT INTO doc (id, run, span_id, field, text) SELECT id, (SELECT id FROM run), 's', 'output', text FROM made;
    INSERT INTO tri (rowid, text) SELECT id, text FROM made;
    COMMIT`);
  db.close();
  const { items, partial } = await stage.index.list(tenant, { text: "abcabd" }, null, 10);
  assert.deepEqual([items.length, partial], [0, true]);
  assert.deepEqual(await stage.index.errorGroups(tenant, { text: "abcabd" }, 10), { items: [], partial: true });
  assert.equal((await stage.index.list(tenant, { text: "abcab" }, null, 10)).partial, undefined);
});

test("a hit in a child is its root's, and its own where children are listed", async (t) => {
  const stage = await indexStage(t);
  const root = await stage.run("root");
  const parent = { runId: "root", callId: "t1-0", depth: 1 };
  await stage.run("root~0123456789abcdef", { parent, rootRunId: "root", inputRef: { inline: "the needle" } });
  await root.turn(1, "hay");
  await stage.index.catchUp();
  assert.deepEqual(await stage.found({ text: "needle" }), ["root"]);
  assert.deepEqual(await stage.found({ text: "needle", children: true }), ["root~0123456789abcdef"]);
});

test("folding, tokens and snippets are what the index and the query share", () => {
  assert.equal(searchable("Ünïcode FULLWIDTH Ｆ"), "unicode fullwidth f");
  assert.equal(shortTokens("发票 a to long 7"), "发票 票 a to 7");
  assert.deepEqual(termsOf("  ").length, 0);
  const long = `${"a".repeat(200)} MÜLLER ${"b".repeat(200)}`;
  const snippet = snippetOf(termsOf("müller"), long);
  assert.match(snippet, /^…a+ MÜLLER b+…$/);
  assert.ok(snippet.length < 140);
});
