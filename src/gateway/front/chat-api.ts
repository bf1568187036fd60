import type { FinishReason } from "../../core/model-event.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import type { FilePart, TextPart } from "../../core/message.ts";
import type { ModelParams } from "../../core/model-contract.ts";
import { tokensOf, type Usage } from "../../core/usage.ts";
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
  defaultOutputTokens,
  functionsOf,
  inputOf,
  outputSchemaOf,
  reasoningOf,
  samplingOf,
  textsOf,
  toolChoiceOf,
  unknownType,
  type FrontRequest,
} from "./front-request.ts";

const taken =
  "model messages stream stream_options max_tokens max_completion_tokens temperature top_p seed stop tools tool_choice parallel_tool_calls response_format reasoning_effort".split(
    " ",
  );
const own = "model stream stream_options max_tokens max_completion_tokens".split(" ");
const ignored =
  "user metadata store service_tier prompt_cache_key prompt_cache_retention safety_identifier verbosity".split(" ");
const refused = {
  n: 1,
  logprobs: false,
  top_logprobs: 0,
  logit_bias: {},
  frequency_penalty: 0,
  presence_penalty: 0,
  modalities: ["text"],
  audio: undefined,
  prediction: undefined,
  web_search_options: undefined,
  functions: undefined,
  function_call: undefined,
};

/** OpenAI's `/v1/chat/completions`. */
export const chatApi: Dialect = {
  name: "chat",
  parse(body) {
    const fields = new Fields(body);
    fields.only(taken, ignored, refused);
    const told = new Conversation();
    for (const message of fields.list("messages") ?? []) readMessage(message, told);
    const asked = told.asked(fields, {
      tools: functionsOf(fields, (tool) => tool.object("function")),
      params: paramsOf(fields),
      isOneCall: fields.get("parallel_tool_calls") === false,
      wantsUsage: fields.object("stream_options")?.flag("include_usage") === true,
    });
    return told.isMended ? asked : { ...asked, chat: keptOf(body) };
  },
  whole(answer) {
    const calls = callsOf(answer).map((part, i) => ({
      id: callIdOf(answer.id, i),
      type: "function",
      function: { name: part.tool, arguments: argumentsOf(part) },
    }));
    const text = textOfAnswer(answer);
    const reasoning = answer.content.map((part) => (part.type === "reasoning" ? part.text : "")).join("");
    const message = {
      role: "assistant",
      content: text === "" && calls.length > 0 ? null : text,
      refusal: null,
      ...(reasoning !== "" && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    return {
      ...documentOf(answer, "chat.completion"),
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(answer.finish) }],
      usage: usageOf(answer.usage),
    };
  },
  writer: (head, asked) => new ChatWriter(head, asked),
  errorBody: openaiError,
};

/** What of a body a provider is sent as it stands: how it is answered, and how long, is said by whoever sends it. */
function keptOf(body: JsonObject): JsonObject {
  const isKept = ([name, value]: readonly [string, JsonValue]): boolean =>
    taken.includes(name) && !own.includes(name) && value !== null && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(body).filter(isKept));
}

/** As OpenAI says what is wrong, in both of its APIs. */
export function openaiError({ status, code, message, param }: FrontError): JsonObject {
  const type =
    status === 429
      ? "rate_limit_error"
      : status >= 500
        ? "server_error"
        : (typesByStatus[status] ?? "invalid_request_error");
  return { error: { message, type, param, code } };
}

const typesByStatus: { readonly [status: number]: string } = {
  401: "authentication_error",
  402: "insufficient_quota",
  403: "permission_error",
};

function readMessage(message: Fields, told: Conversation): void {
  const role = message.needText("role");
  switch (role) {
    case "developer":
      // few hosts know it
      told.mend();
      told.system(textsOf(message, "content", ["text"]));
      return;
    case "system":
      told.system(textsOf(message, "content", ["text"]));
      return;
    case "user":
      told.user(contentOf(message, (part) => userPart(part, told)));
      return;
    case "assistant": {
      const text = textsOf(message, "content", ["text", "refusal"]);
      const calls = (message.list("tool_calls") ?? []).map((call) => {
        const of = call.object("function");
        if (of === undefined) throw wrongField(call.at("function"), "is missing: only function calls are known here");
        const given = {
          id: call.needText("id"),
          tool: of.needText("name"),
          input: inputOf(of.text("arguments") ?? ""),
        };
        return told.call(call.at("function.name"), given);
      });
      told.assistant([...(text === "" ? [] : [{ type: "text" as const, text }]), ...calls]);
      return;
    }
    case "tool":
      told.result(message.at("tool_call_id"), {
        id: message.needText("tool_call_id"),
        output: textsOf(message, "content", ["text"]),
        isError: false,
      });
      return;
    default:
      throw wrongField(message.at("role"), "must be system, developer, user, assistant or tool");
  }
}

function userPart(part: Fields, told: Conversation): readonly (TextPart | FilePart)[] {
  const type = part.needText("type");
  switch (type) {
    case "text":
      return [{ type, text: part.text("text") ?? "" }];
    case "image_url":
      return [told.file(part.at("image_url.url"), part.object("image_url")?.needText("url") ?? "")];
    case "file": {
      const file = part.object("file");
      return [told.file(part.at("file.file_data"), file?.text("file_data") ?? "", file?.text("filename"))];
    }
    default:
      throw unknownType(part, type, "text, image_url and file");
  }
}

function paramsOf(fields: Fields): ModelParams {
  const seed = fields.number("seed", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const stop = fields.texts("stop");
  return {
    maxOutputTokens: fields.count("max_completion_tokens") ?? fields.count("max_tokens") ?? defaultOutputTokens,
    ...samplingOf(fields, 2),
    ...(seed !== undefined && { seed }),
    ...(stop !== undefined && { stop }),
    ...reasoningOf(fields, "reasoning_effort"),
    ...outputSchemaOf(fields.object("response_format"), true),
    ...toolChoiceOf(fields, (choice) => choice.object("function")?.needText("name") ?? null),
  };
}

function documentOf({ id, model, createdAt }: AnswerHead, object: string) {
  return { id: `chatcmpl-${id}`, object, created: Math.floor(createdAt / 1000), model, system_fingerprint: null };
}

function finishOf(finish: FinishReason): string {
  if (finish === "tool-calls") return "tool_calls";
  if (finish === "content-filter") return "content_filter";
  return finish === "length" ? "length" : "stop";
}

function usageOf(usage: Usage): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: tokensOf(usage),
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}

class ChatWriter implements AnswerWriter {
  readonly #head: AnswerHead;
  readonly #wantsUsage: boolean;
  readonly #calls = new Set<number>();
  #hasText = false;
  /** What every chunk begins with: written once. */
  readonly #start: string;

  constructor(head: AnswerHead, { wantsUsage }: FrontRequest) {
    this.#head = head;
    this.#wantsUsage = wantsUsage;
    this.#start = JSON.stringify(documentOf(head, "chat.completion.chunk")).slice(0, -1);
  }

  begin(): string {
    return this.#chunk({ role: "assistant", content: "" });
  }

  text(piece: string): string {
    this.#hasText = true;
    return this.#chunk({ content: piece });
  }

  reasoning(piece: string): string {
    return this.#chunk({ reasoning_content: piece });
  }

  call(index: number, tool: string, piece: string): string {
    if (this.#calls.has(index)) return this.#chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
    this.#calls.add(index);
    const id = callIdOf(this.#head.id, index);
    return this.#chunk({ tool_calls: [{ index, id, type: "function", function: { name: tool, arguments: piece } }] });
  }

  end(answer: FrontAnswer): string {
    const text = this.#hasText ? "" : textOfAnswer(answer);
    const calls = callsOf(answer).map((part, i) =>
      this.#calls.has(i) ? "" : this.call(i, part.tool, argumentsOf(part)),
    );
    const usage = this.#wantsUsage
      ? `${this.#start},"choices":[],"usage":${JSON.stringify(usageOf(answer.usage))}}`
      : "";
    return [
      text === "" ? "" : this.text(text),
      ...calls,
      this.#chunk({}, finishOf(answer.finish)),
      usage === "" ? "" : `data: ${usage}\n\n`,
      "data: [DONE]\n\n",
    ].join("");
  }

  error(error: FrontError): string {
    return sse(openaiError(error));
  }

  #chunk(delta: JsonObject, finish: string | null = null): string {
    const choice = { index: 0, delta, logprobs: null, finish_reason: finish };
    const usage = this.#wantsUsage ? ',"usage":null' : "";
    return `data: ${this.#start},"choices":[${JSON.stringify(choice)}]${usage}}\n\n`;
  }
}
