import type { RunRef } from "../core/id.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { Bill, Span, SpanKind, SpanStatus } from "../core/trace-contract.ts";
import type { Receipt } from "./export-state.ts";
import type { SpanRun } from "./span-facts.ts";
import { identityOf } from "./index-file.ts";
import { Database, jsonOf, numberOf, numberOrNull, textOf, textOrNull, wrongColumn, type Row } from "./sqlite.ts";

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
    const closed = this.#db.arrays(
      `SELECT ${COLUMNS} FROM span
       WHERE run = ? AND end_seq IS NOT NULL AND (end_seq, span_id) > (?, ?) ORDER BY end_seq, span_id LIMIT ?`,
      run.row,
      seq,
      spanId,
      limit,
    );
    const leftOpen =
      run.endedAt === null || closed.length === limit
        ? []
        : this.#db.arrays(
            `SELECT ${COLUMNS} FROM span
             WHERE run = ? AND end_seq IS NULL AND (?, span_id) > (?, ?) ORDER BY span_id LIMIT ?`,
            run.row,
            run.seq + 1,
            seq,
            spanId,
            limit - closed.length,
          );
    return [...closed, ...leftOpen].map((values) => closedSpanOf(values, run));
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

const COLUMNS = "span_id, parent_id, seq, end_seq, kind, status, started_at, ended_at, bill, data";

function closedSpanOf(values: readonly unknown[], run: ChangedRun): ClosedSpan {
  const [spanId, parentSpanId, seq, endSeq, kind, status, startedAt, endedAt, bill, data] = values;
  const isWhole =
    typeof spanId === "string" &&
    isTextOrNull(parentSpanId) &&
    typeof seq === "number" &&
    isNumberOrNull(endSeq) &&
    typeof kind === "string" &&
    typeof status === "string" &&
    typeof startedAt === "number" &&
    isNumberOrNull(endedAt) &&
    isTextOrNull(bill);
  if (!isWhole) return wrongColumn("span_id … bill", "a value of another type");
  const [name, callId, error, detail] = jsonIn<readonly [string, string | null, ErrorRecord | null, JsonObject]>(data);
  const span: Span = {
    traceId: run.traceId,
    spanId,
    parentSpanId,
    runId: run.runId,
    callId,
    seq,
    endSeq,
    // the casts: this build wrote them
    kind: kind as SpanKind,
    name,
    status: status as SpanStatus,
    error,
    startedAt,
    endedAt,
    bill: bill === null ? null : jsonIn<Bill>(bill),
    detail,
  };
  return { span, run, seq: endSeq ?? run.seq + 1, spanId };
}

function jsonIn<T>(text: unknown): T {
  if (typeof text !== "string") return wrongColumn("data", text);
  try {
    return JSON.parse(text) as T;
  } catch {
    return wrongColumn("data", "text that is not JSON");
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isNumberOrNull(value: unknown): value is number | null {
  return value === null || typeof value === "number";
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
