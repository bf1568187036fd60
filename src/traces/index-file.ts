import { existsSync } from "node:fs";
import type { Entropy } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { createIndex, emptyIndex, foreignFile, indexFormat, stateOfIndex } from "./index-schema.ts";
import { Database, removeDatabase, textOf } from "./sqlite.ts";

/** How long a write waits for another process' write, blocking this thread: pieces are small. */
const BUSY_MS = 2_000;
const WAL_BYTES_MAX = 16_777_216;
const CACHE_KIB = 32_768;

/**
 * Opens the file of a trace index. It is a cache: one of an older format, or a damaged one, is emptied.
 * @throws STORE_CORRUPT for a file that is something else, which is not touched; STORE_NEWER, STORE_READ_ONLY, STORE_FULL
 */
export function openIndex(path: string, entropy: Entropy): Database {
  try {
    return opened(path, entropy);
  } catch (error) {
    if (!PawlError.is(error, "STORE_CORRUPT") || !existsSync(path) || !isOurs(path)) throw error;
    removeDatabase(path);
    return opened(path, entropy);
  }
}

function opened(path: string, entropy: Entropy): Database {
  const db = new Database(path, { busyMs: BUSY_MS });
  try {
    const state = stateOfIndex(db);
    if (state === "foreign") throw foreignFile(path);
    if (db.count("PRAGMA user_version") > indexFormat) throw newer(path);
    // what a loss of power takes is read again: see `sync`
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = ${WAL_BYTES_MAX};
      PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY`);
    if (state === "older") emptyIndex(db, entropy.id());
    else createIndex(db, entropy.id());
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Puts on the disk what was committed: only then may the store be told that it was indexed. */
export function sync(db: Database): void {
  db.exec("PRAGMA synchronous = FULL");
  db.run("INSERT OR REPLACE INTO meta VALUES ('synced', '')");
  db.exec("PRAGMA synchronous = NORMAL");
}

export function identityOf(db: Database): string {
  const row = db.get("SELECT value FROM meta WHERE key = 'identity'");
  return row === undefined ? "" : textOf(row, "value");
}

export function setIdentity(db: Database, identity: string): void {
  db.run("INSERT OR REPLACE INTO meta VALUES ('identity', ?)", identity);
}

export function isComplete(db: Database): boolean {
  return db.count("SELECT count(*) FROM meta WHERE key = 'complete'") > 0;
}

export function setComplete(db: Database): void {
  db.run("INSERT OR REPLACE INTO meta VALUES ('complete', '')");
}

function isOurs(path: string): boolean {
  try {
    const db = new Database(path, { busyMs: BUSY_MS, readOnly: true });
    try {
      return stateOfIndex(db) !== "foreign";
    } finally {
      db.close();
    }
  } catch {
    return false;
  }
}

function newer(path: string): PawlError {
  return new PawlError(
    "STORE_NEWER",
    `"${path}" was written by a newer Pawl. Use that one, or delete the file: it is a cache and is built anew.`,
  );
}
