import type { JsonObject, JsonValue } from "./json.ts";

/** Opaque data of one provider (thinking signatures, encrypted reasoning): replayed to the same provider only. */
export interface ProviderMetadata {
  readonly provider: string;
  readonly data: JsonObject;
}

export interface TextPart {
  readonly type: "text";
  readonly text: string;
  readonly providerMetadata?: ProviderMetadata;
}
export interface ReasoningPart {
  readonly type: "reasoning";
  readonly text: string;
  readonly providerMetadata?: ProviderMetadata;
}
export interface FilePart {
  readonly type: "file";
  readonly mediaType: string;
  readonly blob: string;
  readonly filename?: string;
  readonly providerMetadata?: ProviderMetadata;
}
/**
 * A call as the model wrote it. `callId` is Pawl's (`<modelCallId>-<index>`), never the provider's, so it is unique in
 * the run. `input` is the parsed arguments, or the raw text where it did not parse.
 */
export interface ToolCallPart {
  readonly type: "tool-call";
  readonly callId: string;
  readonly tool: string;
  readonly input: JsonValue;
  readonly malformed?: true;
  readonly providerMetadata?: ProviderMetadata;
}
/** What the model is shown for a call. `isError` marks refusals, failures and synthetic results. */
export interface ToolResultPart {
  readonly type: "tool-result";
  readonly callId: string;
  readonly tool: string;
  readonly output: JsonValue;
  readonly isError?: true;
}

export type AssistantPart = TextPart | ReasoningPart | FilePart | ToolCallPart;

/** A provider-neutral message, exactly as the model saw or wrote it. */
export type Message =
  | { readonly role: "user"; readonly content: readonly (TextPart | FilePart)[] }
  | { readonly role: "assistant"; readonly content: readonly AssistantPart[] }
  | { readonly role: "tool"; readonly content: readonly ToolResultPart[] };

export function userText(text: string): Message {
  return { role: "user", content: [{ type: "text", text }] };
}

export function textOf(message: Message): string {
  return message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function toolCallsOf(message: Message): readonly ToolCallPart[] {
  if (message.role !== "assistant") return [];
  return message.content.filter((part) => part.type === "tool-call");
}

/**
 * Makes a conversation valid for any provider: every tool call is followed by exactly one result; results without a
 * call, and calls and results of an id seen before, are dropped; neighbouring tool messages are one. A call that has no
 * result (crash, cancel) gets a synthetic one that says so.
 */
export function validTranscript(messages: readonly Message[]): readonly Message[] {
  const results = new Map<string, ToolResultPart>();
  for (const message of messages) {
    if (message.role !== "tool") continue;
    for (const part of message.content) if (!results.has(part.callId)) results.set(part.callId, part);
  }
  const out: Message[] = [];
  const known = new Set<string>();
  for (const given of messages) {
    const message = withoutKnownCalls(given, known);
    if (message.role === "tool" || message.content.length === 0) continue;
    out.push(message);
    const calls = toolCallsOf(message);
    if (calls.length === 0) continue;
    out.push({ role: "tool", content: calls.map((call) => results.get(call.callId) ?? missingResult(call)) });
  }
  return out;
}

/** The same message where it repeats no call, which is almost always. */
function withoutKnownCalls(message: Message, known: Set<string>): Message {
  if (message.role !== "assistant") return message;
  const isNew = (part: AssistantPart): boolean => {
    if (part.type !== "tool-call") return true;
    const before = known.size;
    return known.add(part.callId).size > before;
  };
  const content = message.content.filter((part) => isNew(part));
  return content.length === message.content.length ? message : { ...message, content };
}

function missingResult(call: ToolCallPart): ToolResultPart {
  const output = "No result: the call was interrupted before its outcome was recorded.";
  return { type: "tool-result", callId: call.callId, tool: call.tool, output, isError: true };
}
