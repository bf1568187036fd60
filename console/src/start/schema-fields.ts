import type { JsonObject, JsonValue } from "../api/types.ts";

// The part of JSON Schema that a form can show. Whatever it cannot is written as JSON: the server judges the input anyway.

export type FieldKind = "text" | "long-text" | "number" | "yes-no" | "choice" | "lines" | "json";

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly kind: FieldKind;
  readonly isRequired: boolean;
  readonly choices: readonly string[];
  readonly initial: string;
  readonly bounds: Bounds;
}

/** What a schema allows of a number, or of the length of a text. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly isWhole?: true;
  readonly charsMin?: number;
  readonly charsMax?: number;
}

/** `text`: the whole input is one text. `fields`: an object. `json`: anything else. */
export type FormShape =
  | { readonly type: "text"; readonly description: string }
  | { readonly type: "fields"; readonly fields: readonly Field[] }
  | { readonly type: "json" };

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");

export function formShapeOf(schema: JsonObject | null): FormShape {
  if (schema === null) return { type: "json" };
  if (schema["type"] === "string" && schema["enum"] === undefined)
    return { type: "text", description: textOf(schema["description"]) };
  const properties = schema["properties"];
  if (schema["type"] !== "object" || !isObject(properties)) return { type: "json" };
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const fields = Object.entries(properties).map(([name, one]) => fieldOf(name, isObject(one) ? one : {}, required));
  return { type: "fields", fields };
}

function fieldOf(name: string, schema: JsonObject, required: readonly JsonValue[]): Field {
  const choices = Array.isArray(schema["enum"]) && schema["enum"].every((one) => typeof one === "string");
  const initial = schema["default"];
  return {
    name,
    label: textOf(schema["title"]) || name,
    description: textOf(schema["description"]),
    kind: choices ? "choice" : kindOf(schema),
    isRequired: required.includes(name) && initial === undefined,
    choices: choices ? (schema["enum"] as readonly string[]) : [],
    initial: initial === undefined ? "" : textFor(initial),
    bounds: boundsOf(schema),
  };
}

function boundsOf(schema: JsonObject): Bounds {
  const given = (name: string): number | undefined => {
    const value = schema[name];
    // the ends of whole numbers say nothing to a person
    return typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
  };
  const bounds = {
    min: given("minimum"),
    max: given("maximum"),
    above: given("exclusiveMinimum"),
    below: given("exclusiveMaximum"),
    charsMin: given("minLength"),
    charsMax: given("maxLength"),
  };
  const stated = Object.fromEntries(Object.entries(bounds).filter(([, value]) => value !== undefined));
  return { ...stated, ...(schema["type"] === "integer" && { isWhole: true }) };
}

/** "a whole number, from 1, at most 20"; "" where everything is allowed. */
export function boundsText({ min, max, above, below, isWhole, charsMin, charsMax }: Bounds): string {
  const words = [
    isWhole === true ? "a whole number" : null,
    min === undefined ? null : `at least ${min}`,
    above === undefined ? null : `above ${above}`,
    max === undefined ? null : `at most ${max}`,
    below === undefined ? null : `below ${below}`,
    charsMin === undefined ? null : `at least ${charsMin} characters`,
    charsMax === undefined ? null : `at most ${charsMax} characters`,
  ];
  return words.filter((word) => word !== null).join(", ");
}

/** Why a schema refuses this value of its field, as far as a form knows; null where it does not. */
function problemOf({ kind, bounds, choices }: Field, value: JsonValue): string | null {
  const { min, max, above, below, isWhole, charsMin, charsMax } = bounds;
  if (kind === "number" && typeof value !== "number") return "must be a number";
  if (kind.endsWith("text") && typeof value !== "string") return "must be a text";
  if (kind === "yes-no" && typeof value !== "boolean") return "must be true or false";
  if (kind === "choice" && !choices.some((one) => one === value)) return `must be one of ${choices.join(", ")}`;
  const isOutside =
    typeof value === "number"
      ? (min !== undefined && value < min) ||
        (max !== undefined && value > max) ||
        (above !== undefined && value <= above) ||
        (below !== undefined && value >= below) ||
        (isWhole === true && !Number.isInteger(value))
      : typeof value === "string" &&
        ((charsMin !== undefined && value.length < charsMin) || (charsMax !== undefined && value.length > charsMax));
  return isOutside ? `must be ${boundsText(bounds)}` : null;
}

/** A whole value against its fields: the server judges it once more. */
export function checked(fields: readonly Field[], value: JsonValue): Read {
  if (!isObject(value)) return { ok: false, problem: "the arguments must be an object: { … }" };
  for (const field of fields) {
    const one = value[field.name];
    if (one === undefined && !field.isRequired) continue;
    const problem = one === undefined ? "is missing" : problemOf(field, one);
    if (problem !== null) return { ok: false, problem: `${field.label} ${problem}` };
  }
  return { ok: true, value };
}

function kindOf(schema: JsonObject): FieldKind {
  switch (schema["type"]) {
    case "string":
      return typeof schema["maxLength"] === "number" && schema["maxLength"] <= 200 ? "text" : "long-text";
    case "number":
    case "integer":
      return "number";
    case "boolean":
      return "yes-no";
    case "array":
      return isObject(schema["items"]) && schema["items"]["type"] === "string" ? "lines" : "json";
    default:
      return "json";
  }
}

/** A value as the text of its field. */
export function textFor(value: JsonValue): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join("\n");
  return JSON.stringify(value, null, 2);
}

export type Read = { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly problem: string };

export function readJson(text: string): Read {
  try {
    return { ok: true, value: JSON.parse(text) as JsonValue };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : "not JSON" };
  }
}

/** What the fields say together; an empty field that is not required is left out. */
export function readFields(fields: readonly Field[], texts: { readonly [name: string]: string }): Read {
  const value: { [name: string]: JsonValue } = {};
  for (const field of fields) {
    const text = texts[field.name] ?? field.initial;
    if (text === "" && !(field.isRequired && field.kind.endsWith("text"))) {
      if (field.isRequired) return { ok: false, problem: `${field.label} is missing` };
      continue;
    }
    const read = readField(field, text);
    if (!read.ok) return { ok: false, problem: `${field.label}: ${read.problem}` };
    value[field.name] = read.value;
  }
  return checked(fields, value);
}

function readField(field: Field, text: string): Read {
  switch (field.kind) {
    case "number":
      return Number.isFinite(Number(text)) ? { ok: true, value: Number(text) } : { ok: false, problem: "not a number" };
    case "yes-no":
      return { ok: true, value: text === "true" };
    case "lines":
      return { ok: true, value: text.split("\n").filter((line) => line !== "") };
    case "json":
      return readJson(text);
    default:
      return { ok: true, value: text };
  }
}
