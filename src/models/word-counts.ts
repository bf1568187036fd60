/** Places for words; one that is taken is taken over. */
const SLOTS = 16_384;
/** Words of one piece that may be counted one by one: each costs a call of the tokenizer. */
const NEW_WORDS_MAX = 4;
const SPACE = 32;
const LAST_ASCII = 126;

/**
 * Token counts of words seen before: most words of a text are. A word is what stands between single spaces in ASCII,
 * with the space before it: a byte-pair tokenizer never joins what is parted there, so the sum is exact. Words are known
 * by two hashes of 32 bits and are never cut out of the text, which is what counting them costs.
 */
export class WordCounts {
  readonly #count: (text: string) => number;
  readonly #first = new Int32Array(SLOTS);
  readonly #second = new Int32Array(SLOTS);
  /** 0 = empty. */
  readonly #tokens = new Uint16Array(SLOTS);

  /** @param count by the tokenizer */
  constructor(count: (text: string) => number) {
    this.#count = count;
  }

  /** @param piece a few hundred characters: a word is no longer */
  tokensOf(piece: string): number {
    let tokens = 0;
    let newWords = 0;
    for (let start = 0; start < piece.length;) {
      let first = 0x811c9dc5;
      let second = 5_381;
      let end = start;
      do {
        const code = piece.charCodeAt(end);
        first = Math.imul(first ^ code, 0x01000193);
        second = (Math.imul(second, 33) + code) | 0;
        end++;
      } while (end < piece.length && !isParting(piece, end));
      const slot = (first ^ (second >>> 13)) & (SLOTS - 1);
      let known = this.#first[slot] === first && this.#second[slot] === second ? (this.#tokens[slot] ?? 0) : 0;
      if (known === 0) {
        if (newWords++ >= NEW_WORDS_MAX) return tokens + this.#count(piece.slice(start));
        known = this.#count(piece.slice(start, end));
        this.#first[slot] = first;
        this.#second[slot] = second;
        this.#tokens[slot] = known;
      }
      tokens += known;
      start = end;
    }
    return tokens;
  }
}

/** True at a space with something visible on both sides. */
function isParting(text: string, at: number): boolean {
  return text.charCodeAt(at) === SPACE && isVisible(text.charCodeAt(at - 1)) && isVisible(text.charCodeAt(at + 1));
}

function isVisible(code: number): boolean {
  return code > SPACE && code <= LAST_ASCII;
}
