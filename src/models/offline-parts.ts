import { type Question, questionOf } from "./offline-question.ts";
import type { Scored } from "./offline-score.ts";
import { isWeakWord, stemsOf, wordsOf } from "./offline-words.ts";

const PARTS_MAX = 3;
const TOPIC_WORDS_MAX = 8;
const ASKS_ANEW =
  /[,;]?\s+and\s+(?=(?:also\s+)?(?:(?:in|by|from|at|on|to|for|with)\s+)?(?:what|who|whose|when|where|which|why|how|is|are|was|were|do|does|did|can|could|must|may|should|will|has|have)\b)|(?<=\?)\s+(?:and\s+)?/iu;
const IS_QUESTION =
  /^\W*(?:what|who|whose|whom|when|where|which|why|how|is|are|was|were|do|does|did|can|could|must|may|should|will|has|have|am|by|in|for|with|to)\b/iu;
const TOPICS = /\s*[,;]\s*(?:and\s+)?|\s+and\s+/iu;
/** "How many employees and ferries are there?": what stands before both, the two, and what stands behind both. */
const TWO_THINGS =
  /^(\W*(?:how many|how (?:large|big|high|old) (?:is|are|was|were)|(?:what|who) (?:is|are|was|were)|name|list|give me)(?: the)?\s+)(.+?)\s+and\s+(?:the )?(.+?)((?:\s+(?:in|of|at|for|on|are|is|was|were|do|does|did|have|has)\b.*)?\W*)$/iu;
const REFERS_BACK = /\b(?:it|its|they|them|their|this|that|these|those)\b/iu;

/** What a question with "and" asks, in order; one that asks for one thing is its only part. */
export interface Parts {
  readonly whole: Question;
  /** Two or more; none where there is nothing to take apart. */
  readonly parts: readonly Question[];
  /** Two things of one question may be one ("research and development"): then the whole is answered where both stand. */
  readonly mayBeOne: boolean;
}

export function partsOf(text: string): Parts {
  const whole = questionOf(text);
  const asked = splitQuestions(text);
  const texts = asked.length > 1 ? asked : splitThings(text);
  const parts = texts.slice(0, PARTS_MAX).map(questionOf);
  const isSplit = parts.length > 1 && parts.every(({ terms }) => terms.some(({ word }) => !isWeakWord(word)));
  return { whole, parts: isSplit ? parts : [], mayBeOne: asked.length < 2 };
}

/** True where one sentence itself speaks of everything. */
export function isOneThing(whole: Question, scored: readonly Scored[]): boolean {
  const strong = whole.terms.filter(({ word }) => !isWeakWord(word));
  return scored.some(({ sentence }) => {
    const stems = new Set(stemsOf(sentence.text));
    return strong.every(({ stem }) => stems.has(stem));
  });
}

/** A part that says "it" is about what the part before it names. */
function splitQuestions(text: string): readonly string[] {
  const parts = text.split(ASKS_ANEW).filter((part) => /\p{L}/u.test(part));
  const [first = ""] = parts;
  if (!IS_QUESTION.test(first)) return [text];
  const named = questionOf(first)
    .terms.filter(({ word }) => !isWeakWord(word))
    .map(({ word }) => word)
    .join(" ");
  return parts.map((part, i) =>
    i > 0 && REFERS_BACK.test(part) ? `${part.replace(/[?.\s]+$/, "")} (${named})?` : part.trim(),
  );
}

function splitThings(text: string): readonly string[] {
  const [, lead, first, second, rest = ""] = TWO_THINGS.exec(text) ?? [];
  if (lead !== undefined && first !== undefined && second !== undefined) {
    const hasOwnRest = /\s(?:in|of|at|for|on)\s/iu.test(first);
    return [`${lead}${first}${hasOwnRest ? "?" : rest}`, `${lead}${second}${rest}`];
  }
  if (IS_QUESTION.test(text) || wordsOf(text).length > TOPIC_WORDS_MAX || /[.!?:]\s/.test(text)) return [text];
  return text.split(TOPICS).filter((part) => /\p{L}/u.test(part));
}
