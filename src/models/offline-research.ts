import { canonicalJson, type JsonObject, type JsonValue } from "../core/json.ts";
import { type Evidence, evidenceOf, isShown, pathsIn, piecesIn } from "./offline-evidence.ts";
import { asksForOverview, OVERVIEW_FILES, OVERVIEW_LINES } from "./offline-overview.ts";
import { isOneThing, partsOf } from "./offline-parts.ts";
import type { Question, Term } from "./offline-question.ts";
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

/** One thing that is asked, and what the documents say to it. */
export interface Inquiry {
  readonly question: Question;
  /** Best first. */
  readonly scored: readonly Scored[];
}

/** Everything that the calls of a transcript have shown, read anew for every request: the model keeps nothing. */
export interface Research {
  /** True where the question is what the documents are about, and they can be listed and read. */
  readonly isOverview: boolean;
  /** The parts of the question, at least one. */
  readonly inquiries: readonly Inquiry[];
  readonly evidence: Evidence;
  readonly queries: readonly string[];
  readonly reads: readonly Region[];
  readonly listed: readonly string[] | null;
  readonly plans: number;
  /** True where the last plan says of every step that it is done. */
  readonly isPlanDone: boolean;
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
/** For each further part of a question: three parts that nothing answers end within the 20 turns of the research agent. */
const SEARCHES_OF_PART = 3;
const READS_MAX = 6;
const READS_OF_PART = 3;
const READS_AT_ONCE = 3;
const LINES_BEFORE = 8;
const LINES_AFTER = 12;
const QUERY_WORDS_MAX = 12;

type SearchTools = BoundTools & { readonly search: NonNullable<BoundTools["search"]> };

export function researchOf(situation: Situation, tools: BoundTools): Research {
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
    isOverview: tools.list !== undefined && tools.read !== undefined && asksForOverview(situation.goal),
    inquiries: inquiriesOf(situation.goal, evidence),
    evidence,
    queries: searches.map(({ input }) => textIn(input, tools.search?.query)),
    reads: reads.map(({ region }) => region),
    listed: listing.length === 0 ? null : listing.flatMap(({ output }) => pathsIn(output)),
    plans: of(tools.plan).length,
    isPlanDone: isDonePlan(of(tools.plan).at(-1), tools),
    failure: last?.isError === true ? textOfOutput(last.output) : null,
  };
}

function inquiriesOf(goal: string, evidence: Evidence): readonly Inquiry[] {
  const sentences = sentencesOf(evidence);
  const { whole, parts, mayBeOne } = partsOf(goal);
  const scored = scoreSentences(whole, sentences);
  if (parts.length === 0 || (mayBeOne && isOneThing(whole, scored))) return [{ question: whole, scored }];
  return parts.map((question) => ({ question, scored: scoreSentences(question, sentences) }));
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
  if (research.isOverview) return nextOfOverview(research, tools);
  const { queries, inquiries, failure } = research;
  const query = queryOf(research);
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
  if (inquiries.some(isThin) && tools.list !== undefined && tools.read !== undefined && research.listed === null) {
    return { text: "Looking whether the name of a document says more.", calls: [{ tool: tools.list.tool, input: {} }] };
  }
  return null;
}

/** The list of the documents, then the start of the first ones. */
function nextOfOverview({ listed, reads, plans }: Research, tools: SearchTools): Move | null {
  const { list, read } = tools;
  if (list === undefined || read === undefined) return null;
  if (listed === null && reads.length === 0)
    return {
      text: "Looking which documents there are.",
      calls: [...planCall(tools, plans, "search"), { tool: list.tool, input: {} }],
    };
  const regions = (listed ?? [])
    .slice(0, OVERVIEW_FILES)
    .map((file) => ({ file, firstLine: 1, lastLine: OVERVIEW_LINES }));
  const unread = regions.filter(({ file }) => reads.every((one) => one.file !== file));
  if (unread.length === 0) return null;
  const calls = unread.map((region) => readCall(region, read));
  return { text: "Reading how each of them begins.", calls: [...planCall(tools, plans, "read"), ...calls] };
}

function isThin({ scored }: Inquiry): boolean {
  const [best] = scored;
  return best === undefined || best.coverage < ANSWER_COVERAGE;
}

/** The next query for the first part that nothing answers yet and that has searches left. */
function queryOf({ inquiries, queries }: Research): string | null {
  for (const [i, inquiry] of inquiries.entries()) {
    if (!isThin(inquiry) || queries.length >= SEARCHES_MAX + i * SEARCHES_OF_PART) continue;
    const query = nextQuery(inquiry, queries);
    if (query !== null) return query;
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

type Stage = "search" | "read" | "done";

/** The plan at the start, and once more when reading begins. */
function planCall(tools: BoundTools, plans: number, stage: Stage): Move["calls"] {
  if (tools.plan === undefined || plans > (stage === "search" ? 0 : 1)) return [];
  return [{ tool: tools.plan.tool, input: planInput(tools.plan, stage) }];
}

function planInput({ items, item }: NonNullable<BoundTools["plan"]>, stage: Stage): JsonObject {
  const active = ["search", "read"].indexOf(stage);
  const steps = STEPS.map((text, i) => {
    const status = active === -1 || i < active ? "done" : i === active ? "active" : "pending";
    return planItem(item, i, { text, status });
  });
  return { [items]: steps };
}

/** The plan with every step done, where there is one that says something else. */
export function donePlanCall({ plans, isPlanDone }: Research, { plan }: BoundTools): Move["calls"] {
  if (plan === undefined || plans === 0 || isPlanDone) return [];
  return [{ tool: plan.tool, input: planInput(plan, "done") }];
}

/** A plan tool that failed is not asked again. */
function isDonePlan(last: PastCall | undefined, { plan }: BoundTools): boolean {
  if (last === undefined || plan === undefined) return false;
  return last.isError || canonicalJson(last.input) === canonicalJson(planInput(plan, "done"));
}

/**
 * The question's words first; then, as long as nothing answers it, fewer words (for searches that want all of them), other
 * words for what is missing, and the missing word alone.
 */
function nextQuery({ question, scored }: Inquiry, queries: readonly string[]): string | null {
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
  const { reads, inquiries } = research;
  const wanted: Region[] = [];
  for (const inquiry of inquiries) {
    const isKnown = ({ file, firstLine, lastLine }: Region): boolean =>
      [...reads, ...wanted].some((one) => one.file === file && one.firstLine <= firstLine && lastLine <= one.lastLine);
    wanted.push(...regionsFor(inquiry, research, { isWhole: tools.read?.firstLine === undefined, isKnown }));
  }
  const left = READS_MAX + (inquiries.length - 1) * READS_OF_PART - reads.length;
  return wanted.slice(0, Math.min(READS_AT_ONCE * inquiries.length, Math.max(0, left)));
}

function regionsFor(
  { question, scored }: Inquiry,
  { evidence, listed }: Research,
  { isWhole, isKnown }: { readonly isWhole: boolean; readonly isKnown: (region: Region) => boolean },
): readonly Region[] {
  const wanted: Region[] = [];
  const add = (key: Region, region: Region): void => {
    const isDouble = wanted.some(
      (one) => one.file === key.file && one.firstLine <= key.firstLine && key.lastLine <= one.lastLine,
    );
    if (!isDouble && !isKnown(key)) wanted.push(region);
  };
  for (const { sentence } of scored.slice(0, READS_AT_ONCE)) {
    const exact = { file: sentence.file, firstLine: sentence.firstLine, lastLine: sentence.lastLine };
    const around = {
      file: exact.file,
      firstLine: Math.max(1, exact.firstLine - LINES_BEFORE),
      lastLine: exact.lastLine + LINES_AFTER,
    };
    if (isShown(evidence, around.file, around.firstLine, around.lastLine)) continue;
    add(exact, isWhole ? { ...around, firstLine: 1, lastLine: Number.MAX_SAFE_INTEGER } : around);
  }
  const stems = new Set(strongTerms(question).map(({ stem }) => stem));
  for (const heading of headingsWith(stems, evidence)) add(heading, belowOf(heading));
  for (const file of listed ?? []) {
    const start = { file, firstLine: 1, lastLine: LINES_BEFORE * 10 };
    if (stemsOf(file).some((stem) => stems.has(stem))) add({ ...start, lastLine: 1 }, start);
  }
  return wanted.slice(0, READS_AT_ONCE);
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
