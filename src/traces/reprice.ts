import { addUsage } from "../core/usage.ts";
import { billedSpans } from "./billed-spans.ts";
import type { Bill, Span } from "../core/trace-contract.ts";
import { repriced, repriceReport, type PriceAt, type RepricedLine, type RepricedRow } from "./cost.ts";
import type { IndexWriter } from "./index-writer.ts";
import { numberOf, type Database, type Row } from "./sqlite.ts";

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
    const billed = billedSpans(db, tenant, `span.id > ? ORDER BY span.id LIMIT ${SPANS_AT_ONCE}`, after);
    const found: RepricedLine[] = [];
    const changed: (readonly [Row, Span, Bill])[] = [];
    for (const { row, span, lines } of billed) {
      for (const one of repriced(lines, priceAt)) {
        found.push(one);
        const { costNanoUsd, priceSource } = one;
        if (span.bill !== null && one.line.model !== null && costNanoUsd !== span.bill.costNanoUsd)
          changed.push([row, span, { ...span.bill, costNanoUsd, priceSource }]);
      }
    }
    if (writer !== null)
      db.transaction(() => {
        for (const [row, span, bill] of changed) writer.rebill({ tenant, row: numberOf(row, "id") }, span, bill);
      });
    yield repriceReport(found);
    const last = billed.at(-1);
    if (last === undefined || billed.length < SPANS_AT_ONCE) return;
    after = numberOf(last.row, "id");
  }
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
