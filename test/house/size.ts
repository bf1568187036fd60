import type { Source } from "./source.ts";
import { roomOf } from "./rules.ts";

export const FUNCTION_LINES_MAX = 60;

/** What was over its limit when it was written down. An entry may only shrink, and goes when it fits. */
export interface Ratchet {
  /** Path to lines. */
  readonly files: { readonly [path: string]: number };
  /** "path#function" to lines. */
  readonly functions: { readonly [place: string]: number };
}

export function fileLinesMax(path: string): number {
  if (/^console\/.*\bpages\//.test(path)) return 300;
  return roomOf(path) === "stores" ? 700 : 400;
}

/** A file for which only the length counts, such as a page of the console. */
export type Sized = Pick<Source, "path" | "lines"> & Partial<Pick<Source, "functions">>;

export function sizeProblems(sources: readonly Sized[], ratchet: Ratchet): string[] {
  const files = new Map(sources.map(({ path, lines }) => [path, { lines, linesMax: fileLinesMax(path) }]));
  const functions = new Map<string, { lines: number; linesMax: number }>();
  for (const { path, functions: found = [] } of sources) {
    for (const { name, lines } of found) {
      const place = `${path}#${name}`;
      const largest = Math.max(lines, functions.get(place)?.lines ?? 0);
      functions.set(place, { lines: largest, linesMax: FUNCTION_LINES_MAX });
    }
  }
  return [...compare(files, ratchet.files), ...compare(functions, ratchet.functions)];
}

type Measured = ReadonlyMap<string, { readonly lines: number; readonly linesMax: number }>;

function compare(measured: Measured, recorded: { readonly [place: string]: number }): string[] {
  const problems: string[] = [];
  for (const [place, { lines, linesMax }] of measured) {
    const before = recorded[place];
    if (before === undefined && lines > linesMax)
      problems.push(`${place} has ${lines} lines, allowed are ${linesMax}: split it`);
    if (before === undefined) continue;
    if (lines <= linesMax)
      problems.push(`${place} fits now (${lines} of ${linesMax}): remove its entry from the ratchet`);
    else if (lines > before)
      problems.push(`${place} grew from ${before} to ${lines} lines: what is over may only shrink`);
    else if (lines < before)
      problems.push(`${place} shrank from ${before} to ${lines} lines: write ${lines} in the ratchet`);
  }
  for (const place of Object.keys(recorded)) {
    if (!measured.has(place)) problems.push(`${place} does not exist: remove its entry from the ratchet`);
  }
  return problems;
}

/** The lines that make drift visible: the largest of each kind, and the total of each room. */
export function sizeReport(sources: readonly Source[]): string[] {
  const byLines = (a: { lines: number }, b: { lines: number }): number => b.lines - a.lines;
  const file = sources.toSorted(byLines)[0];
  const largest = sources
    .flatMap(({ path, functions }) => functions.map((one) => ({ ...one, path })))
    .toSorted(byLines)[0];
  const totals = new Map<string, number>();
  for (const { path, lines } of sources) totals.set(roomOf(path), (totals.get(roomOf(path)) ?? 0) + lines);
  const rooms = [...totals].toSorted((a, b) => b[1] - a[1]).map(([room, lines]) => `${room} ${lines}`);
  const total = sources.reduce((sum, { lines }) => sum + lines, 0);
  return [
    `largest file ${file?.path ?? "none"} (${file?.lines ?? 0} lines), largest function ${largest?.path ?? "none"}#${largest?.name ?? ""} (${largest?.lines ?? 0} lines)`,
    `lines in src: ${total} (${rooms.join(", ")})`,
  ];
}
