import { styleText } from "node:util";
import { sanitise } from "../core/sanitise.ts";

type Format = Parameters<typeof styleText>[0];

/** Colours only on a terminal, and never where NO_COLOR is set. */
export function paint(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** Beside the output: notices and errors, which must not end up in a file of results. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Remarks around a run: beside the output where that is data. */
export function tell(place: { readonly json?: boolean }, line: string): void {
  if (place.json === true) note(line);
  else say(line);
}

export function isTerminal(): boolean {
  return process.stdout.isTTY === true;
}

/** A person can be asked. */
export function isInteractive(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

const PIPE_COLUMNS = 120;

export function columns(): number {
  if (process.stdout.isTTY !== true) return PIPE_COLUMNS;
  // some terminals say 0 for "not known"
  return Math.max(40, process.stdout.columns === 0 ? 80 : process.stdout.columns);
}

/** One line of at most `width` characters, without control characters: text of models, tools and documents. */
export function oneLine(text: string, width: number): string {
  const flat = plain(text).replaceAll(/\s+/g, " ").trim();
  return flat.length <= width ? flat : `${flat.slice(0, Math.max(1, width - 1))}…`;
}

/** Text of models, tools and documents may hold escapes that play tricks on a terminal. */
export function plain(text: string): string {
  return sanitise(text).text;
}

/** Lines with `indent` before each. */
export function indented(text: string, indent: string): string {
  return text.replaceAll(/^/gm, indent);
}

/** Columns of a table, as wide as their content; the last one takes what is left of the line. */
export function table(rows: readonly (readonly string[])[], width: number = columns()): readonly string[] {
  const last = Math.max(0, ...rows.map((row) => row.length)) - 1;
  const widths = Array.from({ length: last }, (_, i) => Math.max(0, ...rows.map((row) => (row[i] ?? "").length)));
  const used = widths.reduce((sum, one) => sum + one + 2, 0);
  return rows.map((row) =>
    [...widths.map((one, i) => (row[i] ?? "").padEnd(one)), oneLine(row[last] ?? "", Math.max(20, width - used))]
      .join("  ")
      .trimEnd(),
  );
}

export function sayTable(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const [header = "", ...lines] = table([heads, ...rows]);
  say(paint("bold", header));
  for (const line of lines) say(line);
}
