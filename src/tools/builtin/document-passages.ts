import { limits } from "../../core/limits.ts";
import type { DocumentKind } from "./document-text.ts";

/** A piece of a document that a search finds: consecutive lines under one heading. */
export interface Passage {
  /** 1 is the first line of the file. */
  readonly startLine: number;
  readonly endLine: number;
  /** The headings above it, outermost first, joined by " > "; "" where there are none. */
  readonly heading: string;
  readonly text: string;
}

const GOOD_LINES = 12;
const GOOD_CHARS = 900;
const MOST_LINES = 40;
const HEADING_CHARS_MAX = 200;
const ATX = /^(#{1,6})\s+(.*?)\s*#*$/;
const UNDERLINE = /^(=|-){3,}$/;
const FENCE = /^\s*(```|~~~)/;

/**
 * Cuts a document into passages that do not overlap: at headings, at empty lines once a passage is long enough, and
 * anywhere when it is too long.
 */
export function passagesOf(kind: DocumentKind, lines: readonly string[]): Passage[] {
  const headings = kind === "code" ? new Map<number, Heading>() : headingsOf(kind, lines);
  const passages: Passage[] = [];
  let trail: readonly Heading[] = [];
  let from = 0;
  const close = (to: number): void => {
    passages.push(...passageOf(lines, { from, to, heading: trail.map(({ text }) => text).join(" > ") }));
    from = to;
  };
  let chars = 0;
  for (const [i, line] of lines.entries()) {
    const heading = headings.get(i);
    const length = i - from;
    const isFull = length >= MOST_LINES || chars + line.length > limits.passageChars;
    const isGood = line === "" && (length >= GOOD_LINES || chars >= GOOD_CHARS);
    if (heading !== undefined || isFull || isGood) {
      close(i);
      chars = 0;
    }
    if (heading !== undefined) trail = [...trail.filter(({ level }) => level < heading.level), heading];
    chars += line.length + 1;
  }
  close(lines.length);
  return passages;
}

interface Heading {
  readonly level: number;
  readonly text: string;
}

/** Headings by the index of their line. In plain text only underlined ones count: `#` starts a comment there. */
function headingsOf(kind: DocumentKind, lines: readonly string[]): Map<number, Heading> {
  const headings = new Map<number, Heading>();
  let isFenced = false;
  for (const [i, line] of lines.entries()) {
    if (kind === "markdown" && FENCE.test(line)) isFenced = !isFenced;
    if (isFenced) continue;
    const atx = kind === "text" ? null : ATX.exec(line);
    if (atx !== null) headings.set(i, heading(atx[1]?.length ?? 1, atx[2] ?? ""));
    else if (kind !== "html" && UNDERLINE.test(line) && isTitle(lines, i - 1)) {
      headings.set(i - 1, heading(line.startsWith("=") ? 1 : 2, lines[i - 1] ?? ""));
    }
  }
  return headings;
}

function heading(level: number, text: string): Heading {
  return { level, text: text.slice(0, HEADING_CHARS_MAX) };
}

/** One line of words with nothing above it: `---` below a paragraph or a table is no underline. */
function isTitle(lines: readonly string[], index: number): boolean {
  const line = lines[index] ?? "";
  return /\p{L}/u.test(line) && !/^[\s|>*+-]/.test(line) && (lines[index - 1] ?? "") === "";
}

/** The span without empty lines at its ends; none when nothing is left. */
function passageOf(
  lines: readonly string[],
  span: { readonly from: number; readonly to: number; readonly heading: string },
): Passage[] {
  let { from, to } = span;
  while (from < to && lines[from] === "") from++;
  while (to > from && lines[to - 1] === "") to--;
  if (from === to) return [];
  return [{ startLine: from + 1, endLine: to, heading: span.heading, text: lines.slice(from, to).join("\n") }];
}
