import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { toolCallsOf, type AssistantPart, type ToolCallPart } from "../core/message.ts";
import type { ModelPart, ModelRequest, ToolSpec } from "../core/model-contract.ts";
import type { ModelFault } from "./fault-profiles.ts";

export type Finish = Extract<ModelPart, { readonly type: "finish" }>;

/** The same answer with a fault in it, or null where this fault needs something that the answer does not have. */
export function withFault(
  fault: ModelFault,
  finish: Finish,
  request: ModelRequest,
  random: () => number,
): Finish | null {
  switch (fault) {
    case "unknownTool":
      return onCall(finish, random, (call) => ({ ...call, tool: pick(strangeNames(call.tool), random) }));
    case "malformedJson":
      return onCall(finish, random, (call) => ({ ...call, input: cut(call, random), malformed: true }));
    case "schemaBreach":
      return onCall(finish, random, (call) => breaching(call, request.tools, random));
    case "wrongValue":
      return onCall(finish, random, (call) => withWrongValue(call, random));
    case "repeatsLastCall":
      return repeatingLast(finish, request);
    case "emptyAnswer":
      return { ...finish, content: [], finish: pick(["stop", "stop", "content-filter"] as const, random) };
    case "cutInsideCall":
      return cutInside(finish, random);
    default:
      return null;
  }
}

/** The last call of the conversation instead of the ones that the model wanted. */
export function repeatingLast(finish: Finish, request: ModelRequest): Finish | null {
  const last = lastCall(request);
  if (last === undefined || !finish.content.some((part) => part.type === "tool-call")) return null;
  const { providerMetadata: _own, ...call } = last;
  const rest = finish.content.filter((part) => part.type !== "tool-call");
  return { ...finish, content: [...rest, { ...call, callId: "0" }], finish: "tool-calls" };
}

/** The longest row of equal calls in a conversation. */
export function equalCallsOf(request: ModelRequest): number {
  let longest = 0;
  let row = 0;
  let before: string | null = null;
  for (const call of request.messages.flatMap((message) => toolCallsOf(message))) {
    const text = JSON.stringify([call.tool, call.input]);
    row = text === before ? row + 1 : 1;
    before = text;
    longest = Math.max(longest, row);
  }
  return longest;
}

function lastCall(request: ModelRequest): ToolCallPart | undefined {
  return request.messages.flatMap((message) => toolCallsOf(message)).at(-1);
}

function onCall(
  finish: Finish,
  random: () => number,
  change: (call: ToolCallPart) => ToolCallPart | null,
): Finish | null {
  const calls = finish.content.filter((part) => part.type === "tool-call");
  if (calls.length === 0) return null;
  const chosen = pick(calls, random);
  const changed = change(chosen);
  if (changed === null) return null;
  const content = finish.content.map((part): AssistantPart => (part === chosen ? changed : part));
  return { ...finish, content };
}

function strangeNames(name: string): readonly string[] {
  return [`${name} `, name.toUpperCase(), `${name}_v2`, `functions.${name}`, "__proto__", "search_the_web"];
}

/** Arguments as text that stops somewhere inside. */
function cut(call: ToolCallPart, random: () => number): string {
  const text = typeof call.input === "string" ? call.input : JSON.stringify(call.input);
  return text.slice(0, Math.max(1, Math.floor(text.length * random())));
}

/** Leaves out something required, or gives a member a value of another type. */
function breaching(call: ToolCallPart, tools: readonly ToolSpec[], random: () => number): ToolCallPart | null {
  if (!isJsonObject(call.input)) return null;
  const schema = tools.find((tool) => tool.name === call.tool)?.inputSchema;
  const required = schema?.["required"];
  const names = Array.isArray(required) ? required.filter((name) => typeof name === "string") : Object.keys(call.input);
  if (names.length === 0) return { ...call, input: "nothing that fits" };
  const name = pick(names, random);
  const { [name]: value, ...rest } = call.input;
  if (random() < 0.5) return { ...call, input: rest };
  return { ...call, input: { ...rest, [name]: otherType(value ?? null) } };
}

function otherType(value: JsonValue): JsonValue {
  if (typeof value === "string") return { value };
  if (typeof value === "number") return `about ${value}`;
  return 7;
}

/** A value of the right type that is not the one that was meant. */
function withWrongValue(call: ToolCallPart, random: () => number): ToolCallPart | null {
  if (!isJsonObject(call.input)) return null;
  const input: JsonObject = call.input;
  const names = Object.keys(input).filter((name) => ["string", "number", "boolean"].includes(typeof input[name]));
  if (names.length === 0) return null;
  const name = pick(names, random);
  return { ...call, input: { ...input, [name]: wrong(input[name] ?? null, random) } };
}

function wrong(value: JsonValue, random: () => number): JsonValue {
  if (typeof value === "number") return random() < 0.5 ? value + 1 : value * 10;
  if (typeof value === "boolean") return !value;
  const text = typeof value === "string" ? value : "";
  return text === "" ? "x" : random() < 0.5 ? `${text}0` : text.slice(0, -1);
}

function cutInside(finish: Finish, random: () => number): Finish | null {
  const last = finish.content.findLastIndex((part) => part.type === "tool-call");
  const call = finish.content[last];
  if (call?.type !== "tool-call") return null;
  const content = [...finish.content.slice(0, last), { ...call, input: cut(call, random), malformed: true } as const];
  return { ...finish, content, finish: "length" };
}

export function pick<T>(list: readonly T[], random: () => number): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new RangeError("nothing to pick from");
  return found;
}
