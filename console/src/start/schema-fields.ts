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
  };
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
  return { ok: true, value };
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
