import { parseJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { textOf, userText, type Message } from "../core/message.ts";
import type { ModelOutcome, TurnContext, TurnResult } from "../core/runnable.ts";
import type { AgentCode, AgentDefinition } from "./definition.ts";
import { storedMemo, withHint, type Memo } from "./memo.ts";

interface Conclusion {
  readonly code: AgentCode;
  readonly ctx: TurnContext;
  readonly definition: AgentDefinition;
  readonly memo: Memo;
  readonly answer: ModelOutcome & { readonly status: "answered" };
}

/** An answer without tool calls: the end, unless it is empty, cut, of the wrong shape, or says what nobody showed. */
export function concluded(on: Conclusion): TurnResult {
  const { answer, memo } = on;
  const text = textOf(answer.message).trim();
  switch (answer.finish) {
    case "content-filter":
      return {
        type: "stop",
        stopReason: "refused",
        value: memo.best,
        detail: "the provider's filter refused the answer",
      };
    case "length":
      return again(
        memo,
        "Your answer was cut by its length limit, and nothing of it was carried out. Answer again, shorter.",
        {
          code: "MODEL_TRUNCATED",
          message: "the model's answers were cut by the output limit again and again. Raise maxOutputTokens.",
        },
      );
    default:
      return text === "" ? empty(memo) : finished(on, text);
  }
}

function empty(memo: Memo): TurnResult {
  if (memo.emptyAnswers >= limits.emptyAnswers) {
    return {
      type: "fail",
      error: {
        code: "MODEL_EMPTY",
        message: `the model answered with nothing ${memo.emptyAnswers + 1} times in a row.`,
      },
    };
  }
  const hinted = withHint(
    { ...memo, emptyAnswers: memo.emptyAnswers + 1 },
    "Your answer was empty. Call a tool, or give your final answer.",
  );
  return { type: "next", ...storedMemo(hinted) };
}

function again(memo: Memo, hint: string, error: { readonly code: string; readonly message: string }): TurnResult {
  if (memo.repairs >= limits.repairAttempts) return { type: "fail", error };
  return { type: "next", ...storedMemo(withHint({ ...memo, repairs: memo.repairs + 1 }, hint)) };
}

function finished(on: Conclusion, text: string): TurnResult {
  const { code, memo } = on;
  if (code.parseOutput !== null) return typed(on, text, code.parseOutput);
  if (code.grounding === null) return end(on, text, text);
  const verdict = code.grounding.check(text, memo.grounds);
  if (verdict.ok || memo.sentBack) return end(on, verdict.text, verdict.text);
  return { type: "next", ...storedMemo(withHint({ ...memo, sentBack: true }, verdict.feedback)) };
}

function typed(on: Conclusion, text: string, parse: NonNullable<AgentCode["parseOutput"]>): TurnResult {
  const json = jsonIn(text);
  const parsed = json === null ? null : parse(json);
  if (json !== null && parsed?.ok === true) return end(on, json, text);
  const issues =
    parsed === null || parsed.ok
      ? "- it is not JSON"
      : parsed.issues.map((issue) => `- ${issue.path || "(whole)"}: ${issue.message}`).join("\n");
  const error = {
    code: "MODEL_OUTPUT_INVALID",
    message: `the final answer does not fit its schema after ${limits.repairAttempts} repairs: ${issues.slice(0, 500)}`,
  };
  return again(
    on.memo,
    `Your final answer does not fit its schema:\n${issues}\nAnswer again with the corrected JSON only.`,
    error,
  );
}

function end(on: Conclusion, value: JsonValue, text: string): TurnResult {
  if (on.ctx.run.threadId === null) return { type: "end", value };
  const { input } = on.ctx;
  const question = userText(typeof input === "string" ? input : JSON.stringify(input));
  const answer: Message = { role: "assistant", content: [{ type: "text", text }] };
  return { type: "end", value, thread: [question, answer] };
}

/** The JSON value in a text: the whole, the inside of a code fence, or from the first bracket to the last. */
function jsonIn(text: string): JsonValue | null {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1];
  const first = text.search(/[[{]/);
  const last = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]"));
  const candidates = [text, fenced, first >= 0 && last > first ? text.slice(first, last + 1) : undefined];
  for (const candidate of candidates) {
    const parsed = candidate === undefined ? null : parseJson(candidate.trim());
    if (parsed?.ok === true) return parsed.value;
  }
  return null;
}
