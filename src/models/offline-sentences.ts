import type { Evidence, FileEvidence } from "./offline-evidence.ts";

/** A sentence, list item, table row or line of code, with what stands around it. */
export interface Sentence {
  readonly file: string;
  readonly firstLine: number;
  readonly lastLine: number;
  /** As a person reads it: one line, without the marks of Markdown at its start. */
  readonly text: string;
  /** Headings above, innermost last; for a row of a table also its head, for a list item its introduction. */
  readonly context: readonly string[];
  /** A line of code without a comment. */
  readonly isCode: boolean;
  /** Sentences of one block are neighbours. */
  readonly block: number;
  /** Blocks under one heading. */
  readonly section: string;
}

const HEADING = /^(#{1,6})\s+(.+?)\s*#*$/;
const BULLET = /^\s*(?:[-*+•]|\d+[.)])\s+/;
const TABLE_RULE = /^\s*\|?[\s:|-]+\|?\s*$/;
const COMMENT = /^\s*(#(?!include|define|!)|\/\/|\/?\*|--\s|;;|<!--)/;
const IN_LINE_COMMENT = /\s(#|\/\/|--)\s|"""|\/\*/;
const UNDERLINE = /^(=|-){3,}\s*$/;
const PROSE = /(\.(md|mdx|markdown|rst|adoc|txt|text|html?)|(^|\/)[^./]+)$/i;
const SENTENCE_END =
  /(?<=[.!?…:;]["'”’)*_`]*)(?<!\b(?:e\.g|i\.e|cf|vs|No|Fig|Dr|Mrs?|Ms|approx)\.)\s+(?=["'“‘([*_`]*[\p{Lu}\p{N}])/u;

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
      this.#open = { firstLine: number, lines: [line], context: this.#context(this.#intro) };
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
    for (const sentence of splitSentences(open)) this.#push({ ...sentence, context: open.context });
    const last = open.lines.at(-1)?.trim() ?? "";
    if (!BULLET.test(open.lines[0] ?? "")) this.#intro = last.endsWith(":") ? open.lines.join(" ") : "";
  }

  #push(one: Pick<Sentence, "firstLine" | "lastLine" | "text" | "context"> & { readonly isCode?: boolean }): void {
    const section = this.#context("").join(" > ");
    this.#sentences.push({ isCode: false, ...one, file: this.#file, block: this.#blocks, section });
  }
}

/** The sentences of a block, each with the lines that it stands on. */
function splitSentences({ firstLine, lines }: OpenBlock): readonly Pick<Sentence, "firstLine" | "lastLine" | "text">[] {
  const starts: number[] = [];
  let whole = "";
  for (const line of lines) {
    starts.push(whole.length);
    whole += `${line.trim()} `;
  }
  const lineAt = (index: number): number => firstLine + starts.findLastIndex((start) => start <= index);
  let at = 0;
  return whole.split(SENTENCE_END).flatMap((part) => {
    const from = whole.indexOf(part, at);
    at = from + part.length;
    const text = part.replace(BULLET, "").trim();
    const lastLine = lineAt(from + Math.max(0, part.trimEnd().length - 1));
    return text === "" ? [] : [{ firstLine: lineAt(from), lastLine, text }];
  });
}
