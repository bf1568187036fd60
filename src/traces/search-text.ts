// Words of a query and of what is searched, brought to one form. Pure; nothing here knows SQLite but the quoting of a term.

/** Text as it is compared: lower case, compatibility forms joined, marks of Latin, Greek, Cyrillic, Arabic and Hebrew off. */
export function searchable(text: string): string {
  const plain = withoutReserved(text);
  return isAscii(plain) ? plain.toLowerCase() : folded(plain);
}

// oxlint-disable-next-line no-control-regex -- NUL ends a text for SQLite
const reserved = /[\u0000\uE000]/g;

/** U+E000 begins the mark of a tenant. */
function withoutReserved(text: string): string {
  return text.replaceAll(reserved, " ");
}

function folded(text: string): string {
  return text.normalize("NFKD").replaceAll(strippedMarks, "").normalize("NFC").toLowerCase();
}

// oxlint-disable-next-line no-control-regex -- the whole of ASCII
const ascii = /^[\u0000-\u007F]*$/;
const strippedMarks = /[\u0300-\u036F\u0591-\u05C7\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06ED\u0640]/g;

function isAscii(text: string): boolean {
  return ascii.test(text);
}

/** One folded piece for each code point, so that a place in the folded text leads back to the original. Slow. */
function foldedUnits(text: string): string[] {
  const units: string[] = [];
  for (const point of text) {
    units.push(point < "\u0080" ? point.toLowerCase() : folded(point));
  }
  return units;
}

/** Scripts that are written without spaces, or whose words are often two signs long. */
const denseRun =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30FC\u3005]+/gu;
const word = /[\p{L}\p{N}]+/gu;

/**
 * What the trigrams cannot find: pairs of signs of dense scripts, the last sign of each run alone, and whole words of one
 * or two letters. Each once, between spaces.
 */
export function shortTokens(folded: string): string {
  const tokens = new Set<string>();
  if (!isAscii(folded)) {
    for (const [run] of folded.matchAll(denseRun)) {
      const signs = Array.from(run);
      for (let i = 0; i < signs.length; i++) tokens.add(`${signs[i] ?? ""}${signs[i + 1] ?? ""}`);
    }
  }
  for (const [one] of folded.matchAll(word)) if (one.length <= 2) tokens.add(one);
  return [...tokens].join(" ");
}

/** One thing that a value must contain. `grams` are looked up in the index; `text` is then looked for in the value. */
export interface SearchTerm {
  readonly text: string;
  /** Index that knows it: three signs and more, or less. */
  readonly index: "tri" | "short";
  /** FTS5 expression, quoted: nothing of the query is syntax. */
  readonly match: string;
  /** A short word of letters is found as a whole word only. */
  readonly isWholeWord: boolean;
}

const TERMS_MAX = 16;
const TERM_CHARS_MAX = 256;
const GRAMS_MAX = 16;

/** Words of a query; what stands between double quotes is one. An empty list: the query holds nothing to look for. */
export function termsOf(query: string): readonly SearchTerm[] {
  const folded = searchable(
    query
      .toWellFormed()
      .replaceAll("\0", " ")
      .slice(0, TERMS_MAX * TERM_CHARS_MAX),
  );
  const parts = [...folded.matchAll(/"([^"]+)"|([^\s"]+)/g)].map((part) => (part[1] ?? part[2] ?? "").trim());
  const terms = [...new Set(parts)]
    .slice(0, TERMS_MAX)
    .map((text) => termOf(Array.from(text).slice(0, TERM_CHARS_MAX).join("")));
  return terms.filter((term) => term !== null);
}

/** null for one or two signs that are no word: nothing could be looked up. */
function termOf(text: string): SearchTerm | null {
  const signs = Array.from(text);
  if (signs.length >= 3) return { text, index: "tri", match: trigramMatch(signs), isWholeWord: false };
  const [found] = text.match(word) ?? [];
  if (found === undefined) return null;
  const isDense = found.replaceAll(denseRun, "") === "";
  const prefix = isDense && Array.from(found).length === 1 ? " *" : "";
  return { text, index: "short", match: `${quoted(found)}${prefix}`, isWholeWord: !isDense };
}

/** Trigrams beside one another, not overlapping: what they let through too much is compared with the text anyway. */
function trigramMatch(signs: readonly string[]): string {
  const grams = new Set<string>();
  for (let i = 0; i + 3 <= signs.length && grams.size < GRAMS_MAX; i += 3) grams.add(signs.slice(i, i + 3).join(""));
  grams.add(signs.slice(-3).join(""));
  return [...grams].map(quoted).join(" AND ");
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

/** Where a term stands in a folded text; -1 = nowhere. */
export function placeOf(term: SearchTerm, folded: string): number {
  if (!term.isWholeWord) return folded.indexOf(term.text);
  for (let at = folded.indexOf(term.text); at >= 0; at = folded.indexOf(term.text, at + 1)) {
    const before = folded.slice(0, at);
    const after = folded.slice(at + term.text.length);
    if (!/[\p{L}\p{N}]$/u.test(before.slice(-2)) && !/^[\p{L}\p{N}]/u.test(after.slice(0, 2))) return at;
  }
  return -1;
}

export function hasAll(terms: readonly SearchTerm[], folded: string): boolean {
  return terms.every((term) => placeOf(term, folded) >= 0);
}

const AROUND_CHARS = 60;

/** The words around the first term, of the original text, in one line. */
export function snippetOf(terms: readonly SearchTerm[], text: string): string {
  const [first] = terms;
  if (first === undefined) return "";
  const units = isAscii(text) ? null : foldedUnits(text);
  const at = placeOf(first, units === null ? text.toLowerCase() : units.join(""));
  if (at < 0) return oneLine(text.slice(0, 2 * AROUND_CHARS));
  const [from, to] =
    units === null ? [at, at + first.text.length] : originalPlace(text, units, [at, at + first.text.length]);
  const start = Math.max(0, from - AROUND_CHARS);
  const end = Math.min(text.length, to + AROUND_CHARS);
  const cut = text.slice(start, end).toWellFormed();
  return oneLine(`${start > 0 ? "…" : ""}${cut}${end < text.length ? "…" : ""}`);
}

function originalPlace(
  text: string,
  units: readonly string[],
  [from, to]: readonly [number, number],
): readonly [number, number] {
  let folded = 0;
  let original = 0;
  let start = -1;
  let i = 0;
  for (const point of text) {
    const size = units[i++]?.length ?? 0;
    if (start < 0 && folded + size > from) start = original;
    folded += size;
    original += point.length;
    if (folded >= to) return [Math.max(0, start), original];
  }
  return [Math.max(0, start), original];
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
