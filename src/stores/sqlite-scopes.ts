import { checkBlob } from "./contract-rules.ts";
import { type Database, type Statement } from "./sqlite.ts";

const RUNS_PER_STEP = 200;
const BATCHES_PER_STEP = 500;
const BLOBS_PER_STEP = 20;

/** Blobs, and the removal of whole scopes, in SQLite. */
export class SqliteScopes {
  readonly #put: Statement;
  readonly #get: Statement;
  readonly #bury: Statement;
  readonly #raiseFloor: Statement;
  readonly #dropBatches: Statement;
  readonly #dropBlobs: Statement;
  readonly #dropRuns: Statement;

  constructor(db: Database) {
    this.#put = db.prepare("INSERT INTO blob (tenant, scope, hash, bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
    this.#get = db.prepare("SELECT bytes FROM blob WHERE tenant = ? AND scope = ? AND hash = ?");
    this.#bury = db.prepare(
      `UPDATE run SET deleted = 1, due_at = NULL, session = NULL, asks = 0, dirty = 0
       WHERE id IN (SELECT id FROM run WHERE tenant = ? AND scope = ? AND deleted = 0 LIMIT ${RUNS_PER_STEP})`,
    );
    this.#raiseFloor = db.prepare(
      `INSERT INTO meta (key, value) SELECT 'batchFloor', coalesce(max(id), 0) FROM batch WHERE true
       ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)`,
    );
    this.#dropBatches = db.prepare(
      `DELETE FROM batch WHERE id IN (SELECT batch.id FROM run JOIN batch ON batch.run = run.id
       WHERE run.tenant = ? AND run.scope = ? AND run.deleted = 1 LIMIT ${BATCHES_PER_STEP})`,
    );
    this.#dropBlobs = db.prepare(
      `DELETE FROM blob WHERE id IN (SELECT id FROM blob WHERE tenant = ? AND scope = ? LIMIT ${BLOBS_PER_STEP})`,
    );
    this.#dropRuns = db.prepare(
      `DELETE FROM run WHERE id IN (SELECT id FROM run WHERE tenant = ? AND scope = ? AND deleted = 1 LIMIT ${RUNS_PER_STEP})`,
    );
  }

  putBlob(tenant: string, scope: string, hash: string, bytes: Uint8Array): void {
    checkBlob(hash, bytes);
    this.#put.run(tenant, scope, hash, bytes);
  }

  getBlob(tenant: string, scope: string, hash: string): Uint8Array | null {
    const bytes = this.#get.get(tenant, scope, hash)?.["bytes"];
    return bytes instanceof Uint8Array ? bytes : null;
  }

  /**
   * One bounded part of removing a scope, so that no transaction grows with it: tombstones for all its runs, then
   * events, blobs, and last the tombstones.
   * @returns true when nothing is left
   */
  deleteStep(tenant: string, scope: string): boolean {
    if (this.#bury.run(tenant, scope).changes !== 0) return false;
    this.#raiseFloor.run();
    if (this.#dropBatches.run(tenant, scope).changes !== 0) return false;
    if (this.#dropBlobs.run(tenant, scope).changes !== 0) return false;
    return this.#dropRuns.run(tenant, scope).changes === 0;
  }
}
