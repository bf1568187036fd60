import { isShown } from "./offline-evidence.ts";
import { OVERVIEW_FILES, overviewOf } from "./offline-overview.ts";
import { joinedByLine, quoteOf, quotesOf } from "./offline-quotes.ts";
import { type Inquiry, type Move, readCall, type Region, type Research } from "./offline-research.ts";
import type { PlacedQuote } from "./offline-sentences.ts";
import type { BoundTools } from "./offline-tools.ts";

const REGIONS_MAX = 3;
const NEAREST_COVERAGE = 0.3;
const QUOTE_CHARS = 320;

/** How a citation is bracketed, as the instructions show it. */
export type CitationStyle = "round" | "square";

export function citationStyleOf(instructions: string): CitationStyle {
  return /\[[^\]\n]{1,40}:(line|first|start|from|\d)[^\]\n]{0,20}\]/i.test(instructions) ? "square" : "round";
}

/** Quotations with their places, for every part of the question; or that the documents hold no answer. */
export function answerOf(research: Research, style: CitationStyle, feedback: string | null): string {
  if (research.isOverview) return overviewText(research, style);
  const inquiries = undoubted(research, feedback);
  const quotes = joinedByLine(inquiries.flatMap(quotesOf));
  const unanswered = inquiries.filter((inquiry) => quotesOf(inquiry).length === 0);
  if (quotes.length > 0) {
    return [
      "From the documents, quotes only:",
      ...quotes.map((one) => bulletOf(one, style)),
      ...unanswered.map(({ question }) => `The documents hold no answer to "${question.text.trim()}".`),
      ...(unanswered.length > 0 ? triedLines(research) : []),
    ].join("\n");
  }
  const lines = [
    research.failure === null
      ? "The documents hold no answer to this question."
      : `The documents could not be searched: ${research.failure}`,
    ...triedLines(research),
  ];
  const nearest = research.inquiries
    .flatMap(({ scored }) => scored.slice(0, 1))
    .toSorted((a, b) => b.coverage - a.coverage)[0];
  if (nearest !== undefined && nearest.coverage >= NEAREST_COVERAGE) {
    lines.push("The nearest passage, which does not answer it:", bulletOf(quoteOf(nearest), style));
  }
  return lines.join("\n");
}

function overviewText({ evidence, listed, failure }: Research, style: CitationStyle): string {
  const files = listed ?? [];
  const quotes = overviewOf(evidence, files.slice(0, OVERVIEW_FILES));
  if (quotes.length === 0) return failure ?? "The documents hold no answer to this question.";
  const shown = Math.min(files.length, OVERVIEW_FILES);
  const which = files.length > shown ? `the first ${shown} of ${files.length} documents` : "the documents";
  return [`How each of ${which} begins, quotes only:`, ...quotes.map((one) => bulletOf(one, style))].join("\n");
}

/** True where the answer has a quotation in it. */
export function isAnswered(research: Research, feedback: string | null): boolean {
  if (research.isOverview) return overviewOf(research.evidence, research.listed ?? []).length > 0;
  return undoubted(research, feedback).some((inquiry) => quotesOf(inquiry).length > 0);
}

function triedLines({ queries }: Research): readonly string[] {
  return queries.length === 0 ? [] : [`Searched for: ${queries.map((query) => `"${query}"`).join(", ")}.`];
}

/** `- "the words" (file:3)`; a mere value has its subject in front. */
function bulletOf(quote: PlacedQuote, style: CitationStyle): string {
  const subject = quote.subject === "" ? "" : `${plain(quote.subject)}: `;
  return `- ${subject}"${quoted(quote)}" ${placeOf(quote, style)}`;
}

function quoted({ text }: PlacedQuote): string {
  const words = plain(text);
  return words.length > QUOTE_CHARS ? `${words.slice(0, QUOTE_CHARS).trimEnd()} …` : words;
}

function plain(text: string): string {
  return text.replaceAll('"', "'").replaceAll(/\*\*|`/g, "");
}

function placeOf({ file, firstLine, lastLine }: PlacedQuote, style: CitationStyle): string {
  const place = firstLine === lastLine ? `${file}:${firstLine}` : `${file}:${firstLine}-${lastLine}`;
  return style === "square" ? `[${place}]` : `(${place})`;
}

/** Without the sentences that a check found fault with and that could not be read either: at their place, or quoting it. */
function undoubted({ inquiries, evidence }: Research, feedback: string | null): readonly Inquiry[] {
  const doubted = [...(feedback ?? "").matchAll(PLACE)]
    .filter(([, file = "", first, last]) => !isShown(evidence, file, Number(first), Number(last ?? first)))
    .map(([place]) => place);
  if (doubted.length === 0) return inquiries;
  return inquiries.map(({ question, scored }) => ({
    question,
    scored: scored.filter((one) => {
      const quote = quoteOf(one);
      return !doubted.some((place) => quote.text.includes(place) || placeOf(quote, "round") === `(${place})`);
    }),
  }));
}

const PLACE = /([\p{L}\p{N}_./@+-]*[\p{L}\p{N}_]):(\d+)(?:[-–](\d+))?/gu;

/** Reads what a check says was cited and never read; null when there is nothing left to read. */
export function mend(feedback: string, research: Research, tools: BoundTools): Move | null {
  if (tools.read === undefined) return null;
  const regions: Region[] = [];
  for (const [, file = "", first, last] of feedback.matchAll(PLACE)) {
    const region = { file, firstLine: Number(first), lastLine: Number(last ?? first) };
    const wasTried = research.reads.some(
      (one) => one.file === file && one.firstLine <= region.firstLine && region.lastLine <= one.lastLine,
    );
    if (!wasTried && !isShown(research.evidence, file, region.firstLine, region.lastLine)) regions.push(region);
  }
  const { read } = tools;
  const wanted = regions.slice(0, REGIONS_MAX);
  if (wanted.length === 0) return null;
  return { text: "Reading what was cited and not read.", calls: wanted.map((region) => readCall(region, read)) };
}
