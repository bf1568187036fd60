import { parseJson, toJson, utf8Bytes, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";

/** Arguments of a tool call: parsed, or the text as the model wrote it where they do not parse. */
export type ToolInput =
  | { readonly input: JsonValue; readonly malformed?: undefined }
  | { readonly input: string; readonly malformed: true };

/**
 * Parses the arguments a model wrote. Two slips have only one reading and are repaired: a comma before a closing
 * bracket, and JSON that was encoded once too often. All else is malformed and never executed; its text is kept up to
 * `limits.inlineBytes`. No arguments at all means an empty object.
 */
export function toolInputOf(raw: string): ToolInput {
  const text = raw.trim();
  if (text === "") return { input: {} };
  if (utf8Bytes(text) > limits.argumentBytes || depthOf(text) > limits.argumentDepth) return malformed(raw);
  const first = parseJson(text);
  if (first.ok) return decoded(first.value, raw);
  const repaired = parseJson(withoutTrailingCommas(text));
  return repaired.ok ? decoded(repaired.value, raw) : malformed(raw);
}

/**
 * Arguments of the last call of an answer that was cut. Nothing is repaired, and an empty object may be one whose
 * members never arrived: only a closed object with members is known to be whole.
 */
export function cutToolInputOf(raw: string): ToolInput {
  const text = raw.trim();
  if (utf8Bytes(text) > limits.argumentBytes || depthOf(text) > limits.argumentDepth) return malformed(raw);
  const parsed = parseJson(text);
  if (!parsed.ok || !isObjectWithMembers(parsed.value)) return malformed(raw);
  return decoded(parsed.value, raw);
}

export function malformed(raw: string): ToolInput {
  return { input: raw.slice(0, limits.inlineBytes).toWellFormed(), malformed: true };
}

function isObjectWithMembers(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}

/** A string that holds an object or a list is arguments that were encoded twice. */
function decoded(value: JsonValue, raw: string): ToolInput {
  if (typeof value === "string" && /^\s*[{[]/.test(value) && depthOf(value) <= limits.argumentDepth) {
    const inner = parseJson(value);
    if (inner.ok) return checked(inner.value, raw);
  }
  return checked(value, raw);
}

/** 1e999 parses to Infinity, and half a surrogate pair is no text: both are settled before anything is recorded. */
function checked(value: JsonValue, raw: string): ToolInput {
  const json = toJson(value);
  return json.ok ? { input: json.value } : malformed(raw);
}

/** Deepest nesting outside strings; a parser that recurses must not be asked first. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') i = endOfString(text, i);
    else if (char === "{" || char === "[") deepest = Math.max(deepest, ++depth);
    else if (char === "}" || char === "]") depth--;
  }
  return deepest;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}

function withoutTrailingCommas(text: string): string {
  let out = "";
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') i = endOfString(text, i);
    else if (text[i] === "," && closesNext(text, i + 1)) {
      out += text.slice(from, i);
      from = i + 1;
    }
  }
  return out + text.slice(from);
}

function closesNext(text: string, start: number): boolean {
  let i = start;
  while (i < text.length && /\s/.test(text[i] ?? "")) i++;
  return text[i] === "}" || text[i] === "]";
}
