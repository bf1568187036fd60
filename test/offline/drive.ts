import type { JsonValue } from "../../src/core/json.ts";
import {
  type AssistantPart,
  type Message,
  textOf,
  type ToolCallPart,
  toolCallsOf,
  userText,
} from "../../src/core/message.ts";
import type { ModelPart, ModelRequest, ToolSpec } from "../../src/core/model-contract.ts";
import { offlineEndpoint } from "../../src/models/offline.ts";

export const RESEARCH = "Answer from the documents only. Cite every claim as (file:line).";

export function request(messages: readonly Message[], over: Partial<ModelRequest> = {}): ModelRequest {
  return { system: RESEARCH, messages, tools: [], params: { maxOutputTokens: 4_000 }, ...over };
}

export async function partsOf(asked: ModelRequest, stream = true): Promise<readonly ModelPart[]> {
  const parts: ModelPart[] = [];
  const options = { signal: new AbortController().signal, requestId: "m1", stream };
  for await (const part of offlineEndpoint().generate(asked, options)) parts.push(part);
  return parts;
}

export type Finish = Extract<ModelPart, { type: "finish" }>;

export async function finishOf(asked: ModelRequest): Promise<Finish> {
  const last = (await partsOf(asked, false)).at(-1);
  if (last?.type !== "finish") throw new Error("the stream has no finish at its end");
  return last;
}

export function textIn(content: readonly AssistantPart[]): string {
  return textOf({ role: "assistant", content });
}

/** A tool as a person outside Pawl might offer it. */
export interface FakeTool {
  readonly spec: ToolSpec;
  readonly run: (input: { readonly [name: string]: JsonValue }) => JsonValue;
}

export interface Driven {
  readonly answer: string;
  readonly calls: readonly ToolCallPart[];
  readonly messages: readonly Message[];
}

/** Runs the model with these tools until it answers; a tool that throws gives an error result. */
export async function drive(
  tools: readonly FakeTool[],
  start: readonly Message[] | string,
  over: Partial<ModelRequest> = {},
): Promise<Driven> {
  const messages: Message[] = typeof start === "string" ? [userText(start)] : [...start];
  const calls: ToolCallPart[] = [];
  for (let turn = 1; turn <= 20; turn++) {
    const { content } = await finishOf(request(messages, { tools: tools.map(({ spec }) => spec), ...over }));
    const message: Message = {
      role: "assistant",
      content: content.map((part) =>
        part.type === "tool-call" ? { ...part, callId: `${messages.length}-${part.callId}` } : part,
      ),
    };
    messages.push(message);
    const asked = toolCallsOf(message);
    if (asked.length === 0) return { answer: textOf(message), calls, messages };
    calls.push(...asked);
    messages.push({
      role: "tool",
      content: asked.map((call) => ({ type: "tool-result" as const, ...resultOf(call, tools) })),
    });
  }
  throw new Error("no answer after 20 turns");
}

function resultOf(
  { callId, tool, input }: ToolCallPart,
  tools: readonly FakeTool[],
): { callId: string; tool: string; output: JsonValue; isError?: true } {
  try {
    const found = tools.find(({ spec }) => spec.name === tool);
    if (found === undefined) throw new Error(`no tool "${tool}"`);
    return { callId, tool, output: found.run(input as { readonly [name: string]: JsonValue }) };
  } catch (error) {
    return { callId, tool, output: String(error), isError: true };
  }
}
