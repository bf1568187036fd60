import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { limits } from "../../src/core/limits.ts";
import { csvRecords } from "../../src/tools/builtin/csv.ts";
import { sqlQuery, type SqlQueryOptions } from "../../src/tools/builtin/sql-query.ts";
import { callTool } from "./call-tool.ts";
import { tempFolder } from "./temp-folder.ts";

type Rows = { columns: string[]; rows: unknown[][]; cut?: string; changed?: number };

function asking(options: SqlQueryOptions) {
  const tool = sqlQuery(options);
  return async (sql: string, parameters: readonly (string | number | boolean | null)[] = []): Promise<Rows> =>
    (await callTool([tool], "sql_query", { sql, parameters })) as unknown as Rows;
}

function shop(t: TestContext): string {
  const file = join(tempFolder(t), "shop.db");
  const db = new DatabaseSync(file);
  db.exec(`CREATE TABLE orders (id INTEGER, customer TEXT, total REAL);
    INSERT INTO orders VALUES (1, 'Ada', 20.5), (2, 'Grace', 9), (9007199254740993, 'Ada', 0.5)`);
  db.close();
  return file;
}

test("a SQLite file is asked with parameters, and large integers stay exact", async (t) => {
  const ask = asking({ file: shop(t) });
  const sums = await ask("SELECT customer, sum(total) AS total FROM orders WHERE customer = ? GROUP BY customer", [
    "Ada",
  ]);
  assert.deepEqual(sums, { columns: ["customer", "total"], rows: [["Ada", 21]] });
  assert.deepEqual((await ask("SELECT id FROM orders ORDER BY id")).rows, [[1], [2], ["9007199254740993"]]);
  assert.deepEqual((await ask("SELECT ?, ?, x'0102', 1e999", [null, true])).rows, [[null, 1, "(2 bytes)", "Infinity"]]);
  assert.equal((await ask("SELECT count(*) FROM orders WHERE customer = ?", ["' OR 1=1 --"])).rows[0]?.[0], 0);
});

test("CSV and JSON files are tables", async (t) => {
  const root = tempFolder(t, {
    "orders.csv": '\uFEFFid;customer;zip;total\r\n1;"Ada; ""L""\nLovelace";01234;20.5\r\n\r\n2;Grace;98765;\r\n',
    "people.json": JSON.stringify([
      { name: "Grace", tags: ["navy"], isAdmin: true },
      { name: "Ada", age: 36 },
    ]),
    "log.jsonl": '{"n":1}\n{"n":2}\n',
  });
  const ask = asking({
    tables: { orders: join(root, "orders.csv"), people: join(root, "people.json"), log: join(root, "log.jsonl") },
  });
  assert.deepEqual((await ask("SELECT * FROM orders")).rows, [
    [1, 'Ada; "L"\nLovelace', "01234", 20.5],
    [2, "Grace", "98765", null],
  ]);
  const joined = await ask("SELECT p.tags, p.isAdmin, p.age FROM orders o JOIN people p ON p.name = o.customer");
  assert.deepEqual(joined.rows, [['["navy"]', 1, null]]);
  assert.deepEqual((await ask("SELECT sum(n) FROM log")).rows, [[3]]);
});

test("CSV: quotes, line ends and delimiters come as they are meant", () => {
  const records = (text: string): string[][] => [...csvRecords(text)];
  assert.deepEqual(records('a,b\n"1,""2""",\n"x\ny",z'), [
    ["a", "b"],
    ['1,"2"', ""],
    ["x\ny", "z"],
  ]);
  assert.deepEqual(records("a\tb\r\n\r\n1\t2\r\n"), [
    ["a", "b"],
    ["1", "2"],
  ]);
  assert.deepEqual(records('a,b\n"open'), [["a", "b"], ["open"]]);
  assert.deepEqual(records("a,b,"), [["a", "b", ""]]);
  assert.deepEqual(records(""), []);
});

test("nothing but one SELECT gets as far as running", async (t) => {
  const file = shop(t);
  const before = readFileSync(file);
  const ask = asking({ file });
  const other = join(tempFolder(t), "other.db");
  const refused = [
    "INSERT INTO orders VALUES (3, 'Eve', 1)",
    "UPDATE orders SET total = 0",
    "DELETE FROM orders",
    "DROP TABLE orders",
    "CREATE TABLE t (x)",
    "CREATE TEMP TABLE t (x)",
    `ATTACH '${other}' AS o`,
    `VACUUM INTO '${other}'`,
    "PRAGMA journal_mode = DELETE",
    "SELECT * FROM pragma_database_list",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT fts3_tokenizer('x')",
    "BEGIN",
    "EXPLAIN DELETE FROM orders",
  ];
  for (const sql of refused)
    await assert.rejects(ask(sql), { name: "NotApplied", message: /one SELECT|no such module/ }, sql);
  await assert.rejects(ask("SELECT 1; DELETE FROM orders"), { name: "NotApplied", message: /one statement/ });
  assert.deepEqual((await ask("SELECT 1; -- the end;\n ;")).rows, [[1]]);
  assert.deepEqual(readFileSync(file), before);
  assert.throws(() => readFileSync(other), { code: "ENOENT" });
});

test("what is wrong with a statement is said with the tables that there are", async (t) => {
  const ask = asking({ file: shop(t) });
  await assert.rejects(ask("SELECT * FROM order"), /syntax error/);
  await assert.rejects(
    ask("SELECT price FROM orders"),
    /no such column: price.*CREATE TABLE orders \(id INTEGER, customer TEXT/,
  );
  await assert.rejects(asking({ file: "/no/such.db" })("SELECT 1"), { name: "NotApplied", message: /unable to open/ });
  const bad = join(tempFolder(t, { "bad.csv": "a,b\n1,2,3\n" }), "bad.csv");
  await assert.rejects(asking({ tables: { bad } })("SELECT 1"), /table "bad" cannot be read: record 2 has more values/);
});

test("rows, bytes, single values and memory are bounded", async (t) => {
  const ask = asking({ file: shop(t) });
  const series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) ";
  const many = await ask(`${series} SELECT i FROM n`);
  assert.equal(many.rows.length, limits.sqlRows);
  assert.match(many.cut ?? "", /after 1000 rows: use LIMIT/);
  const wide = await ask(`${series} SELECT i, printf('%.1000c', 'x') FROM n`);
  assert.ok(JSON.stringify(wide).length < limits.sqlResultBytes + 2_000);
  assert.match(wide.cut ?? "", /bytes/);
  await assert.rejects(ask("SELECT printf('%.*c', 900000000, 'x')"), /too big/);
});

test("a query that never ends is ended with the call, and its process with it", async (t) => {
  const tool = sqlQuery({ file: shop(t) });
  const stop = new AbortController();
  const endless = { sql: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n" };
  const runs = Array.from({ length: 3 }, () => callTool([tool], "sql_query", endless, { signal: stop.signal }));
  setImmediate(() => stop.abort(new Error("time is up")));
  for (const { status } of await Promise.allSettled(runs)) assert.equal(status, "rejected");
  assert.deepEqual((await asking({ file: shop(t) })("SELECT 1")).rows, [[1]]);
});

test("with leave to write, rows change in one transaction, a person is asked, and tables stay", async (t) => {
  const file = shop(t);
  const tool = sqlQuery({ file, mayWrite: true });
  assert.equal(tool.effect, "once");
  assert.equal(tool.asksApproval, "always");
  assert.ok(tool.capabilities.includes("sql:write"), "an operator grants it");
  const ask = asking({ file, mayWrite: true });
  assert.equal((await ask("UPDATE orders SET total = total + ? WHERE customer = 'Ada'", [1])).changed, 2);
  assert.deepEqual((await ask("INSERT INTO orders VALUES (4, 'Eve', 3) RETURNING id")).rows, [[4]]);
  assert.deepEqual((await ask("SELECT sum(total) FROM orders")).rows, [[35]]);
  for (const sql of ["DROP TABLE orders", "DELETE FROM sqlite_schema", "PRAGMA user_version = 7", "ATTACH 'x' AS x"])
    await assert.rejects(ask(sql), { name: "NotApplied", message: /SELECT, INSERT, UPDATE or DELETE/ }, sql);
});

test("options that make no sense are refused, and what is read is declared", () => {
  const wrong: readonly SqlQueryOptions[] = [
    {},
    { file: "a.db", tables: { a: "a.csv" } },
    { tables: { a: "a.csv" }, mayWrite: true },
    { tables: { "a b": "a.csv" } },
    { tables: { a: "a.xlsx" } },
  ];
  for (const options of wrong) assert.throws(() => sqlQuery(options), { code: "OPTION_INVALID" });
  const { capabilities, effect, flow } = sqlQuery({ file: "/data/my shop.db" });
  assert.deepEqual(capabilities, ["fs:/data/my%20shop.db"]);
  assert.deepEqual({ effect, flow }, { effect: "pure", flow: { sinks: {}, egress: false } });
});
