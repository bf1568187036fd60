import { limits } from "./limits.ts";

/** A value that survives JSON unchanged. Numbers are finite; `undefined` members do not exist. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

export type JsonConversion =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly path: string; readonly found: string };

const DEPTH_MAX = 200;

/** True for plain JSON objects: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Turns any value that user code returns into JSON by fixed rules, so that a replay sees the same value:
 * Date becomes ISO text, -0 becomes 0, half a surrogate pair U+FFFD; `toJSON` is asked once, as JSON does; `undefined` is
 * null at the top and in arrays, and left out as a member. Refused, with the path where they stand: functions, symbols,
 * BigInt, NaN, Infinity, cycles, getters and `toJSON` that throw, more than 200 levels, `limits.jsonValues` values or
 * `limits.blobBytes` characters, and objects whose content is not in their members (Map, Set, Error, RegExp, Promise, binary data, boxed values).
 */
export function toJson(input: unknown): JsonConversion {
  const walk = new JsonWalk();
  try {
    return { ok: true, value: walk.convert(input) ?? null };
  } catch (error) {
    const found = error instanceof NotJson ? error.message : `what throws ${errorText(error)}`;
    return { ok: false, path: walk.path, found };
  }
}

class NotJson extends Error {}

class JsonWalk {
  /** The objects that the walk stands in, and the key by which each was left. */
  readonly #open = new Set<object>();
  readonly #keys: (string | number)[] = [];
  #values = 0;
  #chars = 0;

  get path(): string {
    const text = this.#keys.map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`)).join("");
    return text === "" ? "(top)" : text.replace(/^\./, "");
  }

  /** @returns undefined for what JSON leaves out */
  convert(value: unknown): JsonValue | undefined {
    if (++this.#values > limits.jsonValues) throw new NotJson(`more than ${limits.jsonValues} values`);
    switch (typeof value) {
      case "boolean":
      case "undefined":
        return value;
      case "string":
        return this.#text(value);
      case "number":
        if (!Number.isFinite(value)) throw new NotJson(String(value));
        return value + 0;
      case "object":
        return value === null ? null : this.#object(value);
      default:
        throw new NotJson(typeof value);
    }
  }

  #text(text: string): string {
    this.#chars += text.length;
    if (this.#chars > limits.blobBytes) throw new NotJson(`more than ${limits.blobBytes} characters`);
    return text.isWellFormed() ? text : text.toWellFormed();
  }

  #object(value: object): JsonValue | undefined {
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) throw new NotJson("an invalid Date");
      return value.toISOString();
    }
    if (ArrayBuffer.isView(value)) throw new NotJson(kindOf(value));
    if (this.#keys.length > DEPTH_MAX) throw new NotJson(`nesting deeper than ${DEPTH_MAX}`);
    if (this.#open.has(value)) throw new NotJson("a cycle");
    this.#open.add(value);
    const shown: unknown = hasToJson(value) ? value.toJSON() : value;
    const out = typeof shown === "object" && shown !== null ? this.#members(shown) : this.convert(shown);
    this.#open.delete(value);
    return out;
  }

  #members(value: object): JsonValue {
    if (Array.isArray(value)) return this.#items(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    const isPlain = prototype === Object.prototype || prototype === null;
    if (!isPlain && kindOf(value) !== "Object") throw new NotJson(kindOf(value));
    const out: Record<string, JsonValue> = {};
    for (const name of Object.keys(value)) {
      const converted = this.#at(name, () => Reflect.get(value, name));
      if (converted !== undefined) setMember(out, this.#text(name), converted);
    }
    return out;
  }

  #items(value: readonly unknown[]): JsonValue {
    if (value.length > limits.jsonValues) throw new NotJson(`more than ${limits.jsonValues} values`);
    const out: JsonValue[] = [];
    for (let i = 0; i < value.length; i++) out.push(this.#at(i, () => value[i]) ?? null);
    return out;
  }

  #at(key: string | number, read: () => unknown): JsonValue | undefined {
    this.#keys.push(key);
    const converted = this.convert(read());
    this.#keys.pop();
    return converted;
  }
}

/** Also a member named `__proto__` is data. */
function setMember(out: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name !== "__proto__") out[name] = value;
  else Object.defineProperty(out, name, { value, enumerable: true, writable: true, configurable: true });
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** One bounded line about anything that was thrown: strings, nulls, endless cause chains. */
export function errorText(thrown: unknown, charsMax = 500): string {
  let text: string;
  try {
    text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    text = "a value that cannot be shown";
  }
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
}

/** JSON text with sorted keys and no white space: equal values have equal text. Basis of every hash of a value. */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => canonicalJson(item)).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
  return `{${members.join(",")}}`;
}

/** Parses text as JSON; a refusal is an outcome, not an exception. */
export function parseJson(
  text: string,
): { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly reason: string } {
  try {
    return { ok: true, value: JSON.parse(text) as JsonValue };
  } catch (error) {
    return { ok: false, reason: errorText(error, 200) };
  }
}

/** UTF-8 length of a string without encoding it. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
