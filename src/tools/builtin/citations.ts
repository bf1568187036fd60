import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import { type Citation, citationsIn, type Claim, claimsOf } from "./claims.ts";

/** Inclusive line ranges of each file that the model was shown, merged and in order. Plain JSON: keep it in a turn's state. */
export interface ReadMemo {
  readonly files: { readonly [file: string]: readonly LineRange[] };
}
export type LineRange = readonly [first: number, last: number];

export const noReads: ReadMemo = { files: {} };

export interface CheckedCitation extends Citation {
  /** The file as it was read, where the answer names it by its end (`guide.md` for `docs/guide.md`). */
  readonly readFile: string | null;
  /** True where every line that it names was shown to the model. */
  readonly wasRead: boolean;
}

export interface CitationReport {
  /** Every claim cites at least one place, and every place was read. */
  readonly ok: boolean;
  /** For the model: what to mend; "" when ok. */
  readonly feedback: string;
  /** The answer with ✗ behind every citation that was never read. */
  readonly annotated: string;
  readonly citations: readonly CheckedCitation[];
  /** Claims without a citation. */
  readonly uncited: readonly string[];
}

/**
 * Adds what one call has shown: anything in a result that has a file, a first and a last line, as search_docs and
 * read_document give it. Pure. Past its bounds (files, ranges of a file) the memo forgets nothing and takes no more, so
 * it can only doubt a citation too much.
 * @param value the recorded result, before it is wrapped for the model
 */
export function collectReads(memo: ReadMemo, value: JsonValue): ReadMemo {
  const files = new Map(Object.entries(memo.files));
  for (const { file, range } of placesIn(value)) {
    const known = files.get(file);
    if (known === undefined && files.size >= limits.readFilesRemembered) continue;
    const merged = mergeRange(known ?? [], range);
    if (merged.length <= limits.readRangesRemembered) files.set(file, merged);
  }
  return { files: Object.fromEntries(files) };
}

interface Place {
  readonly file: string;
  readonly range: LineRange;
}

function placesIn(value: JsonValue): readonly Place[] {
  if (Array.isArray(value)) return value.flatMap((item: JsonValue) => placesIn(item));
  if (!isJsonObject(value)) return [];
  const { file, startLine, endLine, text } = value;
  if (
    typeof file === "string" &&
    typeof startLine === "number" &&
    typeof endLine === "number" &&
    typeof text === "string"
  ) {
    return [{ file, range: [startLine, endLine] }];
  }
  return Object.values(value).flatMap((member) => placesIn(member));
}

function mergeRange(ranges: readonly LineRange[], added: LineRange): readonly LineRange[] {
  const merged: LineRange[] = [];
  for (const [first, last] of [...ranges, added].toSorted((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1)
      merged[merged.length - 1] = [before[0], Math.max(before[1], last)];
    else merged.push([first, last]);
  }
  return merged;
}

/**
 * Checks an answer against what was read: every claim (a sentence or a bullet) needs a citation `file:line` or
 * `file:first-last`, and every citation must lie in lines that were shown. Headings, questions, introductions that end
 * with a colon, sums, and the statement that the documents hold no answer are no claims.
 */
export function checkCitations(answer: string, memo: ReadMemo): CitationReport {
  const known = Object.keys(memo.files);
  const found = citationsIn(answer, known).slice(0, limits.citationsChecked);
  const citations = found.map((citation) => checked(citation, memo));
  const uncited = claimsOf(answer, known)
    .filter(({ citations: cited }) => cited === 0)
    .map(({ text }) => text);
  const unread = citations.filter(({ wasRead }) => !wasRead);
  return {
    ok: uncited.length === 0 && unread.length === 0,
    feedback: feedbackOf(uncited, unread),
    annotated: annotate(answer, unread),
    citations,
    uncited,
  };
}

function checked(citation: Citation, memo: ReadMemo): CheckedCitation {
  const readFile = readFileOf(citation.file, memo);
  const ranges = readFile === null ? [] : (memo.files[readFile] ?? []);
  const wasRead = ranges.some(([first, last]) => first <= citation.firstLine && citation.lastLine <= last);
  return { ...citation, readFile, wasRead };
}

/** The file itself, or the only one read whose path ends so. */
function readFileOf(file: string, memo: ReadMemo): string | null {
  const plain = file.replace(/^\.\//, "");
  if (Object.hasOwn(memo.files, plain)) return plain;
  const ending = Object.keys(memo.files).filter((one) => one.endsWith(`/${plain}`) || plain.endsWith(`/${one}`));
  return ending.length === 1 ? (ending[0] ?? null) : null;
}

const SHOWN_CLAIMS = 10;
const CLAIM_CHARS = 160;

function feedbackOf(uncited: readonly Claim["text"][], unread: readonly Citation[]): string {
  const lines: string[] = [];
  if (unread.length > 0) {
    const places = [...new Set(unread.map(({ text }) => text))].slice(0, SHOWN_CLAIMS);
    lines.push(
      `These citations were never read: ${places.join(", ")}. Read those lines, or cite lines that you have read, or leave the claim out.`,
    );
  }
  if (uncited.length > 0) {
    lines.push("These claims have no citation. Add (file:line) to each, or leave it out:");
    for (const text of uncited.slice(0, SHOWN_CLAIMS))
      lines.push(`- ${text.length > CLAIM_CHARS ? `${text.slice(0, CLAIM_CHARS)}…` : text}`);
  }
  if (lines.length === 0) return "";
  return `Your answer was checked against the documents that you have read.\n${lines.join("\n")}\nGive the whole answer again.`;
}

function annotate(answer: string, unread: readonly Citation[]): string {
  let text = answer;
  for (const { end } of unread.toSorted((a, b) => b.end - a.end)) text = `${text.slice(0, end)} ✗${text.slice(end)}`;
  return text;
}
