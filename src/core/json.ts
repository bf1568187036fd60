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
 * Date becomes ISO text, -0 becomes 0, Map, Set, functions, symbols, BigInt, NaN, Infinity, cycles and throwing
 * getters are refused with the path where they stand. Top-level `undefined` becomes null; `undefined` members are left out.
 */
export function toJson(input: unknown): JsonConversion {
  const refusal: { path: string; found: string } = { path: "", found: "" };
  const open = new Set<object>();
  const fail = (path: string, found: string): undefined => {
    refusal.path = path || "(top)";
    refusal.found = found;
    return undefined;
  };
  const convert = (value: unknown, path: string, depth: number): JsonValue | undefined => {
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "string") return value.isWellFormed() ? value : value.toWellFormed();
    if (typeof value === "number") return Number.isFinite(value) ? value + 0 : fail(path, String(value));
    if (typeof value !== "object") return fail(path, typeof value);
    if (value instanceof Date) {
      return Number.isFinite(value.getTime()) ? value.toISOString() : fail(path, "an invalid Date");
    }
    if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value)) return fail(path, kindOf(value));
    if (depth > DEPTH_MAX) return fail(path, `nesting deeper than ${DEPTH_MAX}`);
    if (open.has(value)) return fail(path, "a cycle");
    open.add(value);
    const out = Array.isArray(value) ? convertArray(value, path, depth) : convertObject(value, path, depth);
    open.delete(value);
    return out;
  };
  const convertArray = (value: readonly unknown[], path: string, depth: number): JsonValue | undefined => {
    const out: JsonValue[] = [];
    for (const [i, item] of value.entries()) {
      const converted = item === undefined ? null : convert(item, `${path}[${i}]`, depth + 1);
      if (converted === undefined) return undefined;
      out.push(converted);
    }
    return out;
  };
  const convertObject = (value: object, path: string, depth: number): JsonValue | undefined => {
    if (hasToJson(value)) return convert(value.toJSON(), path, depth + 1);
    const out: Record<string, JsonValue> = {};
    for (const key of Object.keys(value)) {
      const member: unknown = Reflect.get(value, key);
      if (member === undefined) continue;
      const converted = convert(member, path === "" ? key : `${path}.${key}`, depth + 1);
      if (converted === undefined) return undefined;
      Object.defineProperty(out, key, { value: converted, enumerable: true, writable: true, configurable: true });
    }
    return out;
  };
  try {
    const value = input === undefined ? null : convert(input, "", 0);
    return value === undefined ? { ok: false, ...refusal } : { ok: true, value };
  } catch (error) {
    return { ok: false, path: "(a getter or toJSON)", found: `throws ${errorText(error)}` };
  }
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
