import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";

// The one file of this room that knows the driver. What is kept with it is a cache, or says what was sent where.

export type SqlValue = null | number | string | Uint8Array;
export type Row = { readonly [column: string]: unknown };

/** One open connection. Statements are prepared once for each text. */
export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * @param busyMs how long a statement waits for another process, blocking this thread
   * @throws STORE_LOCKED, STORE_READ_ONLY, STORE_FULL, STORE_CORRUPT
   */
  constructor(path: string, { busyMs, readOnly = false }: { readonly busyMs: number; readonly readOnly?: boolean }) {
    this.path = path;
    if (!readOnly) createPrivate(path);
    this.#db = this.#said(() => new DatabaseSync(path, { timeout: busyMs, readOnly }));
  }

  exec(sql: string): void {
    this.#said(() => this.#db.exec(sql));
  }

  /** @returns rows changed */
  run(sql: string, ...values: readonly SqlValue[]): number {
    return this.#said(() => Number(this.#prepared(sql).run(...values).changes));
  }

  /** @returns rowid of what was inserted */
  insert(sql: string, ...values: readonly SqlValue[]): number {
    return this.#said(() => Number(this.#prepared(sql).run(...values).lastInsertRowid));
  }

  get(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#said(() => this.#prepared(sql).get(...values));
  }

  all(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    return this.#said(() => this.#prepared(sql).all(...values));
  }

  /** As `all`, each row as its values in the order of the columns: for many rows. */
  arrays(sql: string, ...values: readonly SqlValue[]): readonly (readonly unknown[])[] {
    return this.#said(() => {
      const statement = this.#prepared(sql, "arrays");
      // the cast: node's types know only rows that are objects
      return statement.all(...values) as unknown as readonly (readonly unknown[])[];
    });
  }

  /** First column of the first row as a number; 0 = no row, or null. */
  count(sql: string, ...values: readonly SqlValue[]): number {
    return Number(Object.values(this.get(sql, ...values) ?? {})[0] ?? 0);
  }

  /** Everything that `work` writes is there, or nothing of it. */
  transaction<T>(work: () => T): T {
    this.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.exec("ROLLBACK");
      throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #prepared(sql: string, rows: "objects" | "arrays" = "objects"): StatementSync {
    const key = rows === "arrays" ? `[]${sql}` : sql;
    const known = this.#statements.get(key);
    if (known !== undefined) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    const statement = this.#db.prepare(sql);
    if (rows === "arrays") statement.setReturnArrays(true);
    this.#statements.set(key, statement);
    return statement;
  }

  #said<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw errorOf(error, this.path);
    }
  }
}

const STATEMENTS_MAX = 200;

/** What was said is in it: for the owner's eyes. Side files take its rights over. */
function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, "a", 0o600));
  } catch {
    // SQLite says what is wrong with it
  }
}

/** Bytes of a database with its side files. */
export function fileBytes(path: string): number {
  return sides.reduce((sum, side) => sum + (statSync(`${path}${side}`, { throwIfNoEntry: false })?.size ?? 0), 0);
}

export function removeDatabase(path: string): void {
  for (const side of sides) rmSync(`${path}${side}`, { force: true });
}

const sides = ["-wal", "-shm", "-journal", ""] as const;

/** Held until `release`, or until the process is gone. @returns null when another has it */
export function tryLock(path: string): { release(): void } | null {
  createPrivate(path);
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
    return {
      release: () => {
        if (db.isOpen) db.close();
      },
    };
  } catch (error) {
    db.close();
    if (PawlError.is(errorOf(error, path), "STORE_LOCKED")) return null;
    throw errorOf(error, path);
  }
}

/** SQLite's primary result codes that a caller can do something about. */
const codes: { readonly [primary: number]: readonly [ErrorCode, string] } = {
  5: ["STORE_LOCKED", "another process is writing it. Repeat"],
  6: ["STORE_LOCKED", "another statement holds a lock on it. Repeat"],
  8: ["STORE_READ_ONLY", "it cannot be written. Check the rights of the file and its folder"],
  10: ["STORE_UNREACHABLE", "the disk failed. Look at the system's log"],
  11: ["STORE_CORRUPT", 'it is damaged. Run "pawl traces rebuild"'],
  13: ["STORE_FULL", "the disk is full. Make room and repeat"],
  14: ["STORE_READ_ONLY", "it cannot be opened. Check that the folder exists and that you may read and write it"],
  26: ["STORE_CORRUPT", 'it is not a SQLite database. Run "pawl traces rebuild"'],
};

function errorOf(error: unknown, path: string): PawlError {
  if (PawlError.is(error)) return error;
  const full = error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;
  const [code, meaning] = codes[full & 0xff] ?? ["INTERNAL", "SQLite refused a statement"];
  return new PawlError(code, `"${path}": ${meaning} (${errorText(error, 200)}).`, { cause: error });
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  return typeof value === "string" ? value : wrongColumn(column, value);
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : textOf(row, column);
}

export function numberOf(row: Row, column: string): number {
  const value = row[column];
  return typeof value === "number" ? value : wrongColumn(column, value);
}

export function numberOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : numberOf(row, column);
}

/** JSON that this build wrote itself; null where the column is null. */
export function jsonOf<T>(row: Row, column: string): T {
  try {
    return JSON.parse(textOrNull(row, column) ?? "null") as T;
  } catch {
    return wrongColumn(column, "text that is not JSON");
  }
}

/** @throws STORE_CORRUPT */
export function wrongColumn(column: string, value: unknown): never {
  throw new PawlError(
    "STORE_CORRUPT",
    `column "${column}" of the trace index holds ${typeof value}, which no Pawl writes. Run "pawl traces rebuild".`,
  );
}
