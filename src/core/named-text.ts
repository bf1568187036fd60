/**
 * Whether a text names a value: as a whole, bounded by what ends a word, letter case and spacing aside. It decides what a
 * person has asked for, so every doubt is a no. Linear in the text.
 */
export class NamedText {
  readonly #text: string;
  readonly #numbers: ReadonlySet<number>;

  constructor(texts: readonly string[]) {
    this.#text = texts.map(folded).join("\n");
    this.#numbers = numbersIn(this.#text);
  }

  names(value: string | number): boolean {
    if (typeof value === "number") return this.#numbers.has(value);
    const wanted = folded(value);
    if (wanted === "") return false;
    if (/^-?\d+(\.\d+)?$/.test(wanted) && wanted.length < LONG_NUMBER) return this.#numbers.has(Number(wanted));
    for (let at = this.#text.indexOf(wanted); at >= 0; at = this.#text.indexOf(wanted, at + 1))
      if (this.#isWhole(at, at + wanted.length)) return true;
    return false;
  }

  #isWhole(start: number, end: number): boolean {
    const first = this.#text[start] ?? "";
    const last = this.#text[end - 1] ?? "";
    return (
      (startsWord.test(this.#text.slice(Math.max(0, start - 2), start)) || unspaced.test(first)) &&
      (endsWord.test(this.#text.slice(end, end + 2)) || unspaced.test(last))
    );
  }
}

/** Digits from here on are a name (an account, a phone), not a quantity. */
const LONG_NUMBER = 7;
/** Scripts that put no space between words. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;
/** What may stand before a name: nothing, a space, a quote, a bracket, a list's comma; never a part of a longer name. */
const startsWord = /(?:^|[\s"'`“”‘’«»„(){}[\]<>,;!?|*]|[\s\p{L}\p{N}]:)$/u;
/** What may stand after it; a full stop or a colon only where no name goes on behind it. */
const endsWord = /^(?:$|[\s"'`“”‘’«»„(){}[\]<>,;!?|*]|[.:…](?:$|[\s"'`“”‘’»)\]]))/u;
/** A quantity standing alone: no list marker, no part of a date, a time, a version or a name. */
const quantity =
  /(?<![\p{L}\p{N}_.,:/#@%+-])[-−]?[$€£¥]?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\p{L}\p{N}_:/@-]|[.)]\s|[.,]\d)/gu;

function numbersIn(text: string): ReadonlySet<number> {
  const found = new Set<number>();
  for (const [whole, digits] of text.matchAll(quantity))
    found.add(Number(digits?.replaceAll(",", "")) * (/^[-−]/.test(whole) ? -1 : 1));
  return found;
}

// oxlint-disable-next-line no-misleading-character-class -- each is removed on its own
const invisible = /[\u00AD\u180E\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFE00-\uFE0F\uFEFF]/g;

/** The form in which values are compared: compatible characters, letter case, spacing and what nobody sees made equal. */
export function folded(text: string): string {
  return text.normalize("NFKC").replaceAll(invisible, "").toLowerCase().replaceAll(/\s+/g, " ").trim();
}
