import { encodeCursor } from "../core/cursor.ts";
import type { JsonValue } from "../core/json.ts";
import type { Page, PutCondition, PutResult, StoredRecord } from "../core/store-contract.ts";
import { pageOf, textPlace } from "./contract-rules.ts";
import type { PostgresDatabase } from "./postgres.ts";

interface RecordRow {
  readonly key: string;
  readonly value: string;
  readonly version: number;
}

const LIVE = "(expires_at IS NULL OR expires_at > pawl.now_ms())";
/** After so many records with a time to live, twice as many go that are past theirs. */
const PUTS_PER_SWEEP = 50;
const LAST_CHARACTER = "\u{10FFFF}";

/** Small versioned records in PostgreSQL. Versions come from one sequence, so that none is ever used twice. */
export class PostgresRecords {
  readonly #db: PostgresDatabase;
  #timedPuts = 0;

  constructor(db: PostgresDatabase) {
    this.#db = db;
  }

  async getRecord(tenant: string, key: string): Promise<StoredRecord | null> {
    const row = await this.#db.row<RecordRow>(
      `SELECT key, value, version FROM pawl.record WHERE tenant = $1 AND key = $2 AND ${LIVE}`,
      [tenant, key],
    );
    return row === null ? null : recordOf(row);
  }

  async putRecord(
    record: { readonly tenant: string; readonly key: string; readonly value: JsonValue; readonly ttlMs: number | null },
    condition: PutCondition,
  ): Promise<PutResult> {
    const { tenant, key, value, ttlMs } = record;
    const values = [tenant, key, JSON.stringify(value), ttlMs];
    const put =
      "ifVersion" in condition
        ? await this.#db.row<RecordRow>(
            `UPDATE pawl.record SET value = $3, version = nextval('pawl.record_version'), expires_at = pawl.now_ms() + $4::bigint
             WHERE tenant = $1 AND key = $2 AND version = $5 AND ${LIVE} RETURNING version`,
            [...values, condition.ifVersion],
          )
        : await this.#db.row<RecordRow>(
            `INSERT INTO pawl.record AS old (tenant, key, value, version, expires_at)
             VALUES ($1, $2, $3, nextval('pawl.record_version'), pawl.now_ms() + $4::bigint)
             ON CONFLICT (tenant, key) DO UPDATE SET
               value = excluded.value, version = excluded.version, expires_at = excluded.expires_at
             WHERE NOT $5::boolean OR old.expires_at <= pawl.now_ms() RETURNING version`,
            [...values, "ifAbsent" in condition],
          );
    if (put === null) return { type: "conflict", current: await this.getRecord(tenant, key) };
    if (ttlMs !== null) await this.#dropExpired();
    return { type: "ok", version: put.version };
  }

  async deleteRecord(tenant: string, key: string): Promise<void> {
    await this.#db.rows("DELETE FROM pawl.record WHERE tenant = $1 AND key = $2", [tenant, key]);
  }

  async listRecords(tenant: string, prefix: string, cursor: string | null, limit: number): Promise<Page<StoredRecord>> {
    const after = cursor === null ? "" : textPlace("records", cursor);
    const rows = await this.#db.rows<RecordRow>(
      `SELECT key, value, version FROM pawl.record WHERE tenant = $1 AND key >= $2 AND key <= $3 AND key > $4
         AND starts_with(key, $2) AND ${LIVE} ORDER BY key LIMIT $5`,
      [tenant, prefix, prefix + LAST_CHARACTER.repeat(4), after, limit + 1],
    );
    return pageOf(rows, limit, { cursorAfter: ({ key }) => encodeCursor("records", key), itemOf: recordOf });
  }

  async #dropExpired(): Promise<void> {
    this.#timedPuts = (this.#timedPuts + 1) % PUTS_PER_SWEEP;
    if (this.#timedPuts !== 0) return;
    await this.#db.rows(
      `DELETE FROM pawl.record WHERE (tenant, key) IN (SELECT tenant, key FROM pawl.record
       WHERE expires_at <= pawl.now_ms() LIMIT $1 FOR UPDATE SKIP LOCKED)`,
      [PUTS_PER_SWEEP * 2],
    );
  }
}

function recordOf({ key, value, version }: RecordRow): StoredRecord {
  return { key, value: JSON.parse(value) as JsonValue, version };
}
