import type { CostRow, RunCostKey, RunCosts, Span } from "../core/trace-contract.ts";
import {
  billLines,
  costRows,
  inheritedCost,
  keysOf,
  othersKey,
  totalCost,
  type BillLine,
  type SumKey,
} from "./cost.ts";
import { jsonOf, textOf, textOrNull, type Database, type Row, type SqlValue } from "./sqlite.ts";
import { spanColumns, treeSpanOf, wholeSpan } from "./tree-cache.ts";

/** A span of the index that was billed. */
export interface BilledSpan {
  readonly row: Row;
  readonly span: Span;
  readonly lines: readonly BillLine[];
}

/** @param condition of a tenant's spans that were billed, with order and limit */
export function billedSpans(
  db: Database,
  tenant: string,
  condition: string,
  ...values: readonly SqlValue[]
): readonly BilledSpan[] {
  const rows = db.all(
    `SELECT ${spanColumns.replaceAll(/\w+/g, "span.$&")}, run.trace_id, run.run_id, run.runnable, run.principal,
     run.thread, run.tags, tree.root FROM span JOIN run ON run.id = span.run JOIN tree ON tree.id = run.tree
     WHERE span.bill IS NOT NULL AND run.tenant = ? AND ${condition}`,
    tenant,
    ...values,
  );
  return rows.map((row) => {
    const span = wholeSpan(treeSpanOf(row), row, textOf(row, "trace_id"), textOf(row, "run_id"));
    return { row, span, lines: billLines(runOf(tenant, row), [span]) };
  });
}

function runOf(tenant: string, row: Row): BillLine["run"] {
  return {
    tenant,
    runId: textOf(row, "run_id"),
    rootRunId: textOf(row, "root"),
    runnable: textOf(row, "runnable"),
    principal: textOf(row, "principal"),
    threadId: textOrNull(row, "thread"),
    tags: jsonOf<readonly string[]>(row, "tags"),
  };
}

const sumKeys: { readonly [by in RunCostKey]: SumKey } = {
  call: "callId",
  turn: "turn",
  run: "runId",
  model: "model",
  tool: "tool",
};

/** What a run and the runs below it cost, the dearest first; the rows add up to `total`. */
export function runCosts(lines: readonly BillLine[], by: RunCostKey, limit: number): RunCosts {
  const key = sumKeys[by];
  const items: CostRow[] = costRows(lines, key).slice(0, limit);
  const shown = new Set(items.map((row) => row.key));
  const others = totalCost(lines.filter((line) => !keysOf(line, key).some((one) => shown.has(one))));
  if (others.calls > 0) items.push({ key: othersKey, ...others });
  return { items, total: totalCost(lines), inherited: inheritedCost(lines) };
}
