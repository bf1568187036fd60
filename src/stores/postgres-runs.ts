import { encodeCursor } from "../core/cursor.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { EncodedBatch } from "../core/journal-codec.ts";
import { limits } from "../core/limits.ts";
import { dueAtOf, noMarks, type RunHead, type RunMarks } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
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
  runDeleted,
  runUnknown,
} from "./contract-rules.ts";
import type { PostgresDatabase, SqlValue } from "./postgres.ts";

interface HeadRow {
  readonly id: number;
  readonly head: string;
  readonly acked: number;
  readonly indexed: number;
  readonly snapshot: string | null;
  readonly deleted: boolean;
}

/** The batch that a store was told last to be kept: a server that does not have it is older than it was. */
export interface LastBatch {
  readonly run: number;
  readonly ref: RunRef;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly crc: string;
}

const HEAD = "r.id, r.head, r.acked, r.indexed, r.snapshot, r.deleted";
const CREATE = `
  WITH made AS (
    INSERT INTO pawl.run (tenant, run_id, parent, thread, runnable, scope, seq, head, status, ended, lane, due_at,
      outbox_seq, session, asks)
    VALUES ($1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT DO NOTHING RETURNING id
  )
  INSERT INTO pawl.batch (run, first_seq, line) SELECT id, 1, $3 FROM made RETURNING run`;
/** An ended run is due only while its outbox has duties that are not marked as done. */
const APPEND = `
  WITH moved AS (
    UPDATE pawl.run SET seq = $5, head = $6, status = $7, ended = $8, lane = $9, outbox_seq = $11, session = $12,
      asks = $13, dirty = true, due_at = CASE WHEN $8 AND $11 <= acked THEN NULL ELSE $10::bigint END
    WHERE tenant = $1 AND run_id = $2 AND seq = $4 AND NOT ended AND NOT deleted RETURNING id
  )
  INSERT INTO pawl.batch (run, first_seq, line) SELECT id, $4 + 1, $3 FROM moved RETURNING run`;
const REFUSED = `
  SELECT ${HEAD}, (SELECT line FROM pawl.batch WHERE run = r.id AND first_seq = $3) AS line
  FROM pawl.run r WHERE tenant = $1 AND run_id = $2`;
const MARK = `
  UPDATE pawl.run SET acked = greatest(acked, least($3, seq)), indexed = greatest(indexed, least($4, seq)),
    snapshot = CASE WHEN $5 BETWEEN snapshot_seq + 1 AND seq THEN $6 ELSE snapshot END,
    snapshot_seq = CASE WHEN $5 BETWEEN snapshot_seq + 1 AND seq THEN $5 ELSE snapshot_seq END,
    due_at = CASE WHEN ended AND outbox_seq <= greatest(acked, least($3, seq)) THEN NULL ELSE due_at END,
    dirty = greatest(indexed, least($4, seq)) < seq
  WHERE tenant = $1 AND run_id = $2 AND NOT deleted
    AND (acked < least($3, seq) OR indexed < least($4, seq) OR $5 BETWEEN snapshot_seq + 1 AND seq)`;
const EVENTS = `
  SELECT r.deleted, l.line FROM pawl.run r LEFT JOIN LATERAL pawl.lines(r.id,
    (SELECT max(first_seq) FROM pawl.batch WHERE run = r.id AND first_seq <= $3 + 1), $4) AS l(line) ON NOT r.deleted
  WHERE tenant = $1 AND run_id = $2 AND (seq > $3 OR deleted)`;
const DUE = `
  SELECT d.tenant, d.run_id FROM unnest($1::text[]) AS lanes(lane) CROSS JOIN LATERAL (
    SELECT tenant, run_id, due_at FROM pawl.run r WHERE r.lane = lanes.lane AND due_at <= $2 ORDER BY due_at LIMIT $3
  ) d ORDER BY d.due_at LIMIT $3`;
const DIRTY = `
  SELECT * FROM (
    (SELECT 0 AS part, id, tenant, run_id FROM pawl.run WHERE dirty AND id > $1 ORDER BY id LIMIT $2)
    UNION ALL (SELECT 1 AS part, id, tenant, run_id FROM pawl.run WHERE dirty AND id <= $1 ORDER BY id LIMIT $2)
  ) offered ORDER BY part, id LIMIT $2`;

/** Runs, their events and indexes in PostgreSQL. */
export class PostgresRuns {
  readonly #db: PostgresDatabase;
  #last: LastBatch | null = null;
  /** The last run that `dirty` offered: the next call goes on after it. */
  #dirtyUpTo = 0;

  constructor(db: PostgresDatabase) {
    this.#db = db;
  }

  get last(): LastBatch | null {
    return this.#last;
  }

  async createRun(ref: RunRef, first: { readonly batch: EncodedBatch; readonly head: RunHead }): Promise<CreateResult> {
    checkFollows(ref, { expectedSeq: 0, ...first });
    const { head, batch } = first;
    const { tenant, runId } = ref;
    const fresh = { ...head, dueAt: dueAtOf({ ...head, marks: noMarks }) };
    const place = [head.parent?.runId ?? "", head.threadId, head.runnable, head.blobScope];
    const values = [tenant, runId, batch.line, ...place, head.seq, headText(head), ...indexValues(fresh)];
    for (let tries = 1; tries <= limits.storeRetries; tries++) {
      const made = await this.#db.row<{ readonly run: number }>(CREATE, values);
      if (made !== null) {
        this.#note(ref, made.run, batch);
        return { type: "created" };
      }
      const existing = await this.readHead(ref);
      // null: it was there a moment ago, and its scope was deleted
      if (existing !== null) return { type: "exists", head: existing };
    }
    throw new PawlError("STORE_LOCKED", `run "${runId}" is created and deleted again and again by others. Repeat.`);
  }

  async append(ref: RunRef, append: Append): Promise<AppendResult> {
    checkFollows(ref, append);
    const { head, batch, expectedSeq } = append;
    const values = [ref.tenant, ref.runId, batch.line, expectedSeq, head.seq, headText(head), ...indexValues(head)];
    const moved = await this.#db.row<{ readonly run: number }>(APPEND, values);
    if (moved === null) return this.#refusal(ref, append);
    this.#note(ref, moved.run, batch);
    return { type: "ok" };
  }

  async mark({ tenant, runId }: RunRef, { outboxAckedSeq, indexedSeq, snapshot }: Partial<RunMarks>): Promise<void> {
    const snapshotText = snapshot ? JSON.stringify(snapshot) : null;
    const raised = [outboxAckedSeq ?? 0, indexedSeq ?? 0, snapshot?.seq ?? 0, snapshotText];
    await this.#db.rows(MARK, [tenant, runId, ...raised]);
  }

  async readHead(ref: RunRef): Promise<RunHead | null> {
    const row = await this.#db.row<HeadRow>(`SELECT ${HEAD} FROM pawl.run r WHERE tenant = $1 AND run_id = $2`, [
      ref.tenant,
      ref.runId,
    ]);
    if (row?.deleted === true) throw runDeleted(ref);
    return row === null ? null : headOf(row);
  }

  async readEvents(ref: RunRef, afterSeq: number, bytesMax: number): Promise<readonly string[]> {
    const rows = await this.#db.rows<{ readonly deleted: boolean; readonly line: string | null }>(EVENTS, [
      ref.tenant,
      ref.runId,
      afterSeq,
      bytesMax,
    ]);
    if (rows[0]?.deleted === true) throw runDeleted(ref);
    return rows.flatMap(({ line }) => line ?? []);
  }

  async due(query: {
    readonly lanes: readonly string[];
    readonly nowMs: number;
    readonly limit: number;
  }): Promise<readonly RunRef[]> {
    return refs(await this.#db.rows<RefRow>(DUE, [[...new Set(query.lanes)], query.nowMs, query.limit]));
  }

  async ofSession(sessionId: string, limit: number): Promise<readonly RunRef[]> {
    return refs(
      await this.#db.rows<RefRow>("SELECT tenant, run_id FROM pawl.run WHERE session = $1 LIMIT $2", [
        sessionId,
        limit,
      ]),
    );
  }

  async dirty(limit: number): Promise<readonly RunRef[]> {
    const offered = await this.#db.rows<RefRow & { readonly id: number }>(DIRTY, [this.#dirtyUpTo, limit]);
    this.#dirtyUpTo = offered.at(-1)?.id ?? 0;
    return refs(offered);
  }

  async openApprovals(tenant: string, cursor: string | null, limit: number): Promise<Page<OpenAsk>> {
    const after = cursor === null ? ([0, 0] as const) : askPlace(cursor);
    const rows = await this.#db.rows<HeadRow>(
      `SELECT ${HEAD} FROM pawl.run r WHERE tenant = $1 AND asks > 0 AND id >= $2 ORDER BY id LIMIT $3`,
      [tenant, after[0], limit + 2],
    );
    return asksPage(
      rows.map((row) => ({ run: row.id, head: headOf(row) })),
      after,
      limit,
    );
  }

  async list(tenant: string, filter: RunFilter, cursor: string | null, limit: number): Promise<Page<RunHead>> {
    const before = cursor === null ? Number.MAX_SAFE_INTEGER : numberPlace("runs", cursor);
    const parent = filter.parentRunId ?? (filter.children === true ? undefined : "");
    const given = Object.entries({ thread: filter.threadId, parent, runnable: filter.runnable }).filter(
      ([, value]) => value !== undefined,
    );
    const order = listingOrder(filter);
    const conditions = given.map(([column], i) => `AND r.${column} = $${i + 4}`).join(" ");
    const one = (status: string): string =>
      `SELECT ${HEAD} FROM pawl.run r WHERE tenant = $1 AND (id + ${order}) < $2::bigint + ${order} AND NOT deleted
       ${conditions} ${status} ORDER BY (id + ${order}) DESC LIMIT $3`;
    const values = [tenant, before, limit + 1, ...given.map(([, value]) => value ?? "")];
    const rows =
      filter.statuses === undefined
        ? await this.#db.rows<HeadRow>(one(""), values)
        : await this.#db.rows<HeadRow>(
            `SELECT s.* FROM unnest($${values.length + 1}::text[]) AS wanted(status) CROSS JOIN LATERAL (
             ${one("AND r.status = wanted.status")}) s ORDER BY s.id DESC LIMIT $3`,
            [...values, [...new Set(filter.statuses)]],
          );
    return pageOf(rows, limit, { cursorAfter: (row) => encodeCursor("runs", row.id), itemOf: headOf });
  }

  /** What an append meets that changed nothing. */
  async #refusal(ref: RunRef, { batch, expectedSeq }: Append): Promise<AppendResult> {
    const row = await this.#db.row<HeadRow & { readonly line: string | null }>(REFUSED, [
      ref.tenant,
      ref.runId,
      expectedSeq + 1,
    ]);
    if (row === null) throw runUnknown(ref);
    if (row.deleted) throw runDeleted(ref);
    if (row.line !== null && batchIdOf(row.line) === batch.id) return { type: "mine" };
    const head = headOf(row);
    return { type: isEnd(head.status) ? "ended" : "conflict", head };
  }

  #note({ tenant, runId }: RunRef, run: number, { line, firstSeq, lastSeq }: EncodedBatch): void {
    this.#last = { run, ref: { tenant, runId }, firstSeq, lastSeq, crc: line.slice(0, 8) };
  }
}

/** Chooses the index that a listing goes through: the n of its order, id + n (postgres-schema.ts). */
function listingOrder({ threadId, parentRunId, statuses, children }: RunFilter): number {
  if (threadId !== undefined) return 4;
  if (parentRunId !== undefined) return 2;
  if (statuses !== undefined) return 3;
  return children === true ? 1 : 2;
}

interface RefRow {
  readonly tenant: string;
  readonly run_id: string;
}

function refs(rows: readonly RefRow[]): readonly RunRef[] {
  return rows.map(({ tenant, run_id }) => ({ tenant, runId: run_id }));
}

/** Marks have columns of their own; those inside the stored head are what its writer knew. */
function headOf({ head, acked, indexed, snapshot }: HeadRow): RunHead {
  const marks: RunMarks = {
    outboxAckedSeq: acked,
    indexedSeq: indexed,
    snapshot: snapshot === null ? null : (JSON.parse(snapshot) as RunMarks["snapshot"]),
  };
  return { ...(JSON.parse(head) as RunHead), marks };
}

/** status, ended, lane, due_at, outbox_seq, session, asks */
function indexValues(head: RunHead): readonly SqlValue[] {
  return [head.status, isEnd(head.status), head.lane, head.dueAt, head.outboxSeq, head.session, asksOf(head).length];
}
