import type { Bill, CostKey, CostRow, CostSums, Span } from "../core/trace-contract.ts";
import { addUsage, costOf, noUsage, tokensOf, type NanoUsd, type Price, type Usage } from "../core/usage.ts";
import type { TracedRun } from "./span-fold.ts";

/** One billed attempt, with everything that it can be summed by. */
export interface BillLine {
  readonly spanId: string;
  readonly callId: string | null;
  /** ms since 1970: when the attempt ended. */
  readonly at: number;
  /** Turn of the run, from 1; null for what is in no turn. */
  readonly turn: number | null;
  /** Endpoint `provider/model`; null for what no model did. */
  readonly model: string | null;
  readonly tool: string | null;
  readonly run: Pick<TracedRun, "tenant" | "runId" | "rootRunId" | "runnable" | "principal" | "threadId" | "tags">;
  readonly bill: Bill;
}

/** Beside the keys of the contract: a call, and a turn of a run. */
export type SumKey = CostKey | "callId" | "turn";

/** Key of the row for all that have none of their own, so that rows add up to the whole. */
export const othersKey = "(others)";

/** The bills among a run's spans. Each billed attempt is on one span only, so none is counted twice. */
export function billLines(run: BillLine["run"], spans: Iterable<Span>): readonly BillLine[] {
  const lines: BillLine[] = [];
  for (const { spanId, callId, kind, name, detail, bill, startedAt, endedAt } of spans) {
    if (bill === null) continue;
    const endpoint = detail["endpoint"];
    const tool = typeof detail["tool"] === "string" ? detail["tool"] : kind === "tool" ? name : null;
    const model = typeof endpoint === "string" ? endpoint : null;
    lines.push({
      spanId,
      callId,
      at: endedAt ?? startedAt,
      turn: turnOf(callId),
      model,
      tool: model === null ? (tool ?? name) : null,
      run,
      bill,
    });
  }
  return lines;
}

/** A call's id begins with the turns that had ended before it: `t3-0` is of the fourth. */
function turnOf(callId: string | null): number | null {
  const found = /^t(\d+)-/.exec(callId ?? "")?.[1];
  return found === undefined ? null : Number(found) + 1;
}

export const noCost: CostSums = {
  calls: 0,
  usage: noUsage,
  costNanoUsd: 0,
  unpricedCalls: 0,
  assumedCalls: 0,
};

/**
 * Sums of bills by a key, the dearest first. What a fork copied is in none of them: see `inheritedCost`. A line with several
 * tags counts for each of them, one without a thread, tag, model or tool for none.
 */
export function costRows(lines: Iterable<BillLine>, by: SumKey): readonly CostRow[] {
  const rows = new Map<string, CostSums>();
  for (const line of lines) {
    if (line.bill.inherited) continue;
    for (const key of keysOf(line, by)) rows.set(key, withBill(rows.get(key) ?? noCost, line.bill));
  }
  return [...rows]
    .map(([key, sums]) => ({ key, ...sums }))
    .toSorted((a, b) => b.costNanoUsd - a.costNanoUsd || (a.key < b.key ? -1 : 1));
}

/** What all lines cost together, inherited ones excluded. */
export function totalCost(lines: Iterable<BillLine>): CostSums {
  let sums = noCost;
  for (const { bill } of lines) if (!bill.inherited) sums = withBill(sums, bill);
  return sums;
}

/** What the original of a fork had paid for what the fork copied: shown, and part of no sum. */
export function inheritedCost(lines: Iterable<BillLine>): CostSums {
  let sums = noCost;
  for (const { bill } of lines) if (bill.inherited) sums = withBill(sums, bill);
  return sums;
}

function withBill(sums: CostSums, bill: Bill): CostSums {
  return {
    calls: sums.calls + 1,
    usage: addUsage(sums.usage, bill.usage),
    costNanoUsd: sums.costNanoUsd + (bill.costNanoUsd ?? 0),
    unpricedCalls: sums.unpricedCalls + (isUnpriced(bill) ? 1 : 0),
    assumedCalls: sums.assumedCalls + (bill.assumed ? 1 : 0),
  };
}

/** As the run's own totals count it: something was used, and nobody knows what it costs. */
function isUnpriced({ costNanoUsd, usage }: Bill): boolean {
  return costNanoUsd === null && tokensOf(usage) > 0;
}

/** What a line counts for; empty where it has no such thing. */
export function keysOf({ run, at, model, tool, callId, turn }: BillLine, by: SumKey): readonly string[] {
  switch (by) {
    case "day":
      return [new Date(at).toISOString().slice(0, 10)];
    case "tag":
      return run.tags;
    case "model":
      return model === null ? [] : [model];
    case "tool":
      return tool === null ? [] : [tool];
    case "threadId":
      return run.threadId === null ? [] : [run.threadId];
    case "callId":
      return callId === null ? [] : [`${run.runId}:${callId}`];
    case "turn":
      return turn === null ? [] : [`${run.runId}:${turn}`];
    default:
      return [run[by]];
  }
}

/** What is used to compute a cost anew: an endpoint's price at a time; null = unpriced. */
export type PriceAt = (endpoint: string, at: number) => Price | null;

export interface RepricedRow {
  readonly model: string;
  readonly calls: number;
  readonly usage: Usage;
  readonly before: {
    readonly costNanoUsd: NanoUsd;
    readonly unpricedCalls: number;
    readonly sources: readonly string[];
  };
  readonly after: {
    readonly costNanoUsd: NanoUsd;
    readonly unpricedCalls: number;
    readonly sources: readonly string[];
  };
}
/** A line with its cost by other prices; the journal's bill stays what it is. */
export interface RepricedLine {
  readonly line: BillLine;
  readonly costNanoUsd: NanoUsd | null;
  readonly priceSource: string | null;
}

/** Computes the cost of recorded usage by other prices. What no model was used for keeps its cost. Pure. */
export function repriced(lines: Iterable<BillLine>, priceAt: PriceAt): readonly RepricedLine[] {
  return Array.from(lines, (line) => {
    const { bill, model, at } = line;
    if (model === null) return { line, costNanoUsd: bill.costNanoUsd, priceSource: bill.priceSource };
    const price = priceAt(model, at);
    const priceSource = price === null ? null : `${price.source} ${price.date}`;
    return { line, costNanoUsd: costOf(bill.usage, price), priceSource };
  });
}

/** Old and new cost by model, the greatest difference first. Inherited bills are left out. */
export function repriceReport(lines: readonly RepricedLine[]): readonly RepricedRow[] {
  const models = Map.groupBy(
    lines.filter(({ line }) => line.model !== null && !line.bill.inherited),
    ({ line }) => line.model ?? "",
  );
  const difference = ({ before, after }: RepricedRow): number => Math.abs(after.costNanoUsd - before.costNanoUsd);
  return [...models].map(([model, of]) => reportRow(model, of)).toSorted((a, b) => difference(b) - difference(a));
}

function reportRow(model: string, lines: readonly RepricedLine[]): RepricedRow {
  const bills = lines.map(({ line }) => line.bill);
  const now = lines.map(({ line, costNanoUsd, priceSource }) => ({ ...line.bill, costNanoUsd, priceSource }));
  return {
    model,
    calls: lines.length,
    usage: bills.reduce((sum, { usage }) => addUsage(sum, usage), noUsage),
    before: sideOf(bills),
    after: sideOf(now),
  };
}

function sideOf(bills: readonly Bill[]): RepricedRow["before"] {
  return {
    costNanoUsd: bills.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0),
    unpricedCalls: bills.filter((bill) => isUnpriced(bill)).length,
    sources: [...new Set(bills.flatMap(({ priceSource }) => priceSource ?? []))].toSorted(),
  };
}
