import { PawlError } from "../core/errors.ts";
import type { SpanKind } from "../core/trace-contract.ts";

/** What can be said of a span, before any backend's names. Content is there only where it was asked for. */
export type Fact =
  | "operation"
  | "provider"
  | "modelAsked"
  | "modelAnswered"
  | "conversation"
  | "agent"
  | "inputTokens"
  | "outputTokens"
  | "cachedTokens"
  | "cacheWriteTokens"
  | "reasoningTokens"
  | "ttftS"
  | "finish"
  | "endpoint"
  | "tool"
  | "toolCall"
  | "toolVersion"
  | "effect"
  | "effectKey"
  | "effectStatus"
  | "error"
  | "costUsd"
  | "priceSource"
  | "isCostAssumed"
  | "run"
  | "call"
  | "kind"
  | "status"
  | "principal"
  | "tenant"
  | "tags"
  | "attempt"
  | "version"
  | "worker"
  | "isInherited"
  | "systemText"
  | "inputMessages"
  | "outputMessages"
  | "toolArguments"
  | "toolResult";

/** How one kind of span is called in a backend's words. `{fact}` in a name is replaced by that fact. */
export interface DialectSpan {
  readonly name: string;
  /** False where the span's own name is content, such as a question to a person: then it is not added. Default true. */
  readonly takesName?: boolean;
  readonly operation?: string;
  /** INTERNAL: inside this program. CLIENT: a call to another. */
  readonly kind: "internal" | "client";
  /** Attributes that every span of the kind has. */
  readonly always?: { readonly [attribute: string]: string };
}

/** A backend's names. Another dialect is another table. */
export interface Dialect {
  readonly name: string;
  readonly spans: { readonly [kind in SpanKind]: DialectSpan };
  /** Attribute and the fact it holds, of the kinds named, or of all. A fact that is not there leaves no attribute. */
  readonly attributes: readonly {
    readonly name: string;
    readonly fact: Fact;
    readonly of?: readonly SpanKind[];
  }[];
  /** Headers that the backend wants with every request. */
  readonly headers?: { readonly [name: string]: string };
}

const model: readonly SpanKind[] = ["model", "attempt"];
const tool: readonly SpanKind[] = ["tool"];
const inside = (name: string): DialectSpan => ({ name, kind: "internal" });

/**
 * The newest names of OpenTelemetry's GenAI conventions (Development), and `pawl.*` where they have none. Usage stands
 * where the bill does, on one span only: a parent that repeated it would double every sum.
 */
const otel: Dialect = {
  name: "otel",
  spans: {
    run: { name: "invoke_agent {agent}", operation: "invoke_agent", kind: "internal" },
    child: inside("child {agent}"),
    model: { name: "chat {modelAsked}", operation: "chat", kind: "client" },
    attempt: { name: "{operation} {modelAsked}", kind: "client" },
    tool: {
      name: "execute_tool {tool}",
      operation: "execute_tool",
      kind: "internal",
      always: { "gen_ai.tool.type": "function" },
    },
    turn: inside("turn"),
    step: inside("step"),
    ask: { name: "ask", takesName: false, kind: "internal" },
    wait: inside("wait"),
    code: inside("code"),
    guard: inside("guard"),
    compaction: inside("compaction"),
    plan: { name: "plan", operation: "plan", kind: "internal" },
    message: inside("message"),
    takeover: inside("takeover"),
    park: inside("park"),
    blocked: inside("blocked"),
  },
  attributes: [
    { name: "gen_ai.operation.name", fact: "operation" },
    { name: "gen_ai.provider.name", fact: "provider", of: model },
    { name: "gen_ai.request.model", fact: "modelAsked", of: model },
    { name: "gen_ai.response.model", fact: "modelAnswered", of: model },
    { name: "gen_ai.response.finish_reasons", fact: "finish", of: model },
    { name: "gen_ai.response.time_to_first_chunk", fact: "ttftS", of: model },
    { name: "gen_ai.usage.input_tokens", fact: "inputTokens", of: model },
    { name: "gen_ai.usage.output_tokens", fact: "outputTokens", of: model },
    { name: "gen_ai.usage.cache_read.input_tokens", fact: "cachedTokens", of: model },
    { name: "gen_ai.usage.cache_write.input_tokens", fact: "cacheWriteTokens", of: model },
    { name: "gen_ai.usage.reasoning.output_tokens", fact: "reasoningTokens", of: model },
    { name: "gen_ai.conversation.id", fact: "conversation" },
    { name: "gen_ai.agent.name", fact: "agent", of: ["run", "model", "tool"] },
    { name: "gen_ai.tool.name", fact: "tool", of: tool },
    { name: "gen_ai.tool.call.id", fact: "toolCall", of: tool },
    { name: "error.type", fact: "error" },
    { name: "gen_ai.system_instructions", fact: "systemText", of: ["model"] },
    { name: "gen_ai.input.messages", fact: "inputMessages", of: ["model", "run"] },
    { name: "gen_ai.output.messages", fact: "outputMessages", of: ["model", "run"] },
    { name: "gen_ai.tool.call.arguments", fact: "toolArguments", of: tool },
    { name: "gen_ai.tool.call.result", fact: "toolResult", of: tool },
    { name: "user.id", fact: "principal", of: ["run"] },
    { name: "pawl.tenant", fact: "tenant", of: ["run"] },
    { name: "pawl.tags", fact: "tags", of: ["run"] },
    { name: "pawl.version", fact: "version", of: ["run"] },
    { name: "pawl.run.id", fact: "run" },
    { name: "pawl.call.id", fact: "call" },
    { name: "pawl.span.kind", fact: "kind" },
    { name: "pawl.span.status", fact: "status" },
    { name: "pawl.attempt", fact: "attempt", of: ["attempt"] },
    { name: "pawl.endpoint", fact: "endpoint", of: model },
    { name: "pawl.worker", fact: "worker" },
    { name: "pawl.cost.usd", fact: "costUsd" },
    { name: "pawl.cost.source", fact: "priceSource" },
    { name: "pawl.cost.assumed", fact: "isCostAssumed" },
    { name: "pawl.cost.inherited", fact: "isInherited" },
    { name: "pawl.tool.version", fact: "toolVersion", of: tool },
    { name: "pawl.effect", fact: "effect", of: ["tool", "step"] },
    { name: "pawl.effect.key", fact: "effectKey", of: tool },
    { name: "pawl.effect.status", fact: "effectStatus", of: tool },
  ],
};

export const dialects: { readonly [name: string]: Dialect } = { otel };

/** @throws OPTION_INVALID */
export function dialectOf(name: string): Dialect {
  const found = Object.hasOwn(dialects, name) ? dialects[name] : undefined;
  if (found !== undefined) return found;
  throw new PawlError(
    "OPTION_INVALID",
    `there is no OTLP dialect "${name}". It is one of ${Object.keys(dialects).join(", ")}.`,
  );
}
