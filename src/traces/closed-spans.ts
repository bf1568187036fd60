import type { RunRef } from "../core/id.ts";
import type { Span } from "../core/trace-contract.ts";
import type { Receipt } from "./export-state.ts";
import type { SpanRun } from "./span-facts.ts";
import { identityOf } from "./index-file.ts";
import { Database, jsonOf, numberOf, numberOrNull, textOf, textOrNull, type Row } from "./sqlite.ts";
import { spanColumns, treeSpanOf, wholeSpan } from "./tree-cache.ts";

/** A run that changed in the index since it was last looked at. */
export interface ChangedRun extends SpanRun {
  readonly row: number;
  readonly rev: number;
  readonly ref: RunRef;
  readonly seq: number;
  readonly traceId: string;
  readonly endedAt: number | null;
}

/** A span that is closed, with the place that its delivery is receipted by. */
export interface ClosedSpan extends Receipt {
  readonly span: Span;
  readonly run: ChangedRun;
}

const RUNS_AT_ONCE = 64;
const BUSY_MS = 2_000;

/** Reads the spans that may be exported from an index, beside whoever writes it. */
export class ClosedSpans {
  readonly #db: Database;

  constructor(indexPath: string) {
    this.#db = new Database(indexPath, { busyMs: BUSY_MS, readOnly: true });
  }

  close(): void {
    this.#db.close();
  }

  get identity(): string {
    return identityOf(this.#db);
  }

  changedSince(rev: number): readonly ChangedRun[] {
    const rows = this.#db.all(`SELECT * FROM run WHERE rev > ? ORDER BY rev LIMIT ${RUNS_AT_ONCE}`, rev);
    return rows.map(changedRunOf);
  }

  /**
   * Closed spans of a run after a receipt, in the order in which they closed; once the run has ended, those that were left
   * open come last.
   */
  of(run: ChangedRun, { seq, spanId }: Receipt, limit: number): readonly ClosedSpan[] {
    const closed = this.#db.all(
      `SELECT ${spanColumns}, end_seq AS closed FROM span
       WHERE run = ? AND end_seq IS NOT NULL AND (end_seq, span_id) > (?, ?) ORDER BY end_seq, span_id LIMIT ?`,
      run.row,
      seq,
      spanId,
      limit,
    );
    const leftOpen =
      run.endedAt === null || closed.length === limit
        ? []
        : this.#db.all(
            `SELECT ${spanColumns}, ? AS closed FROM span
             WHERE run = ? AND end_seq IS NULL AND (?, span_id) > (?, ?) ORDER BY span_id LIMIT ?`,
            run.seq + 1,
            run.row,
            run.seq + 1,
            seq,
            spanId,
            limit - closed.length,
          );
    return [...closed, ...leftOpen].map((row) => ({
      span: wholeSpan(treeSpanOf(row), row, run.traceId, run.runId),
      run,
      seq: numberOf(row, "closed"),
      spanId: textOf(row, "span_id"),
    }));
  }

  /** How many `of` gives with this limit. */
  countOf(run: ChangedRun, { seq, spanId }: Receipt, limit: number): number {
    const closed = this.#db.count(
      `SELECT count(*) FROM
       (SELECT 1 FROM span WHERE run = ? AND end_seq IS NOT NULL AND (end_seq, span_id) > (?, ?) LIMIT ?)`,
      run.row,
      seq,
      spanId,
      limit,
    );
    if (run.endedAt === null || closed === limit) return closed;
    const leftOpen = this.#db.count(
      "SELECT count(*) FROM (SELECT 1 FROM span WHERE run = ? AND end_seq IS NULL AND (?, span_id) > (?, ?) LIMIT ?)",
      run.row,
      run.seq + 1,
      seq,
      spanId,
      limit - closed,
    );
    return closed + leftOpen;
  }
}

function changedRunOf(row: Row): ChangedRun {
  const tenant = textOf(row, "tenant");
  const runId = textOf(row, "run_id");
  return {
    row: numberOf(row, "id"),
    rev: numberOf(row, "rev"),
    ref: { tenant, runId },
    tenant,
    runId,
    seq: numberOf(row, "seq"),
    traceId: textOf(row, "trace_id"),
    endedAt: numberOrNull(row, "ended_at"),
    runnable: textOf(row, "runnable"),
    version: textOf(row, "version"),
    principal: textOf(row, "principal"),
    threadId: textOrNull(row, "thread"),
    tags: jsonOf<readonly string[]>(row, "tags"),
  };
}
