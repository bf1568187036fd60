import { jsonIn } from "../core/json-in-text.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { textOf, userText, type Message } from "../core/message.ts";
import type { TurnResult } from "../core/runnable.ts";
import { PERSON } from "../engine/person-turn.ts";
import { bestAnswer } from "./best-answer.ts";
import type { AgentTurn, Answer } from "./definition.ts";
import { storedMemo, withHint } from "./memo.ts";
import { textOfInput } from "./summary.ts";

/** An answer without tool calls: the end, unless it is empty, cut, of the wrong shape, or says what nobody showed. */
export function concluded(on: AgentTurn, answer: Answer): TurnResult {
  const text = textOf(answer.message).trim();
  switch (answer.finish) {
    case "content-filter": {
      const detail = "the provider's filter refused the answer";
      return { type: "stop", stopReason: "refused", value: bestAnswer(on.ctx.state), detail };
    }
    case "length":
      return again(on, cut.hint, cut.error);
    case "error":
      return again(on, broken.hint, broken.error);
    default:
      // what a person says in its place needs no proof
      if (answer.model === PERSON) return finished({ ...on, code: { ...on.code, grounding: null } }, text);
      return text === "" ? empty(on) : finished(on, text);
  }
}

interface Fault {
  readonly hint: string;
  readonly error: { readonly code: string; readonly message: string };
}
const cut: Fault = {
  hint: "Your answer was cut by its length limit, and nothing of it was carried out. Answer again, shorter.",
  error: {
    code: "MODEL_TRUNCATED",
    message: "the model's answers were cut by the output limit again and again. Raise maxOutputTokens.",
  },
};
const broken: Fault = {
  hint: "Your answer broke off, and nothing of it was carried out. Answer again.",
  error: { code: "MODEL_BAD_RESPONSE", message: "the model's answers broke off again and again." },
};

function empty({ memo }: AgentTurn): TurnResult {
  const count = memo.emptyAnswers + 1;
  if (count > limits.emptyAnswers) {
    const message = `the model answered with nothing ${count} times in a row.`;
    return { type: "fail", error: { code: "MODEL_EMPTY", message } };
  }
  const hint = "Your answer was empty. Call a tool, or give your final answer.";
  return { type: "next", ...storedMemo(withHint({ ...memo, emptyAnswers: count }, hint)) };
}

/** Sends an answer back with what is wrong about it, a bounded number of times in a row. */
function again({ memo }: AgentTurn, hint: string, error: Fault["error"]): TurnResult {
  if (memo.repairs >= limits.repairAttempts) return { type: "fail", error };
  return { type: "next", ...storedMemo(withHint({ ...memo, emptyAnswers: 0, repairs: memo.repairs + 1 }, hint)) };
}

function finished(on: AgentTurn, text: string): TurnResult {
  const { parseOutput } = on.code;
  if (parseOutput === null) return grounded(on, text, null);
  const json = jsonIn(text);
  const parsed = json === null ? null : parseOutput(json.value);
  if (json !== null && parsed?.ok === true) {
    // what the schema made of it (defaults, unknown members) where that is JSON, else what the model wrote
    const checked = toJson(parsed.value);
    return grounded(on, text, { value: checked.ok ? checked.value : json.value });
  }
  const issues =
    parsed === null || parsed.ok
      ? "- it is not JSON"
      : parsed.issues.map((issue) => `- ${issue.path || "(whole)"}: ${issue.message}`).join("\n");
  const message = `the final answer does not fit its schema after ${limits.repairAttempts} repairs: ${issues.slice(0, 500)}`;
  const hint = `Your final answer does not fit its schema:\n${issues}\nAnswer again with the corrected JSON only.`;
  return again(on, hint, { code: "MODEL_OUTPUT_INVALID", message });
}

/** @param typed the checked value of a typed answer; null where the text is the answer */
function grounded(on: AgentTurn, text: string, typed: { readonly value: JsonValue } | null): TurnResult {
  const { code, memo } = on;
  if (code.grounding === null) return ended(on, typed === null ? text : typed.value, text);
  const verdict = code.grounding.check(text, memo.grounds);
  if (verdict.ok || memo.sentBack) return ended(on, typed === null ? verdict.text : typed.value, verdict.text);
  const sentBack = { ...memo, emptyAnswers: 0, repairs: 0, sentBack: true };
  return { type: "next", ...storedMemo(withHint(sentBack, verdict.feedback)) };
}

/** @param text what the thread keeps of the value */
export function ended({ ctx, memo }: AgentTurn, value: JsonValue, text: string = textOfInput(value)): TurnResult {
  const unlessTold = storedMemo({ ...memo, emptyAnswers: 0, repairs: 0 });
  if (ctx.run.threadId === null) return { type: "end", value, unlessTold };
  const { input } = ctx;
  const question = userText(typeof input === "string" ? input : JSON.stringify(input));
  const answer: Message = { role: "assistant", content: [{ type: "text", text }] };
  return { type: "end", value, unlessTold, thread: [question, answer] };
}
