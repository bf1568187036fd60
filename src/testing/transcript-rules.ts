import { toolCallsOf, type Message } from "../core/message.ts";

type Rule = (messages: readonly Message[], at: number) => string | null;

/**
 * What each provider refuses in a conversation, besides what it says of single fields. OpenAI: every call is answered by
 * results directly after it, each id once. Anthropic: it begins with a person, no message and no text is empty, results
 * stand alone and in front. Google: a message with calls comes directly after a person or after results, as many results
 * as calls and in their order.
 */
const rules: readonly { readonly provider: string; readonly rule: Rule }[] = [
  { provider: "every", rule: (messages, at) => (messages[at]?.content.length === 0 ? "is empty" : null) },
  { provider: "openai", rule: callsAnswered },
  { provider: "openai", rule: (messages, at) => (isStray(messages, at) ? "answers nobody" : null) },
  {
    provider: "anthropic",
    rule: (messages, at) => (at === 0 && messages[0]?.role !== "user" ? "is not a person's" : null),
  },
  {
    provider: "google",
    rule: (messages, at) => (asksTwice(messages, at) ? "calls a tool right after an answer" : null),
  },
];

/** Why a provider would refuse a conversation; null for one that every provider takes. */
export function transcriptProblem(messages: readonly Message[]): string | null {
  const ids = messages.flatMap((message) => toolCallsOf(message).map((call) => call.callId));
  if (new Set(ids).size !== ids.length) return `openai: a call id is used twice in ${ids.join(" ")}`;
  for (const at of messages.keys()) {
    for (const { provider, rule } of rules) {
      const problem = rule(messages, at);
      if (problem !== null) return `${provider}: message ${at} ${problem}`;
    }
  }
  return null;
}

function callsAnswered(messages: readonly Message[], at: number): string | null {
  const message = messages[at];
  const next = messages[at + 1];
  const asked = message === undefined ? [] : toolCallsOf(message).map((call) => call.callId);
  const answered = next?.role === "tool" ? next.content.map((result) => result.callId) : [];
  if (message?.role !== "assistant" || JSON.stringify(asked) === JSON.stringify(answered)) return null;
  return `calls ${asked.join(" ") || "nothing"} and is answered by ${answered.join(" ") || "nothing"}`;
}

function isStray(messages: readonly Message[], at: number): boolean {
  return messages[at]?.role === "tool" && messages[at - 1]?.role !== "assistant";
}

function asksTwice(messages: readonly Message[], at: number): boolean {
  const message = messages[at];
  return message !== undefined && toolCallsOf(message).length > 0 && messages[at - 1]?.role === "assistant";
}
