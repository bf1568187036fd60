import type { FilePart, TextPart } from "../../core/message.ts";
import type { ModelParams } from "../../core/model-contract.ts";
import { openaiError } from "./chat-api.ts";
import type { Dialect } from "./front-answer.ts";
import { Fields, wrongField } from "./front-fields.ts";
import {
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
} from "./front-request.ts";
import { responseOf } from "./response-document.ts";
import { ResponsesWriter } from "./responses-writer.ts";

const taken =
  "model input instructions stream max_output_tokens temperature top_p tools tool_choice parallel_tool_calls text reasoning".split(
    " ",
  );
const ignored =
  "user metadata store service_tier prompt_cache_key prompt_cache_retention safety_identifier include truncation max_tool_calls stream_options".split(
    " ",
  );
const refused = {
  previous_response_id: undefined,
  conversation: undefined,
  background: false,
  prompt: undefined,
  top_logprobs: 0,
  context_management: undefined,
};

/** OpenAI's `/v1/responses`. Nothing is stored: each request holds its whole conversation. */
export const responsesApi: Dialect = {
  name: "responses",
  parse(body) {
    const fields = new Fields(body);
    fields.only(taken, ignored, refused);
    const told = new Conversation();
    told.system(fields.text("instructions") ?? "");
    const input = fields.get("input");
    if (typeof input === "string") told.user([{ type: "text", text: input }]);
    else for (const item of fields.list("input") ?? []) readItem(item, told);
    return told.asked(fields, {
      tools: functionsOf(fields, (tool) => tool),
      params: paramsOf(fields),
      isOneCall: fields.get("parallel_tool_calls") === false,
    });
  },
  whole: (answer) => responseOf(answer, answer),
  writer: (head) => new ResponsesWriter(head),
  errorBody: openaiError,
};

function readItem(item: Fields, told: Conversation): void {
  const type = item.text("type") ?? "message";
  switch (type) {
    case "message":
      readMessage(item, told);
      return;
    case "function_call": {
      const given = {
        id: item.needText("call_id"),
        tool: item.needText("name"),
        input: inputOf(item.text("arguments") ?? ""),
      };
      told.assistant([told.call(item.at("name"), given)]);
      return;
    }
    case "function_call_output":
      told.result(item.at("call_id"), {
        id: item.needText("call_id"),
        output: textsOf(item, "output", ["input_text", "output_text"]),
        isError: false,
      });
      return;
    case "reasoning":
      return;
    default:
      throw unknownType(item, type, "message, function_call, function_call_output and reasoning");
  }
}

function readMessage(item: Fields, told: Conversation): void {
  const role = item.needText("role");
  switch (role) {
    case "system":
    case "developer":
      told.system(textsOf(item, "content", ["input_text", "text"]));
      return;
    case "assistant": {
      const text = textsOf(item, "content", ["output_text", "input_text", "text", "refusal"]);
      told.assistant(text === "" ? [] : [{ type: "text", text }]);
      return;
    }
    case "user":
      told.user(contentOf(item, (part) => userPart(part, told)));
      return;
    default:
      throw wrongField(item.at("role"), "must be system, developer, user or assistant");
  }
}

function userPart(part: Fields, told: Conversation): readonly (TextPart | FilePart)[] {
  const type = part.needText("type");
  switch (type) {
    case "input_text":
    case "text":
      return [{ type: "text", text: part.text("text") ?? "" }];
    case "input_image":
      return [told.file(part.at("image_url"), part.text("image_url") ?? "")];
    case "input_file":
      return [told.file(part.at("file_data"), part.text("file_data") ?? "", part.text("filename"))];
    default:
      throw unknownType(part, type, "input_text, input_image, input_file");
  }
}

function paramsOf(fields: Fields): ModelParams {
  return {
    maxOutputTokens: fields.count("max_output_tokens") ?? defaultOutputTokens,
    ...samplingOf(fields, 2),
    ...reasoningOf(fields.object("reasoning"), "effort"),
    ...outputSchemaOf(fields.object("text")?.object("format"), false),
    ...toolChoiceOf(fields, (choice) => (choice.text("type") === "function" ? choice.needText("name") : null)),
  };
}
