import type { JsonObject, JsonValue } from "../core/json.ts";
import { type Evidence, evidenceOf, isShown, pathsIn, piecesIn } from "./offline-evidence.ts";
import { type Question, questionOf, type Term } from "./offline-question.ts";
import { type Scored, scoreSentences, uncoveredTerms } from "./offline-score.ts";
import { sentencesOf } from "./offline-sentences.ts";
import { type Bound, type BoundTools, planItem } from "./offline-tools.ts";
import type { PastCall, Situation } from "./offline-transcript.ts";
import { alikeWords, isWeakWord, stemsOf, wordsOf } from "./offline-words.ts";

/** What the model does next: says `text` and makes the calls; without calls the text is the answer. */
export interface Move {
  readonly text: string;
  readonly calls: readonly { readonly tool: string; readonly input: JsonObject }[];
}

/** Everything that the calls of a transcript have shown, read anew for every request: the model keeps nothing. */
export interface Research {
  readonly question: Question;
  readonly evidence: Evidence;
  /** Best first. */
  readonly scored: readonly Scored[];
  readonly queries: readonly string[];
  readonly reads: readonly Region[];
  readonly listed: readonly string[] | null;
  readonly plans: number;
  /** What the tools answered when they failed; null where none did, or one worked since. */
  readonly failure: string | null;
}
export interface Region {
  readonly file: string;
  readonly firstLine: number;
  readonly lastLine: number;
}

/**
 * From this coverage on a sentence counts as an answer. Set on bench/offline: below it, questions that the documents do
 * not answer get one.
 */
export const ANSWER_COVERAGE = 0.58;
const SEARCHES_MAX = 4;
const READS_MAX = 6;
const READS_AT_ONCE = 3;
const LINES_BEFORE = 8;
const LINES_AFTER = 12;
const QUERY_WORDS_MAX = 12;

type SearchTools = BoundTools & { readonly search: NonNullable<BoundTools["search"]> };

export function researchOf(situation: Situation, tools: BoundTools): Research {
  const question = questionOf(situation.goal);
  const of = (bound: Bound<object> | undefined): readonly PastCall[] =>
    situation.calls.filter(({ tool }) => bound !== undefined && tool === bound.tool);
  const searches = of(tools.search);
  const reads = of(tools.read).map((call) => ({ call, region: regionOf(call, tools.read) }));
  const pieces = [
    ...searches.filter(({ isError }) => !isError).flatMap(({ output }) => piecesIn(output)),
    ...reads.filter(({ call }) => !call.isError).flatMap(({ call, region }) => piecesIn(call.output, region)),
  ];
  const evidence = evidenceOf(pieces);
  const listing = of(tools.list).filter(({ isError }) => !isError);
  const last = searches.at(-1);
  return {
    question,
    evidence,
    scored: scoreSentences(question, sentencesOf(evidence)),
    queries: searches.map(({ input }) => textIn(input, tools.search?.query)),
    reads: reads.map(({ region }) => region),
    listed: listing.length === 0 ? null : listing.flatMap(({ output }) => pathsIn(output)),
    plans: of(tools.plan).length,
    failure: last?.isError === true ? textOfOutput(last.output) : null,
  };
}

function regionOf({ input }: PastCall, read: BoundTools["read"]): Region {
  const number = (name: string | undefined, otherwise: number): number => {
    const value = name === undefined ? undefined : input[name];
    return typeof value === "number" ? value : otherwise;
  };
  const firstLine = number(read?.firstLine, 1);
  return {
    file: textIn(input, read?.path),
    firstLine,
    lastLine: number(read?.lastLine, Number.MAX_SAFE_INTEGER),
  };
}

function textIn(input: JsonObject, name: string | undefined): string {
  const value = name === undefined ? undefined : input[name];
  return typeof value === "string" ? value : "";
}

function textOfOutput(output: JsonValue): string {
  return (typeof output === "string" ? output : JSON.stringify(output)).slice(0, 200);
}

/** The next search, reading or listing; null when it is time to answer. */
export function nextInquiry(research: Research, tools: SearchTools): Move | null {
  const { queries, scored, failure } = research;
  const best = scored[0];
  const isThin = best === undefined || best.coverage < ANSWER_COVERAGE;
  const query = isThin && queries.length < SEARCHES_MAX ? nextQuery(research) : null;
  if (query !== null) {
    const why =
      queries.length === 0
        ? "Searching for"
        : failure === null
          ? "Nothing yet that answers it. Searching for"
          : "That search failed. Trying";
    const plan = queries.length === 0 ? planCall(tools, research.plans, "search") : [];
    return {
      text: `${why}: ${query}`,
      calls: [...plan, searchCall(query, tools.search)],
    };
  }
  const regions = unreadRegions(research, tools);
  if (regions.length > 0 && tools.read !== undefined) {
    const { read } = tools;
    const text = `Reading ${regions.map(({ file, firstLine }) => (read.firstLine === undefined ? file : `${file}:${firstLine}`)).join(", ")}`;
    const plan = planCall(tools, research.plans, "read");
    return { text, calls: [...plan, ...regions.map((region) => readCall(region, read))] };
  }
  if (isThin && tools.list !== undefined && tools.read !== undefined && research.listed === null) {
    return { text: "Looking whether the name of a document says more.", calls: [{ tool: tools.list.tool, input: {} }] };
  }
  return null;
}

function searchCall(query: string, { tool, query: name, limit }: SearchTools["search"]): Move["calls"][number] {
  return { tool, input: { [name]: query, ...(limit === undefined ? {} : { [limit.name]: limit.value }) } };
}

export function readCall(region: Region, read: NonNullable<BoundTools["read"]>): Move["calls"][number] {
  const input: Record<string, JsonValue> = { [read.path]: region.file };
  if (read.firstLine !== undefined) input[read.firstLine] = region.firstLine;
  if (read.lastLine !== undefined) input[read.lastLine] = region.lastLine;
  return { tool: read.tool, input };
}

const STEPS = [
  "Search the documents for the question",
  "Read the best passages in full",
  "Answer with quotes and their lines",
];

/** The plan at the start, and once more when reading begins: after that the answer says where things stand. */
function planCall({ plan }: BoundTools, plans: number, stage: "search" | "read"): Move["calls"] {
  if (plan === undefined || plans > (stage === "search" ? 0 : 1)) return [];
  const active = stage === "search" ? 0 : 1;
  const items = STEPS.map((text, i) =>
    planItem(plan.item, i, { text, status: i < active ? "done" : i === active ? "active" : "pending" }),
  );
  return [{ tool: plan.tool, input: { [plan.items]: items } }];
}

/**
 * The question's words first; then, as long as nothing answers it, fewer words (for searches that want all of them), other
 * words for what is missing, and the missing word alone.
 */
function nextQuery({ question, queries, scored }: Research): string | null {
  const strong = strongTerms(question);
  const best = scored[0];
  const missing = best === undefined ? strong : uncoveredTerms(question, best).filter(({ word }) => !isWeakWord(word));
  const byLength = strong
    .filter(({ word }) => word.length > 1)
    .toSorted((a, b) => b.weight - a.weight || b.word.length - a.word.length);
  const candidates = [
    strong.map(({ word }) => word),
    ...(best === undefined ? [byLength.slice(0, 2).map(({ word }) => word)] : []),
    missing.flatMap(({ word, stem }) => [word, ...alikeWords(stem)]),
    byLength.slice(0, 1).map(({ word }) => word),
    missing.slice(0, 1).map(({ word }) => word),
    question.terms.map(({ word }) => word),
  ];
  const asked = new Set(queries.map(normal));
  for (const words of candidates) {
    const query = [...new Set(words)].slice(0, QUERY_WORDS_MAX).join(" ");
    if (query !== "" && !asked.has(normal(query))) return query;
  }
  return null;
}

function normal(query: string): string {
  return wordsOf(query).toSorted().join(" ");
}

function strongTerms({ terms }: Question): readonly Term[] {
  const strong = terms.filter(({ word }) => !isWeakWord(word));
  return strong.length > 0 ? strong : terms;
}

/** What stands around the best sentences and was not shown yet; or documents whose names have the question's words. */
function unreadRegions(research: Research, tools: BoundTools): readonly Region[] {
  const { scored, reads, evidence, listed, question } = research;
  const isWhole = tools.read?.firstLine === undefined;
  const wanted: Region[] = [];
  const isKnown = ({ file, firstLine, lastLine }: Region): boolean =>
    [...reads, ...wanted].some((one) => one.file === file && one.firstLine <= firstLine && lastLine <= one.lastLine);
  for (const { sentence } of scored.slice(0, READS_AT_ONCE)) {
    const exact = { file: sentence.file, firstLine: sentence.firstLine, lastLine: sentence.lastLine };
    const around = {
      file: exact.file,
      firstLine: Math.max(1, exact.firstLine - LINES_BEFORE),
      lastLine: exact.lastLine + LINES_AFTER,
    };
    const isSeen = isShown(evidence, around.file, around.firstLine, around.lastLine);
    if (!isKnown(exact) && !isSeen)
      wanted.push(isWhole ? { ...around, firstLine: 1, lastLine: Number.MAX_SAFE_INTEGER } : around);
  }
  const stems = new Set(strongTerms(question).map(({ stem }) => stem));
  for (const heading of headingsWith(stems, evidence)) if (!isKnown(heading)) wanted.push(belowOf(heading));
  for (const file of listed ?? []) {
    const start = { file, firstLine: 1, lastLine: LINES_BEFORE * 10 };
    if (stemsOf(file).some((stem) => stems.has(stem)) && !isKnown({ ...start, lastLine: 1 })) wanted.push(start);
  }
  return wanted.slice(0, Math.min(READS_AT_ONCE, Math.max(0, READS_MAX - reads.length)));
}

/** Headings that a search has shown, without the text below them, and that have one of the words. */
function headingsWith(stems: ReadonlySet<string>, evidence: Evidence): readonly Region[] {
  return [...evidence.files].flatMap(([file, { lines }]) =>
    [...lines].flatMap(([line, text]) => {
      const isAlone = /^#{1,6}\s/.test(text) && !lines.has(line + 1);
      return isAlone && stemsOf(text).some((stem) => stems.has(stem))
        ? [{ file, firstLine: line, lastLine: line }]
        : [];
    }),
  );
}

function belowOf({ file, firstLine }: Region): Region {
  return { file, firstLine, lastLine: firstLine + LINES_AFTER };
}
