import type { Stretch } from "../../api/types.ts";

/** The stretch of time that is drawn, ms since 1970. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  /** Waits that are drawn short: else the work beside a night of waiting would be a hair. */
  readonly breaks: readonly Break[];
}
export interface Break {
  readonly from: number;
  readonly to: number;
}

/** A wait longer than this share of the whole is drawn short: as long as that share. */
const BREAK_SHARE = 0.15;
const DRAWN_SHARE = 0.05;
const BREAK_MS = 1_000;

export function axisOf({ from, to }: Break, waits: readonly Stretch[]): Axis {
  const length = to - from;
  const breaks = waits
    .map(({ startedAt, endedAt }) => ({ from: Math.max(from, startedAt), to: Math.min(to, endedAt ?? to) }))
    .filter((one) => one.to - one.from >= Math.max(BREAK_MS, length * BREAK_SHARE));
  return { from, to, breaks: msOf(breaks) < length ? breaks : [] };
}

const msOf = (breaks: readonly Break[]): number => breaks.reduce((sum, { from, to }) => sum + to - from, 0);

/** Where the axis bends: times and the shares of the width at which they stand. */
function bendsOf({ from, to, breaks }: Axis): readonly { readonly ms: number; readonly share: number }[] {
  const scale = (1 - breaks.length * DRAWN_SHARE) / Math.max(1, to - from - msOf(breaks));
  const bends = [{ ms: from, share: 0 }];
  let [ms, share] = [from, 0];
  for (const one of breaks) {
    share += (one.from - ms) * scale;
    bends.push({ ms: one.from, share }, { ms: one.to, share: share + DRAWN_SHARE });
    share += DRAWN_SHARE;
    ms = one.to;
  }
  return [...bends, { ms: Math.max(to, from + 1), share: 1 }];
}

/** 0 to 1; what lies outside is cut to it. */
function shareAt(axis: Axis, at: number): number {
  const bends = bendsOf(axis);
  const next = bends.findIndex(({ ms }) => ms > at);
  if (next <= 0) return next === 0 ? 0 : 1;
  const [a, b] = [bends[next - 1] ?? { ms: 0, share: 0 }, bends[next] ?? { ms: 1, share: 1 }];
  return a.share + ((at - a.ms) / (b.ms - a.ms)) * (b.share - a.share);
}

/** Places in percent of the axis. */
export interface Place {
  readonly left: number;
  readonly width: number;
}
export function barOf(axis: Axis, startedAt: number, endedAt: number): Place {
  const left = shareAt(axis, startedAt) * 100;
  return { left, width: Math.max(0, shareAt(axis, endedAt) * 100 - left) };
}

const TICKS = 5;

/** Times since the beginning at even places; none in a break or right behind it, where its length stands. */
export function ticksOf(axis: Axis): readonly { readonly left: number; readonly ms: number }[] {
  const bends = bendsOf(axis);
  return Array.from({ length: TICKS }, (_, i) => i / TICKS).flatMap((share) => {
    const isHidden = axis.breaks.some(({ from }) => Math.abs(share - shareAt(axis, from)) < 0.15);
    const next = Math.max(
      1,
      bends.findIndex((bend) => bend.share > share),
    );
    const [a, b] = [bends[next - 1], bends[next]];
    if (a === undefined || b === undefined || (isHidden && share > 0)) return [];
    const ms = a.ms + ((share - a.share) / (b.share - a.share)) * (b.ms - a.ms) - axis.from;
    return [{ left: share * 100, ms }];
  });
}

/** Share of the whole from which a row is warm, and hot. */
const WARM = 0.5;
const HOT = 0.75;

export type Heat = "none" | "warm" | "hot";

/** How much of the whole run's time or money a row is; the whole itself is not hot. */
export function heatOf(part: number, whole: number, depth: number): Heat {
  if (depth === 0 || whole <= 0) return "none";
  const share = part / whole;
  return share >= HOT ? "hot" : share >= WARM ? "warm" : "none";
}
