import { isJsonObject, parseJson, type JsonValue } from "../core/json.ts";

/** Lines of documents that tools have shown, by file and line number. */
export interface Evidence {
  readonly files: ReadonlyMap<string, FileEvidence>;
}
export interface FileEvidence {
  readonly lines: ReadonlyMap<number, string>;
  /** A heading that a search gave for the line where its passage starts. */
  readonly headings: ReadonlyMap<number, string>;
}
/** Consecutive lines of a file. */
export interface Piece {
  readonly file: string;
  readonly heading: string;
  readonly firstLine: number;
  readonly lines: readonly string[];
}
/** What the call asked for, where the result does not say it. */
export interface AskedFor {
  readonly file?: string;
  readonly firstLine?: number;
}

const PATH = /^[^\n]{0,300}(\/|\.\p{L}\p{L}*\d?)[^\n]{0,300}$/u;
const NUMBERED = /^\s*(\d+)\s*[|:→\t]\s?(.*)$/;
const GREP = /^([^\s:][^:\n]{0,300}):(\d+)[:-]\s?(.*)$/;
const START_KEY = /start|first|from|begin|^line/i;

/**
 * Pieces of documents in a tool's result, found by their shape: an object with a path, a number and a longer text; lines
 * with their numbers in front; `file:12: text`. Whatever wraps a result as text is cut off first.
 */
export function piecesIn(output: JsonValue, asked: AskedFor = {}): readonly Piece[] {
  if (typeof output === "string") {
    const unwrapped = jsonWithin(output);
    return unwrapped === null ? piecesOfText(output, asked) : piecesIn(unwrapped, asked);
  }
  if (Array.isArray(output)) return output.flatMap((item: JsonValue) => piecesIn(item));
  if (!isJsonObject(output)) return [];
  const piece = pieceOfObject(output, asked);
  return piece === null
    ? Object.values(output).flatMap((member) => (isFlat(member) ? [] : piecesIn(member, asked)))
    : [piece];
}

function isFlat(value: JsonValue): boolean {
  return typeof value !== "object";
}

function jsonWithin(text: string): JsonValue | null {
  const from = text.search(/[[{]/);
  const to = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]"));
  if (from === -1 || to < from) return null;
  const parsed = parseJson(text.slice(from, to + 1));
  return parsed.ok && !isFlat(parsed.value) ? parsed.value : null;
}

function pieceOfObject(value: { readonly [key: string]: JsonValue }, asked: AskedFor): Piece | null {
  const strings = Object.entries(value).flatMap(([key, member]) =>
    typeof member === "string" ? [{ key, text: member }] : [],
  );
  const body = strings.reduce<string | null>(
    (longest, { text }) => (/\s/.test(text.trim()) && text.length > (longest?.length ?? 0) ? text : longest),
    null,
  );
  const file = strings.find(({ text }) => text !== body && PATH.test(text))?.text ?? asked.file;
  if (body === null || file === undefined) return null;
  const start = startOf(value) ?? asked.firstLine;
  const numbered = numberedLines(body.split("\n"));
  if (start === undefined && numbered === null) return null;
  const heading = strings.find(({ text }) => text !== body && text !== file)?.text ?? "";
  return { file, heading, ...(numbered ?? { firstLine: start ?? 1, lines: body.split("\n") }) };
}

function startOf(value: { readonly [key: string]: JsonValue }): number | undefined {
  const numbers = Object.entries(value).flatMap(([key, member]) =>
    Number.isSafeInteger(member) ? [{ key, line: Number(member) }] : [],
  );
  return (numbers.find(({ key }) => START_KEY.test(key)) ?? numbers.find(({ line }) => line > 0))?.line;
}

/** Lines that carry their own numbers, one after the other. */
function numberedLines(
  lines: readonly string[],
): { readonly firstLine: number; readonly lines: readonly string[] } | null {
  const found = lines.flatMap((line) => {
    const match = NUMBERED.exec(line);
    return match === null ? [] : [{ number: Number(match[1]), text: match[2] ?? "" }];
  });
  const first = found[0];
  if (first === undefined || found.length < lines.length * 0.8) return null;
  if (found.some(({ number }, i) => number !== first.number + i)) return null;
  return { firstLine: first.number, lines: found.map(({ text }) => text) };
}

function piecesOfText(text: string, asked: AskedFor): readonly Piece[] {
  const lines = text.split("\n");
  const hits = lines.flatMap((line) => {
    const match = GREP.exec(line);
    return match === null
      ? []
      : [{ file: match[1] ?? "", heading: "", firstLine: Number(match[2]), lines: [match[3] ?? ""] }];
  });
  if (hits.length > 0 && hits.length >= lines.length * 0.5) return hits;
  if (asked.file === undefined) return [];
  const numbered = numberedLines(lines);
  return [{ file: asked.file, heading: "", ...(numbered ?? { firstLine: asked.firstLine ?? 1, lines }) }];
}

export function evidenceOf(pieces: readonly Piece[]): Evidence {
  const files = new Map<string, { lines: Map<number, string>; headings: Map<number, string> }>();
  for (const { file, heading, firstLine, lines } of pieces) {
    const known = files.get(file) ?? { lines: new Map<number, string>(), headings: new Map<number, string>() };
    files.set(file, known);
    for (const [i, line] of lines.entries()) known.lines.set(firstLine + i, line);
    if (heading !== "") known.headings.set(firstLine, heading);
  }
  return { files };
}

/** True where every line of the span has been shown. */
export function isShown(evidence: Evidence, file: string, firstLine: number, lastLine: number): boolean {
  const lines = evidence.files.get(file)?.lines;
  for (let line = firstLine; line <= lastLine; line++) if (lines?.has(line) !== true) return false;
  return true;
}

/** Names of documents in a listing: every text that looks like a path. */
export function pathsIn(output: JsonValue): readonly string[] {
  if (typeof output === "string") {
    const unwrapped = jsonWithin(output);
    if (unwrapped !== null) return pathsIn(unwrapped);
    return output
      .split("\n")
      .map((line) => line.trim().split(/\s/)[0] ?? "")
      .filter((word) => PATH.test(word));
  }
  if (Array.isArray(output)) {
    return output.flatMap((item: JsonValue) => (typeof item === "string" && PATH.test(item) ? [item] : pathsIn(item)));
  }
  if (!isJsonObject(output)) return [];
  return Object.values(output).flatMap((member) =>
    typeof member === "string" ? (PATH.test(member) && !/\s\S+\s/.test(member) ? [member] : []) : pathsIn(member),
  );
}
