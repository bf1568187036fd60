import { limits } from "../core/limits.ts";
import type { Stretch } from "../core/trace-contract.ts";
import { tokensOf } from "../core/usage.ts";
import type { PlacedSpan, TreeSpan } from "./span-tree.ts";

/** A row's place, and how long its call worked. */
export interface RowMark {
  readonly position: number;
  readonly ms: number;
}
/** What stands out in a whole tree, and when nothing worked. */
export interface TreeMarks {
  readonly costliest: RowMark | null;
  readonly slowest: RowMark | null;
  readonly waits: readonly Stretch[];
}

const calls: readonly string[] = ["model", "tool", "step"];
const isParked = ({ kind }: TreeSpan): boolean => kind === "park" || kind === "blocked";

export function marksOf(rows: readonly PlacedSpan[]): TreeMarks {
  const parks = new Map<number, TreeSpan[]>();
  for (const { span } of rows) if (isParked(span)) parks.set(span.run, [...(parks.get(span.run) ?? []), span]);
  let costliest: RowMark | null = null;
  let slowest: RowMark | null = null;
  let most = { cost: 0, tokens: 0 };
  for (const [position, { span, sums }] of rows.entries()) {
    if (!calls.includes(span.kind)) continue;
    const mark = { position, ms: workedMs(span, parks.get(span.run) ?? []) };
    const paid = { cost: sums.costNanoUsd, tokens: tokensOf(sums.usage) };
    // where nothing costs anything, tokens are what a call costs
    const isMore = paid.cost > most.cost || (most.cost === 0 && paid.cost === 0 && paid.tokens > most.tokens);
    if (isMore) [costliest, most] = [mark, paid];
    if (mark.ms > (slowest?.ms ?? 0)) slowest = mark;
  }
  return { costliest, slowest, waits: waitsOf(rows.map(({ span }) => span)) };
}

/** Without what its run was parked. Of an open call 0: how long it takes nobody knows yet. */
function workedMs({ startedAt, endedAt }: TreeSpan, parks: readonly TreeSpan[]): number {
  if (endedAt === null) return 0;
  const parked = parks.map((park) => Math.min(endedAt, park.endedAt ?? endedAt) - Math.max(startedAt, park.startedAt));
  return endedAt - startedAt - parked.reduce((sum, ms) => sum + Math.max(0, ms), 0);
}

/** When runs were open and each of them was parked: the longest, in order of time. */
function waitsOf(spans: readonly TreeSpan[]): readonly Stretch[] {
  const changes = spans.flatMap((span) =>
    span.kind === "run"
      ? edges(span, { open: 1, parked: 0 })
      : isParked(span)
        ? edges(span, { open: 0, parked: 1 })
        : [],
  );
  const waits: Stretch[] = [];
  let [open, parked, since] = [0, 0, null as number | null];
  for (const change of changes.toSorted((a, b) => a.at - b.at)) {
    open += change.open;
    parked += change.parked;
    const waitsNow = open > 0 && parked >= open;
    if (waitsNow) since ??= change.at;
    else if (since !== null) {
      waits.push({ startedAt: since, endedAt: change.at });
      since = null;
    }
  }
  if (since !== null) waits.push({ startedAt: since, endedAt: null });
  const length = ({ startedAt, endedAt }: Stretch): number => (endedAt ?? Number.POSITIVE_INFINITY) - startedAt;
  return waits
    .toSorted((a, b) => length(b) - length(a))
    .slice(0, limits.traceWaits)
    .toSorted((a, b) => a.startedAt - b.startedAt);
}

interface Change {
  readonly at: number;
  readonly open: number;
  readonly parked: number;
}

function edges({ startedAt, endedAt }: TreeSpan, by: Omit<Change, "at">): readonly Change[] {
  const begins = { at: startedAt, ...by };
  return endedAt === null ? [begins] : [begins, { at: endedAt, open: -by.open, parked: -by.parked }];
}
