import { parseJson, toJson, type JsonValue } from "./json.ts";

/** The JSON value in a text: the whole, the inside of a code fence, or from the first bracket to the last. */
export function jsonIn(text: string): { readonly value: JsonValue } | null {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1];
  const first = text.search(/[[{]/);
  const last = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]"));
  const candidates = [text, fenced, first >= 0 && last > first ? text.slice(first, last + 1) : undefined];
  for (const candidate of candidates) {
    const parsed = candidate === undefined ? null : parseJson(candidate.trim());
    const json = parsed?.ok === true ? toJson(parsed.value) : null;
    if (json?.ok === true) return { value: json.value };
  }
  return null;
}
