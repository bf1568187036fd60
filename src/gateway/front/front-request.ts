import { hashText } from "../../core/hash.ts";
import { isJsonObject, parseJson, type JsonObject, type JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { AssistantPart, FilePart, Message, TextPart, ToolResultPart } from "../../core/message.ts";
import type { ModelParams, ModelRequest, ToolSpec } from "../../core/model-contract.ts";
import { wrongField, type Fields } from "./front-fields.ts";

/** What a request asks for, by whichever API it came. */
export interface FrontRequest {
  /** A route, an endpoint, or `agent/NAME`. */
  readonly model: string;
  readonly isStream: boolean;
  readonly request: ModelRequest;
  /** Bytes of the files in its messages, by the name that they have there. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** At most one tool call is wanted. */
  readonly isOneCall: boolean;
  /** The request as a chat completion, where its caller wrote it so and nothing of it must be mended. */
  readonly chat?: JsonObject;
  /** Chat: the stream's last chunk tells the usage. */
  readonly wantsUsage: boolean;
}

/** Gathers a conversation as the messages of any API tell it. */
export class Conversation {
  readonly files: Map<string, Uint8Array> = new Map();
  readonly #system: string[] = [];
  readonly #messages: Message[] = [];
  /** By the caller's id: the call that it names now, and its tool. Callers give an id again. */
  readonly #calls = new Map<string, { readonly callId: string; readonly tool: string }>();
  readonly #used = new Set<string>();
  #isMended = false;

  /** What was told is not what a provider should be sent. */
  get isMended(): boolean {
    return this.#isMended;
  }

  mend(): void {
    this.#isMended = true;
  }

  system(text: string): void {
    if (text !== "") this.#system.push(text);
  }

  user(content: readonly (TextPart | FilePart)[]): void {
    if (content.length > 0) this.#messages.push({ role: "user", content });
    else this.mend();
  }

  /** Neighbouring parts of the assistant are one message. */
  assistant(content: readonly AssistantPart[]): void {
    const last = this.#messages.at(-1);
    if (last?.role === "assistant")
      this.#messages.splice(-1, 1, { role: "assistant", content: [...last.content, ...content] });
    else if (content.length > 0) this.#messages.push({ role: "assistant", content });
  }

  call(at: string, given: { readonly id: string; readonly tool: string; readonly input: JsonValue }): AssistantPart {
    const { id, tool, input } = given;
    const isPlain = /^[A-Za-z0-9_-]{1,64}$/.test(id) && !this.#used.has(id);
    const callId = isPlain ? id : `call_${this.#used.size}_${hashText(id).slice(0, 8)}`;
    if (tool === "") throw wrongField(at, "names no tool");
    if (!isPlain || typeof input === "string") this.mend();
    this.#used.add(callId);
    this.#calls.set(id, { callId, tool });
    return { type: "tool-call", callId, tool, input };
  }

  result(at: string, given: { readonly id: string; readonly output: JsonValue; readonly isError: boolean }): void {
    const call = this.#calls.get(given.id);
    if (call === undefined)
      throw wrongField(at, `answers the call "${given.id.slice(0, 80)}", which no earlier message made`);
    const part: ToolResultPart = {
      type: "tool-result",
      ...call,
      output: given.output,
      ...(given.isError && { isError: true }),
    };
    const last = this.#messages.at(-1);
    if (last?.role === "tool") this.#messages.splice(-1, 1, { role: "tool", content: [...last.content, part] });
    else this.#messages.push({ role: "tool", content: [part] });
  }

  /** A file that is in the request itself: `data:image/png;base64,…`. */
  file(at: string, url: string, filename?: string): FilePart {
    const [, mediaType, base64] = /^data:([a-z]+\/[a-z0-9.+-]+);base64,([A-Za-z0-9+/=_\r\n-]*)$/i.exec(url) ?? [];
    if (mediaType === undefined || base64 === undefined)
      throw wrongField(at, "must hold the file itself, as a data URL in base64: nothing is fetched from here");
    return this.fileOf(mediaType, base64, filename);
  }

  fileOf(mediaType: string, base64: string, filename?: string): FilePart {
    const blob = `file-${this.files.size}`;
    this.files.set(blob, Buffer.from(base64, "base64"));
    return { type: "file", mediaType, blob, ...(filename !== undefined && { filename }) };
  }

  /** What was told, as a request. */
  asked(fields: Fields, { tools, params, isOneCall, wantsUsage = true }: Rest): FrontRequest {
    if (this.#messages.length === 0) throw wrongField("messages", "must hold a message that is not empty");
    return {
      model: fields.needText("model"),
      isStream: fields.flag("stream"),
      request: { system: this.#system.join("\n\n"), messages: this.#messages, tools, params },
      files: this.files,
      isOneCall,
      wantsUsage,
    };
  }
}

interface Rest extends Pick<FrontRequest, "isOneCall"> {
  readonly tools: readonly ToolSpec[];
  readonly params: ModelParams;
  /** Default true. */
  readonly wantsUsage?: boolean;
}

/** Arguments as a caller wrote them: JSON, or the text where it is none. */
export function inputOf(text: string): JsonValue {
  const parsed = parseJson(text === "" ? "{}" : text);
  return parsed.ok ? parsed.value : text;
}

/** Arguments as a caller reads them. */
export function argumentsOf(part: AssistantPart & { readonly type: "tool-call" }): string {
  return part.malformed === true && typeof part.input === "string" ? part.input : JSON.stringify(part.input);
}

/** `text` and `content[].text` of a message that may only hold text. */
export function textsOf(fields: Fields, name: string, types: readonly string[]): string {
  const value = fields.get(name);
  if (value === undefined || typeof value === "string") return value ?? "";
  return (fields.list(name) ?? [])
    .map((part) => {
      const type = part.needText("type");
      if (types.includes(type)) return part.text(type === "refusal" ? "refusal" : "text") ?? "";
      throw unknownType(part, type, types.join(", "));
    })
    .join("");
}

/** `content` of a message: a text, or parts. */
export function contentOf<Part>(
  message: Fields,
  partOf: (part: Fields) => readonly Part[],
): readonly (Part | TextPart)[] {
  const content = message.get("content");
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return (message.list("content") ?? []).flatMap((part) => partOf(part));
}

/** @param of the fields of a function; undefined where a tool has none */
export function functionsOf(fields: Fields, of: (tool: Fields) => Fields | undefined): readonly ToolSpec[] {
  return (fields.list("tools") ?? []).map((tool) => {
    const found = of(tool);
    if (tool.needText("type") === "function" && found !== undefined) return toolOf({ of: found, schema: "parameters" });
    throw wrongField(tool.at("type"), 'must be "function": tools that a provider runs are not offered here');
  });
}

export function unknownType(part: Fields, type: string, taken: string): Error {
  return wrongField(part.at("type"), `is "${type.slice(0, 40)}"; taken are ${taken}`);
}

interface ToolFields {
  /** Of the tool's object: OpenAI's chat has them one level deeper. */
  readonly of: Fields;
  readonly schema: string;
}

export function toolOf({ of, schema }: ToolFields): ToolSpec {
  const name = of.needText("name");
  if (!/^[a-zA-Z0-9_.-]{1,128}$/.test(name)) throw wrongField(of.at("name"), "must be letters, digits, _ and -");
  const inputSchema: JsonObject = of.json(schema) ?? { type: "object", properties: {} };
  return { name, description: of.text("description") ?? "", inputSchema };
}

const efforts: { readonly [effort: string]: ModelParams["reasoning"] } = {
  none: undefined,
  minimal: "low",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "high",
};

export function reasoningOf(fields: Fields | undefined, name: string): Pick<ModelParams, "reasoning"> {
  const effort = fields?.text(name);
  if (fields === undefined || effort === undefined) return {};
  if (!Object.hasOwn(efforts, effort))
    throw wrongField(fields.at(name), `must be one of ${Object.keys(efforts).join(", ")}`);
  const reasoning = efforts[effort];
  return reasoning === undefined ? {} : { reasoning };
}

/** `response_format`, or `text.format`: its schema is one level deeper in chat. */
export function outputSchemaOf(format: Fields | undefined, isNested: boolean): Pick<ModelParams, "outputSchema"> {
  const type = format?.text("type");
  if (format === undefined || type === undefined || type === "text") return {};
  if (type === "json_object") return { outputSchema: { type: "object" } };
  if (type !== "json_schema") throw wrongField(format.at("type"), "must be text, json_object or json_schema");
  const holder = isNested ? format.object("json_schema") : format;
  const schema = holder?.get("schema");
  if (!isJsonObject(schema)) throw wrongField(`${format.at(isNested ? "json_schema.schema" : "schema")}`, "is missing");
  return { outputSchema: schema };
}

/** Sampling, which every API spells the same. */
export function samplingOf(fields: Fields, temperatureMax: number): Pick<ModelParams, "temperature" | "topP"> {
  const temperature = fields.number("temperature", 0, temperatureMax);
  const topP = fields.number("top_p", 0, 1);
  return { ...(temperature !== undefined && { temperature }), ...(topP !== undefined && { topP }) };
}

export function toolChoiceOf(
  fields: Fields,
  named: (choice: Fields) => string | null,
): Pick<ModelParams, "toolChoice"> {
  const choice = fields.get("tool_choice");
  if (choice === undefined) return {};
  if (choice === "auto" || choice === "none" || choice === "required") return { toolChoice: choice };
  const object = isJsonObject(choice) ? fields.object("tool_choice") : undefined;
  const tool = object === undefined ? null : named(object);
  if (tool === null) throw wrongField(fields.at("tool_choice"), "must be auto, none, required, or name a function");
  return { toolChoice: { tool } };
}

export const defaultOutputTokens: number = limits.frontOutputTokens;
