/** The stretch of time that is drawn, ms since 1970. */
export interface Axis {
  readonly from: number;
  readonly to: number;
}

/** Places in percent of the axis; what lies outside is cut to it. */
export function barOf(
  axis: Axis,
  startedAt: number,
  endedAt: number,
): { readonly left: number; readonly width: number } {
  const length = Math.max(1, axis.to - axis.from);
  const left = Math.min(100, Math.max(0, ((startedAt - axis.from) / length) * 100));
  const right = Math.min(100, Math.max(0, ((endedAt - axis.from) / length) * 100));
  return { left, width: Math.max(0, right - left) };
}

const TICKS = 5;

export function ticksOf(axis: Axis): readonly number[] {
  return Array.from({ length: TICKS }, (_, i) => ((axis.to - axis.from) / TICKS) * i);
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
