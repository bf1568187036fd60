import { arch, cpus, platform } from "node:os";

/** The middle of a list of numbers; of an even list the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = Math.floor(sorted.length / 2);
  const lower = sorted.length % 2 === 0 ? upper - 1 : upper;
  return ((sorted[lower] ?? Number.NaN) + (sorted[upper] ?? Number.NaN)) / 2;
}

/** Rise of y for each unit of x: least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

/** Three digits that say something: 1234, 12.3, 0.123. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** Rows under a head; the first column is left, the others right aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** A bar that is to be reached, and whether it is. */
export function bar(what: string, value: number, most: number, unit: string): string {
  return `${value <= most ? "reached    " : "NOT REACHED"}  ${what}: ${short(value)}${unit}, to reach: at most ${short(most)}${unit}`;
}

/** A bar that is to be passed from below. */
export function least(what: string, value: number, atLeast: number, unit: string): string {
  return `${value >= atLeast ? "reached    " : "NOT REACHED"}  ${what}: ${value.toFixed(3)}${unit}, to reach: at least ${atLeast}${unit}`;
}

export function machine(): string {
  const [cpu] = cpus();
  return `${platform()} ${arch()}, ${cpus().length} × ${cpu?.model ?? "unknown CPU"}, Node ${process.versions.node}`;
}
