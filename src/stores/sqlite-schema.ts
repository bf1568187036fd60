import { PawlError } from "../core/errors.ts";
import type { Database } from "./sqlite.ts";

/** "Pawl" in ASCII: what `file` and SQLite show as the application of a database. */
const APPLICATION_ID = 0x5061776c;

/**
 * Each entry brings a database from its index to the next version, in one transaction.
 *
 * Plain rowid tables with a unique index, not WITHOUT ROWID: with many runs interleaved that made files three times as
 * large and writes slower. `run` keeps beside the head only what an index or a condition needs; a tenant's runs are read
 * newest first by rowid, which ends every index. `batch.id` only rises, also over deletions (meta.batchFloor): it is the
 * commit counter of the .hwm file.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);

  CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL,
    acked INTEGER NOT NULL, indexed INTEGER NOT NULL, snapshot TEXT,
    status TEXT NOT NULL, lane TEXT NOT NULL, due_at INTEGER, session TEXT,
    asks INTEGER NOT NULL, dirty INTEGER NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
    parent TEXT NOT NULL, thread TEXT, runnable TEXT NOT NULL, scope TEXT NOT NULL,
    head TEXT NOT NULL
  );
  CREATE UNIQUE INDEX run_ref ON run (tenant, run_id);
  CREATE INDEX run_parent ON run (tenant, parent);
  CREATE INDEX run_status ON run (tenant, status);
  CREATE INDEX run_thread ON run (tenant, thread) WHERE thread IS NOT NULL;
  CREATE INDEX run_scope ON run (tenant, scope);
  CREATE INDEX run_due ON run (lane, due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX run_session ON run (session) WHERE session IS NOT NULL;
  CREATE INDEX run_asks ON run (tenant) WHERE asks > 0;
  CREATE INDEX run_dirty ON run (dirty) WHERE dirty = 1;

  CREATE TABLE batch (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, first_seq INTEGER NOT NULL, line TEXT NOT NULL);
  CREATE UNIQUE INDEX batch_place ON batch (run, first_seq);

  CREATE TABLE blob (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, scope TEXT NOT NULL, hash TEXT NOT NULL, bytes BLOB NOT NULL
  );
  CREATE UNIQUE INDEX blob_hash ON blob (tenant, scope, hash);

  CREATE TABLE session (id TEXT PRIMARY KEY, worker TEXT NOT NULL, process TEXT, killed_at INTEGER);

  CREATE TABLE account (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, scope TEXT NOT NULL, window TEXT NOT NULL, unit TEXT NOT NULL,
    cap INTEGER, spent INTEGER NOT NULL, reserved INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX account_scope ON account (tenant, scope, window, unit);
  CREATE TABLE reservation (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL, run_id TEXT NOT NULL, at INTEGER NOT NULL,
    amounts TEXT NOT NULL, held TEXT NOT NULL, settled_at INTEGER
  );
  CREATE UNIQUE INDEX reservation_key ON reservation (tenant, key);
  CREATE INDEX reservation_run ON reservation (tenant, run_id) WHERE settled_at IS NULL;
  CREATE INDEX reservation_age ON reservation (at) WHERE settled_at IS NULL;
  CREATE INDEX reservation_settled ON reservation (settled_at) WHERE settled_at IS NOT NULL;

  CREATE TABLE record (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, version INTEGER NOT NULL,
    expires_at INTEGER
  );
  CREATE UNIQUE INDEX record_key ON record (tenant, key);
  CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
  `,
  "CREATE INDEX account_window ON account (window)",
];

export const schemaVersion: number = migrations.length;

/**
 * Checks that a database is ours and not newer, without changing it.
 * @returns its version; 0 for an empty file
 * @throws STORE_CORRUPT, STORE_NEWER
 */
export function checkedVersion(db: Database): number {
  const version = Number(db.value("PRAGMA user_version"));
  const isOurs = db.value("PRAGMA application_id") === APPLICATION_ID;
  const isEmpty = db.value("SELECT count(*) FROM sqlite_schema") === 0;
  if (!isOurs && !isEmpty) {
    throw new PawlError(
      "STORE_CORRUPT",
      `"${db.path}" is a database, but not one of Pawl. Name another file; this one was not changed.`,
    );
  }
  if (isOurs && isEmpty) {
    throw new PawlError("STORE_CORRUPT", `"${db.path}" has lost its tables. Restore a backup; it was not changed.`);
  }
  if (version > schemaVersion) {
    throw new PawlError(
      "STORE_NEWER",
      `"${db.path}" has version ${version}; this Pawl knows versions up to ${schemaVersion}. Use the newer Pawl that wrote it; it was not changed.`,
    );
  }
  return version;
}

/** Brings a checked database to this build's version. */
export function migrate(db: Database, version: number): void {
  for (let next = version + 1; next <= schemaVersion; next++) {
    db.begin();
    db.exec(migrations[next - 1] ?? "");
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${next}`);
    db.commit();
  }
}
