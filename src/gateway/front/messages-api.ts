import type { FinishReason } from "../../core/model-event.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { AssistantPart, FilePart, TextPart } from "../../core/message.ts";
import type { ModelParams } from "../../core/model-contract.ts";
import type { Usage } from "../../core/usage.ts";
import {
  callIdOf,
  callsOf,
  sse,
  textOfAnswer,
  type AnswerHead,
  type AnswerWriter,
  type Dialect,
  type FrontAnswer,
  type FrontError,
} from "./front-answer.ts";
import { Fields, wrongField } from "./front-fields.ts";
import {
  argumentsOf,
  contentOf,
  Conversation,
  outputSchemaOf,
  samplingOf,
  textsOf,
  toolOf,
  unknownType,
} from "./front-request.ts";

const taken =
  "model messages system max_tokens stream temperature top_p stop_sequences tools tool_choice thinking output_config output_format".split(
    " ",
  );
const ignored = "metadata service_tier".split(" ");
const refused = { top_k: undefined, container: undefined, mcp_servers: [], context_management: undefined };

/** Anthropic's `/v1/messages`. */
export const messagesApi: Dialect = {
  name: "messages",
  parse(body) {
    const fields = new Fields(body);
    fields.only(taken, ignored, refused);
    const told = new Conversation();
    told.system(textsOf(fields, "system", ["text"]));
    for (const message of fields.list("messages") ?? []) readMessage(message, told);
    const maxOutputTokens = fields.count("max_tokens");
    if (maxOutputTokens === undefined) throw wrongField("max_tokens", "is missing: give a whole number");
    return told.asked(fields, {
      tools: toolsOf(fields),
      params: { maxOutputTokens, ...paramsOf(fields) },
      isOneCall: fields.object("tool_choice")?.flag("disable_parallel_tool_use") === true,
    });
  },
  whole(answer) {
    const text = textOfAnswer(answer);
    const calls = callsOf(answer).map((part, i) => ({
      type: "tool_use",
      id: callIdOf(answer.id, i),
      name: part.tool,
      input: isJsonObject(part.input) ? part.input : { arguments: part.input },
    }));
    return {
      ...messageOf(answer),
      content: [...(text === "" ? [] : [{ type: "text", text }]), ...calls],
      stop_reason: stopOf(answer.finish),
      usage: usageOf(answer.usage),
    };
  },
  writer: (head) => new MessagesWriter(head),
  errorBody: anthropicError,
};

const errorTypes: { readonly [status: number]: string } = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
};

function anthropicError({ status, message }: FrontError): JsonObject {
  const fallback = status >= 500 ? "api_error" : "invalid_request_error";
  return { type: "error", error: { type: errorTypes[status] ?? fallback, message } };
}

function readMessage(message: Fields, told: Conversation): void {
  const role = message.needText("role");
  if (role === "system") {
    told.system(textsOf(message, "content", ["text"]));
    return;
  }
  if (role !== "user" && role !== "assistant") throw wrongField(message.at("role"), "must be user or assistant");
  // results come before what is said beside them
  if (role === "user") told.user(contentOf(message, (block) => userPart(block, told)));
  else told.assistant(contentOf(message, (block) => assistantPart(block, told)));
}

function assistantPart(block: Fields, told: Conversation): readonly AssistantPart[] {
  const type = block.needText("type");
  switch (type) {
    case "text":
      return [{ type: "text", text: block.text("text") ?? "" }];
    case "tool_use": {
      const given = { id: block.needText("id"), tool: block.needText("name"), input: block.json("input") ?? {} };
      return [told.call(block.at("name"), given)];
    }
    case "thinking":
    case "redacted_thinking":
      return [];
    default:
      throw unknownType(block, type, "text and tool_use");
  }
}

function userPart(block: Fields, told: Conversation): readonly (TextPart | FilePart)[] {
  const type = block.needText("type");
  switch (type) {
    case "text":
      return [{ type: "text", text: block.text("text") ?? "" }];
    case "image":
    case "document": {
      const source = block.object("source");
      if (source?.text("type") !== "base64")
        throw wrongField(block.at("source.type"), "must be base64: nothing is fetched from here");
      return [told.fileOf(source.needText("media_type"), source.needText("data"), block.text("title"))];
    }
    case "tool_result":
      told.result(block.at("tool_use_id"), {
        id: block.needText("tool_use_id"),
        output: textsOf(block, "content", ["text"]),
        isError: block.flag("is_error"),
      });
      return [];
    default:
      throw unknownType(block, type, "text, image, document and tool_result");
  }
}

function toolsOf(fields: Fields) {
  return (fields.list("tools") ?? []).map((tool) => {
    if ((tool.text("type") ?? "custom") === "custom") return toolOf({ of: tool, schema: "input_schema" });
    throw wrongField(tool.at("type"), 'must be "custom": tools that a provider runs are not offered here');
  });
}

function paramsOf(fields: Fields): Omit<ModelParams, "maxOutputTokens"> {
  const stop = fields.texts("stop_sequences");
  const choice = fields.object("tool_choice");
  const budget = fields.object("thinking")?.count("budget_tokens");
  const reasoning = budget === undefined ? undefined : budget < 4_096 ? "low" : budget < 16_384 ? "medium" : "high";
  const format = fields.object("output_config")?.object("format") ?? fields.object("output_format");
  return {
    ...samplingOf(fields, 1),
    ...(stop !== undefined && { stop }),
    ...(reasoning !== undefined && { reasoning }),
    ...outputSchemaOf(format, false),
    ...(choice !== undefined && { toolChoice: toolChoiceOf(choice) }),
  };
}

function toolChoiceOf(choice: Fields): NonNullable<ModelParams["toolChoice"]> {
  switch (choice.needText("type")) {
    case "auto":
      return "auto";
    case "any":
      return "required";
    case "none":
      return "none";
    case "tool":
      return { tool: choice.needText("name") };
    default:
      throw wrongField(choice.at("type"), "must be auto, any, tool or none");
  }
}

function messageOf({ id, model }: AnswerHead): JsonObject {
  return { id: `msg_${id}`, type: "message", role: "assistant", model, stop_sequence: null };
}

function stopOf(finish: FinishReason): string {
  if (finish === "tool-calls") return "tool_use";
  if (finish === "content-filter") return "refusal";
  return finish === "length" ? "max_tokens" : "end_turn";
}

/** What was read from a cache, or written to it, is not counted as input here. */
function usageOf(usage: Usage): JsonObject {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens } = usage;
  return {
    input_tokens: Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens),
    cache_read_input_tokens: cachedInputTokens,
    cache_creation_input_tokens: cacheWriteTokens,
    output_tokens: outputTokens,
  };
}

class MessagesWriter implements AnswerWriter {
  readonly #head: AnswerHead;
  /** Blocks by what they hold: the text (-1), or a call by its index. All stay open until the end. */
  readonly #blocks = new Map<number, number>();

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  begin(): string {
    const usage = { input_tokens: 0, output_tokens: 0 };
    const message = { ...messageOf(this.#head), content: [], stop_reason: null, usage };
    return event("message_start", { message });
  }

  text(piece: string): string {
    return this.#delta(-1, { type: "text", text: "" }, { type: "text_delta", text: piece });
  }

  reasoning(): string {
    return "";
  }

  call(index: number, tool: string, piece: string): string {
    const block = { type: "tool_use", id: callIdOf(this.#head.id, index), name: tool, input: {} };
    return this.#delta(index, block, { type: "input_json_delta", partial_json: piece });
  }

  end(answer: FrontAnswer): string {
    const text = this.#blocks.has(-1) ? "" : textOfAnswer(answer);
    const missing = callsOf(answer).map((part, i) =>
      this.#blocks.has(i) ? "" : this.call(i, part.tool, argumentsOf(part)),
    );
    const opened = [text === "" ? "" : this.text(text), ...missing];
    const closed = [...this.#blocks.values()].map((index) => event("content_block_stop", { index }));
    const delta = { stop_reason: stopOf(answer.finish), stop_sequence: null };
    return [
      ...opened,
      ...closed,
      event("message_delta", { delta, usage: usageOf(answer.usage) }),
      event("message_stop", {}),
    ].join("");
  }

  error(error: FrontError): string {
    return sse(anthropicError(error), "error");
  }

  #delta(of: number, block: JsonObject, delta: JsonObject): string {
    const known = this.#blocks.get(of);
    const index = known ?? this.#blocks.size;
    this.#blocks.set(of, index);
    const start = known === undefined ? event("content_block_start", { index, content_block: block }) : "";
    return start + event("content_block_delta", { index, delta });
  }
}

function event(type: string, data: JsonObject): string {
  return sse({ type, ...data }, type);
}
