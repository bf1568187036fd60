import { fencedMessage, type Fence } from "./fence.ts";
import { hashText } from "./hash.ts";
import { isJsonObject, type JsonValue } from "./json.ts";
import type { Message } from "./message.ts";
import type { ContextEntry } from "./run-context.ts";

/** What a request is made of, each part by its identity. */
export interface PromptIdentity {
  readonly route: string;
  readonly systemDigest: string;
  readonly toolsetDigest: string;
  /** As they are sent: with an output limit that was shrunk to fit a budget. */
  readonly params: unknown;
  /** Hash chain over the messages' entries. */
  readonly chain: string;
}

/** Hash of a request, recorded before it goes out and compared when it is rebuilt. */
export function promptHashOf({ route, systemDigest, toolsetDigest, params, chain }: PromptIdentity): string {
  return hashText(JSON.stringify([route, systemDigest, toolsetDigest, params, chain]));
}

/** The messages that an entry of a context stands for, from its value. @param fence around results that nobody vouches for */
export function messagesFrom(entry: ContextEntry, value: JsonValue, fence: Fence | null): readonly Message[] {
  const plain = plainMessages(entry, value);
  return fence === null || entry.source.ref.label?.source === "trusted"
    ? plain
    : plain.map((message) => fencedMessage(fence, message));
}

function plainMessages(entry: ContextEntry, value: JsonValue): readonly Message[] {
  if (entry.source.kind !== "tool")
    return Array.isArray(value) ? value.map((one: JsonValue) => asMessage(one)) : [asMessage(value)];
  const { callId, tool, isError } = entry.source;
  const part = { type: "tool-result", callId, tool, output: value } as const;
  return [{ role: "tool", content: [isError ? { ...part, isError: true } : part] }];
}

/** A recorded message; text that an outside writer sent becomes a user message. */
function asMessage(value: JsonValue): Message {
  if (isJsonObject(value) && "role" in value && "content" in value) return value as unknown as Message;
  return { role: "user", content: [{ type: "text", text: typeof value === "string" ? value : JSON.stringify(value) }] };
}
