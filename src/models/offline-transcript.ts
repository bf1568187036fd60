import type { JsonObject, JsonValue } from "../core/json.ts";
import { isJsonObject } from "../core/json.ts";
import { type Message, textOf } from "../core/message.ts";

/** One tool call since the goal was set, with what came back. */
export interface PastCall {
  readonly tool: string;
  readonly input: JsonObject;
  readonly output: JsonValue;
  readonly isError: boolean;
}

/** A transcript as an answerer sees it: what is asked, what was done about it, what was said about the answer. */
export interface Situation {
  readonly goal: string;
  readonly calls: readonly PastCall[];
  /** The last answer, where one was given: text without calls. */
  readonly answer: string | null;
  /** What a person or a check said about that answer. */
  readonly feedback: string | null;
}

const OF_AN_ANSWER = /\b(citations?|cite[sd]?|cited|claims?|quotes?|answer|report)\b/i;
const GOAL_LINE = /^\W*(?:goal|task|question|user asked|request)\W*:\s*(.+)$/im;

/**
 * The goal is the last message of the user that opens a subject. A message after an answer that speaks of citations,
 * claims or the answer itself is about that answer; one between tool calls is a hint.
 */
export function situationOf(messages: readonly Message[]): Situation {
  let goalAt = -1;
  let answer: string | null = null;
  let feedback: string | null = null;
  for (const [i, message] of messages.entries()) {
    if (message.role === "assistant" && message.content.every(({ type }) => type !== "tool-call")) {
      const text = textOf(message).trim();
      if (text !== "") [answer, feedback] = [text, null];
    }
    if (message.role !== "user") continue;
    const text = textOf(message);
    if (goalAt >= 0 && answer !== null && isAboutAnswer(text)) feedback = text;
    else if (goalAt === -1 || messages[i - 1]?.role !== "tool" || /\?\s*$/.test(text)) {
      [goalAt, answer, feedback] = [i, null, null];
    }
  }
  const goal = goalAt === -1 ? "" : textOf(messages[goalAt] ?? { role: "user", content: [] });
  return { goal: GOAL_LINE.exec(goal)?.[1] ?? goal.trim(), calls: callsAfter(messages, goalAt), answer, feedback };
}

/** Short or not, a question of its own does not speak of "your answer" or of what was cited. */
function isAboutAnswer(text: string): boolean {
  return (
    OF_AN_ANSWER.test(text) &&
    /\b(your|the|this|that|these|it|save|store)\b/i.test(text) &&
    !/^\s*(what|who|when|where|which|why|how)\b[^.]*\?\s*$/i.test(text)
  );
}

function callsAfter(messages: readonly Message[], start: number): readonly PastCall[] {
  const results = new Map<string, { readonly output: JsonValue; readonly isError: boolean }>();
  for (const message of messages) {
    if (message.role !== "tool") continue;
    for (const { callId, output, isError } of message.content)
      results.set(callId, { output, isError: isError === true });
  }
  return messages.slice(start + 1).flatMap((message) => {
    if (message.role !== "assistant") return [];
    return message.content.flatMap((part) => {
      if (part.type !== "tool-call") return [];
      const result = results.get(part.callId) ?? { output: "", isError: true };
      return [{ tool: part.tool, input: isJsonObject(part.input) ? part.input : {}, ...result }];
    });
  });
}
