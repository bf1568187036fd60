import { type Wanted, wantedBy } from "./offline-wanted.ts";
import { isStopWord, isWeakWord, stemOf, wordsOf } from "./offline-words.ts";

/** A word that the answer has to speak of. */
export interface Term {
  readonly word: string;
  readonly stem: string;
  /** How much it says about the subject, before the documents have been seen. */
  readonly weight: number;
  /** A proper name, an identifier, a code: nothing else may stand for it. */
  readonly isName: boolean;
}

export interface Question {
  readonly text: string;
  readonly terms: readonly Term[];
  /** The one of them that the question is about. */
  readonly focus: Term | undefined;
  /** What kind of thing must stand in the answer; null where anything may. */
  readonly wanted: Wanted | null;
  /** What may not be missing from the documents: "Can I paint it?" needs something about painting. */
  readonly deed: Term | undefined;
}

const WEAK_WEIGHT = 0.3;
/** Of a weak word in a question that has hardly another. */
const VAGUE_WEIGHT = 0.6;
const NAME_WEIGHT = 1.4;
const FOCUS_FACTOR = 1.5;
const TERMS_MAX = 16;

export function questionOf(text: string): Question {
  const wanted = wantedBy(text);
  const isWeak = (word: string): boolean => isWeakWord(word) || wanted?.isNamedBy(word) === true;
  const terms = new Map<string, Term>();
  for (const { word, isName } of wordsWithCase(text)) {
    if (isStopWord(word) || terms.size >= TERMS_MAX) continue;
    const stem = stemOf(word);
    const weight = isWeak(word) ? WEAK_WEIGHT : isName ? NAME_WEIGHT : 1;
    if (!terms.has(stem)) terms.set(stem, { word, stem, weight, isName });
  }
  const focus = focusOf(text, isWeak);
  const isVague = [...terms.values()].filter(({ word }) => !isWeak(word)).length < 2;
  const weighted = [...terms.values()].map((term) => {
    const weight = isVague && term.weight === WEAK_WEIGHT ? VAGUE_WEIGHT : term.weight;
    return { ...term, weight: term.stem === focus ? weight * FOCUS_FACTOR : weight };
  });
  const verb = deedOf(text);
  const deed = weighted.find(({ stem }) => stem === verb);
  return { text, terms: weighted, focus: weighted.find(({ stem }) => stem === focus), wanted, deed };
}

const ASKS_FOR = /\b(?:what|which|whose|how many|how much)\b/i;
const ASKS_WHAT_IT_DOES = /\b(?:what|how much) (?:do|does|did|will|would)\b/i;

/**
 * What is asked for: "Which error code …" code, "What is the price of …" price, "What does it cost?" cost. Questions with
 * how, when, where or can ask for no thing that could be looked for by its name.
 */
function focusOf(text: string, isWeak: (word: string) => boolean): string | undefined {
  const isStrong = (word: string): boolean => !isStopWord(word) && !isWeak(word);
  if (ASKS_WHAT_IT_DOES.test(text)) return stemIfAny(wordsOf(text).findLast(isStrong));
  const asked = ASKS_FOR.exec(text);
  if (asked === null) return undefined;
  const words = wordsOf(text.slice(asked.index + asked[0].length));
  const from = words.findIndex((word) => !isStopWord(word));
  const length = words.slice(from).findIndex((word) => isStopWord(word));
  const phrase = words.slice(from, length === -1 ? undefined : from + length);
  return stemIfAny(phrase.findLast((word) => isStrong(word) && !word.endsWith("ed")));
}

function stemIfAny(word: string | undefined): string | undefined {
  return word === undefined ? undefined : stemOf(word);
}

const ASKS_WHETHER =
  /^\W*(?:how )?(?:can|could|may|might|should|shall|must|do|does|will|am|are|is) (?:i|we|you|one|it|they|the \p{L}+|an? \p{L}+)\b/iu;

/** "Can I paint the door?", "How do I paint it?": the first word behind the person. */
function deedOf(text: string): string | undefined {
  const asked = ASKS_WHETHER.exec(text);
  if (asked === null) return undefined;
  const word = wordsOf(text.slice(asked.index + asked[0].length)).find((one) => !isStopWord(one));
  return word === undefined || isWeakWord(word) ? undefined : stemOf(word);
}

/** Names: with a digit, in mixed or upper case, or with a capital where no sentence begins. */
function wordsWithCase(text: string): readonly { readonly word: string; readonly isName: boolean }[] {
  return [...text.matchAll(/[\p{L}\p{N}_'’.]+/gu)].flatMap(({ 0: token, index }) => {
    const isStart = /(^|[.?!:\n]\s*)$/.test(text.slice(0, index));
    const isName = /\p{N}/u.test(token) || /\p{L}\p{Lu}/u.test(token) || (!isStart && /^\p{Lu}/u.test(token));
    return wordsOf(token).map((word) => ({ word, isName }));
  });
}
