import type { ErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Label } from "../core/label.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";

interface Outcome {
  readonly ok: boolean;
  readonly value: JsonValue;
  readonly error?: ErrorRecord;
}

/** What the model sees of a tool's outcome: without hidden characters, cut to size with a mark. The raw result stays whole. */
export function shownResult(
  tool: ToolDefinition,
  outcome: Outcome,
): { readonly value: JsonValue; readonly label: Label } {
  const label: Label = { source: tool.trust === "trusted" ? "trusted" : "untrusted", origin: `tool:${tool.name}` };
  if (!outcome.ok)
    return {
      value: `Error: ${cut(sanitised(outcome.error?.message ?? JSON.stringify(outcome.value)), tool.shownCharsMax)}`,
      label,
    };
  const clean = sanitisedJson(outcome.value);
  const text = typeof clean === "string" ? clean : JSON.stringify(clean);
  if (text.length <= tool.shownCharsMax) return { value: clean, label };
  return { value: cut(text, tool.shownCharsMax), label };
}

function cut(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  return `${text.slice(0, charsMax).toWellFormed()}\n[cut: ${text.length - charsMax} of ${text.length} characters are not shown]`;
}

// ANSI escapes; C0 and C1 controls but tab and line breaks; zero-width, bidi and tag characters
// oxlint-disable-next-line no-control-regex -- control characters are what it removes
const ansi = /\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[@-Z\\-_])/g;
// oxlint-disable-next-line no-control-regex -- control characters are what it removes
const hidden =
  // oxlint-disable-next-line no-control-regex -- as above
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u00AD\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u2064\u2066-\u2069\u206A-\u206F\uFEFF\uFFF9-\uFFFB]|\uDB40[\uDC00-\uDC7F]/g;

/** Text without what a person would not see: it may carry instructions, or play tricks on a terminal. */
export function sanitised(text: string): string {
  return text.replaceAll(ansi, "").replaceAll(hidden, "");
}

/** The same value object where nothing had to be removed, so that it is stored once. */
function sanitisedJson(value: JsonValue): JsonValue {
  if (typeof value === "string") return sanitised(value);
  const text = JSON.stringify(value);
  const isClean = !/\\u|[\u00AD\u180E\u200B-\u206F\uFEFF\uDB40]/.test(text);
  return isClean ? value : mapStrings(value);
}

function mapStrings(value: JsonValue): JsonValue {
  if (typeof value === "string") return sanitised(value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => mapStrings(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [sanitised(key), mapStrings(member)]));
}
