import type { JsonValue } from "../api/types.ts";

// A value of any size as lines: flat, so that only the lines in view are in the page.

export type LineKind = "text" | "string" | "number" | "word" | "quiet";

export interface ValueLine {
  readonly depth: number;
  /** `"name": ` or nothing. */
  readonly label: string;
  readonly kind: LineKind;
  /** A piece of a string, or a whole other token. */
  readonly text: string;
  /** JSON pointer of the value that the line belongs to. */
  readonly path: string;
  /** Where `text` begins in that string. */
  readonly offset: number;
  /** Set on the line that opens an object or list: how many lines below it belong to it, itself and the end excluded. */
  readonly inside: number;
  /** Set on a line that stands for the rest of a long string. */
  readonly more: number;
}

/** Characters of one line: a longer one is broken, so that no single node of the page is huge. */
const LINE_CHARS = 600;
/** Characters of a string before it is folded. */
export const FOLD_CHARS = 1_600;

export interface LineOptions {
  /** Pointers of long strings that are shown whole. */
  readonly opened: ReadonlySet<string>;
}

export function linesOf(value: JsonValue, options: LineOptions): ValueLine[] {
  const lines: ValueLine[] = [];
  valueLines(lines, value, at(0, "", ""), options);
  return lines;
}

interface Place {
  readonly depth: number;
  readonly label: string;
  readonly path: string;
}
const at = (depth: number, label: string, path: string): Place => ({ depth, label, path });

function line(place: Place, kind: LineKind, text: string): ValueLine {
  return { ...place, kind, text, offset: 0, inside: 0, more: 0 };
}

function valueLines(lines: ValueLine[], value: JsonValue, place: Place, options: LineOptions): void {
  if (typeof value === "string") stringLines(lines, value, place, options);
  else if (value === null || typeof value === "boolean") lines.push(line(place, "word", String(value)));
  else if (typeof value === "number") lines.push(line(place, "number", String(value)));
  else containerLines(lines, value, place, options);
}

function containerLines(
  lines: ValueLine[],
  value: readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined },
  place: Place,
  options: LineOptions,
): void {
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    lines.push(line(place, "quiet", `${open}${close}`));
    return;
  }
  const start = lines.length;
  lines.push(line(place, "quiet", open));
  for (const [key, child] of entries) {
    const label = isList ? "" : `${key}: `;
    valueLines(lines, child ?? null, at(place.depth + 1, label, `${place.path}/${escaped(key)}`), options);
  }
  lines[start] = { ...line(place, "quiet", open), inside: lines.length - start - 1 };
  lines.push(line(at(place.depth, "", place.path), "quiet", close));
}

/** Each line of the text, broken where it is long; past the fold one line says how much is left. */
function stringLines(lines: ValueLine[], text: string, place: Place, options: LineOptions): void {
  const isFolded = text.length > FOLD_CHARS && !options.opened.has(place.path);
  const end = isFolded ? FOLD_CHARS : text.length;
  let offset = 0;
  let isFirst = true;
  while (offset < end || isFirst) {
    const newline = text.indexOf("\n", offset);
    const stop = Math.min(newline < 0 ? end : newline, end, offset + LINE_CHARS);
    lines.push({
      ...place,
      label: isFirst ? place.label : "",
      // a text that is the whole value is no part of a structure
      kind: place.path === "" ? "text" : "string",
      text: text.slice(offset, stop),
      offset,
      inside: 0,
      more: 0,
    });
    isFirst = false;
    offset = stop === newline ? stop + 1 : stop;
  }
  if (isFolded) lines.push({ ...line(at(place.depth, "", place.path), "quiet", ""), more: text.length - FOLD_CHARS });
}

function escaped(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Lines that stay when objects and lists at these pointers are closed. */
export function withoutClosed(lines: readonly ValueLine[], closed: ReadonlySet<string>): ValueLine[] {
  if (closed.size === 0) return [...lines];
  const kept: ValueLine[] = [];
  for (let i = 0; i < lines.length; i++) {
    const one = lines[i];
    if (one === undefined) break;
    const isClosed = one.inside > 0 && closed.has(one.path);
    kept.push(isClosed ? { ...one, text: one.text === "[" ? "[ … ]" : "{ … }" } : one);
    if (isClosed) i += one.inside + 1;
  }
  return kept;
}

/** The value as a person copies it: text as it is, everything else as JSON. */
export function plainTextOf(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
