import type { RunRef } from "../core/id.ts";
import type { RedactionCounts } from "../core/redact.ts";
import { Database, jsonOf, numberOf, numberOrNull, textOf, textOrNull } from "./sqlite.ts";

/** A place in a run: spans that closed up to `seq`, and of those that closed at it the ones up to `spanId`, were delivered. */
export interface Receipt {
  readonly seq: number;
  readonly spanId: string;
}

/** What became of everything that was to be exported to one target. */
export interface ExportTally {
  readonly sent: number;
  /** The receiver took the request and said that it dropped so many. */
  readonly rejected: number;
  /** Spans that the receiver will never take. */
  readonly quarantined: number;
  /** Requests that failed and were, or will be, repeated. */
  readonly failures: number;
  readonly redacted: RedactionCounts;
  readonly lastError: string | null;
  readonly lastErrorAt: number | null;
  readonly lastSentAt: number | null;
}

const schema = `
  CREATE TABLE IF NOT EXISTS target (
    name TEXT PRIMARY KEY, identity TEXT NOT NULL, rev INTEGER NOT NULL, sent INTEGER NOT NULL, rejected INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, failures INTEGER NOT NULL, redacted TEXT NOT NULL, last_error TEXT, last_error_at INTEGER,
    last_sent_at INTEGER
  );
  CREATE TABLE IF NOT EXISTS receipt (
    target TEXT NOT NULL, tenant TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL, span_id TEXT NOT NULL,
    PRIMARY KEY (target, tenant, run_id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, tenant TEXT NOT NULL, run_id TEXT NOT NULL, span_id TEXT NOT NULL,
    at INTEGER NOT NULL, reason TEXT NOT NULL
  );
`;
const BUSY_MS = 2_000;

/** What was delivered where, in a file of its own: not a cache, so that a rebuilt index is not exported again. */
export class ExportState {
  readonly #db: Database;
  readonly #target: string;

  constructor(path: string, target: string) {
    this.#db = new Database(path, { busyMs: BUSY_MS });
    this.#target = target;
    // NORMAL: what was delivered is safe from a dead process; after a loss of power the last receipts may be missing, and
    // their batches are sent again with the same ids. FULL flushed the disk with every request
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    this.#db.exec(schema);
    this.#db.run("INSERT OR IGNORE INTO target VALUES (?, '', 0, 0, 0, 0, 0, '{}', NULL, NULL, NULL)", target);
  }

  close(): void {
    this.#db.close();
  }

  /** Revision of the index up to which all runs were looked at; 0 for another index than the one it was told of. */
  revOf(identity: string): number {
    const row = this.#db.get("SELECT identity, rev FROM target WHERE name = ?", this.#target);
    return row !== undefined && textOf(row, "identity") === identity ? numberOf(row, "rev") : 0;
  }

  setRev(identity: string, rev: number): void {
    this.#db.run("UPDATE target SET identity = ?, rev = ? WHERE name = ?", identity, rev, this.#target);
  }

  receiptOf({ tenant, runId }: RunRef): Receipt {
    const row = this.#db.get(
      "SELECT seq, span_id FROM receipt WHERE target = ? AND tenant = ? AND run_id = ?",
      this.#target,
      tenant,
      runId,
    );
    return row === undefined ? { seq: 0, spanId: "" } : { seq: numberOf(row, "seq"), spanId: textOf(row, "span_id") };
  }

  /** The receiver has them: from here on they are not sent again. */
  delivered(
    receipts: readonly (Receipt & { readonly ref: RunRef })[],
    { sent, rejected, message, redacted, at }: Delivery,
  ): void {
    this.#db.transaction(() => {
      this.#receive(receipts);
      const counts = this.tally().redacted;
      for (const [rule, count] of Object.entries(redacted)) counts[rule] = (counts[rule] ?? 0) + count;
      this.#db.run(
        `UPDATE target SET sent = sent + ?, rejected = rejected + ?, redacted = ?, last_sent_at = ?,
         last_error = coalesce(?, last_error), last_error_at = iif(? IS NULL, last_error_at, ?) WHERE name = ?`,
        sent,
        rejected,
        JSON.stringify(counts),
        at,
        message,
        message,
        at,
        this.#target,
      );
    });
  }

  /** The receiver will never take this one: it is noted, and what comes after it goes on. */
  quarantined(receipt: Receipt & { readonly ref: RunRef }, reason: string, at: number): void {
    const { tenant, runId } = receipt.ref;
    this.#db.transaction(() => {
      this.#receive([receipt]);
      this.#db.run(
        "INSERT INTO quarantine (target, tenant, run_id, span_id, at, reason) VALUES (?, ?, ?, ?, ?, ?)",
        this.#target,
        tenant,
        runId,
        receipt.spanId,
        at,
        reason.slice(0, 500),
      );
      this.#db.run("UPDATE target SET quarantined = quarantined + 1 WHERE name = ?", this.#target);
    });
    this.failed(reason, at);
  }

  failed(reason: string, at: number): void {
    this.#db.run(
      "UPDATE target SET failures = failures + 1, last_error = ?, last_error_at = ? WHERE name = ?",
      reason.slice(0, 500),
      at,
      this.#target,
    );
  }

  tally(): ExportTally {
    const row = this.#db.get("SELECT * FROM target WHERE name = ?", this.#target) ?? {};
    return {
      sent: numberOf(row, "sent"),
      rejected: numberOf(row, "rejected"),
      quarantined: numberOf(row, "quarantined"),
      failures: numberOf(row, "failures"),
      redacted: jsonOf<RedactionCounts>(row, "redacted"),
      lastError: textOrNull(row, "last_error"),
      lastErrorAt: numberOrNull(row, "last_error_at"),
      lastSentAt: numberOrNull(row, "last_sent_at"),
    };
  }

  #receive(receipts: readonly (Receipt & { readonly ref: RunRef })[]): void {
    for (const { ref, seq, spanId } of receipts) {
      this.#db.run(
        "INSERT OR REPLACE INTO receipt (target, tenant, run_id, seq, span_id) VALUES (?, ?, ?, ?, ?)",
        this.#target,
        ref.tenant,
        ref.runId,
        seq,
        spanId,
      );
    }
  }
}

export interface Delivery {
  readonly sent: number;
  readonly rejected: number;
  /** What the receiver said about those it rejected. */
  readonly message: string | null;
  readonly redacted: RedactionCounts;
  readonly at: number;
}
