import type { Cause, JsonValue, SpanDetail } from "../api/types.ts";
import type { Mark } from "../value/safe-text.tsx";
import type { Marks } from "../value/value-view.tsx";

// Why a call has these arguments: the words of them that stood in earlier values which the model had seen.

/** Words that came from one earlier call, by its id; of the goal by "goal". */
export interface Why {
  readonly callId: string | null;
  readonly wordsOf: ReadonlyMap<string, readonly string[]>;
}

export function wordsOf(cause: Cause): string {
  const { text, start, end } = cause.around;
  return text.slice(start, end);
}

export function whyOf(detail: SpanDetail): Why {
  const words = new Map<string, string[]>();
  for (const cause of detail.causes) {
    const key = cause.from.link?.callId ?? cause.from.kind;
    words.set(key, [...(words.get(key) ?? []), wordsOf(cause)]);
  }
  return { callId: detail.span.callId, wordsOf: words };
}

/** The marks of the arguments themselves, by JSON pointer. */
export function marksOfCauses(causes: readonly Cause[]): Marks {
  const marks: { [path: string]: Mark[] } = {};
  causes.forEach(({ path, start, end }, i) => (marks[path] ??= []).push({ start, end, id: String(i) }));
  return marks;
}

const MARKS_MAX = 200;

/** Every place in the texts of a value where one of the words stands. */
export function marksOfWords(value: JsonValue, words: readonly string[]): Marks {
  const marks: { [path: string]: Mark[] } = {};
  let left = MARKS_MAX;
  const visit = (one: JsonValue, path: string): void => {
    if (typeof one === "string") {
      for (const word of words) {
        if (word === "") continue;
        for (let at = one.indexOf(word); at >= 0 && left-- > 0; at = one.indexOf(word, at + word.length))
          (marks[path] ??= []).push({ start: at, end: at + word.length, id: word });
      }
    } else if (one !== null && typeof one === "object") {
      for (const [key, child] of Object.entries(one))
        visit(child ?? null, `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
    }
  };
  visit(value, "");
  return marks;
}
