import { type CallToolResult, fromJsonSchema, type JsonSchemaType, type Tool } from "@modelcontextprotocol/client";
import type { Effect } from "../core/effect.ts";
import { hashJson, hashText } from "../core/hash.ts";
import { canonicalJson, errorText, isJsonObject, toJson, type JsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { sanitise, sanitiseJson } from "../core/sanitise.ts";
import { parseWith, type Schema } from "../core/schema.ts";
import type { Parsed, ToolFlow } from "../core/tool-contract.ts";

/** A tool as a server offers it, made safe to show. */
export interface OfferedTool {
  /** The server's own name for it. */
  readonly wire: string;
  /** `server__tool`: the models' APIs take letters, digits, `_` and `-`. */
  readonly name: string;
  /** `effect.hash`: another description, schema or annotation is another version. */
  readonly version: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly effect: Exclude<Effect, "reconcilable">;
  readonly flow?: ToolFlow;
}

const VERSION = /^(pure|idempotent|once)\.[0-9a-f]{16}$/;

/** What a repeat of a call would do, said by its version; null = no version of an MCP tool. */
export function effectOfVersion(version: string): OfferedTool["effect"] | null {
  const effect = VERSION.exec(version)?.[1];
  return effect === "pure" || effect === "idempotent" || effect === "once" ? effect : null;
}

/** The tools of a list that can be used, and why the others cannot. Names do not depend on the list's order. */
export function offeredTools(
  server: string,
  list: readonly Tool[],
): { readonly tools: readonly OfferedTool[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const tools: OfferedTool[] = [];
  const named = Map.groupBy(list.slice(0, limits.mcpTools), (one) => baseName(server, one.name));
  if (list.length > limits.mcpTools)
    problems.push(`offers ${list.length} tools; the first ${limits.mcpTools} are taken`);
  for (const [base, same] of named) {
    const wires = new Set(same.map(({ name }) => name));
    if (wires.size > 1)
      problems.push(`the names ${[...wires].map(shown).join(", ")} are one here: each is given a hash`);
    for (const wire of wires) {
      const [one, twin] = same.filter(({ name }) => name === wire);
      if (one === undefined || twin !== undefined) {
        problems.push(`offers ${shown(wire)} twice: neither is taken`);
        continue;
      }
      const isPlain = wires.size === 1 && base.length <= limits.nameChars;
      const name = isPlain ? base : `${base.slice(0, limits.nameChars - 9)}_${hashText(wire).slice(0, 8)}`;
      try {
        tools.push(offered(name, one));
      } catch (error) {
        problems.push(`${shown(wire)} cannot be used: ${error instanceof Error ? error.message : errorText(error)}`);
      }
    }
  }
  return { tools, problems: problems.slice(0, limits.mcpProblems) };
}

function baseName(server: string, wire: string): string {
  return `${server}__${wire.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;
}

function shown(wire: string): string {
  return JSON.stringify(sanitise(wire.slice(0, limits.nameChars)).text);
}

function offered(name: string, { name: wire, description = "", inputSchema, annotations = {} }: Tool): OfferedTool {
  const text = sanitise(description).text.slice(0, limits.mcpDescriptionChars).trim();
  const schema = toJson(inputSchema);
  if (!schema.ok || !isJsonObject(schema.value)) throw new Error("its inputSchema is no JSON object");
  const bytes = JSON.stringify(schema.value).length;
  if (bytes > limits.toolSchemaBytes)
    throw new Error(`its inputSchema has ${bytes} characters, at most ${limits.toolSchemaBytes} are taken`);
  const clean = sanitiseJson(schema.value).value;
  if (!isJsonObject(clean) || keysOf(clean) !== keysOf(schema.value))
    throw new Error("a name in its inputSchema has hidden characters");
  const { readOnlyHint, idempotentHint, openWorldHint } = annotations;
  const effect = readOnlyHint === true ? "pure" : idempotentHint === true ? "idempotent" : "once";
  const flow: ToolFlow | null = effect === "pure" && openWorldHint !== false ? { egress: true } : null;
  const content = { description: text, inputSchema: clean, flow: flow === null ? null : "egress" };
  return {
    wire,
    name,
    version: `${effect}.${hashJson(content).slice(0, 16)}`,
    description: text === "" ? `${shown(wire)} of an MCP server, which does not describe it.` : text,
    inputSchema: clean,
    effect,
    ...(flow !== null && { flow }),
  };
}

function keysOf(value: JsonValue): string {
  const keys: string[] = [];
  JSON.stringify(value, (key, member: unknown) => {
    keys.push(key);
    return member;
  });
  return keys.join("\n");
}

const namesInside = new Set(["properties", "$defs", "definitions", "dependentSchemas"]);
const notChecked = new Set([
  "pattern",
  "patternProperties",
  "format",
  "$schema",
  "$id",
  "$anchor",
  "$dynamicRef",
  "$dynamicAnchor",
]);

/**
 * The part of a server's schema that its arguments are checked by here: without patterns, which may take for ever, and
 * references that leave it, which nobody fetches. The server checks the rest.
 */
function checkable(schema: JsonValue, isNames = false): JsonValue {
  if (Array.isArray(schema)) return schema.map((item: JsonValue) => checkable(item));
  if (!isJsonObject(schema)) return schema;
  const kept = Object.entries(schema).filter(
    ([key, value]) =>
      isNames || !(notChecked.has(key) || (key === "$ref" && !(typeof value === "string" && /^#(\/|$)/.test(value)))),
  );
  return Object.fromEntries(
    kept.map(([key, value]) => {
      const isData = !isNames && ["enum", "const", "default", "examples"].includes(key);
      return [key, isData ? value : checkable(value, !isNames && namesInside.has(key))];
    }),
  );
}

/** Checks arguments; the schema is compiled when it is first needed. */
export function argumentCheck({
  name,
  inputSchema,
}: Pick<OfferedTool, "name" | "inputSchema">): (input: JsonValue) => Parsed {
  let schema: Schema | undefined;
  return (input) => {
    try {
      // the casts: both are JSON objects and the compiler judges; its result is a Standard Schema that converts to any target
      schema ??= fromJsonSchema(checkable(inputSchema) as JsonSchemaType) as unknown as Schema;
    } catch (error) {
      const message = `the server's schema does not compile: ${errorText(error, 200)}`;
      return { ok: false, issues: [{ path: "", message }] };
    }
    return parseWith(`tool "${name}": inputSchema`, schema, input);
  };
}

/** What a call came to: its structure where the server gives one, else its text. An error of the tool is an outcome. */
export function resultOf({ content, structuredContent, isError }: CallToolResult): JsonValue {
  const text = content.map(textOfBlock).join("\n");
  if (isError === true) return { isError: true, text };
  if (structuredContent === undefined) return text;
  const structure = toJson(structuredContent);
  return structure.ok ? structure.value : text;
}

function textOfBlock(block: CallToolResult["content"][number]): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "image":
    case "audio":
      return `[${block.type}, ${block.mimeType}, ${Math.floor((block.data.length * 3) / 4)} bytes: not shown]`;
    case "resource":
      return "text" in block.resource
        ? block.resource.text
        : `[resource ${block.resource.uri}, ${block.resource.mimeType ?? "no type"}: not shown]`;
    case "resource_link":
      return `[link to resource ${block.uri}: ${block.name}]`;
    default:
      return `[${canonicalJson(toJson(block).ok ? (block as JsonValue) : null).slice(0, 200)}]`;
  }
}
