import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Span, SpanDetail } from "../core/trace-contract.ts";
import { usdOf, type Usage } from "../core/usage.ts";
import type { Fact } from "./otlp-dialects.ts";

export type FactValue = string | number | boolean | readonly string[];
type Facts = NonNullable<Said["content"]>;

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

/** A span as its facts are read from it. */
export interface Said {
  readonly span: Span;
  readonly run: SpanRun;
  /** `provider/model` of a model call or an attempt of one; "" for all else. */
  readonly route: string;
  /** What was said, where content is exported. */
  readonly content: { readonly [fact in Fact]?: FactValue | undefined } | null;
}

export function saidOf(span: Span, run: SpanRun, detail: SpanDetail | null): Said {
  const isModel = span.kind === "model" || (span.kind === "attempt" && "endpoint" in span.detail);
  const route = isModel ? (text(span.detail["route"]) ?? text(span.detail["endpoint"]) ?? span.name) : "";
  return { span, run, route, content: detail === null ? null : contentFacts(detail) };
}

type Read = (said: Said) => FactValue | undefined;
const own =
  (name: string): Read =>
  ({ span }) =>
    text(span.detail[name]);
const ofTool =
  (read: (span: Span) => string | null | undefined): Read =>
  ({ span }) =>
    span.kind === "tool" ? (read(span) ?? undefined) : undefined;
/** Tokens of the bill of what a model did. */
const tokens =
  (name: keyof Usage, withZero: boolean): Read =>
  ({ span: { bill }, route }) => {
    if (bill === null || route === "") return undefined;
    const count = bill.usage[name];
    return count === 0 && !withZero ? undefined : count;
  };
const said =
  (fact: Fact): Read =>
  ({ content }) =>
    content?.[fact];

/** Where each fact is read. Only what a dialect names is. */
export const readFact: { readonly [fact in Fact]: Read } = {
  // of the kinds whose table does not say it: an attempt of a model call is one too
  operation: ({ span, route }) => (span.kind === "attempt" && route !== "" ? "chat" : undefined),
  provider: ({ route }) => {
    const cut = route.indexOf("/");
    const provider = route.slice(0, Math.max(0, cut));
    return Object.hasOwn(providers, provider) ? providers[provider] : provider;
  },
  modelAsked: ({ route }) => route.slice(route.indexOf("/") + 1),
  modelAnswered: own("model"),
  conversation: ({ run }) => run.threadId ?? undefined,
  agent: ({ span, run }) => text(span.detail["runnable"]) ?? text(span.detail["agent"]) ?? run.runnable,
  inputTokens: tokens("inputTokens", true),
  outputTokens: tokens("outputTokens", true),
  cachedTokens: tokens("cachedInputTokens", false),
  cacheWriteTokens: tokens("cacheWriteTokens", false),
  reasoningTokens: tokens("reasoningTokens", false),
  ttftS: ({ span }) => (typeof span.detail["ttftMs"] === "number" ? span.detail["ttftMs"] / 1_000 : undefined),
  finish: ({ span }) => {
    const finish = text(span.detail["finish"]);
    return finish === undefined ? undefined : [finishes[finish] ?? finish];
  },
  endpoint: own("endpoint"),
  tool: ofTool(({ name }) => name),
  toolCall: ofTool(({ callId }) => callId),
  toolVersion: ofTool(({ detail }) => text(detail["version"])),
  effect: own("effect"),
  effectKey: own("key"),
  effectStatus: own("effectStatus"),
  error: ({ span }) =>
    span.status === "error" || span.status === "unknown" ? (span.error?.code ?? "_OTHER") : undefined,
  costUsd: ({ span: { bill } }) => (bill === null || bill.costNanoUsd === null ? undefined : usdOf(bill.costNanoUsd)),
  priceSource: ({ span: { bill } }) =>
    bill === null ? undefined : bill.costNanoUsd === null ? "unpriced" : (bill.priceSource ?? undefined),
  isCostAssumed: ({ span: { bill } }) => (bill?.assumed === true ? true : undefined),
  isInherited: ({ span: { bill } }) => (bill?.inherited === true ? true : undefined),
  run: ({ span }) => span.runId,
  call: ({ span }) => span.callId ?? undefined,
  kind: ({ span }) => span.kind,
  status: ({ span }) => span.status,
  principal: ({ run }) => run.principal,
  tenant: ({ run }) => run.tenant,
  tags: ({ run }) => (run.tags.length === 0 ? undefined : run.tags),
  attempt: ({ span }) => (typeof span.detail["attempt"] === "number" ? span.detail["attempt"] : undefined),
  version: ({ run }) => run.version,
  worker: own("worker"),
  systemText: said("systemText"),
  inputMessages: said("inputMessages"),
  outputMessages: said("outputMessages"),
  toolArguments: said("toolArguments"),
  toolResult: said("toolResult"),
};

const finishes: { readonly [finish: string]: string } = {
  "tool-calls": "tool_call",
  "content-filter": "content_filter",
};

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** What was said: only where content is exported. Values are JSON texts, as the conventions want them on spans. */
function contentFacts({ span, input, output, request }: SpanDetail): Facts {
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
