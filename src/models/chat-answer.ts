import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4Usage } from "@ai-sdk/provider";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

interface Call {
  readonly id: string;
  readonly wireId: string;
  tool: string;
  input: string;
}

type Part = LanguageModelV4StreamPart;

/** Reads OpenAI's chat completions, whole or chunk by chunk, into the parts that the provider packages stream. */
export class ChatAnswer {
  readonly #endpoint: string;
  readonly #calls: Call[] = [];
  readonly #byIndex = new Map<number, Call>();
  #finish: string | null = null;
  #usage: JsonObject | null = null;
  #hasRefusal = false;
  #isNamed = false;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  /** @throws MODEL_BAD_RESPONSE  it is no chat completion */
  *take(document: JsonValue): Generator<Part> {
    if (!isJsonObject(document)) throw this.#bad("something that is no JSON object");
    const { error, model, usage, choices } = document;
    if (error !== undefined && error !== null) {
      yield { type: "error", error };
      return;
    }
    if (!this.#isNamed && typeof model === "string") {
      this.#isNamed = true;
      yield { type: "response-metadata", modelId: model };
    }
    if (isJsonObject(usage)) this.#usage = usage;
    if (!Array.isArray(choices)) throw this.#bad("no choices");
    const choice: JsonValue | undefined = (choices as readonly JsonValue[])[0];
    if (isJsonObject(choice)) yield* this.#choice(choice);
  }

  /** What is known only when nothing more comes. Without a finish reason there is no end. */
  *end(): Generator<Part> {
    for (const { id, tool, input } of this.#calls) {
      if (tool === "") throw this.#bad("a tool call that names no tool");
      yield { type: "tool-call", toolCallId: id, toolName: tool, input };
    }
    if (this.#finish !== null)
      yield { type: "finish", finishReason: reasonOf(this.#finish, this.#hasRefusal), usage: usageOf(this.#usage) };
  }

  *#choice({ message, delta, finish_reason: reason }: JsonObject): Generator<Part> {
    if (typeof reason === "string") this.#finish = reason;
    // an answer in one piece is whole, whatever it calls its end
    else if (message !== undefined) this.#finish ??= "";
    const said = delta ?? message;
    if (!isJsonObject(said)) return;
    yield* this.#texts("reasoning", said["reasoning_content"] ?? said["reasoning"]);
    yield* this.#texts("text", said["content"]);
    const { refusal, tool_calls: calls } = said;
    if (typeof refusal === "string" && refusal !== "") {
      this.#hasRefusal = true;
      yield { type: "text-delta", id: "text", delta: refusal };
    }
    if (calls === undefined || calls === null) return;
    if (!Array.isArray(calls)) throw this.#bad("tool calls that are no list");
    for (const call of calls as readonly JsonValue[]) if (isJsonObject(call)) yield* this.#call(call);
  }

  *#texts(kind: "text" | "reasoning", content: JsonValue | undefined): Generator<Part> {
    if (content === undefined || content === null || content === "") return;
    if (typeof content === "string") yield { type: `${kind}-delta`, id: kind, delta: content };
    else if (Array.isArray(content)) {
      for (const part of content as readonly JsonValue[]) {
        if (!isJsonObject(part)) continue;
        if (part["type"] === "text") yield* this.#texts(kind, part["text"]);
        else if (part["type"] === "thinking") yield* this.#texts("reasoning", part["thinking"]);
      }
    } else throw this.#bad(`a ${kind} that is no text`);
  }

  *#call({ index, id, function: named }: JsonObject): Generator<Part> {
    const { name, arguments: piece } = isJsonObject(named) ? named : {};
    const tool = typeof name === "string" ? name : "";
    const call = this.#callOf(typeof index === "number" ? index : null, typeof id === "string" ? id : "", tool);
    const text = typeof piece === "string" ? piece : "";
    const isNew = call.tool === "" && tool !== "";
    call.input += text;
    if (isNew) {
      call.tool = tool;
      yield { type: "tool-input-start", id: call.id, toolName: tool };
    }
    if (call.tool !== "") yield { type: "tool-input-delta", id: call.id, delta: isNew ? call.input : text };
  }

  /** Some hosts give no index, or all calls the same one: a name under another id is another call. */
  #callOf(index: number | null, wireId: string, tool: string): Call {
    const known = index === null ? (tool === "" ? this.#calls.at(-1) : undefined) : this.#byIndex.get(index);
    const isOther = tool !== "" && wireId !== "" && known !== undefined && known.tool !== "" && known.wireId !== wireId;
    if (known !== undefined && !isOther) return known;
    const call: Call = { id: String(this.#calls.length), wireId, tool: "", input: "" };
    this.#calls.push(call);
    if (index !== null) this.#byIndex.set(index, call);
    return call;
  }

  #bad(what: string): PawlError {
    return new PawlError("MODEL_BAD_RESPONSE", `"${this.#endpoint}" answered ${what} where a chat completion belongs.`);
  }
}

function reasonOf(raw: string, hasRefusal: boolean): LanguageModelV4FinishReason {
  const unified = reasons.get(raw) ?? "other";
  return { unified: unified === "stop" && hasRefusal ? "content-filter" : unified, raw };
}

const reasons: ReadonlyMap<string, LanguageModelV4FinishReason["unified"]> = new Map([
  ["stop", "stop"],
  ["length", "length"],
  ["content_filter", "content-filter"],
  ["tool_calls", "tool-calls"],
  ["function_call", "tool-calls"],
]);

/** Numbers as told; what they are worth is judged where all providers' are. */
function usageOf(told: JsonObject | null): LanguageModelV4Usage {
  const of = (name: string, from: JsonValue | null | undefined = told): number | undefined =>
    isJsonObject(from) ? ((from[name] ?? undefined) as number | undefined) : undefined;
  const total = of("completion_tokens");
  return {
    inputTokens: {
      total: of("prompt_tokens"),
      noCache: undefined,
      cacheRead: of("cached_tokens", told?.["prompt_tokens_details"]),
      cacheWrite: undefined,
    },
    outputTokens: { total, text: undefined, reasoning: of("reasoning_tokens", told?.["completion_tokens_details"]) },
  };
}
