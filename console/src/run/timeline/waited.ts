import type { SpanRow } from "../../api/types.ts";
import { kindLook } from "../kind-look.ts";

/** Nothing works meanwhile: it waits for a person, a timer, money. */
export function isIdle(row: SpanRow): boolean {
  return kindLook(row.kind).isIdle === true || row.status === "waiting";
}

/** How long rows below `row` waited, what overlaps counted once. Of the rows that are known. */
export function waitedMs(row: SpanRow, idle: readonly SpanRow[], now: number): number {
  const last = row.position + row.subtree.spans - 1;
  const waits = idle
    .filter(({ position }) => position > row.position && position <= last)
    .map(({ startedAt, endedAt }) => ({ from: startedAt, to: endedAt ?? now }))
    .toSorted((a, b) => a.from - b.from);
  let sum = 0;
  let done = row.startedAt;
  for (const { from, to } of waits) {
    sum += Math.max(0, to - Math.max(from, done));
    done = Math.max(done, to);
  }
  return sum;
}
