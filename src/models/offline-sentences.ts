import type { Evidence, FileEvidence } from "./offline-evidence.ts";

/** A sentence, list item, table row or line of code, with what stands around it. */
export interface Sentence {
  readonly file: string;
  readonly firstLine: number;
  readonly lastLine: number;
  /** As a person reads it: one line, without the marks of Markdown at its start. The smallest piece, which is scored. */
  readonly text: string;
  /** The same as it is quoted: with its subject, never cut at a colon. */
  readonly quote: Quote;
  /** Headings above, innermost last; for a row of a table also its head, for a list item its introduction. */
  readonly context: readonly string[];
  /** A line of code without a comment. */
  readonly isCode: boolean;
  /** Sentences of one block are neighbours. */
  readonly block: number;
  /** Blocks under one heading. */
  readonly section: string;
}

/** Consecutive words of a document, with the lines that they stand on. */
export interface Quote {
  readonly text: string;
  readonly firstLine: number;
  readonly lastLine: number;
  /** What a mere value is the value of, where that stands in a heading or in the item above; "" where it needs none. */
  readonly subject: string;
}

/** A quotation as it goes into an answer. */
export interface PlacedQuote extends Quote {
  readonly file: string;
}

const HEADING = /^(#{1,6})\s+(.+?)\s*#*$/;
const BULLET = /^\s*(?:[-*+•]|\d+[.)])\s+/;
const TABLE_RULE = /^\s*\|?[\s:|-]+\|?\s*$/;
const COMMENT = /^\s*(#(?!include|define|!)|\/\/|\/?\*|--\s|;;|<!--)/;
const IN_LINE_COMMENT = /\s(#|\/\/|--)\s|"""|\/\*/;
const UNDERLINE = /^(=|-){3,}\s*$/;
const PROSE = /(\.(md|mdx|markdown|rst|adoc|txt|text|html?)|(^|\/)[^./]+)$/i;
/** A value behind a colon belongs to what stands before it. */
const SENTENCE_END =
  /(?:(?<=[.!?…]["'”’)*_`]*)(?<!\b(?:e\.g|i\.e|cf|vs|No|Fig|Dr|Mrs?|Ms|approx)\.)\s+(?=["'“‘([*_`]*[\p{Lu}\p{N}])|(?<=[:;]["'”’)*_`]*)\s+(?=["'“‘([*_`]*\p{Lu}))/u;
/** Where a quotation may end: not at a colon or a semicolon, and not at the abbreviations that stand before numbers. */
const QUOTE_END =
  /(?<=[.!?…]["'”’)*_`]*)(?<!\b(?:e\.g|i\.e|cf|vs|No|Nr|Fig|Dr|Mrs?|Ms|approx|[Aa]vg|[Mm]ax|[Mm]in|est|[Cc]a|incl|excl|pp?)\.)\s+(?=["'“‘([*_`]*[\p{Lu}\p{N}])/u;
/** "11.4 years.", "About 5 million": says nothing about what. */
const ONLY_VALUE =
  /^(?:(?:about|around|approximately|roughly|nearly|almost|over|under|some|ca\.?|at (?:most|least)|up to)\s+)?[€$£~≈<>+-]?\s?(?:(?:EUR|USD|GBP|CHF)\s)?\p{N}[\p{N}.,']*\s?%?(?:\s+[\p{L}°/²³€$£%]+){0,2}[.!;]?$/iu;
const BULLET_QUOTE_CHARS = 320;
const SUBJECT_CHARS = 120;

export function sentencesOf(evidence: Evidence): readonly Sentence[] {
  return [...evidence.files].flatMap(([file, shown]) => new FileReader(file, shown).read());
}

interface OpenBlock {
  readonly firstLine: number;
  readonly lines: string[];
  readonly context: readonly string[];
}

/** Reads the shown lines of one file in order; a gap between them ends a block, and the headings above stay in force. */
class FileReader {
  readonly #file: string;
  readonly #shown: FileEvidence;
  readonly #sentences: Sentence[] = [];
  #trail: { level: number; text: string }[] = [];
  #given = "";
  #open: OpenBlock | null = null;
  #tableHead = "";
  #intro = "";
  /** The items above that a deeper one belongs to, outermost first. */
  #items: { readonly indent: number; readonly text: string }[] = [];
  /** The short paragraph just above, in the same section. */
  #before = "";
  #blocks = 0;
  #isFenced = false;

  constructor(file: string, shown: FileEvidence) {
    this.#file = file;
    this.#shown = shown;
  }

  read(): readonly Sentence[] {
    const numbers = [...this.#shown.lines.keys()].toSorted((a, b) => a - b);
    const isProse = PROSE.test(this.#file);
    let before = -1;
    for (const number of numbers) {
      if (number !== before + 1) this.#gap();
      this.#given = this.#shown.headings.get(number) ?? this.#given;
      const line = this.#shown.lines.get(number) ?? "";
      if (isProse) this.#proseLine(number, line);
      else this.#codeLine(number, line);
      before = number;
    }
    this.#close();
    return this.#sentences;
  }

  /** Comments belong to the line of code below them. */
  #codeLine(number: number, line: string): void {
    if (line.trim() === "") this.#close();
    else {
      this.#open ??= { firstLine: number, lines: [], context: this.#context("") };
      this.#open.lines.push(line);
      if (!COMMENT.test(line)) this.#closeCode(number);
    }
  }

  #closeCode(lastLine: number): void {
    if (this.#open === null) return;
    const { firstLine, lines, context } = this.#open;
    this.#open = null;
    const isCode = lines.length === 1 && !IN_LINE_COMMENT.test(lines[0] ?? "");
    this.#push({ firstLine, lastLine, text: lines.map((line) => line.trim()).join(" "), context, isCode });
  }

  #gap(): void {
    this.#close();
    this.#given = "";
    this.#before = "";
    this.#items = [];
    this.#isFenced = false;
  }

  #proseLine(number: number, line: string): void {
    if (/^\s*(```|~~~)/.test(line)) {
      this.#isFenced = !this.#isFenced;
      this.#close();
    } else if (this.#isFenced) this.#alone(number, line);
    else if (line.trim() === "") {
      this.#close();
      this.#tableHead = "";
    } else if (!this.#heading(number, line)) this.#text(number, line);
  }

  #heading(number: number, line: string): boolean {
    const [, marks, text] = HEADING.exec(line) ?? [];
    const isUnderlined =
      UNDERLINE.test(this.#shown.lines.get(number + 1) ?? "") && /\p{L}/u.test(line) && !line.includes("|");
    if (marks === undefined && !isUnderlined) return UNDERLINE.test(line);
    this.#close();
    const level = marks?.length ?? (this.#shown.lines.get(number + 1)?.startsWith("=") ? 1 : 2);
    this.#trail = [...this.#trail.filter((one) => one.level < level), { level, text: text ?? line.trim() }];
    this.#given = "";
    this.#intro = "";
    this.#before = "";
    this.#items = [];
    return true;
  }

  #text(number: number, line: string): void {
    if (line.trimStart().startsWith("|")) {
      this.#close();
      if (TABLE_RULE.test(line)) return;
      const isHead = TABLE_RULE.test(this.#shown.lines.get(number + 1) ?? "-");
      if (!isHead) this.#alone(number, line, this.#tableHead);
      if (isHead || this.#tableHead === "") this.#tableHead = line;
      return;
    }
    if (BULLET.test(line)) {
      this.#close();
      const above = this.#items.findLast(({ indent }) => indent < line.search(/\S/))?.text ?? this.#intro;
      this.#open = { firstLine: number, lines: [line], context: this.#context(above) };
    } else if (this.#open === null) this.#open = { firstLine: number, lines: [line], context: this.#context("") };
    else this.#open.lines.push(line);
  }

  #context(extra: string): readonly string[] {
    const own = this.#trail.map(({ text }) => text);
    const given = this.#given.split(" > ").filter((text) => text !== "" && !own.includes(text));
    return [...given, ...own, ...(extra === "" ? [] : [extra])];
  }

  #alone(number: number, line: string, extra = ""): void {
    if (line.trim() === "") return;
    this.#blocks += extra === "" ? 0 : 1;
    this.#push({
      firstLine: number,
      lastLine: number,
      text: line.trim().replaceAll(/\s+/g, " "),
      context: this.#context(extra),
    });
  }

  #close(): void {
    const open = this.#open;
    this.#open = null;
    this.#blocks++;
    if (open === null) return;
    const subject = this.#subjectOf(open);
    for (const sentence of splitSentences(open, subject)) this.#push({ ...sentence, context: open.context });
    const last = open.lines.at(-1)?.trim() ?? "";
    if (!BULLET.test(open.lines[0] ?? "")) this.#intro = last.endsWith(":") ? open.lines.join(" ") : "";
  }

  /** What a value that stands alone in the block is the value of: the item or paragraph above it, or its heading. */
  #subjectOf({ lines }: OpenBlock): string {
    const [first = ""] = lines;
    const heading = this.#context("").at(-1) ?? "";
    const text = lines.join(" ").replace(BULLET, "").trim();
    if (!BULLET.test(first)) {
      const subject = this.#before === "" ? heading : this.#before;
      this.#items = [];
      this.#before = text.length <= SUBJECT_CHARS ? text : "";
      return subject;
    }
    const indent = first.search(/\S/);
    this.#items = this.#items.filter((one) => one.indent < indent);
    const above = this.#items.at(-1)?.text ?? this.#intro;
    this.#items.push({ indent, text: text.slice(0, SUBJECT_CHARS) });
    this.#before = "";
    return above === "" ? heading : above;
  }

  #push(one: Pick<Sentence, "firstLine" | "lastLine" | "text" | "context"> & Partial<Sentence>): void {
    const section = this.#context("").join(" > ");
    const { text, firstLine, lastLine } = one;
    const quote = { text, firstLine, lastLine, subject: "" };
    this.#sentences.push({ isCode: false, quote, ...one, file: this.#file, block: this.#blocks, section });
  }
}

/** The sentences of a block, each with the lines that it stands on and with what is quoted for it. */
function splitSentences(
  { firstLine, lines }: OpenBlock,
  subject: string,
): readonly Pick<Sentence, "firstLine" | "lastLine" | "text" | "quote">[] {
  const starts: number[] = [];
  let whole = "";
  for (const line of lines) {
    starts.push(whole.length);
    whole += `${line.trim()} `;
  }
  const lineAt = (index: number): number => firstLine + starts.findLastIndex((start) => start <= index);
  const placed = ({ text: part, from }: Part): Pick<Sentence, "firstLine" | "lastLine" | "text"> => {
    const lastLine = lineAt(from + Math.max(0, part.trimEnd().length - 1));
    return { firstLine: lineAt(from), lastLine, text: part.replace(BULLET, "").trim() };
  };
  const quotes = quotedParts(whole);
  return partsAt(whole, SENTENCE_END).flatMap((part) => {
    const sentence = placed(part);
    if (sentence.text === "") return [];
    const quote = placed(quotes.findLast(({ from }) => from <= part.from) ?? part);
    return [{ ...sentence, quote: { ...quote, subject: ONLY_VALUE.test(quote.text) ? plainSubject(subject) : "" } }];
  });
}

interface Part {
  readonly text: string;
  /** Index in the whole. */
  readonly from: number;
}

function partsAt(whole: string, end: RegExp): readonly Part[] {
  let at = 0;
  return whole.split(end).map((text) => {
    const from = whole.indexOf(text, at);
    at = from + text.length;
    return { text, from };
  });
}

/** A short item is quoted whole; of the rest whole sentences, and a mere value only with the sentence before it. */
function quotedParts(whole: string): readonly Part[] {
  if (BULLET.test(whole) && whole.length <= BULLET_QUOTE_CHARS) return [{ text: whole, from: 0 }];
  const parts: Part[] = [];
  for (const part of partsAt(whole, QUOTE_END)) {
    const before = ONLY_VALUE.test(part.text.trim()) ? parts.pop() : undefined;
    const from = before?.from ?? part.from;
    parts.push({ text: whole.slice(from, part.from + part.text.length), from });
  }
  return parts;
}

function plainSubject(text: string): string {
  return text
    .replace(BULLET, "")
    .replace(/[\s:]+$/, "")
    .slice(0, SUBJECT_CHARS);
}
