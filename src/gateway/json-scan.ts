import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;
const MINUS = 0x2d;

const FORBIDDEN = new Set(["__proto__", "constructor"]);
const NUMBER = /[-+.0-9eE]*/y;

/**
 * Refuses JSON text that could hurt whoever parses or keeps it, before anybody does: too deep, too many keys, keys given
 * twice, `__proto__`, numbers that no double holds, half surrogate pairs. One pass without recursion; the grammar itself
 * is left to JSON.parse.
 * @throws BODY_INVALID
 */
export function scanJson(text: string, textChars: number = limits.jsonTextChars): void {
  const scan = new JsonScan(text, textChars);
  scan.run();
}

class JsonScan {
  readonly #text: string;
  readonly #textChars: number;
  /** Keys of each open object; null for a list. */
  readonly #open: (Set<string> | null)[] = [];
  #at = 0;
  #keys = 0;
  #expectsKey = false;

  constructor(text: string, textChars: number) {
    this.#text = text;
    this.#textChars = textChars;
  }

  run(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      const unit = text.charCodeAt(this.#at);
      if (unit === QUOTE) this.#string();
      else if (unit === MINUS || (unit >= 0x30 && unit <= 0x39)) this.#number();
      else {
        this.#mark(unit);
        this.#at++;
      }
    }
  }

  #mark(unit: number): void {
    if (unit === OPEN_OBJECT || unit === OPEN_LIST) {
      if (this.#open.length >= limits.jsonDepth) refuse(`nested deeper than ${limits.jsonDepth} levels`);
      this.#open.push(unit === OPEN_OBJECT ? new Set() : null);
      this.#expectsKey = unit === OPEN_OBJECT;
    } else if (unit === CLOSE_OBJECT || unit === CLOSE_LIST) {
      this.#open.pop();
      this.#expectsKey = false;
    } else if (unit === COMMA) {
      this.#expectsKey = this.#open.at(-1) instanceof Set;
      // every comma is one more value: lists count as keys do
      if (!this.#expectsKey) this.#count();
    }
  }

  #string(): void {
    const text = this.#text;
    const start = this.#at;
    let hasEscape = false;
    let at = start + 1;
    for (; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) break;
      if (unit !== BACKSLASH) continue;
      hasEscape = true;
      at++;
    }
    this.#at = at + 1;
    const raw = text.slice(start, at + 1);
    const isKey = this.#expectsKey;
    if (raw.length > (isKey ? limits.jsonKeyChars : this.#textChars)) {
      refuse(
        isKey
          ? `a key is longer than ${limits.jsonKeyChars} characters`
          : `a text is longer than ${this.#textChars} characters`,
      );
    }
    const value = hasEscape ? unescaped(raw) : raw.slice(1, -1);
    if (hasEscape && !value.isWellFormed()) refuse("half of a surrogate pair");
    if (isKey) this.#key(value);
  }

  #key(key: string): void {
    this.#expectsKey = false;
    this.#count();
    const keys = this.#open.at(-1);
    if (FORBIDDEN.has(key)) refuse(`the key "${key}" is not allowed`);
    if (keys?.has(key) === true) refuse(`the key "${key.slice(0, 60)}" stands twice in one object`);
    keys?.add(key);
  }

  #count(): void {
    if (++this.#keys > limits.jsonKeys) refuse(`more than ${limits.jsonKeys} keys and items`);
  }

  #number(): void {
    NUMBER.lastIndex = this.#at;
    const digits = NUMBER.exec(this.#text)?.[0] ?? "";
    this.#at += Math.max(1, digits.length);
    if (digits.length > limits.jsonNumberChars) refuse(`a number of ${digits.length} characters`);
    if (!Number.isFinite(Number(digits)) && /^-?[0-9]/.test(digits)) refuse(`the number ${digits} is not finite`);
  }
}

/** A broken escape is left to JSON.parse, which refuses it. */
function unescaped(raw: string): string {
  try {
    return String(JSON.parse(raw));
  } catch {
    return raw;
  }
}

function refuse(found: string): never {
  throw new PawlError("BODY_INVALID", `the body is refused: ${found}.`);
}
