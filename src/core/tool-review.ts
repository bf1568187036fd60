import { hashJson } from "./hash.ts";
import { isJsonObject, toJson, type JsonObject, type JsonValue } from "./json.ts";
import { limits } from "./limits.ts";
import { sanitise } from "./sanitise.ts";
import type { ToolDefinition } from "./tool-contract.ts";

/** What a tool says of itself and a person reviews; `hash` is over all of it but name and version. */
export interface ToolCard {
  readonly name: string;
  readonly version: string;
  readonly hash: string;
  readonly said: JsonObject;
}

/** What is known of a tool's definition in a tenant. */
export interface ToolReview {
  readonly name: string;
  readonly version: string;
  readonly state: "accepted" | "quarantined";
  /** The definition that was accepted; null = none was yet. */
  readonly hash: string | null;
  /** Who accepted or quarantined it; null = nobody: it was accepted, or set aside, when it was first seen. */
  readonly by: string | null;
  readonly at: number;
  readonly reason?: string;
}

const cards = new WeakMap<ToolDefinition, ToolCard>();

export function cardOf(tool: ToolDefinition): ToolCard {
  const known = cards.get(tool);
  if (known !== undefined) return known;
  const { name, version, description, inputSchema, effect, flow, trust, capabilities } = tool;
  const json = toJson({ description, inputSchema, effect, flow: flow ?? null, trust, capabilities });
  const said = json.ok ? (json.value as JsonObject) : { description, effect };
  const card = { name, version, hash: tool.contentHash ?? hashJson(said), said };
  cards.set(tool, card);
  return card;
}

/** One place where two definitions differ, as a person may be shown it; null = there is nothing there. */
export interface ToolChange {
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** What changed between two definitions: at most limits.toolChanges places, hidden and control characters taken out. */
export function changesOf(before: JsonObject | null, after: JsonObject): readonly ToolChange[] {
  const [old, now] = [new Map(leaves(before ?? {}, "")), new Map(leaves(after, ""))];
  const paths = [...new Set([...old.keys(), ...now.keys()])].filter((path) => old.get(path) !== now.get(path));
  return paths
    .slice(0, limits.toolChanges)
    .map((path) => ({ path: shown(path), before: shown(old.get(path)), after: shown(now.get(path)) }));
}

function* leaves(value: JsonValue, path: string): Generator<[path: string, text: string]> {
  const members = Array.isArray(value)
    ? value.map((item: JsonValue, i) => [String(i), item] as const)
    : isJsonObject(value)
      ? Object.entries(value)
      : [];
  if (members.length === 0) yield [path, typeof value === "string" ? value : JSON.stringify(value)];
  for (const [key, member] of members) yield* leaves(member, path === "" ? key : `${path}.${key}`);
}

function shown(text: string): string;
function shown(text: string | undefined): string | null;
function shown(text: string | undefined): string | null {
  return text === undefined ? null : sanitise(text.slice(0, limits.toolChangeChars)).text.toWellFormed();
}
