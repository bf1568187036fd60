import { PawlError } from "./errors.ts";
import { errorText, isJsonObject, type JsonObject } from "./json.ts";
import type { Parsed, SchemaIssue } from "./tool-contract.ts";

/**
 * A schema of zod or any other library that speaks Standard Schema (standardschema.dev), as far as Pawl uses it. The
 * types are copied, as the standard proposes, so that nobody depends on a package for them.
 */
export interface Schema<Input = unknown, Output = Input> {
  readonly "~standard": SchemaProps<Input, Output>;
}
interface SchemaProps<Input, Output> {
  readonly version: 1;
  readonly vendor: string;
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  /** Standard JSON Schema: a library that has it converts its own schemas (zod from 4.2 on). */
  readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => Record<string, unknown> };
}
type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

export type SchemaInput<S extends Schema> = NonNullable<S["~standard"]["types"]>["input"];
export type SchemaOutput<S extends Schema> = NonNullable<S["~standard"]["types"]>["output"];

const TARGET = "draft-2020-12";
const ISSUES_MAX = 20;
const FOUND_CHARS_MAX = 60;

/**
 * JSON Schema of what a schema accepts.
 * @param what names the schema in the error: `tool "refund": inputSchema`
 * @param given a JSON Schema written by hand, for libraries that cannot convert
 * @throws SCHEMA_INVALID
 */
export function jsonSchemaOf(what: string, schema: Schema, given?: JsonObject): JsonObject {
  if (!isSchema(schema)) {
    throw new PawlError(
      "SCHEMA_INVALID",
      `${what} is not a schema. Give a zod schema (z.object({...})) or any other Standard Schema.`,
    );
  }
  if (given !== undefined) return given;
  const convert = schema["~standard"].jsonSchema;
  if (convert === undefined) {
    throw new PawlError(
      "SCHEMA_INVALID",
      `${what} (${schema["~standard"].vendor}) does not convert itself to JSON Schema. Give the JSON Schema beside it as jsonSchema.`,
    );
  }
  const { $schema: _, ...rest } = converted(what, () => convert.input({ target: TARGET }));
  return rest;
}

function isSchema(schema: unknown): schema is Schema {
  if (schema === null || (typeof schema !== "object" && typeof schema !== "function")) return false;
  const props: unknown = Reflect.get(schema, "~standard");
  return typeof props === "object" && props !== null && typeof Reflect.get(props, "validate") === "function";
}

function converted(what: string, convert: () => Record<string, unknown>): JsonObject {
  try {
    const result: unknown = JSON.parse(JSON.stringify(convert()));
    if (isJsonObject(result)) return result;
  } catch (error) {
    throw new PawlError(
      "SCHEMA_INVALID",
      `${what} does not convert to JSON Schema: ${errorText(error, 300)}. Use types that JSON has, or give jsonSchema.`,
      { cause: error },
    );
  }
  throw new PawlError("SCHEMA_INVALID", `${what} does not convert to a JSON Schema object.`);
}

/**
 * Checks a value. Every issue says what was expected and what was found.
 * @throws SCHEMA_INVALID when the schema validates asynchronously: a journalled call is checked in one go
 */
export function parseWith(what: string, schema: Schema, value: unknown): Parsed {
  let result: ReturnType<Schema["~standard"]["validate"]>;
  try {
    result = schema["~standard"].validate(value);
  } catch (error) {
    return {
      ok: false,
      issues: [{ path: "", message: `the check of the schema itself threw: ${errorText(error, 200)}` }],
    };
  }
  if (result instanceof Promise) {
    // zod turns a throw of a refinement into this promise as well
    result.catch(() => undefined);
    throw new PawlError(
      "SCHEMA_INVALID",
      `${what} validates asynchronously, or its own check throws. Do what needs waiting in execute; keep the schema synchronous.`,
    );
  }
  if (result.issues === undefined) return { ok: true, value: result.value };
  return { ok: false, issues: result.issues.slice(0, ISSUES_MAX).map((issue) => schemaIssue(issue, value)) };
}

function schemaIssue(
  issue: {
    readonly message: string;
    readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  },
  value: unknown,
): SchemaIssue {
  const keys = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part));
  let found: unknown = value;
  for (const key of keys) found = typeof found === "object" && found !== null ? Reflect.get(found, key) : undefined;
  return { path: keys.map(String).join("."), message: `${issue.message}; found ${shown(found)}` };
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isJsonObject(value)) return `an object with ${Object.keys(value).slice(0, 8).join(", ") || "no members"}`;
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > FOUND_CHARS_MAX ? `${text.slice(0, FOUND_CHARS_MAX)}…` : text;
}
