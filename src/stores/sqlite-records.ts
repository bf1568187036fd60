import { encodeCursor } from "../core/cursor.ts";
import type { JsonValue } from "../core/json.ts";
import type { Page, PutCondition, PutResult, StoredRecord } from "../core/store-contract.ts";
import { pageOf, textPlace } from "./contract-rules.ts";
import { jsonOf, numberOf, textOf, type Database, type Row, type Statement } from "./sqlite.ts";

const EXPIRED_PER_PUT = 100;

/** Small versioned records in SQLite. Versions come from one counter, so that none is ever used twice. */
export class SqliteRecords {
  readonly #get: Statement;
  readonly #from: Statement;
  readonly #nextVersion: Statement;
  readonly #put: Statement;
  readonly #delete: Statement;
  readonly #dropExpired: Statement;

  constructor(db: Database) {
    const isLive = "(expires_at IS NULL OR expires_at > ?)";
    this.#get = db.prepare(`SELECT key, value, version FROM record WHERE tenant = ? AND key = ? AND ${isLive}`);
    this.#from = db.prepare(
      `SELECT key, value, version FROM record WHERE tenant = ? AND key >= ? AND ${isLive} ORDER BY key`,
    );
    this.#nextVersion = db.prepare(
      `INSERT INTO meta (key, value) VALUES ('recordVersion', 1)
       ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value`,
    );
    this.#put = db.prepare(
      `INSERT INTO record (tenant, key, value, version, expires_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (tenant, key) DO UPDATE SET
       value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`,
    );
    this.#delete = db.prepare("DELETE FROM record WHERE tenant = ? AND key = ?");
    this.#dropExpired = db.prepare(
      `DELETE FROM record WHERE id IN (SELECT id FROM record WHERE expires_at <= ? LIMIT ${EXPIRED_PER_PUT})`,
    );
  }

  getRecord(tenant: string, key: string, nowMs: number): StoredRecord | null {
    const row = this.#get.get(tenant, key, nowMs);
    return row === undefined ? null : recordOf(row);
  }

  putRecord(
    record: { readonly tenant: string; readonly key: string; readonly value: JsonValue; readonly ttlMs: number | null },
    condition: PutCondition,
    nowMs: number,
  ): PutResult {
    const { tenant, key, value, ttlMs } = record;
    const current = this.getRecord(tenant, key, nowMs);
    if ("ifAbsent" in condition && current !== null) return { type: "conflict", current };
    if ("ifVersion" in condition && current?.version !== condition.ifVersion) return { type: "conflict", current };
    const text = JSON.stringify(value);
    const version = numberOf(this.#nextVersion.get() ?? {}, "value");
    this.#put.run(tenant, key, text, version, ttlMs === null ? null : nowMs + ttlMs);
    if (ttlMs !== null) this.#dropExpired.run(nowMs);
    return { type: "ok", version };
  }

  deleteRecord(tenant: string, key: string): void {
    this.#delete.run(tenant, key);
  }

  listRecords(
    query: { readonly tenant: string; readonly prefix: string; readonly cursor: string | null; readonly limit: number },
    nowMs: number,
  ): Page<StoredRecord> {
    // the text directly after a key is that key and a NUL
    const from = query.cursor === null ? query.prefix : `${textPlace("records", query.cursor)}\0`;
    const found: StoredRecord[] = [];
    for (const row of this.#from.iterate(query.tenant, from, nowMs)) {
      if (!textOf(row, "key").startsWith(query.prefix) || found.length > query.limit) break;
      found.push(recordOf(row));
    }
    return pageOf(found, query.limit, {
      cursorAfter: ({ key }) => encodeCursor("records", key),
      itemOf: (one) => one,
    });
  }
}

function recordOf(row: Row): StoredRecord {
  return { key: textOf(row, "key"), value: jsonOf(row, "value"), version: numberOf(row, "version") };
}
