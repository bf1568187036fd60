import { DatabaseSync, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";

// The one file that knows the driver: opening, statements, transactions, and what its errors mean.

export type SqlValue = null | number | string | Uint8Array;
export type Row = { readonly [column: string]: unknown };

/** A prepared statement. Numbers are bound as they are; columns of type INTEGER keep them whole. */
export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): readonly Row[];
  iterate(...values: SqlValue[]): Iterable<Row>;
}

export interface OpenMode {
  readonly readOnly?: boolean;
  /** No other process may write while it is open, and no side file is made: for a folder that cannot be written. */
  readonly immutable?: boolean;
  /** How long a statement waits for a lock of another process, blocking this thread. */
  readonly busyMs: number;
}

/** One open connection with its prepared statements. */
export class Database {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;

  /** @throws PawlError as `storeErrorOf` says */
  constructor(path: string, mode: OpenMode) {
    this.path = path;
    const where = mode.immutable === true ? `${pathToFileURL(path).href}?immutable=1` : path;
    this.#db = new DatabaseSync(where, { readOnly: mode.readOnly === true, timeout: mode.busyMs });
    this.#begin = this.#db.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#db.prepare("COMMIT");
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  prepare(sql: string): Statement {
    return this.#db.prepare(sql);
  }

  /** First column of the first row. */
  value(sql: string): unknown {
    return Object.values(this.#db.prepare(sql).get() ?? {})[0];
  }

  begin(): void {
    this.#begin.run();
  }

  commit(): void {
    this.#commit.run();
  }

  /** Ends a transaction that failed; SQLite may have ended it already. */
  rollback(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

/** Holds an exclusive lock on a small file of its own until `release`, or until the process is gone. */
export interface FileLock {
  release(): void;
}

/** @returns null when another process, or another store of this one, has it */
export function tryLock(path: string): FileLock | null {
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
    if (primaryCode(error) === BUSY) return null;
    throw error;
  }
}

const BUSY = 5;
const READ_ONLY_MOVED = 1032;

/** SQLite's primary result codes that have a code of their own here. */
const codes: { readonly [primary: number]: readonly [ErrorCode, string] } = {
  5: ["STORE_LOCKED", "another program, such as a SQLite shell or a backup, holds its write lock. End that and repeat"],
  6: ["STORE_LOCKED", "another statement holds a lock on it. Repeat"],
  8: [
    "STORE_READ_ONLY",
    "it cannot be written. Check the rights of the file and its folder, or open it with { readOnly: true }",
  ],
  10: ["STORE_UNREACHABLE", "the disk failed. Look at the system's log; read before you retry"],
  11: ["STORE_CORRUPT", 'it is damaged. Run "pawl verify", then restore a backup'],
  13: ["STORE_FULL", "the disk is full. What was acknowledged is kept; make room and repeat"],
  14: ["STORE_READ_ONLY", "it cannot be opened. Check that the folder exists and that you may read and write it"],
  26: ["STORE_CORRUPT", "it is not a SQLite database. Name another file, or restore a backup"],
};

/** What the system says of a file, where SQLite was not asked. */
const systemCodes: { readonly [code: string]: number } = {
  EACCES: 8,
  EPERM: 8,
  EROFS: 8,
  EIO: 10,
  ENOSPC: 13,
  EDQUOT: 13,
  EMFILE: 14,
  ENFILE: 14,
};

/** What an error of the driver or of a file means to the caller of a store. A PawlError stays what it is. */
export function storeErrorOf(error: unknown, path: string): PawlError {
  if (PawlError.is(error)) return error;
  if (fullCode(error) === READ_ONLY_MOVED) return replaced(path);
  const [code, meaning] = codes[primaryCode(error)] ?? ["INTERNAL", "SQLite refused a statement"];
  return new PawlError(code, `database "${path}": ${meaning} (${errorText(error, 200)}).`, { cause: error });
}

export function replaced(path: string): PawlError {
  return new PawlError(
    "STORE_REPLACED",
    `the database "${path}" was deleted, moved or replaced while it was open; nothing is written to what is there now. Put the file back, or end this process and start again.`,
  );
}

/** True for an error of one statement's own values or pages, where the statements beside it are not to blame. */
export function isOwnFault(error: unknown): boolean {
  const code = PawlError.is(error) ? error.code : codes[primaryCode(error)]?.[0];
  return code === undefined || code === "STORE_CORRUPT";
}

function primaryCode(error: unknown): number {
  return fullCode(error) & 0xff;
}

/** SQLite's extended result code, or the one that fits a system error; 0 where the error is neither. */
function fullCode(error: unknown): number {
  if (!(error instanceof Error)) return 0;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode;
  return "code" in error && typeof error.code === "string" ? (systemCodes[error.code] ?? 0) : 0;
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

/** JSON that this build wrote itself. @throws STORE_CORRUPT */
export function jsonOf<T>(row: Row, column: string): T {
  try {
    return JSON.parse(textOf(row, column)) as T;
  } catch (error) {
    if (PawlError.is(error)) throw error;
    return wrongColumn(column, "text that is not JSON");
  }
}

function wrongColumn(column: string, value: unknown): never {
  throw new PawlError(
    "STORE_CORRUPT",
    `column "${column}" holds ${typeof value === "string" ? value.slice(0, 60) : typeof value}, which no Pawl writes. Run "pawl verify", then restore a backup.`,
  );
}
