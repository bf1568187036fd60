import { addUsage } from "../core/usage.ts";
import type { Bill, Span } from "../core/trace-contract.ts";
import { billLines, repriced, repriceReport, type PriceAt, type RepricedLine, type RepricedRow } from "./cost.ts";
import type { IndexWriter } from "./index-writer.ts";
import { jsonOf, numberOf, textOf, textOrNull, type Database, type Row } from "./sqlite.ts";
import { spanColumns, treeSpanOf, wholeSpan } from "./tree-cache.ts";

const SPANS_AT_ONCE = 500;

/**
 * Computes the bills of a tenant by other prices, piece by piece.
 * @param writer where given, the index shows the new costs until it is rebuilt; journals stay what they are
 */
export function* repricedPieces(
  db: Database,
  tenant: string,
  priceAt: PriceAt,
  writer: IndexWriter | null,
): Iterable<readonly RepricedRow[]> {
  for (let after = 0; ;) {
    const rows = db.all(
      `SELECT ${spanColumns.replaceAll(/\w+/g, "span.$&")}, run.trace_id, run.run_id, run.runnable, run.principal,
       run.thread, run.tags, tree.root FROM span JOIN run ON run.id = span.run JOIN tree ON tree.id = run.tree
       WHERE span.id > ? AND span.bill IS NOT NULL AND run.tenant = ? ORDER BY span.id LIMIT ${SPANS_AT_ONCE}`,
      after,
      tenant,
    );
    const lines: RepricedLine[] = [];
    const changed: (readonly [Row, Span, Bill])[] = [];
    for (const row of rows) {
      const span = wholeSpan(treeSpanOf(row), row, textOf(row, "trace_id"), textOf(row, "run_id"));
      for (const one of repriced(billLines(runOf(tenant, row), [span]), priceAt)) {
        lines.push(one);
        const { costNanoUsd, priceSource } = one;
        if (span.bill !== null && one.line.model !== null && costNanoUsd !== span.bill.costNanoUsd)
          changed.push([row, span, { ...span.bill, costNanoUsd, priceSource }]);
      }
    }
    if (writer !== null)
      db.transaction(() => {
        for (const [row, span, bill] of changed) writer.rebill({ tenant, row: numberOf(row, "id") }, span, bill);
      });
    yield repriceReport(lines);
    const last = rows.at(-1);
    if (last === undefined || rows.length < SPANS_AT_ONCE) return;
    after = numberOf(last, "id");
  }
}

function runOf(tenant: string, row: Row): Parameters<typeof billLines>[0] {
  return {
    tenant,
    runId: textOf(row, "run_id"),
    rootRunId: textOf(row, "root"),
    runnable: textOf(row, "runnable"),
    principal: textOf(row, "principal"),
    threadId: textOrNull(row, "thread"),
    tags: jsonOf<readonly string[]>(row, "tags"),
  } as Parameters<typeof billLines>[0];
}

/** Sums of two reports, the greatest difference first. */
export function mergedReports(a: readonly RepricedRow[], b: readonly RepricedRow[]): readonly RepricedRow[] {
  const rows = new Map(a.map((row) => [row.model, row]));
  for (const row of b) {
    const known = rows.get(row.model);
    rows.set(row.model, known === undefined ? row : mergedRow(known, row));
  }
  const difference = ({ before, after }: RepricedRow): number => Math.abs(after.costNanoUsd - before.costNanoUsd);
  return [...rows.values()].toSorted((x, y) => difference(y) - difference(x));
}

function mergedRow(a: RepricedRow, b: RepricedRow): RepricedRow {
  const side = (x: RepricedRow["before"], y: RepricedRow["before"]): RepricedRow["before"] => ({
    costNanoUsd: x.costNanoUsd + y.costNanoUsd,
    unpricedCalls: x.unpricedCalls + y.unpricedCalls,
    sources: [...new Set([...x.sources, ...y.sources])].toSorted(),
  });
  return {
    model: a.model,
    calls: a.calls + b.calls,
    usage: addUsage(a.usage, b.usage),
    before: side(a.before, b.before),
    after: side(a.after, b.after),
  };
}
