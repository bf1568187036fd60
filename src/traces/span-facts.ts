import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Span, SpanDetail } from "../core/trace-contract.ts";
import { usdOf } from "../core/usage.ts";
import type { Fact } from "./otlp-dialects.ts";

export type FactValue = string | number | boolean | readonly string[];
export type Facts = { readonly [fact in Fact]?: FactValue | undefined };

/** What a span's run says of all its spans. */
export interface SpanRun {
  readonly tenant: string;
  readonly runId: string;
  readonly runnable: string;
  readonly version: string;
  readonly principal: string;
  readonly threadId: string | null;
  readonly tags: readonly string[];
}

/** OpenTelemetry's names of providers, where they are not the route's own. */
const providers: { readonly [provider: string]: string } = {
  google: "gcp.gemini",
  vertex: "gcp.vertex_ai",
  bedrock: "aws.bedrock",
  azure: "azure.ai.openai",
  mistral: "mistral_ai",
  xai: "x_ai",
  moonshot: "moonshot_ai",
};

export function factsOf(span: Span, run: SpanRun): Facts {
  const { detail, bill, kind } = span;
  const endpoint = text(detail["endpoint"]);
  const route = text(detail["route"]) ?? endpoint ?? "";
  const cut = route.indexOf("/");
  const provider = cut > 0 ? route.slice(0, cut) : undefined;
  const isModel = kind === "model" || (kind === "attempt" && endpoint !== undefined);
  return {
    operation: kind === "attempt" && isModel ? "chat" : undefined,
    provider: provider === undefined ? undefined : (providers[provider] ?? provider),
    modelAsked: isModel ? route.slice(cut + 1) : undefined,
    modelAnswered: text(detail["model"]),
    conversation: run.threadId ?? undefined,
    agent: text(detail["runnable"]) ?? text(detail["agent"]) ?? run.runnable,
    ...(bill !== null && isModel && usageFacts(bill)),
    ttftS: typeof detail["ttftMs"] === "number" ? detail["ttftMs"] / 1_000 : undefined,
    finish: typeof detail["finish"] === "string" ? [finishes[detail["finish"]] ?? detail["finish"]] : undefined,
    endpoint,
    tool: kind === "tool" ? span.name : undefined,
    toolCall: kind === "tool" ? (span.callId ?? undefined) : undefined,
    toolVersion: kind === "tool" ? text(detail["version"]) : undefined,
    effect: text(detail["effect"]),
    effectKey: text(detail["key"]),
    effectStatus: text(detail["effectStatus"]),
    error: span.status === "error" || span.status === "unknown" ? (span.error?.code ?? "_OTHER") : undefined,
    costUsd: bill === null || bill.costNanoUsd === null ? undefined : usdOf(bill.costNanoUsd),
    priceSource: bill === null ? undefined : bill.costNanoUsd === null ? "unpriced" : (bill.priceSource ?? undefined),
    isCostAssumed: bill?.assumed === true ? true : undefined,
    isInherited: bill?.inherited === true ? true : undefined,
    run: span.runId,
    call: span.callId ?? undefined,
    kind,
    status: span.status,
    principal: run.principal,
    tenant: run.tenant,
    tags: run.tags.length === 0 ? undefined : run.tags,
    attempt: typeof detail["attempt"] === "number" ? detail["attempt"] : undefined,
    version: run.version,
    worker: text(detail["worker"]),
  };
}

const finishes: { readonly [finish: string]: string } = {
  "tool-calls": "tool_call",
  "content-filter": "content_filter",
};

function usageFacts({ usage }: NonNullable<Span["bill"]>): Facts {
  return {
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cachedTokens: usage.cachedInputTokens === 0 ? undefined : usage.cachedInputTokens,
    cacheWriteTokens: usage.cacheWriteTokens === 0 ? undefined : usage.cacheWriteTokens,
    reasoningTokens: usage.reasoningTokens === 0 ? undefined : usage.reasoningTokens,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** What was said: only where content is exported. Values are JSON texts, as the conventions want them on spans. */
export function contentFacts({ span, input, output, request }: SpanDetail): Facts {
  if (span.kind === "tool") return { toolArguments: jsonText(input), toolResult: jsonText(output) };
  if (span.kind === "run")
    return {
      inputMessages: jsonText([{ role: "user", parts: [textPart(input)] }]),
      outputMessages: output === null ? undefined : jsonText([{ role: "assistant", parts: [textPart(output)] }]),
    };
  if (span.kind !== "model") return {};
  return {
    systemText: request === null ? undefined : jsonText([textPart(request.system)]),
    inputMessages: request === null ? undefined : jsonText(request.messages.map(({ message }) => otelMessage(message))),
    outputMessages: output === null ? undefined : jsonText([otelMessage(output)]),
  };
}

function textPart(value: JsonValue): JsonObject {
  return { type: "text", content: typeof value === "string" ? value : JSON.stringify(value) };
}

/** A message of ours in the shape of the conventions: parts of `text`, `reasoning`, `tool_call`, `tool_call_response`. */
function otelMessage(message: unknown): JsonObject {
  if (!isJsonObject(message as JsonValue)) return { role: "assistant", parts: [textPart(message as JsonValue)] };
  const { role, content } = message as JsonObject;
  const parts: readonly JsonValue[] = Array.isArray(content) ? content : [];
  return { role: role ?? "user", parts: parts.flatMap((part) => (isJsonObject(part) ? [otelPart(part)] : [])) };
}

function otelPart(part: JsonObject): JsonObject {
  switch (part["type"]) {
    case "reasoning":
      return { type: "reasoning", content: part["text"] ?? "" };
    case "tool-call":
      return {
        type: "tool_call",
        id: part["callId"] ?? "",
        name: part["tool"] ?? "",
        arguments: part["input"] ?? null,
      };
    case "tool-result":
      return { type: "tool_call_response", id: part["callId"] ?? "", response: part["output"] ?? null };
    case "file":
      return { type: "file", mime_type: part["mediaType"] ?? "", file_id: part["blob"] ?? "" };
    default:
      return { type: "text", content: part["text"] ?? "" };
  }
}

function jsonText(value: JsonValue): string {
  return JSON.stringify(value);
}
