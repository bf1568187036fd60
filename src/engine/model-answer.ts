import { PawlError } from "../core/errors.ts";
import { toJson, utf8Bytes } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { AssistantPart, ToolCallPart } from "../core/message.ts";
import type { ModelPart } from "../core/model-contract.ts";
import { partIdOf } from "../core/run-context.ts";
import type { Usage } from "../core/usage.ts";

export type Finish = Extract<ModelPart, { readonly type: "finish" }>;

/**
 * An endpoint's answer as it may be recorded, whoever wrote the endpoint: plain JSON, arguments within their bounds, usage
 * that can be charged. Tool calls get Pawl's ids: the provider's may be empty, repeated, or of a form that another
 * provider refuses.
 * @throws MODEL_BAD_RESPONSE
 */
export function checkedAnswer(finish: Finish, modelCallId: string, endpoint: string): Finish {
  let index = 0;
  const content = finish.content.map((part): AssistantPart => {
    if (part.type === "tool-call") return checkedCall(part, partIdOf(modelCallId, index++));
    const json = toJson(part);
    if (json.ok) return json.value as unknown as AssistantPart;
    throw new PawlError(
      "MODEL_BAD_RESPONSE",
      `"${endpoint}" answered with a ${part.type} that holds ${json.found} at ${json.path}.`,
    );
  });
  return { ...finish, content, usage: finish.usage !== null && isCharge(finish.usage) ? finish.usage : null };
}

function checkedCall(call: ToolCallPart, callId: string): ToolCallPart {
  const input = toJson(call.input);
  const text = input.ok ? JSON.stringify(input.value) : "";
  if (input.ok && utf8Bytes(text) <= limits.argumentBytes) return { ...call, callId, input: input.value };
  const kept = input.ok ? text.slice(0, limits.inlineBytes).toWellFormed() : `(${input.found} at ${input.path})`;
  return { ...call, callId, input: kept, malformed: true };
}

function isCharge(usage: Usage): boolean {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  const counts: readonly unknown[] = [inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens];
  return counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0);
}
