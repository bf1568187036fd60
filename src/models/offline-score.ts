import type { Question, Term } from "./offline-question.ts";
import type { Sentence } from "./offline-sentences.ts";
import { isWeakWord, likeness, stemsOf } from "./offline-words.ts";

export interface Scored {
  readonly sentence: Sentence;
  /** Share of the question, by the weight of its words, that the sentence and what stands around it speak of: 0 to 1. */
  readonly coverage: number;
  /** The same, for the words in the sentence itself. */
  readonly own: number;
  /** What it is ranked by. */
  readonly score: number;
}

/** What a word counts that does not stand in the sentence itself. */
const IN_CONTEXT = 0.85;
const IN_FILE_NAME = 0.6;
const IN_NEIGHBOUR = 0.55;
/** A sentence that has the kind of thing asked for is likelier to answer. */
const WANTED = 0.1;
/** What does not speak of the thing asked about hardly answers. */
const NO_FOCUS = -0.12;
/** A word found nowhere may be the writer's other word for it, or just what the documents do not speak of. */
const ABSENT = 0.8;
/** Taken off for a name that is nowhere, and for every further word that is nowhere after the first. */
const NO_NAME = 0.2;
const NO_WORD = 0.1;
const LONG_CHARS = 350;
/** Where words and code say the same, words are quoted. */
const CODE = 0.15;

interface Prepared {
  readonly sentence: Sentence;
  readonly own: ReadonlySet<string>;
  readonly context: ReadonlySet<string>;
  readonly file: ReadonlySet<string>;
}

/** Scores every sentence against the question, best first. Equal scores stay in the order of file and line. */
export function scoreSentences(question: Question, sentences: readonly Sentence[]): readonly Scored[] {
  const prepared = sentences.map(prepare);
  const weights = weightsOf(question.terms, prepared);
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  const absence = absenceOf(question, weights);
  if (total === 0) return [];
  const scored = prepared.map((one, i) => {
    const neighbours = [prepared[i - 1], prepared[i + 1]].filter(
      (other) => other?.sentence.file === one.sentence.file && other.sentence.block === one.sentence.block,
    );
    const hasWanted = question.wanted?.isIn(one.sentence.text) === true;
    let covered = 0;
    let focus = 0;
    let own = 0;
    for (const [t, term] of question.terms.entries()) {
      const inside = best(term, one.own);
      const around = Math.max(
        best(term, one.context) * IN_CONTEXT,
        best(term, one.file) * IN_FILE_NAME,
        ...neighbours.map((other) => (other === undefined ? 0 : best(term, other.own) * IN_NEIGHBOUR)),
      );
      covered += (weights[t]?.weight ?? 0) * Math.max(inside, around);
      own += (weights[t]?.weight ?? 0) * inside;
      if (term === question.focus && inside === 0 && around === 0) focus = NO_FOCUS;
    }
    const unlikely = (one.sentence.text.length > LONG_CHARS ? 0.05 : 0) + (one.sentence.isCode ? CODE : 0);
    const coverage = covered / total - absence + focus + wantedBonus(question, hasWanted);
    return { sentence: one.sentence, coverage, own: own / total, score: coverage + (0.3 * own) / total - unlikely };
  });
  return scored.toSorted((a, b) => b.score - a.score);
}

function wantedBonus({ wanted }: Question, isThere: boolean): number {
  return wanted === null ? 0 : isThere ? WANTED : wanted.penalty;
}

/** The question's words that neither the sentence nor what stands around it speaks of. */
export function uncoveredTerms(question: Question, { sentence }: Scored): readonly Term[] {
  const { own, context, file } = prepare(sentence);
  const stems = new Set([...own, ...context, ...file]);
  return question.terms.filter((term) => best(term, stems) === 0);
}

function prepare(sentence: Sentence): Prepared {
  return {
    sentence,
    own: new Set(stemsOf(sentence.text)),
    context: new Set(stemsOf(sentence.context.join(" "))),
    file: new Set(stemsOf(sentence.file.replace(/\.\p{L}+$/u, ""))),
  };
}

function best(term: Term, stems: ReadonlySet<string>): number {
  if (stems.has(term.stem)) return 1;
  let found = 0;
  for (const stem of stems) found = Math.max(found, likeness(term.stem, stem));
  return found;
}

interface Weight {
  readonly weight: number;
  readonly isAbsent: boolean;
}

/** A word that stands in every section says little; one that stands nowhere is what the question is about. */
function weightsOf(terms: readonly Term[], prepared: readonly Prepared[]): readonly Weight[] {
  const sections = new Map<string, Set<string>>();
  for (const { sentence, own, context } of prepared) {
    const key = `${sentence.file}\n${sentence.section}`;
    const stems = sections.get(key) ?? new Set<string>();
    sections.set(key, stems);
    for (const stem of own) stems.add(stem);
    for (const stem of context) stems.add(stem);
  }
  const all = [...sections.values()];
  const rarest = Math.log(1 + (all.length + 1) / 2);
  return terms.map((term) => {
    const having = all.reduce((count, stems) => count + best(term, stems), 0);
    const rarity = Math.log(1 + (all.length + 1) / (having + 1)) / rarest;
    return { weight: term.weight * (having === 0 ? ABSENT : rarity), isAbsent: having === 0 };
  });
}

function absenceOf({ terms, deed }: Question, weights: readonly Weight[]): number {
  const absent = terms.filter(({ word }, i) => weights[i]?.isAbsent === true && !isWeakWord(word));
  const names = absent.filter(({ isName }) => isName).length;
  const hasNoDeed = absent.some((term) => term === deed && !term.isName);
  return names * NO_NAME + Math.max(0, absent.length - names - (hasNoDeed ? 0 : 1)) * NO_WORD;
}
