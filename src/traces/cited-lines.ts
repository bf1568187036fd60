/** Lines of a file, both ends included. */
export interface CitedPlace {
  readonly file: string;
  readonly from: number;
  readonly to: number;
}

interface LinesAt {
  /** Place in the text, in order. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

const CITATION = /([\p{L}\p{N}_./@+-]{1,200}\.[\p{L}][\p{L}\p{N}]{0,15}):(\d{1,9})(?:[-–](\d{1,9}))?/gu;
const CITATIONS_MAX = 200;
/** `startLine: 3` and the `endLine: 9` below it, and numbered lines as the tools that read files show them. */
const CARRIED = /^(?:startLine: (\d{1,9})(?:\nendLine: (\d{1,9}))?|[ \t]*(\d{1,9})(?:\||\t|→))/gm;
const FILE_HEADER = /^(?:file|path): /gm;
const AFTER = /:(\d{1,9})(?:[-–](\d{1,9}))?/y;
const PART_OF_NAME = /[\p{L}\p{N}_.@+-]/u;
const GOES_ON = /[\p{L}\p{N}_@+/-]|\.[\p{L}\p{N}]/uy;

/** The places that a text cites as `file:3` or `file:3-9`, each once. */
export function citedPlaces(text: string): readonly CitedPlace[] {
  const places = new Map<string, CitedPlace>();
  for (const [cited, file = "", from, to] of text.matchAll(CITATION)) {
    if (places.size >= CITATIONS_MAX) break;
    places.set(cited, { file, from: Number(from), to: Number(to ?? from) });
  }
  return [...places.values()];
}

/** A value as text, with the lines of files that it says it shows. */
export class ShownLines {
  readonly #text: string;
  readonly #carried: readonly LinesAt[];
  readonly #headers: readonly number[];

  constructor(text: string) {
    this.#text = text;
    this.#carried = Array.from(text.matchAll(CARRIED), ({ index, 1: start, 2: end, 3: line }) => {
      const from = Number(start ?? line);
      return { at: index, from, to: start === undefined || end === undefined ? from : Number(end) };
    });
    this.#headers = Array.from(text.matchAll(FILE_HEADER), ({ index }) => index);
  }

  /** Whether it names the file, whole or the end of its path, and, where it says which lines it shows, shows a cited one. */
  has({ file, from, to }: CitedPlace): boolean {
    const mentions = this.#mentions(file);
    let [header, line] = [0, 0];
    for (const [i, at] of mentions.entries()) {
      while ((this.#headers[header] ?? Infinity) <= at) header++;
      const end = Math.min(mentions[i + 1] ?? Infinity, this.#headers[header] ?? Infinity);
      while ((this.#carried[line]?.at ?? Infinity) < at) line++;
      AFTER.lastIndex = at + file.length;
      const told = AFTER.exec(this.#text);
      const lines: { readonly from: number; readonly to: number }[] =
        told === null ? [] : [{ from: Number(told[1]), to: Number(told[2] ?? told[1]) }];
      for (let next = this.#carried[line]; next !== undefined && next.at < end; next = this.#carried[++line])
        lines.push(next);
      if (lines.length === 0 || lines.some((one) => one.from <= to && one.to >= from)) return true;
    }
    return false;
  }

  #mentions(file: string): readonly number[] {
    const found: number[] = [];
    for (let at = this.#text.indexOf(file); at >= 0; at = this.#text.indexOf(file, at + file.length)) {
      GOES_ON.lastIndex = at + file.length;
      if (!PART_OF_NAME.test(this.#text.charAt(at - 1)) && !GOES_ON.test(this.#text)) found.push(at);
    }
    return found;
  }
}
