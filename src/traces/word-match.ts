/** A word of a text, with its place in it. `weight`: what it says by itself about where it came from. */
export interface Word {
  readonly start: number;
  readonly end: number;
  readonly key: string;
  /** 0 trivial, 0.5 short, 1 telling. */
  readonly weight: number;
}

// Words of scripts without spaces are taken character by character; a long run of letters in pieces, so that a megabyte
// without a space costs what a megabyte with spaces does. Every quantifier is bounded and no two alternatives overlap.
// An address, an e-mail address and an id with digits (INV-7, 2026-11-22) are one word: half of it is another one's.
const WORD =
  /(?<dense>[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30FC\u3005])|(?<name>https?:\/\/[^\s"'<>()[\]{}|\\^`]{0,500}[^\s"'<>()[\]{}|\\^`.,;:!?]|(?<![\w.%+-])[\w.%+-]{1,40}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}|(?<![\w-])(?=[A-Za-z_-]{0,20}\d)\w{1,32}(?:-\w{1,32}){1,8}(?![\p{L}\p{N}]))|(?<number>\p{Nd}{1,40}(?:[.,:]\p{Nd}{1,40}){0,8})|[\p{L}\p{M}\p{N}_]{1,64}/gu;

const SHORT_LETTERS = 3;
const TELLING_DIGITS = 3;
/** Words that stand everywhere and say nothing about a source; those of one and two letters are trivial anyway. */
const trivial = new Set(
  (
    "the and for with that this from have has had not are was were been will would can could should may you your our their they them his her its " +
    "but all any out into about over then than what when where which who how why there here also just only more most some such very yes true false null none undefined please " +
    "der die das den dem des ein eine einen einem einer und oder nicht ist sind war mit von für auf aus bei nach über auch nur noch wie was wer wird werden haben sich ihr sie wir bitte " +
    "les des une dans pour avec sur par est sont pas que qui plus aux ces cette nous vous ils elle " +
    "los las del una con por para que como más sus este esta son fue"
  ).split(" "),
);

/** The words of a text in order, at most `wordsMax`. Linear in the text, whatever it is. */
export function wordsOf(text: string, wordsMax: number): readonly Word[] {
  const words: Word[] = [];
  for (const match of text.matchAll(WORD)) {
    if (words.length >= wordsMax) break;
    const [raw] = match;
    const isDense = match.groups?.["dense"] !== undefined;
    const isNumber = match.groups?.["number"] !== undefined;
    const key = isNumber ? amountOf(raw) : folded(raw);
    words.push({ start: match.index, end: match.index + raw.length, key, weight: weightOf(raw, isDense) });
  }
  return words;
}

/** The same amount is the same word, however it is written: 1,950.00 and 1.950,00 and 1950; 19.50 and 19,5. */
function amountOf(raw: string): string {
  const isComma = /^\d+,\d{1,2}$|^\d{1,3}(?:\.\d{3})+,\d{1,2}$/.test(raw);
  const plain = isComma ? raw.replaceAll(".", "").replace(",", ".") : raw.replaceAll(/,(?=\p{Nd}{3})/gu, "");
  return /^\d+\.\d+$/.test(plain) ? plain.replace(/\.?0{1,40}$/, "") : plain;
}

const ascii = /^[\x20-\x7e]*$/;

/** The same word in another case or another composition of its characters is the same word. */
function folded(word: string): string {
  return ascii.test(word) ? word.toLowerCase() : word.normalize("NFKC").toLowerCase();
}

function weightOf(raw: string, isDense: boolean): number {
  if (isDense) return 0.5;
  if (!/\p{L}/u.test(raw)) return raw.replaceAll(/\P{Nd}/gu, "").length >= TELLING_DIGITS ? 1 : 0;
  const key = folded(raw);
  if (key.length < SHORT_LETTERS || trivial.has(key)) return 0;
  return key.length === SHORT_LETTERS ? 0.5 : 1;
}

/** Words `from` to `to` (exclusive) of what was asked, found at words `at` and on of a text. */
export interface Found {
  readonly text: number;
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
}

interface Scanned {
  /** Ids of the words by the vocabulary of what is searched for; -1 for others. */
  readonly ids: Int32Array;
  readonly words: readonly Word[];
}

/** Places at which a group of words is remembered: of more, only the earliest are compared. */
const PLACES_MAX = 8;
const GRAM_WORDS = 3;

/**
 * Finds where the words of one text stand in others: for each place the longest run of the same words, the earliest text
 * first. What is searched for makes the index, so that long texts are only read through; every place of it is compared
 * with at most eight of each text's, which keeps hostile repetition linear.
 */
export class WordMatcher {
  readonly #asked: readonly Word[];
  readonly #ids: Int32Array;
  readonly #vocabulary = new Map<string, number>();
  /** By group of one, two and three words: where it stands in the texts. null: it stands nowhere yet. */
  readonly #places = new Map<number, { readonly text: number; readonly at: number }[]>();
  readonly #texts: Scanned[] = [];
  /** Words that were compared so far: what a search has cost. */
  compared = 0;

  constructor(asked: readonly Word[]) {
    this.#asked = asked;
    for (const { key } of asked) if (!this.#vocabulary.has(key)) this.#vocabulary.set(key, this.#vocabulary.size);
    this.#ids = Int32Array.from(asked, ({ key }) => this.#vocabulary.get(key) ?? -1);
    for (let i = 0; i < asked.length; i++) {
      for (let size = 1; size <= GRAM_WORDS && i + size <= asked.length; size++)
        this.#places.set(this.#gram(this.#ids, i, size), []);
    }
  }

  /** Reads a text in which words may be found. Texts are numbered in this order. */
  add(words: readonly Word[]): void {
    const text = this.#texts.length;
    const ids = Int32Array.from(words, ({ key }) => this.#vocabulary.get(key) ?? -1);
    this.#texts.push({ ids, words });
    for (let at = 0; at < ids.length; at++) {
      for (let size = 1; size <= GRAM_WORDS && at + size <= ids.length && ids[at + size - 1] !== -1; size++) {
        const places = this.#places.get(this.#gram(ids, at, size));
        if (places !== undefined && places.length < PLACES_MAX) places.push({ text, at });
      }
    }
  }

  /** One number for a group of words: the sizes of vocabularies that are asked for keep it exact. */
  #gram(ids: Int32Array, at: number, size: number): number {
    const base = this.#vocabulary.size + 1;
    let gram = 0;
    for (let i = at; i < at + size; i++) gram = gram * base + (ids[i] ?? -1) + 1;
    return gram;
  }

  /** The longest run that begins at word `from` and ends before `to`; null where the word stands nowhere. */
  longest(from: number, to: number): Found | null {
    for (let size = Math.min(GRAM_WORDS, to - from); size >= 1; size--) {
      const places = this.#places.get(this.#gram(this.#ids, from, size)) ?? [];
      let best: Found | null = null;
      for (const place of places) {
        const found = this.#extended(place, from, to);
        if (found !== null && (best === null || found.to > best.to)) best = found;
      }
      if (best !== null) return best;
    }
    return null;
  }

  #extended({ text, at }: { readonly text: number; readonly at: number }, from: number, to: number): Found | null {
    const scanned = this.#texts[text];
    if (scanned === undefined) return null;
    let count = 0;
    while (from + count < to && this.#ids[from + count] === scanned.ids[at + count]) count++;
    this.compared += count + 1;
    return this.#trimmed({ text, at, from, to: from + count });
  }

  /** Without trivial words at its ends; null where nothing telling is left. */
  #trimmed({ text, at, from, to }: { text: number; at: number; from: number; to: number }): Found | null {
    const shift = at - from;
    let [first, last] = [from, to];
    while (first < last && this.#asked[first]?.weight === 0) first++;
    while (last > first && this.#asked[last - 1]?.weight === 0) last--;
    const words = this.#texts[text]?.words;
    const [begin, end] = [words?.[first + shift], words?.[last + shift - 1]];
    if (first === last || begin === undefined || end === undefined) return null;
    return { text, from: first, to: last, start: begin.start, end: end.end };
  }

  weight(from: number, to: number): number {
    let sum = 0;
    for (let i = from; i < to; i++) sum += this.#asked[i]?.weight ?? 0;
    return sum;
  }
}
