import { readFileSync, statSync } from "node:fs";
import { constants, DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import { csvRecords } from "./csv.ts";
import type { SqlAnswer, SqlRows, SqlTask } from "./sql-task.ts";

const reading: readonly number[] = [
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
];
const writing: readonly number[] = [constants.SQLITE_INSERT, constants.SQLITE_UPDATE, constants.SQLITE_DELETE];
const forbiddenFunctions: ReadonlySet<string> = new Set(["load_extension", "fts3_tokenizer"]);

/**
 * Runs one statement of somebody who is not trusted. SQLite itself asks about each part of it as it is compiled: a
 * statement that attaches, sets, changes or loads what it may not does not get as far as running.
 */
export function answerSql({ source, mayWrite, sql, parameters }: SqlTask): SqlAnswer {
  let db: DatabaseSync | null = null;
  try {
    db = "file" in source ? opened(source.file, mayWrite) : loaded(source.tables);
    db.limits.length = limits.sqlValueBytes;
    if (mayWrite) db.exec("BEGIN IMMEDIATE");
    db.setAuthorizer((action, first, second) => {
      if (action === constants.SQLITE_FUNCTION && forbiddenFunctions.has(String(second).toLowerCase()))
        return constants.SQLITE_DENY;
      if (reading.includes(action)) return constants.SQLITE_OK;
      const isOwn = String(first).toLowerCase().startsWith("sqlite_");
      return mayWrite && writing.includes(action) && !isOwn ? constants.SQLITE_OK : constants.SQLITE_DENY;
    });
    const statement = db.prepare(sql);
    if (isMore(sql, statement)) return { type: "failed", message: "Give one statement; there is more behind its end." };
    const values = parameters.map((value) => (typeof value === "boolean" ? Number(value) : value));
    const answer: SqlAnswer =
      statement.columns().length > 0
        ? { type: "rows", result: rowsOf(statement, values) }
        : { type: "changed", result: { changed: Number(statement.run(...values).changes) } };
    db.setAuthorizer(null);
    if (mayWrite) db.exec("COMMIT");
    return answer;
  } catch (error) {
    return { type: "failed", message: failure(error, mayWrite, db) };
  } finally {
    db?.close();
  }
}

function opened(file: string, mayWrite: boolean): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: !mayWrite, allowExtension: false, timeout: limits.sqlLockMs });
  return bounded(db);
}

function bounded(db: DatabaseSync): DatabaseSync {
  db.exec(`PRAGMA hard_heap_limit = ${limits.sqlMemoryBytes}; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF`);
  db.enableDefensive(true);
  return db;
}

function loaded(tables: Readonly<Record<string, string>>): DatabaseSync {
  const db = bounded(new DatabaseSync(":memory:", { allowExtension: false }));
  for (const [table, file] of Object.entries(tables)) {
    const { size } = statSync(file);
    if (size > limits.sqlFileBytes)
      throw new Error(`table "${table}": its file has ${size} bytes, over ${limits.sqlFileBytes}`);
    const text = readFileSync(file, "utf8");
    try {
      fill(db, table, /\.(?:json|jsonl|ndjson)$/i.test(file) ? ofJson(text) : ofCsv(text));
    } catch (error) {
      throw new Error(`table "${table}" cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }
  return db;
}

interface TableContent {
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly SQLInputValue[]>;
}

function fill(db: DatabaseSync, table: string, { columns, rows }: TableContent): void {
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  if (columns.length === 0) throw new Error("it has no columns");
  db.exec(`BEGIN; CREATE TABLE ${quoted(table)} (${columns.map(quoted).join(", ")})`);
  const insert = db.prepare(`INSERT INTO ${quoted(table)} VALUES (${columns.map(() => "?").join(", ")})`);
  for (const row of rows) insert.run(...row);
  db.exec("COMMIT");
}

const NUMBER = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;

/** A column of numbers only is one of numbers; `007` and dates stay text, and what is empty is null. */
function ofCsv(text: string): TableContent {
  const [head = [], ...records] = csvRecords(text);
  const columns: string[] = [];
  for (const [i, name] of head.entries()) {
    const plain = name.trim() === "" ? `column${i + 1}` : name.trim();
    columns.push(columns.some((one) => one.toLowerCase() === plain.toLowerCase()) ? `${plain}_${i + 1}` : plain);
  }
  const long = records.findIndex((record) => record.length > columns.length);
  if (long >= 0) throw new Error(`record ${long + 2} has more values than the first line has names`);
  const isNumber = columns.map((_, i) => records.every((record) => !record[i] || NUMBER.test(record[i])));
  const valueOf = (value: string | undefined, i: number): SQLInputValue =>
    value === undefined || value === "" ? null : isNumber[i] === true ? Number(value) : value;
  return { columns, rows: records.map((record) => columns.map((_, i) => valueOf(record[i], i))) };
}

function ofJson(text: string): TableContent {
  const isLines = /^\s*\{/.test(text);
  const parsed: unknown = isLines
    ? text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [JSON.parse(line) as unknown]))
    : JSON.parse(text);
  if (!Array.isArray(parsed) || !parsed.every(isJsonObject))
    throw new Error("it is neither a list of objects nor one object on each line");
  const columns = [...new Set(parsed.flatMap((row) => Object.keys(row)))];
  const valueOf = (value: JsonValue | undefined): SQLInputValue => {
    if (typeof value === "string" || typeof value === "number") return value;
    if (typeof value === "boolean") return Number(value);
    return value === undefined || value === null ? null : JSON.stringify(value);
  };
  const isObject = (row: (typeof parsed)[number], name: string) => (Object.hasOwn(row, name) ? row[name] : null);
  return { columns, rows: parsed.map((row) => columns.map((name) => valueOf(isObject(row, name)))) };
}

/** SQLite compiles the first statement and passes over the rest in silence. */
function isMore(sql: string, statement: StatementSync): boolean {
  const rest = sql.slice(sql.indexOf(statement.sourceSQL) + statement.sourceSQL.length);
  return rest.replaceAll(/--[^\n]*|\/\*[^]*?\*\//g, "").replaceAll(/[\s;]/g, "") !== "";
}

function rowsOf(statement: StatementSync, values: readonly SQLInputValue[]): SqlRows {
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  const columns = statement.columns().map(({ name }) => name);
  const rows: JsonValue[][] = [];
  let bytes = 0;
  let cut: string | null = null;
  // a statement that changes rows and returns some is run to its end
  for (const row of statement.iterate(...values) as Iterable<unknown>) {
    if (cut !== null) continue;
    const plain = (row as readonly unknown[]).map(plainValue);
    bytes += JSON.stringify(plain).length;
    if (rows.length >= limits.sqlRows) cut = `after ${limits.sqlRows} rows`;
    else if (bytes > limits.sqlResultBytes) cut = `after ${limits.sqlResultBytes} bytes`;
    else rows.push(plain);
  }
  return { columns, rows, ...(cut !== null && { cut: `${cut}: use LIMIT, WHERE or an aggregate` }) };
}

function plainValue(value: unknown): JsonValue {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return `(${value.byteLength} bytes)`;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "string" ? value : null;
}

function failure(error: unknown, mayWrite: boolean, db: DatabaseSync | null): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/not authorized|authorization denied|prohibited|readonly|may not be modified/.test(text))
    return `${text}. Allowed is one ${mayWrite ? "SELECT, INSERT, UPDATE or DELETE" : "SELECT, which changes nothing"}.`;
  if (db === null || !/no such (?:table|column)/.test(text)) return `${text}.`;
  const rows = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view') LIMIT 50").all();
  const known = rows.map(({ sql }) => String(sql).replaceAll(/\s+/g, " ").slice(0, 300)).join("; ");
  return `${text}. There is: ${known.slice(0, 1_500)}`;
}
