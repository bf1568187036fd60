/** `./pawl node bench/offline/run.ts [--all]`: what the offline model answers, beside where the answers stand. */
import { join } from "node:path";
import { offlineEndpoint } from "../../src/models/offline.ts";
import { documentTools } from "../../src/tools.ts";
import { ask, type Asked } from "./ask.ts";
import { foldersRoot, type Passage, type Question, questionsOf } from "./questions.ts";

/** The word list, the weights and the threshold were set on the first two; the third was written afterwards. */
const SETS = [
  ["questions", "questions.json"],
  ["hard questions", "more-questions.json"],
  ["held out", "held-out.json"],
] as const;

export const NO_ANSWER = "The documents hold no answer";

/** First citation on the passage · some citation on it · only others · said that there is none */
export type Verdict = "first" | "cited" | "wrong" | "none";

export interface Outcome {
  readonly question: Question;
  readonly verdict: Verdict;
  readonly asked: Asked;
}

export async function runSet(questions: readonly Question[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const folder of new Set(questions.map((one) => one.folder))) {
    const set = await documentTools({ root: join(foldersRoot, folder) });
    for (const question of questions.filter((one) => one.folder === folder)) {
      const asked = await ask(offlineEndpoint(), set.tools, question.question);
      outcomes.push({ question, verdict: verdictOf(question, asked), asked });
    }
    set.close();
  }
  return outcomes;
}

function verdictOf({ passages }: Question, { answer, citations }: Asked): Verdict {
  if (answer.startsWith(NO_ANSWER)) return "none";
  const hits = citations.citations.map((citation) => passages.some((passage) => isOn(citation, passage)));
  return hits[0] === true ? "first" : hits.includes(true) ? "cited" : "wrong";
}

function isOn(
  { file, firstLine, lastLine }: { readonly file: string; readonly firstLine: number; readonly lastLine: number },
  passage: Passage,
): boolean {
  return file === passage.file && firstLine <= passage.lastLine && passage.firstLine <= lastLine;
}

export interface Totals {
  readonly answerable: number;
  readonly first: number;
  readonly cited: number;
  readonly unanswerable: number;
  readonly saidSo: number;
}

export function totalsOf(outcomes: readonly Outcome[]): Totals {
  const answerable = outcomes.filter(({ question }) => question.passages.length > 0);
  const unanswerable = outcomes.filter(({ question }) => question.passages.length === 0);
  const count = (list: readonly Outcome[], ...verdicts: readonly Verdict[]): number =>
    list.filter(({ verdict }) => verdicts.includes(verdict)).length;
  return {
    answerable: answerable.length,
    first: count(answerable, "first"),
    cited: count(answerable, "first", "cited"),
    unanswerable: unanswerable.length,
    saidSo: count(unanswerable, "none"),
  };
}

function print(name: string, outcomes: readonly Outcome[], isVerbose: boolean): void {
  for (const { question, verdict, asked } of outcomes) {
    const wanted = question.passages.map(({ file, firstLine }) => `${file}:${firstLine}`).join(" or ") || "no answer";
    const got = verdict === "none" ? "no answer" : asked.citations.citations.map(({ text }) => text).join(", ");
    const isRight = question.passages.length === 0 ? verdict === "none" : verdict === "first" || verdict === "cited";
    console.log(
      `${isRight ? "ok " : "NOT"} ${question.folder.padEnd(9)} ${question.question}\n      wanted ${wanted} · got ${got} · ${asked.turns} turns`,
    );
    if (isVerbose && !isRight) console.log(asked.answer.replace(/^/gm, "        "));
  }
  const { answerable, first, cited, unanswerable, saidSo } = totalsOf(outcomes);
  const share = (part: number, whole: number): string => `${part}/${whole} (${Math.round((100 * part) / whole)} %)`;
  console.log(
    `\n${name}: answering passage cited ${share(cited, answerable)}, cited first ${share(first, answerable)}; ` +
      `unanswerable said so ${share(saidSo, unanswerable)}; turns at most ${Math.max(...outcomes.map(({ asked }) => asked.turns))}\n`,
  );
}

if (import.meta.main) {
  const isVerbose = process.argv.includes("--all");
  for (const [name, file] of SETS) print(name, await runSet(questionsOf(file)), isVerbose);
}
