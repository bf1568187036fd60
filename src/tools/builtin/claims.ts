/** A place that an answer cites, as it stands in the text. */
export interface Citation {
  /** As written: `docs/guide.md:3-7`. */
  readonly text: string;
  readonly file: string;
  readonly firstLine: number;
  readonly lastLine: number;
  /** Index in the answer just behind it. */
  readonly end: number;
}

/** A sentence or a bullet that states something. */
export interface Claim {
  readonly text: string;
  readonly citations: number;
}

/** `name.ext:12`, `dir/name.ext:3-7`; a name with spaces or without a dot counts where it was read. */
const CITATION =
  /(?<![\p{L}\p{N}./@:-])((?:\.{0,2}\/)?[\p{L}\p{N}_][\p{L}\p{N}_./@+-]*\.[\p{L}][\p{L}\p{N}]*):(\d+)(?:[-–](\d+))?(?![\p{N}])/gu;
const LINES = /^:(\d+)(?:[-–](\d+))?(?!\p{N})/u;
/** A host and its port look like a file and its line. */
const HOST = /\.(com|org|net|io|dev|local|localhost|internal|example|test)$/i;

/** @param known files that were read, found whatever their names look like */
export function citationsIn(answer: string, known: readonly string[]): readonly Citation[] {
  const found = new Map<number, Citation>();
  for (const file of known) {
    for (let at = answer.indexOf(`${file}:`); at !== -1; at = answer.indexOf(`${file}:`, at + 1)) {
      const lines = LINES.exec(answer.slice(at + file.length, at + file.length + 40));
      const isWhole = at === 0 || !/[\p{L}\p{N}_./-]/u.test(answer[at - 1] ?? "");
      if (lines !== null && isWhole) add(found, { file, at, text: file + lines[0], first: lines[1], last: lines[2] });
    }
  }
  for (const { 0: text, 1: file = "", 2: first, 3: last, index } of answer.matchAll(CITATION)) {
    const end = index + text.length;
    if (!found.has(end) && !HOST.test(file)) add(found, { file, at: index, text, first, last });
  }
  return [...found.values()].toSorted((a, b) => a.end - b.end);
}

function add(
  found: Map<number, Citation>,
  one: { file: string; at: number; text: string; first: string | undefined; last: string | undefined },
): void {
  const firstLine = Number(one.first);
  const end = one.at + one.text.length;
  found.set(end, { text: one.text, file: one.file, firstLine, lastLine: Number(one.last ?? firstLine), end });
}

const NOT_A_CLAIM = /^(#|```|~~~|[-*_=]{3,}$|\|?[\s:|-]+\|?$|>?\s*$)/;
const BULLET = /^\s*(?:[-*+•]|\d+[.)])\s+/;
const SENTENCE_END =
  /(?<=[.!?…]["'”’)\]]*)(?<!\b(?:e\.g|i\.e|cf|vs|No|Fig|Dr|Mrs?|Ms|approx)\.)\s+(?=["'“‘([*_`]*[\p{Lu}\p{N}])/u;
const LETTERS = /\p{L}{2}/u;

/**
 * What an answer claims, each with the number of its citations. A citation behind the full stop belongs to the sentence
 * before it; a bullet is one claim, whatever it holds.
 */
export function claimsOf(answer: string, known: readonly string[]): readonly Claim[] {
  const claims: Claim[] = [];
  let isCode = false;
  for (const block of blocksOf(answer)) {
    if (/^\s*(```|~~~)/.test(block)) isCode = !isCode;
    if (isCode || NOT_A_CLAIM.test(block.trim())) continue;
    const sentences = BULLET.test(block) ? [block.replace(BULLET, "")] : sentencesOf(block);
    for (const sentence of sentences) {
      // "It is hot. (a.md:3) It is cold." splits before the bracket, which belongs to what it follows
      const lead = LEADING_BRACKET.exec(sentence)?.[0] ?? "";
      for (const part of isOnlyCitations(lead, known) ? [lead, sentence.slice(lead.length)] : [sentence]) {
        addPart(claims, part, known);
      }
    }
  }
  return claims.filter(({ text, citations }) => citations > 0 || isClaim(text));
}

/** Lines of one paragraph belong together; a bullet goes on in the indented lines below it. */
function blocksOf(answer: string): readonly string[] {
  const blocks: string[] = [];
  let isOpen = false;
  for (const line of answer.split("\n")) {
    const isNew = !isOpen || BULLET.test(line) || NOT_A_CLAIM.test(line.trim());
    if (isNew) blocks.push(line);
    else blocks[blocks.length - 1] = `${blocks.at(-1)} ${line.trim()}`;
    isOpen = !NOT_A_CLAIM.test(line.trim());
  }
  return blocks;
}

/** A quotation of several sentences stays whole. */
function sentencesOf(block: string): readonly string[] {
  const sentences: string[] = [];
  for (const piece of block.split(SENTENCE_END)) {
    const before = sentences.at(-1) ?? "";
    const isQuoting = (before.match(/["“”]/g) ?? []).length % 2 === 1;
    if (isQuoting) sentences[sentences.length - 1] = `${before} ${piece}`;
    else sentences.push(piece);
  }
  return sentences;
}

const LEADING_BRACKET = /^\s*[([][^()[\]]{1,400}[)\]]/;

function addPart(claims: Claim[], part: string, known: readonly string[]): void {
  const citations = citationsIn(part, known).length;
  const before = claims.at(-1);
  if (before !== undefined && isOnlyCitations(part, known)) {
    claims[claims.length - 1] = { ...before, citations: before.citations + citations };
  } else claims.push({ text: part.trim(), citations });
}

function isOnlyCitations(text: string, known: readonly string[]): boolean {
  const citations = citationsIn(text, known);
  if (citations.length === 0) return false;
  let rest = text;
  for (const citation of citations) rest = rest.replace(citation.text, "");
  return !LETTERS.test(rest.replaceAll(/\b(and|see|source|sources)\b/gi, ""));
}

const SOURCES = "(?:documents?|docs|documentation|files?|folder|sources?|passages?)";
const HOLD =
  "(?:hold|contain|say|mention|state|give|have|cover|include|describe|answer|tell|specify|provide|explain)s?";
/** "The documents hold no answer", "the sources do not say …", "nothing in the documents …", "I found no passage". */
const NO_ANSWER = new RegExp(
  `\\b${SOURCES}\\b[^.!?]{0,40}\\b(?:(?:do|does|did)(?: not|n['’]t) ${HOLD}|${HOLD} (?:no|nothing|neither)\\b)` +
    `|\\b(?:nothing|no (?:answer|information|mention|passage))\\b[^.!?]{0,60}\\b(?:in|from|by) (?:the|these|any) ${SOURCES}\\b` +
    `|\\bfound (?:no|nothing)\\b|\\b(?:could|can|did)(?: not|n['’]t|not) find\\b`,
  "i",
);
const OF_THE_SEARCH =
  /^(i|we) (have )?(searched|looked|read|tried|checked)\b|^(searched for|looked for|words tried)\b/i;

function isClaim(text: string): boolean {
  const plain = text.replaceAll(/[*_`]/g, "").trim();
  if (!LETTERS.test(plain)) return false;
  return !plain.endsWith(":") && !plain.endsWith("?") && !NO_ANSWER.test(plain) && !OF_THE_SEARCH.test(plain);
}
