import type {
  JSONValue,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
  LanguageModelV4ToolResultOutput,
  LanguageModelV4ToolCallPart,
  SharedV4ProviderOptions,
} from "@ai-sdk/provider";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type {
  AssistantPart,
  FilePart,
  Message,
  ProviderMetadata,
  ToolCallPart,
  ToolResultPart,
} from "../core/message.ts";
import type { GenerateOptions, ModelRequest, ToolSpec } from "../core/model-contract.ts";

/** How one provider wants its requests; everything else is the same for all. */
export interface WireTraits {
  /** Opaque data is replayed to this provider only; where it is bound to an account, to this account of it. */
  readonly provider: string;
  /** Only the account that got opaque data can have it read: reasoning that is encrypted for an organization. */
  readonly bindsToAccount?: boolean;
  /** Replay a call under the id its provider gave it: Anthropic binds thinking to the exact turn. */
  readonly keepsCallIds?: boolean;
  /** Say of each tool whether its schema can be enforced; absent = leave it to the provider. */
  readonly marksStrictTools?: boolean;
}

export type CallOptions = LanguageModelV4CallOptions & { readonly prompt: LanguageModelV4Message[] };

type Assistant = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number];

/**
 * The request in the words of the provider packages.
 * @throws MODEL_REQUEST_INVALID a file part that cannot be read
 */
export async function callOptionsOf(
  request: ModelRequest,
  traits: WireTraits,
  options: GenerateOptions,
): Promise<CallOptions> {
  const { params } = request;
  const format = params.outputSchema;
  return {
    prompt: await promptOf(request, traits, options),
    maxOutputTokens: params.maxOutputTokens,
    abortSignal: options.signal,
    headers: { "x-client-request-id": headerText(options.requestId) },
    ...(params.temperature === undefined ? {} : { temperature: params.temperature }),
    ...(params.topP === undefined ? {} : { topP: params.topP }),
    ...(params.seed === undefined ? {} : { seed: params.seed }),
    ...(params.stop === undefined || params.stop.length === 0 ? {} : { stopSequences: [...params.stop] }),
    ...(params.reasoning === undefined ? {} : { reasoning: params.reasoning }),
    ...(format === undefined ? {} : { responseFormat: { type: "json", schema: format, name: "answer" } }),
    ...toolOptions(request, traits),
  };
}

function toolOptions(request: ModelRequest, traits: WireTraits): Partial<LanguageModelV4CallOptions> {
  if (request.tools.length === 0) return {};
  const choice = request.params.toolChoice;
  const tools = request.tools.map((tool) => toolOf(tool, traits));
  if (choice === undefined) return { tools };
  return {
    tools,
    toolChoice: typeof choice === "string" ? { type: choice } : { type: "tool", toolName: choice.tool },
  };
}

function toolOf(tool: ToolSpec, traits: WireTraits): LanguageModelV4FunctionTool {
  const { name, description, inputSchema } = tool;
  return {
    type: "function",
    name,
    description,
    inputSchema,
    ...(traits.marksStrictTools === true ? { strict: isStrictSchema(inputSchema) } : {}),
  };
}

/** True where OpenAI's strict mode takes a schema as it is: closed objects whose members are all required. */
export function isStrictSchema(schema: JsonValue): boolean {
  if (Array.isArray(schema)) return schema.every((item: JsonValue) => isStrictSchema(item));
  if (!isJsonObject(schema)) return true;
  if (schema["type"] === "object" || schema["properties"] !== undefined) {
    const properties = isJsonObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
    const required = Array.isArray(schema["required"]) ? (schema["required"] as readonly JsonValue[]) : [];
    if (schema["additionalProperties"] !== false) return false;
    if (properties.some((name) => !required.includes(name))) return false;
  }
  return Object.values(schema).every((member) => isStrictSchema(member));
}

async function promptOf(
  request: ModelRequest,
  traits: WireTraits,
  options: GenerateOptions,
): Promise<LanguageModelV4Message[]> {
  const ids = wireIds(request.messages, traits);
  const prompt: LanguageModelV4Message[] = [];
  if (request.system !== "") prompt.push({ role: "system", content: request.system });
  for (const message of request.messages) {
    // In order: one message at a time is in memory beside its bytes.
    const converted = await messageOf(message, ids, traits, options);
    if (converted !== null) prompt.push(converted);
  }
  return prompt;
}

async function messageOf(
  message: Message,
  ids: ReadonlyMap<string, string>,
  traits: WireTraits,
  options: GenerateOptions,
): Promise<LanguageModelV4Message | null> {
  switch (message.role) {
    case "user": {
      const content = await Promise.all(
        message.content.map(async (part) =>
          part.type === "text" ? ({ type: "text", text: part.text } as const) : fileOf(part, options),
        ),
      );
      return { role: "user", content };
    }
    case "assistant": {
      const parts = await Promise.all(message.content.map((part) => assistantPart(part, ids, traits, options)));
      const content = parts.filter((part) => part !== null);
      return content.length === 0 ? null : { role: "assistant", content };
    }
    case "tool":
      return { role: "tool", content: message.content.map((part) => resultOf(part, ids)) };
  }
}

async function assistantPart(
  part: AssistantPart,
  ids: ReadonlyMap<string, string>,
  traits: WireTraits,
  options: GenerateOptions,
): Promise<Assistant | null> {
  const replayed = replayedOptions(part.providerMetadata, traits);
  switch (part.type) {
    case "text":
      // An empty text may carry a signature; without one providers refuse it.
      if (part.text === "" && replayed === undefined) return null;
      return { type: "text", text: part.text, ...withOptions(replayed) };
    case "reasoning":
      // Reasoning of another provider is noise to this one, or an error.
      return replayed === undefined ? null : { type: "reasoning", text: part.text, ...withOptions(replayed) };
    case "file":
      return fileOf(part, options);
    case "tool-call":
      return callOf(part, ids, replayed);
  }
}

function callOf(
  part: ToolCallPart,
  ids: ReadonlyMap<string, string>,
  replayed: SharedV4ProviderOptions | undefined,
): LanguageModelV4ToolCallPart {
  return {
    type: "tool-call",
    toolCallId: ids.get(part.callId) ?? part.callId,
    toolName: wireName(part.tool),
    input: wireInput(part),
    ...withOptions(replayed),
  };
}

/**
 * Arguments as an object, whatever the model wrote: providers refuse anything else in a prompt, and chat templates of
 * open models fail on text that is not JSON.
 */
function wireInput(part: ToolCallPart): JsonObject {
  if (part.malformed !== true && isJsonObject(part.input)) return part.input;
  return part.malformed === true ? { malformed_arguments: part.input } : { arguments: part.input };
}

/** Providers refuse a whole request for one call whose tool name they would not have allowed. */
function wireName(tool: string): string {
  const name = tool.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);
  return name === "" ? "unknown_tool" : name;
}

function resultOf(
  part: ToolResultPart,
  ids: ReadonlyMap<string, string>,
): { type: "tool-result"; toolCallId: string; toolName: string; output: LanguageModelV4ToolResultOutput } {
  return {
    type: "tool-result",
    toolCallId: ids.get(part.callId) ?? part.callId,
    toolName: wireName(part.tool),
    output: outputOf(part),
  };
}

function outputOf(part: ToolResultPart): LanguageModelV4ToolResultOutput {
  const isError = part.isError === true;
  if (typeof part.output === "string") return { type: isError ? "error-text" : "text", value: part.output };
  return { type: isError ? "error-json" : "json", value: part.output as JSONValue };
}

async function fileOf(part: FilePart, options: GenerateOptions): Promise<LanguageModelV4FilePart> {
  const bytes = (await options.readBlob?.(part.blob)) ?? null;
  if (bytes === null) {
    throw new PawlError(
      "MODEL_REQUEST_INVALID",
      `the file "${part.filename ?? part.blob}" (${part.mediaType}) cannot be read, so it cannot be sent to the model.`,
    );
  }
  return {
    type: "file",
    mediaType: part.mediaType,
    data: { type: "data", data: bytes },
    ...(part.filename === undefined ? {} : { filename: part.filename }),
  };
}

function replayedOptions(
  metadata: ProviderMetadata | undefined,
  traits: WireTraits,
): SharedV4ProviderOptions | undefined {
  if (metadata === undefined || metadata.provider !== traits.provider) return undefined;
  const options: SharedV4ProviderOptions = {};
  for (const [name, value] of Object.entries(metadata.data)) {
    if (name !== OWN_DATA && isJsonObject(value)) options[name] = value as SharedV4ProviderOptions[string];
  }
  return options;
}

function withOptions(options: SharedV4ProviderOptions | undefined): { providerOptions?: SharedV4ProviderOptions } {
  return options === undefined || Object.keys(options).length === 0 ? {} : { providerOptions: options };
}

/** Key of what Pawl itself keeps beside a provider's data. */
export const OWN_DATA = "pawl";

/** Wire ids of the calls in a transcript: the provider's own where it must be kept and is usable, ours otherwise. */
function wireIds(messages: readonly Message[], traits: WireTraits): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  if (traits.keepsCallIds !== true) return ids;
  const used = new Set<string>();
  for (const message of messages) {
    if (message.role !== "assistant") continue;
    for (const part of message.content) {
      if (part.type !== "tool-call" || part.providerMetadata?.provider !== traits.provider) continue;
      const own = part.providerMetadata.data[OWN_DATA];
      const id = isJsonObject(own) ? own["callId"] : undefined;
      if (typeof id !== "string" || !/^[A-Za-z0-9_-]{1,64}$/.test(id) || used.has(id)) continue;
      used.add(id);
      ids.set(part.callId, id);
    }
  }
  return ids;
}

export function headerText(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]/g, "_").slice(0, 256);
}
