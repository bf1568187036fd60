import { isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Cause, CauseSource } from "../core/trace-contract.ts";
import { WordMatcher, wordsOf, type Found, type Word } from "./word-match.ts";

/** A text that stood before the input was written, and who wrote it. */
export interface SourceText {
  readonly source: CauseSource;
  readonly text: string;
}

interface Leaf {
  readonly path: string;
  readonly text: string;
  readonly words: readonly Word[];
  /** Place of its first word among the words of all leaves. */
  readonly from: number;
}

const AROUND_CHARS = 80;
const SHOWN_CHARS = 600;
const DEPTH_MAX = 200;
/** What a run of words must weigh to say where it came from; less is enough for a leaf that is nothing but the run. */
const WEIGHT_MIN = 1;

/**
 * Where the words of an input came from: for each of its texts and numbers the longest runs of the same words in what the
 * model had seen, the earliest source first. Words that stand everywhere and short numbers say nothing and are passed over.
 * Linear in the input and the sources; bounded by `limits.cause…`, beyond which nothing is searched.
 * @param sources in the order in which they came
 */
export function causesOf(input: JsonValue, sources: readonly SourceText[]): readonly Cause[] {
  const leaves = leavesOf(input);
  const matcher = new WordMatcher(leaves.flatMap(({ words }) => words));
  const texts = bounded(sources);
  for (const { text } of texts) matcher.add(wordsOf(text, limits.causeSourceChars));
  const causes: Cause[] = [];
  for (const leaf of leaves) {
    for (const found of matchesIn(leaf, matcher)) {
      if (causes.length >= limits.causesFound) return causes;
      const cause = causeOf(leaf, found, texts[found.text]);
      if (cause !== null) causes.push(cause);
    }
  }
  return causes;
}

/** As many sources as fit, the earliest first, the last of them cut. */
function bounded(sources: readonly SourceText[]): readonly SourceText[] {
  const taken: SourceText[] = [];
  let left: number = limits.causeSourceChars;
  for (const { source, text } of sources) {
    if (left <= 0) break;
    taken.push({ source, text: text.slice(0, left) });
    left -= text.length;
  }
  return taken;
}

function* matchesIn(leaf: Leaf, matcher: WordMatcher): Generator<Found> {
  const end = leaf.from + leaf.words.length;
  for (let at = leaf.from; at < end;) {
    const found = matcher.weight(at, at + 1) === 0 ? null : matcher.longest(at, end);
    const isWhole = found !== null && matcher.weight(found.from, found.to) === matcher.weight(leaf.from, end);
    const isTelling = found !== null && (isWhole || matcher.weight(found.from, found.to) >= WEIGHT_MIN);
    if (found !== null && isTelling) yield found;
    at = found !== null && isTelling ? found.to : at + 1;
  }
}

function causeOf(leaf: Leaf, found: Found, from: SourceText | undefined): Cause | null {
  const first = leaf.words[found.from - leaf.from];
  const last = leaf.words[found.to - leaf.from - 1];
  if (first === undefined || last === undefined || from === undefined) return null;
  const around = aroundOf(from.text, found.start, found.end);
  return { path: leaf.path, start: first.start, end: last.end, from: from.source, around };
}

/** The words around a place, never cut inside of a character; of a long place its beginning. */
function aroundOf(text: string, start: number, end: number): Cause["around"] {
  const shownEnd = Math.min(end, wholeAt(text, start + SHOWN_CHARS));
  const from = wholeAt(text, Math.max(0, start - AROUND_CHARS));
  const to = wholeAt(text, Math.min(text.length, shownEnd + AROUND_CHARS));
  return { text: text.slice(from, to), start: start - from, end: shownEnd - from };
}

/** The same place, or the one before it where it would part a pair of surrogates. */
function wholeAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff && at > 0 ? at - 1 : at;
}

// ---- values

/** The texts and numbers of a value with their JSON pointers, as many as are searched. */
function leavesOf(input: JsonValue): readonly Leaf[] {
  const leaves: Leaf[] = [];
  let words = 0;
  const add = (path: string, text: string): void => {
    if (leaves.length >= limits.causeLeaves || words >= limits.causeWords) return;
    const found = wordsOf(text.slice(0, limits.causeLeafChars), limits.causeWords - words);
    if (found.length === 0) return;
    leaves.push({ path, text, words: found, from: words });
    words += found.length;
  };
  const walk = (value: JsonValue, path: string, depth: number): void => {
    if (leaves.length >= limits.causeLeaves || depth > DEPTH_MAX) return;
    if (typeof value === "string") add(path, value);
    else if (typeof value === "number") add(path, String(value));
    else if (Array.isArray(value))
      for (const [i, item] of value.entries()) walk(item as JsonValue, `${path}/${i}`, depth + 1);
    else if (isJsonObject(value))
      for (const [key, item] of Object.entries(value)) walk(item, `${path}/${pointerKey(key)}`, depth + 1);
  };
  walk(input, "", 0);
  return leaves;
}

function pointerKey(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A value as text to search in: a text as it is, of anything else a line for each member, `key: value`. */
export function searchText(value: JsonValue): string {
  if (typeof value === "string") return value;
  const lines: string[] = [];
  let left: number = limits.causeSourceChars;
  const walk = (one: JsonValue, key: string, depth: number): void => {
    if (left <= 0 || depth > DEPTH_MAX) return;
    if (Array.isArray(one)) for (const item of one as readonly JsonValue[]) walk(item, key, depth + 1);
    else if (isJsonObject(one)) for (const [name, item] of Object.entries(one)) walk(item, name, depth + 1);
    else {
      const text = typeof one === "string" ? one : JSON.stringify(one);
      const line = key === "" ? text : `${key}: ${text}`;
      lines.push(line);
      left -= line.length;
    }
  };
  walk(value, "", 0);
  return lines.join("\n");
}
