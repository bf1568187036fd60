import { isShown } from "./offline-evidence.ts";
import { ANSWER_COVERAGE, type Move, readCall, type Region, type Research } from "./offline-research.ts";
import type { Scored } from "./offline-score.ts";
import type { BoundTools } from "./offline-tools.ts";

const QUOTES_MAX = 3;
/** A further quotation must be nearly as good as the best one. */
const NEARLY = 0.85;
const NEAREST_COVERAGE = 0.3;
const QUOTE_CHARS = 320;

/** How a citation is bracketed, as the instructions show it. */
export type CitationStyle = "round" | "square";

export function citationStyleOf(instructions: string): CitationStyle {
  return /\[[^\]\n]{1,40}:(line|first|start|from|\d)[^\]\n]{0,20}\]/i.test(instructions) ? "square" : "round";
}

/** Quotations with their places, or that the documents hold no answer. */
export function answerOf(research: Research, style: CitationStyle, feedback: string | null): string {
  const quotes = quotesOf(undoubted(research, feedback));
  if (quotes.length > 0) {
    return [
      "From the documents, quotes only:",
      ...quotes.map((one) => `- "${quoted(one)}" ${placeOf(one, style)}`),
    ].join("\n");
  }
  const tried = research.queries.map((query) => `"${query}"`).join(", ");
  const lines = [
    research.failure === null
      ? "The documents hold no answer to this question."
      : `The documents could not be searched: ${research.failure}`,
    ...(tried === "" ? [] : [`Searched for: ${tried}.`]),
  ];
  const nearest = research.scored[0];
  if (nearest !== undefined && nearest.coverage >= NEAREST_COVERAGE) {
    lines.push("The nearest passage, which does not answer it:", `- "${quoted(nearest)}" ${placeOf(nearest, style)}`);
  }
  return lines.join("\n");
}

export function quotesOf(scored: readonly Scored[]): readonly Scored[] {
  const best = scored.find(({ coverage }) => coverage >= ANSWER_COVERAGE);
  if (best === undefined) return [];
  const texts = new Set<string>();
  return scored
    .filter(({ coverage, score }) => coverage >= ANSWER_COVERAGE && score >= best.score * NEARLY)
    .filter(({ sentence: { text } }) => !texts.has(text) && texts.add(text))
    .slice(0, QUOTES_MAX);
}

function quoted({ sentence: { text } }: Scored): string {
  const plain = text.replaceAll('"', "'").replaceAll(/\*\*|`/g, "");
  return plain.length > QUOTE_CHARS ? `${plain.slice(0, QUOTE_CHARS).trimEnd()} …` : plain;
}

function placeOf({ sentence: { file, firstLine, lastLine } }: Scored, style: CitationStyle): string {
  const place = firstLine === lastLine ? `${file}:${firstLine}` : `${file}:${firstLine}-${lastLine}`;
  return style === "square" ? `[${place}]` : `(${place})`;
}

/** Without the sentences that a check found fault with and that could not be read either: at their place, or quoting it. */
export function undoubted({ scored, evidence }: Research, feedback: string | null): readonly Scored[] {
  const doubted = [...(feedback ?? "").matchAll(PLACE)]
    .filter(([, file = "", first, last]) => !isShown(evidence, file, Number(first), Number(last ?? first)))
    .map(([place]) => place);
  if (doubted.length === 0) return scored;
  return scored.filter(
    (one) => !doubted.some((place) => one.sentence.text.includes(place) || placeOf(one, "round") === `(${place})`),
  );
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
  const wanted = regions.slice(0, QUOTES_MAX);
  if (wanted.length === 0) return null;
  return { text: "Reading what was cited and not read.", calls: wanted.map((region) => readCall(region, read)) };
}
