import { statSync } from "node:fs";
import type { Database } from "./sqlite.ts";
import type { SqliteIntegrity } from "./sqlite-requests.ts";

/** Reads the whole file: takes about a second for each gigabyte. */
export function integrityOfDatabase(db: Database): SqliteIntegrity {
  const count = (table: string): number => Number(db.value(`SELECT count(*) FROM ${table}`));
  const bytes = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const found = db
    .prepare("PRAGMA integrity_check(100)")
    .all()
    .flatMap((row) => Object.values(row).map(String));
  return {
    path: db.path,
    problems: found.filter((line) => line !== "ok"),
    schemaVersion: Number(db.value("PRAGMA user_version")),
    sqliteVersion: String(db.value("SELECT sqlite_version()")),
    fileBytes: bytes(db.path),
    walBytes: bytes(`${db.path}-wal`),
    runs: count("run"),
    batches: count("batch"),
    blobs: count("blob"),
  };
}
