import type { ErrorRecord } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Bill, Span, SpanKind, SpanMark, SpanRow, SpanStatus, SpanWindow } from "../core/trace-contract.ts";
import { spanSums } from "./span-sums.ts";
import { placed, type PlacedSpan, type TreeSpan } from "./span-tree.ts";
import { marksOf, type RowMark, type TreeMarks } from "./tree-marks.ts";
import { tokensOf } from "../core/usage.ts";
import { jsonOf, numberOf, numberOrNull, textOf, textOrNull, type Database, type Row } from "./sqlite.ts";

interface TreeRun {
  readonly id: number;
  readonly runId: string;
  readonly traceId: string;
  readonly seq: number;
}

interface Tree {
  /** Seq of each run up to which its spans are in here. */
  readonly read: Map<number, number>;
  readonly spans: Map<number, TreeSpan>;
  rows: readonly PlacedSpan[];
  marks: TreeMarks;
}

const WINDOW_ROWS_MAX = 1_000;
const READ_TO_RUNS = 100;

/** Trees in their order, kept while they are looked at: a growing one is given what is new, and put in order again. */
export class TreeCache {
  readonly #db: Database;
  /** Least recently used first. */
  readonly #trees = new Map<number, Tree>();

  constructor(db: Database) {
    this.#db = db;
  }

  reset(): void {
    this.#trees.clear();
  }

  /** @param root row of the run at the top */
  window(root: number, from: number, limit: number): SpanWindow {
    const runs = this.runsBelow(root);
    const { rows, marks } = this.#tree(root, runs);
    const first = Math.max(0, Math.trunc(from) || 0);
    const count = Math.min(WINDOW_ROWS_MAX, Math.max(0, Math.trunc(limit) || 0));
    const byId = new Map(runs.map((run) => [run.id, run]));
    const shown = rows.slice(first, first + count);
    const top = rows.find(({ span }) => span.run === root && span.kind === "run");
    return {
      rows: shown.map((row, i) => this.#spanRow(row, first + i, byId)),
      total: rows.length,
      startedAt: top?.span.startedAt ?? 0,
      endedAt: top?.span.endedAt ?? null,
      readTo: Object.fromEntries(runs.slice(0, READ_TO_RUNS).map(({ runId, seq }) => [runId, seq])),
      costliest: this.#markOf(rows, marks.costliest, byId),
      slowest: this.#markOf(rows, marks.slowest, byId),
      waits: marks.waits,
    };
  }

  /** A run and the runs below it. @param root its row */
  runsBelow(root: number): readonly TreeRun[] {
    const rows = this.#db.all(
      `WITH RECURSIVE below(id, tenant, run_id, trace_id, seq) AS (
         SELECT id, tenant, run_id, trace_id, seq FROM run WHERE id = ?
         UNION ALL
         SELECT run.id, run.tenant, run.run_id, run.trace_id, run.seq FROM below
         JOIN run ON run.tenant = below.tenant AND run.parent = below.run_id
       ) SELECT id, run_id, trace_id, seq FROM below`,
      root,
    );
    return rows.map((row) => ({
      id: numberOf(row, "id"),
      runId: textOf(row, "run_id"),
      traceId: textOf(row, "trace_id"),
      seq: numberOf(row, "seq"),
    }));
  }

  #tree(root: number, runs: readonly TreeRun[]): Tree {
    const known = this.#trees.get(root);
    const isNewer = known !== undefined && growsFrom(known, runs);
    const tree: Tree = isNewer ? known : { read: new Map(), spans: new Map(), rows: [], marks: marksOf([]) };
    let grown = false;
    for (const { id, seq } of runs) {
      const before = tree.read.get(id) ?? 0;
      if (before === seq) continue;
      for (const row of this.#db.all(`SELECT ${TREE_COLUMNS} FROM span WHERE run = ? AND rev > ?`, id, before)) {
        const span = treeSpanOf(row);
        tree.spans.set(span.row, span);
      }
      tree.read.set(id, seq);
      grown = true;
    }
    if (grown) {
      tree.rows = placed([...tree.spans.values()]);
      tree.marks = marksOf(tree.rows);
    }
    this.#keep(root, tree);
    return tree;
  }

  #keep(root: number, tree: Tree): void {
    this.#trees.delete(root);
    this.#trees.set(root, tree);
    let held = [...this.#trees.values()].reduce((sum, one) => sum + one.rows.length, 0);
    for (const [oldest, one] of this.#trees) {
      if (held <= limits.traceTreeSpans || oldest === root) return;
      held -= one.rows.length;
      this.#trees.delete(oldest);
    }
  }

  #markOf(rows: readonly PlacedSpan[], mark: RowMark | null, runs: ReadonlyMap<number, TreeRun>): SpanMark | null {
    const row = mark === null ? undefined : rows[mark.position];
    if (mark === null || row === undefined) return null;
    const { spanId, kind, name, subtree } = this.#spanRow(row, mark.position, runs);
    return { ...mark, spanId, kind, name, costNanoUsd: subtree.costNanoUsd, tokens: tokensOf(subtree.usage) };
  }

  #spanRow(row: PlacedSpan, position: number, runs: ReadonlyMap<number, TreeRun>): SpanRow {
    const run = runs.get(row.span.run);
    const data = this.#db.get("SELECT end_seq, data FROM span WHERE id = ?", row.span.row) ?? {};
    return {
      ...wholeSpan(row.span, data, run?.traceId ?? "", run?.runId ?? ""),
      position,
      depth: row.depth,
      subtree: spanSums(row.sums, row.endedAt),
    };
  }
}

/** False where a run went away, or was read anew from its beginning. */
function growsFrom({ read }: Tree, runs: readonly TreeRun[]): boolean {
  const seqs = new Map(runs.map(({ id, seq }) => [id, seq]));
  return [...read].every(([id, seq]) => seq <= (seqs.get(id) ?? -1));
}

const TREE_COLUMNS = "id, run, span_id, parent_id, seq, kind, status, started_at, ended_at, bill";
/** Every column of a span. */
export const spanColumns: string = `${TREE_COLUMNS}, end_seq, data`;

export function treeSpanOf(row: Row): TreeSpan {
  return {
    row: numberOf(row, "id"),
    run: numberOf(row, "run"),
    spanId: textOf(row, "span_id"),
    parentSpanId: textOrNull(row, "parent_id"),
    seq: numberOf(row, "seq"),
    kind: textOf(row, "kind") as SpanKind,
    status: textOf(row, "status") as SpanStatus,
    startedAt: numberOf(row, "started_at"),
    endedAt: numberOrNull(row, "ended_at"),
    bill: row["bill"] === null ? null : jsonOf<Bill>(row, "bill"),
  };
}

/** @param data row with `end_seq` and `data` */
export function wholeSpan(span: TreeSpan, data: Row, traceId: string, runId: string): Span {
  const [name, callId, error, detail] = jsonOf<readonly [string, string | null, ErrorRecord | null, JsonObject]>(
    data,
    "data",
  );
  return {
    traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    runId,
    callId,
    seq: span.seq,
    endSeq: numberOrNull(data, "end_seq"),
    kind: span.kind,
    name,
    status: span.status,
    error,
    startedAt: span.startedAt,
    endedAt: span.endedAt,
    bill: span.bill,
    detail,
  };
}
