import { encodeCursor } from "../core/cursor.ts";
import type { RunRef } from "../core/id.ts";
import type { EncodedBatch } from "../core/journal-codec.ts";
import { dueAtOf, noMarks, type RunHead, type RunMarks } from "../core/run-head.ts";
import { isEnd, type RunStatus } from "../core/run-outcome.ts";
import type { Append, AppendResult, CreateResult, OpenAsk, Page, RunFilter } from "../core/store-contract.ts";
import {
  askPlace,
  asksOf,
  asksPage,
  batchIdOf,
  checkFollows,
  headText,
  numberPlace,
  pageOf,
  raisedMarks,
  runDeleted,
  runUnknown,
} from "./contract-rules.ts";
import {
  jsonOf,
  numberOf,
  numberOrNull,
  textOf,
  textOrNull,
  type Database,
  type Row,
  type SqlValue,
  type Statement,
} from "./sqlite.ts";

/** What the run table keeps beside the head. */
interface RunIndex {
  readonly status: RunStatus;
  readonly lane: string;
  readonly dueAt: number | null;
  readonly session: string | null;
  readonly asks: number;
  readonly dirty: number;
}

interface RunRow {
  readonly id: number;
  readonly seq: number;
  readonly marks: RunMarks;
  readonly index: RunIndex;
  readonly isDeleted: boolean;
}

/** More than a process executes at once. */
const ROWS_KEPT = 1_024;
const INDEX_COLUMNS = "status, lane, due_at, session, asks, dirty";
const HEAD_COLUMNS = "id, head, acked, indexed, snapshot, deleted";
function prepareAll(db: Database) {
  return {
    row: db.prepare(
      `SELECT id, seq, acked, indexed, snapshot, deleted, ${INDEX_COLUMNS} FROM run WHERE tenant = ? AND run_id = ?`,
    ),
    head: db.prepare(`SELECT ${HEAD_COLUMNS} FROM run WHERE tenant = ? AND run_id = ?`),
    place: db.prepare("SELECT id, seq, deleted FROM run WHERE tenant = ? AND run_id = ?"),
    insertRun: db.prepare(
      `INSERT INTO run (tenant, run_id, parent, thread, runnable, scope, seq, acked, indexed, snapshot, ${INDEX_COLUMNS}, head)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertBatch: db.prepare("INSERT INTO batch (id, run, first_seq, line) VALUES (?, ?, ?, ?)"),
    advance: db.prepare("UPDATE run SET seq = ?, head = ? WHERE id = ?"),
    advanceAll: db.prepare(
      `UPDATE run SET seq = ?, status = ?, lane = ?, due_at = ?, session = ?,
       asks = ?, dirty = ?, head = ? WHERE id = ?`,
    ),
    mark: db.prepare("UPDATE run SET acked = ?, indexed = ?, snapshot = ?, due_at = ?, dirty = ? WHERE id = ?"),
    lineAt: db.prepare("SELECT line FROM batch WHERE run = ? AND first_seq = ?"),
    lines: db.prepare(
      `SELECT line FROM batch WHERE run = ? AND first_seq >=
       (SELECT max(first_seq) FROM batch WHERE run = ? AND first_seq <= ?) ORDER BY first_seq`,
    ),
    due: db.prepare("SELECT tenant, run_id, due_at FROM run WHERE lane = ? AND due_at <= ? ORDER BY due_at LIMIT ?"),
    ofSession: db.prepare("SELECT tenant, run_id FROM run WHERE session = ? LIMIT ?"),
    dirty: db.prepare("SELECT id, tenant, run_id FROM run WHERE dirty = 1 AND id > ? AND id <= ? ORDER BY id LIMIT ?"),
    asks: db.prepare(`SELECT ${HEAD_COLUMNS} FROM run WHERE tenant = ? AND asks > 0 AND id >= ? ORDER BY id LIMIT ?`),
  };
}

/** Runs, their events and indexes in SQLite. Synchronous; a caller puts writes into a transaction. */
export class SqliteRuns {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #listings = new Map<string, Statement>();
  /** Rows of runs that were appended to last: nobody else writes to an open database. */
  readonly #rows = new Map<string, RunRow>();
  #lastBatchId: number;
  /** The last run that `dirty` offered: the next call goes on after it. */
  #dirtyUpTo = 0;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = prepareAll(db);
    this.#lastBatchId = lastBatchIdOf(this.#db);
  }

  /** Batches ever written: rises with each, also over deletions. */
  get lastBatchId(): number {
    return this.#lastBatchId;
  }

  /** After a rollback, and where runs are removed. */
  forget(): void {
    this.#rows.clear();
    this.#lastBatchId = lastBatchIdOf(this.#db);
  }

  createRun(ref: RunRef, first: { readonly batch: EncodedBatch; readonly head: RunHead }): CreateResult {
    const existing = this.readHead(ref);
    if (existing !== null) return { type: "exists", head: existing };
    checkFollows(ref, { expectedSeq: 0, ...first });
    const { head } = first;
    const created = this.#sql.insertRun.run(
      ref.tenant,
      ref.runId,
      head.parent?.runId ?? "",
      head.threadId,
      head.runnable,
      head.blobScope,
      head.seq,
      ...markValues(noMarks),
      ...indexValues(indexOf({ ...head, marks: noMarks })),
      headText(head),
    );
    this.#insertBatch(Number(created.lastInsertRowid), first.batch);
    return { type: "created" };
  }

  append(ref: RunRef, append: Append): AppendResult {
    const key = keyOf(ref);
    const row = this.#rows.get(key) ?? this.#row(ref);
    if (row === null) throw runUnknown(ref);
    if (row.isDeleted) throw runDeleted(ref);
    if (row.seq !== append.expectedSeq || isEnd(row.index.status)) return this.#refusal(ref, row, append);
    checkFollows(ref, append);
    const { head } = append;
    const text = headText(head);
    const index = indexOf({ ...head, marks: row.marks });
    if (isSameIndex(index, row.index)) this.#sql.advance.run(head.seq, text, row.id);
    else this.#sql.advanceAll.run(head.seq, ...indexValues(index), text, row.id);
    this.#insertBatch(row.id, append.batch);
    if (this.#rows.size >= ROWS_KEPT) this.#rows.clear();
    this.#rows.set(key, { ...row, seq: head.seq, index });
    return { type: "ok" };
  }

  mark(ref: RunRef, raise: Partial<RunMarks>): void {
    const row = this.#sql.head.get(ref.tenant, ref.runId);
    if (row === undefined || row["deleted"] === 1) return;
    const before = headOf(row);
    const marks = raisedMarks(before, raise);
    if (isSameMarks(marks, before.marks)) return;
    const { dueAt, dirty } = indexOf({ ...before, marks });
    this.#rows.delete(keyOf(ref));
    this.#sql.mark.run(...markValues(marks), dueAt, dirty, numberOf(row, "id"));
  }

  readHead(ref: RunRef): RunHead | null {
    const row = this.#sql.head.get(ref.tenant, ref.runId);
    if (row === undefined) return null;
    if (row["deleted"] === 1) throw runDeleted(ref);
    return headOf(row);
  }

  readEvents(ref: RunRef, afterSeq: number, bytesMax: number): readonly string[] {
    const row = this.#sql.place.get(ref.tenant, ref.runId);
    if (row === undefined) return [];
    if (row["deleted"] === 1) throw runDeleted(ref);
    if (numberOf(row, "seq") <= afterSeq) return [];
    const id = numberOf(row, "id");
    const lines: string[] = [];
    let bytes = 0;
    for (const one of this.#sql.lines.iterate(id, id, afterSeq + 1)) {
      const line = textOf(one, "line");
      bytes += Buffer.byteLength(line);
      if (lines.length > 0 && bytes > bytesMax) break;
      lines.push(line);
    }
    return lines;
  }

  due(query: { readonly lanes: readonly string[]; readonly nowMs: number; readonly limit: number }): readonly RunRef[] {
    const { nowMs, limit } = query;
    const lanes = [...new Set(query.lanes)];
    return lanes
      .flatMap((lane) => this.#sql.due.all(lane, nowMs, limit))
      .toSorted((a, b) => numberOf(a, "due_at") - numberOf(b, "due_at"))
      .slice(0, limit)
      .map(refOf);
  }

  ofSession(sessionId: string, limit: number): readonly RunRef[] {
    return this.#sql.ofSession.all(sessionId, limit).map(refOf);
  }

  dirty(limit: number): readonly RunRef[] {
    const later = this.#sql.dirty.all(this.#dirtyUpTo, Number.MAX_SAFE_INTEGER, limit);
    const earlier = later.length < limit ? this.#sql.dirty.all(0, this.#dirtyUpTo, limit - later.length) : [];
    const offered = [...later, ...earlier];
    this.#dirtyUpTo = numberOf(offered.at(-1) ?? { id: 0 }, "id");
    return offered.map(refOf);
  }

  openApprovals(tenant: string, cursor: string | null, limit: number): Page<OpenAsk> {
    const [afterRun, afterSeq] = cursor === null ? [0, 0] : askPlace(cursor);
    const rows = this.#sql.asks.all(tenant, afterRun, limit + 2);
    return asksPage(
      rows.map((row) => ({ run: numberOf(row, "id"), head: headOf(row) })),
      [afterRun, afterSeq],
      limit,
    );
  }

  list(tenant: string, filter: RunFilter, cursor: string | null, limit: number): Page<RunHead> {
    const before = cursor === null ? Number.MAX_SAFE_INTEGER : numberPlace("runs", cursor);
    const statuses = filter.statuses === undefined ? [undefined] : [...new Set(filter.statuses)];
    const found = statuses
      .flatMap((status) => this.#listed(tenant, filter, status, [before, limit + 1]))
      .toSorted((a, b) => numberOf(b, "id") - numberOf(a, "id"));
    return pageOf(found, limit, {
      cursorAfter: (row) => encodeCursor("runs", numberOf(row, "id")),
      itemOf: headOf,
    });
  }

  /** One index per query, named, so that no listing sorts or scans what it does not show. */
  #listed(
    tenant: string,
    filter: RunFilter,
    status: RunStatus | undefined,
    place: readonly [before: number, limit: number],
  ): readonly Row[] {
    const parent = filter.parentRunId ?? (filter.children === true ? undefined : "");
    const conditions: readonly (readonly [column: string, value: string | undefined, index: string])[] = [
      ["status", status, "run_status"],
      ["thread", filter.threadId, "run_thread"],
      ["parent", parent, "run_parent"],
      ["runnable", filter.runnable, ""],
    ];
    const given = conditions.filter(([, value]) => value !== undefined);
    const narrow = filter.threadId !== undefined ? "run_thread" : filter.parentRunId !== undefined ? "run_parent" : "";
    const index = narrow || given.find(([, , name]) => name !== "")?.[2];
    const sql = `SELECT ${HEAD_COLUMNS} FROM run ${index === undefined ? "NOT INDEXED" : `INDEXED BY ${index}`}
      WHERE tenant = ? ${given.map(([column]) => `AND ${column} = ?`).join(" ")} AND id < ? AND deleted = 0
      ORDER BY id DESC LIMIT ?`;
    const statement = this.#listings.get(sql) ?? this.#db.prepare(sql);
    this.#listings.set(sql, statement);
    return statement.all(tenant, ...given.flatMap(([, value]) => value ?? []), ...place);
  }

  #row(ref: RunRef): RunRow | null {
    const row = this.#sql.row.get(ref.tenant, ref.runId);
    if (row === undefined) return null;
    return {
      id: numberOf(row, "id"),
      seq: numberOf(row, "seq"),
      marks: marksOf(row),
      isDeleted: row["deleted"] === 1,
      index: {
        status: textOf(row, "status") as RunStatus,
        lane: textOf(row, "lane"),
        dueAt: numberOrNull(row, "due_at"),
        session: textOrNull(row, "session"),
        asks: numberOf(row, "asks"),
        dirty: numberOf(row, "dirty"),
      },
    };
  }

  #refusal(ref: RunRef, row: RunRow, append: Append): AppendResult {
    const line = this.#sql.lineAt.get(row.id, append.expectedSeq + 1);
    if (line !== undefined && batchIdOf(textOf(line, "line")) === append.batch.id) return { type: "mine" };
    const head = this.readHead(ref);
    if (head === null) throw runUnknown(ref);
    return { type: isEnd(head.status) ? "ended" : "conflict", head };
  }

  #insertBatch(run: number, batch: EncodedBatch): void {
    this.#sql.insertBatch.run(this.#lastBatchId + 1, run, batch.firstSeq, batch.line);
    this.#lastBatchId++;
  }
}

/** Batches ever written to a database of any version. */
export function lastBatchIdOf(db: Database): number {
  return Number(
    db.value(
      `SELECT max(coalesce((SELECT max(id) FROM batch), 0),
                  coalesce((SELECT value FROM meta WHERE key = 'batchFloor'), 0))`,
    ),
  );
}

function keyOf({ tenant, runId }: RunRef): string {
  return `${tenant}\n${runId}`;
}

function refOf(row: Row): RunRef {
  return { tenant: textOf(row, "tenant"), runId: textOf(row, "run_id") };
}

/** Marks have columns of their own; those inside the stored head are what its writer knew. */
function headOf(row: Row): RunHead {
  return { ...jsonOf<RunHead>(row, "head"), marks: marksOf(row) };
}

function marksOf(row: Row): RunMarks {
  return {
    outboxAckedSeq: numberOf(row, "acked"),
    indexedSeq: numberOf(row, "indexed"),
    snapshot: row["snapshot"] === null ? null : jsonOf(row, "snapshot"),
  };
}

function markValues(marks: RunMarks): readonly [number, number, string | null] {
  return [marks.outboxAckedSeq, marks.indexedSeq, marks.snapshot === null ? null : JSON.stringify(marks.snapshot)];
}

function isSameMarks(a: RunMarks, b: RunMarks): boolean {
  return a.outboxAckedSeq === b.outboxAckedSeq && a.indexedSeq === b.indexedSeq && a.snapshot?.seq === b.snapshot?.seq;
}

function indexOf(head: RunHead): RunIndex {
  return {
    status: head.status,
    lane: head.lane,
    dueAt: dueAtOf(head),
    session: head.session,
    asks: asksOf(head).length,
    dirty: head.marks.indexedSeq < head.seq ? 1 : 0,
  };
}

function indexValues(index: RunIndex): readonly SqlValue[] {
  return [index.status, index.lane, index.dueAt, index.session, index.asks, index.dirty];
}

function isSameIndex(a: RunIndex, b: RunIndex): boolean {
  return (
    a.status === b.status &&
    a.lane === b.lane &&
    a.dueAt === b.dueAt &&
    a.session === b.session &&
    a.asks === b.asks &&
    a.dirty === b.dirty
  );
}
