import type { Bill, SpanKind, SpanStatus } from "../core/trace-contract.ts";
import { noSums, plus, sumsOf, type Sums } from "./span-sums.ts";

/** A span as the order of a tree needs it; the rest of it stays in the file. */
export interface TreeSpan {
  /** Row of the span in the index. */
  readonly row: number;
  readonly run: number;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly seq: number;
  readonly kind: SpanKind;
  readonly status: SpanStatus;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly bill: Bill | null;
}

/** A span in its place, with the sums of what is below it. */
export interface PlacedSpan {
  readonly span: TreeSpan;
  readonly depth: number;
  readonly sums: Sums;
  /** Latest end below and of itself; null while something is open. */
  readonly endedAt: number | null;
}

/**
 * Depth-first order of a tree: below each span those of its own run by seq. Nothing recurses, so depth is not a limit. A span
 * whose parent is not there (a child read before its parent) stands at the top.
 */
export function placed(spans: readonly TreeSpan[]): readonly PlacedSpan[] {
  const below = childrenOf(spans);
  const order: { readonly span: TreeSpan; readonly depth: number }[] = [];
  const stack = (below.get(null) ?? []).toReversed().map((span) => ({ span, depth: 0 }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    order.push(next);
    const children = below.get(next.span.spanId) ?? [];
    for (let i = children.length - 1; i >= 0; i--) {
      const span = children[i];
      if (span !== undefined) stack.push({ span, depth: next.depth + 1 });
    }
  }
  return summed(order);
}

function childrenOf(spans: readonly TreeSpan[]): ReadonlyMap<string | null, readonly TreeSpan[]> {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const below = new Map<string | null, TreeSpan[]>();
  for (const span of spans) {
    const { parentSpanId } = span;
    const key = parentSpanId !== null && ids.has(parentSpanId) && parentSpanId !== span.spanId ? parentSpanId : null;
    const siblings = below.get(key);
    if (siblings === undefined) below.set(key, [span]);
    else siblings.push(span);
  }
  for (const siblings of below.values()) siblings.sort((a, b) => a.run - b.run || a.seq - b.seq || a.row - b.row);
  return below;
}

/** From the last row to the first: what is below a row is known before it. */
function summed(order: readonly { readonly span: TreeSpan; readonly depth: number }[]): readonly PlacedSpan[] {
  const rows: PlacedSpan[] = [];
  const open: { sums: Sums; endedAt: number | null }[] = [];
  for (let i = order.length - 1; i >= 0; i--) {
    const one = order[i];
    if (one === undefined) continue;
    const { span, depth } = one;
    const below = open[depth + 1] ?? { sums: noSums, endedAt: Number.NEGATIVE_INFINITY };
    open.length = depth + 1;
    const sums = plus(sumsOf(span), below.sums);
    const endedAt = latest(span.endedAt, below.endedAt);
    rows.push({ span, depth, sums, endedAt });
    const beside = open[depth];
    open[depth] =
      beside === undefined
        ? { sums, endedAt }
        : { sums: plus(beside.sums, sums), endedAt: latest(beside.endedAt, endedAt) };
  }
  return rows.toReversed();
}

function latest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}
