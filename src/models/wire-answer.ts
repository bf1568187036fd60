import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from "@ai-sdk/provider";
import { PawlError } from "../core/errors.ts";
import type { FinishReason } from "../core/model-event.ts";
import { isJsonObject, toJson, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { AssistantPart, ProviderMetadata, ToolCallPart } from "../core/message.ts";
import type { ModelPart } from "../core/model-contract.ts";
import { cutToolInputOf, malformed, toolInputOf } from "./tool-input.ts";
import { usageOf } from "./usage-from-wire.ts";
import { OWN_DATA, type WireTraits } from "./wire-prompt.ts";

const TOOL_NAME_CHARS_MAX = 200;

interface Block {
  readonly kind: "text" | "reasoning" | "tool-call";
  readonly tool: string;
  readonly wireId: string;
  text: string;
  metadata: SharedV4ProviderMetadata;
  /** A tool call of which the provider said that it is whole. */
  whole: boolean;
}

/** An answer as it arrives: what the provider packages stream, gathered into the parts of one message. */
export class WireAnswer {
  private readonly traits: WireTraits;
  private readonly endpoint: string;
  private readonly asked: string;
  private readonly blocks: Block[] = [];
  /** Open blocks by id; several of one id where a host gives all its calls the same one. */
  private readonly open = new Map<string, Block[]>();
  private toolCalls = 0;
  private chars = 0;
  private model: string | undefined;
  private usage: LanguageModelV4Usage | undefined;
  private finishReason: LanguageModelV4FinishReason | undefined;

  /** @param asked the model that was asked, for an answer that does not name its own */
  constructor(endpoint: string, traits: WireTraits, asked: string) {
    this.endpoint = endpoint;
    this.traits = traits;
    this.asked = asked;
  }

  /** Takes one streamed part; returns the delta it is worth, null where it is none. An `error` part is not for here. */
  take(part: LanguageModelV4StreamPart): ModelPart | null {
    switch (part.type) {
      case "text-start":
      case "reasoning-start":
        this.start(part.type === "text-start" ? "text" : "reasoning", part.id, part.providerMetadata);
        return null;
      case "text-delta":
        return this.grow("text", part.id, part.delta, part.providerMetadata);
      case "reasoning-delta":
        return this.grow("reasoning", part.id, part.delta, part.providerMetadata);
      case "text-end":
      case "reasoning-end":
        this.end(part.type === "text-end" ? "text" : "reasoning", part.id, part.providerMetadata);
        return null;
      case "tool-input-start":
        if (part.providerExecuted !== true) this.startCall(part.id, part.toolName, part.providerMetadata);
        return null;
      case "tool-input-delta":
        return this.growCall(part.id, part.delta);
      case "tool-call":
        if (part.providerExecuted !== true) this.wholeCall(part);
        return null;
      case "file":
        this.addNote(part.mediaType);
        return null;
      case "response-metadata":
        this.model = part.modelId ?? this.model;
        return null;
      case "finish":
        this.usage = part.usage;
        this.finishReason = part.finishReason;
        return null;
      default:
        return null;
    }
  }

  /**
   * The whole answer.
   * @throws MODEL_BROKEN_STREAM the provider never said that it was done
   * @throws MODEL_BAD_RESPONSE  the provider said that it failed
   */
  finish(): Extract<ModelPart, { readonly type: "finish" }> {
    const reason = this.finishReason;
    if (reason === undefined || reason.unified === "interrupted") {
      throw new PawlError("MODEL_BROKEN_STREAM", `"${this.endpoint}" broke off before it said that it was done.`);
    }
    if (reason.unified === "error") {
      const raw = reason.raw === undefined ? "" : ` (${reason.raw.slice(0, 100)})`;
      throw new PawlError("MODEL_BAD_RESPONSE", `"${this.endpoint}" ended its answer with an error${raw}.`);
    }
    const content = this.content(reason.unified);
    return {
      type: "finish",
      content,
      finish: finishOf(reason.unified, content),
      usage: usageOf(this.usage, content.length > 0),
      model: this.model ?? this.asked,
    };
  }

  private start(kind: "text" | "reasoning", id: string, metadata: SharedV4ProviderMetadata | undefined): Block {
    const block = this.add({ kind, tool: "", wireId: "", text: "", metadata: metadata ?? {}, whole: true });
    this.open.set(`${kind} ${id}`, [block]);
    return block;
  }

  private grow(
    kind: "text" | "reasoning",
    id: string,
    delta: string,
    metadata: SharedV4ProviderMetadata | undefined,
  ): ModelPart | null {
    const block = this.open.get(`${kind} ${id}`)?.[0] ?? this.start(kind, id, undefined);
    block.metadata = merged(block.metadata, metadata);
    if (delta === "") return null;
    this.count(delta);
    block.text += delta;
    return { type: kind === "text" ? "text.delta" : "reasoning.delta", text: delta };
  }

  private end(kind: "text" | "reasoning", id: string, metadata: SharedV4ProviderMetadata | undefined): void {
    const key = `${kind} ${id}`;
    const block = this.open.get(key)?.[0];
    if (block === undefined) return;
    block.metadata = merged(block.metadata, metadata);
    this.open.delete(key);
  }

  private startCall(id: string, tool: string, metadata: SharedV4ProviderMetadata | undefined): Block {
    const name = tool.slice(0, TOOL_NAME_CHARS_MAX).toWellFormed();
    const block = this.add({
      kind: "tool-call",
      tool: name,
      wireId: id,
      text: "",
      metadata: metadata ?? {},
      whole: false,
    });
    this.open.set(`call ${id}`, [...(this.open.get(`call ${id}`) ?? []), block]);
    return block;
  }

  private growCall(id: string, delta: string): ModelPart | null {
    const block = this.open.get(`call ${id}`)?.at(-1);
    if (block === undefined || delta === "") return null;
    this.count(delta);
    block.text += delta;
    const index = this.blocks.filter((one) => one.kind === "tool-call").indexOf(block);
    return { type: "tool-input.delta", index, tool: block.tool, text: delta };
  }

  private wholeCall(part: Extract<LanguageModelV4StreamPart, { type: "tool-call" }>): void {
    const key = `call ${part.toolCallId}`;
    let block = this.open.get(key)?.[0];
    if (block === undefined) {
      block = this.startCall(part.toolCallId, part.toolName, undefined);
      this.count(part.input);
    }
    block.text = part.input;
    block.whole = true;
    block.metadata = merged(block.metadata, part.providerMetadata);
    // The next call may come with the same id: some hosts send one, or none, for all.
    this.open.set(key, (this.open.get(key) ?? []).slice(1));
  }

  private add(block: Block): Block {
    if (this.blocks.length >= limits.modelAnswerParts) {
      throw new PawlError(
        "MODEL_BAD_RESPONSE",
        `"${this.endpoint}" answered in over ${limits.modelAnswerParts} parts.`,
      );
    }
    this.blocks.push(block);
    return block;
  }

  private addNote(mediaType: string): void {
    const text = `[a generated file (${mediaType.slice(0, 100)}) was left out: this version keeps text only]`;
    this.add({ kind: "text", tool: "", wireId: "", text, metadata: {}, whole: true });
  }

  private count(text: string): void {
    this.chars += text.length;
    if (this.chars > limits.modelAnswerChars) {
      throw new PawlError(
        "MODEL_BAD_RESPONSE",
        `"${this.endpoint}" answered more than ${limits.modelAnswerChars} characters and was stopped.`,
      );
    }
  }

  private content(unified: LanguageModelV4FinishReason["unified"]): readonly AssistantPart[] {
    const last = this.blocks.findLast((block) => block.kind === "tool-call");
    const isCut = unified !== "stop" && unified !== "tool-calls";
    const content: AssistantPart[] = [];
    for (const block of this.blocks) {
      const metadata = this.metadataOf(block);
      if (block.kind === "tool-call") {
        content.push(this.callPart(block, metadata, isCut && block === last));
      } else if (block.text !== "" || (metadata !== undefined && Object.keys(metadata.data).length > 0)) {
        const text = block.text.toWellFormed();
        content.push({ type: block.kind, text, ...(metadata === undefined ? {} : { providerMetadata: metadata }) });
      }
    }
    return content;
  }

  private callPart(block: Block, metadata: ProviderMetadata | undefined, mayBeCut: boolean): ToolCallPart {
    const read = mayBeCut ? cutToolInputOf(block.text) : block.whole ? toolInputOf(block.text) : malformed(block.text);
    return {
      type: "tool-call",
      callId: String(this.toolCalls++),
      tool: block.tool,
      ...read,
      ...(metadata === undefined ? {} : { providerMetadata: metadata }),
    } as ToolCallPart;
  }

  /** Reasoning is always marked with its provider, so that no other is sent it. */
  private metadataOf(block: Block): ProviderMetadata | undefined {
    const converted = toJson(block.metadata);
    const data: JsonObject = converted.ok && isJsonObject(converted.value) ? converted.value : {};
    if (block.kind === "tool-call" && this.traits.keepsCallIds === true) {
      return { provider: this.traits.provider, data: { ...data, [OWN_DATA]: { callId: block.wireId.slice(0, 64) } } };
    }
    if (Object.keys(data).length === 0 && block.kind !== "reasoning") return undefined;
    return { provider: this.traits.provider, data };
  }
}

/** An answer that came in one piece, as the same parts a stream would have had. */
export function partsOfResult(result: LanguageModelV4GenerateResult): readonly LanguageModelV4StreamPart[] {
  const parts: LanguageModelV4StreamPart[] = result.content.flatMap((content, i) => partsOfContent(content, `${i}`));
  const modelId = result.response?.modelId;
  if (modelId !== undefined) parts.unshift({ type: "response-metadata", modelId });
  parts.push({ type: "finish", finishReason: result.finishReason, usage: result.usage });
  return parts;
}

function partsOfContent(content: LanguageModelV4Content, id: string): readonly LanguageModelV4StreamPart[] {
  switch (content.type) {
    case "text":
    case "reasoning": {
      const metadata = content.providerMetadata === undefined ? {} : { providerMetadata: content.providerMetadata };
      return [
        { type: `${content.type}-start`, id, ...metadata },
        { type: `${content.type}-delta`, id, delta: content.text },
        { type: `${content.type}-end`, id },
      ];
    }
    case "tool-call":
    case "file":
      return [content];
    default:
      return [];
  }
}

function merged(a: SharedV4ProviderMetadata, b: SharedV4ProviderMetadata | undefined): SharedV4ProviderMetadata {
  if (b === undefined) return a;
  const out: SharedV4ProviderMetadata = { ...a };
  for (const [name, value] of Object.entries(b)) out[name] = { ...out[name], ...value };
  return out;
}

/** Hosts disagree on `stop` and `tool-calls`; what the answer holds decides between the two. */
function finishOf(
  unified: Exclude<LanguageModelV4FinishReason["unified"], "interrupted" | "error">,
  content: readonly AssistantPart[],
): FinishReason {
  if (unified !== "stop" && unified !== "tool-calls") return unified;
  return content.some((part) => part.type === "tool-call") ? "tool-calls" : "stop";
}
