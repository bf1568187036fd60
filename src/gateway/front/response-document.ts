import type { JsonObject } from "../../core/json.ts";
import { tokensOf, type Usage } from "../../core/usage.ts";
import { callIdOf, callsOf, textOfAnswer, type AnswerHead, type FrontAnswer } from "./front-answer.ts";
import { argumentsOf } from "./front-request.ts";

/** The response as it stands: without an answer it has only begun. */
export function responseOf(head: AnswerHead, answer: FrontAnswer | null): JsonObject {
  const isCut = answer?.finish === "length" || answer?.finish === "content-filter";
  const reason = answer?.finish === "length" ? "max_output_tokens" : "content_filter";
  return {
    id: `resp_${head.id}`,
    object: "response",
    created_at: Math.floor(head.createdAt / 1000),
    status: answer === null ? "in_progress" : isCut ? "incomplete" : "completed",
    error: null,
    incomplete_details: isCut ? { reason } : null,
    instructions: null,
    max_output_tokens: null,
    model: head.model,
    output: answer === null ? [] : outputOf(answer),
    parallel_tool_calls: true,
    previous_response_id: null,
    store: false,
    temperature: null,
    top_p: null,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    truncation: "disabled",
    usage: answer === null ? null : usageOf(answer.usage),
    metadata: {},
  };
}

function outputOf(answer: FrontAnswer): readonly JsonObject[] {
  const text = textOfAnswer(answer);
  const calls = callsOf(answer);
  const message = text === "" && calls.length > 0 ? [] : [messageItem(answer.id, text, "completed")];
  return [...message, ...calls.map((part, i) => callItem(answer.id, { index: i, tool: part.tool }, argumentsOf(part)))];
}

function usageOf(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: tokensOf(usage),
  };
}

export function messageItem(id: string, text: string, status: "in_progress" | "completed"): JsonObject {
  const content = status === "completed" ? [{ type: "output_text", text, annotations: [], logprobs: [] }] : [];
  return { id: `msg_${id}`, type: "message", status, role: "assistant", content };
}

export function callItem(
  id: string,
  { index, tool }: { readonly index: number; readonly tool: string },
  text: string,
  status: "in_progress" | "completed" = "completed",
): JsonObject {
  const callId = callIdOf(id, index);
  return { id: `fc_${id}_${index}`, type: "function_call", status, arguments: text, call_id: callId, name: tool };
}
