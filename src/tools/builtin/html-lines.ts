import { Parser } from "htmlparser2";

const HEADING = /^h([1-6])$/;
const UNSEEN = new Set(["script", "style", "template", "noscript", "svg", "iframe", "object"]);
const INLINE = new Set([
  "a",
  "abbr",
  "b",
  "code",
  "em",
  "i",
  "kbd",
  "mark",
  "small",
  "span",
  "strong",
  "sub",
  "sup",
  "u",
]);
const HIDING_STYLE =
  /display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:opacity|font-size|max-height|max-width)\s*:\s*0(?![.\d]*[1-9])|(?:left|top|right|text-indent)\s*:\s*-\d{3}|(?<![\w-])color\s*:\s*transparent/i;

/** Is told what is read and what is not. */
export interface HtmlReader {
  /** An element, comment or attribute that nobody sees, by kind. */
  dropped(what: string): void;
  opened(name: string, attributes: { readonly [name: string]: string }): void;
  closed(name: string): void;
  read(text: string): void;
}

/**
 * The readable text of an HTML page, line by line of the ORIGINAL file: what stands in line 12 of the file stands in
 * line 12 of the result, so that a citation leads there. Headings, list items and rows of tables get the marks of Markdown; scripts,
 * styles and hidden elements leave their lines empty.
 */
export function htmlLines(html: string, reader?: HtmlReader): string[] {
  const writer = new LineWriter(html);
  let hiddenDepth = 0;
  let mark = "";
  const parser = new Parser({
    onopentag(name, attributes) {
      if (hiddenDepth > 0 || isHidden(name, attributes)) {
        if (hiddenDepth === 0) reader?.dropped(UNSEEN.has(name) ? name : "hidden element");
        hiddenDepth++;
        return;
      }
      if (name === "meta") reader?.dropped(name);
      for (const attribute of ["alt", "title"]) if (attribute in attributes) reader?.dropped(attribute);
      reader?.opened(name, attributes);
      const found = markBefore(name);
      if (found.length >= mark.length) mark = found;
    },
    onclosetag(name) {
      if (hiddenDepth > 0) {
        hiddenDepth--;
        return;
      }
      reader?.closed(name);
      if (name === "td" || name === "th") writer.write(parser.startIndex, " | ");
      else if (!INLINE.has(name) && mark === "") mark = " ";
    },
    ontext(text) {
      if (hiddenDepth > 0) return;
      reader?.read(text);
      // A mark waits for the words that it belongs to: a tag may end lines before them
      const space = text.length - text.trimStart().length;
      if (space === text.length) return writer.write(parser.startIndex, text);
      writer.write(parser.startIndex, `${text.slice(0, space)}${mark}${text.slice(space)}`);
      mark = "";
    },
    oncomment: () => reader?.dropped("comment"),
  });
  parser.end(html);
  return writer.lines();
}

function isHidden(name: string, attributes: { readonly [name: string]: string }): boolean {
  const { hidden, style = "" } = attributes;
  return UNSEEN.has(name) || hidden !== undefined || attributes["aria-hidden"] === "true" || HIDING_STYLE.test(style);
}

function markBefore(name: string): string {
  const level = name === "title" ? "1" : HEADING.exec(name)?.[1];
  if (level !== undefined) return `${"#".repeat(Number(level))} `;
  if (name === "li") return "- ";
  if (name === "tr") return "| ";
  return INLINE.has(name) ? "" : " ";
}

/** Puts pieces of text, which come in order of their place in the file, into the file's lines. */
class LineWriter {
  readonly #html: string;
  readonly #lines: string[];
  #place = 0;
  #line = 0;

  constructor(html: string) {
    this.#html = html;
    this.#lines = Array.from({ length: html.split("\n").length }, () => "");
  }

  write(place: number, text: string): void {
    let next = this.#html.indexOf("\n", this.#place);
    while (next !== -1 && next < place) {
      this.#line++;
      this.#place = next + 1;
      next = this.#html.indexOf("\n", this.#place);
    }
    for (const [i, piece] of text.split("\n").entries()) {
      const line = Math.min(this.#line + i, this.#lines.length - 1);
      this.#lines[line] = `${this.#lines[line] ?? ""}${piece}`;
    }
  }

  lines(): string[] {
    return this.#lines.map((line) => line.replace(/\s+/g, " ").trim());
  }
}
