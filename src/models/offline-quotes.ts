import { ANSWER_COVERAGE, type Inquiry } from "./offline-research.ts";
import type { Scored } from "./offline-score.ts";
import type { PlacedQuote } from "./offline-sentences.ts";

const QUOTES_MAX = 3;
/** A further quotation must be nearly as good as the best one. */
const NEARLY = 0.85;

/** The quotations that answer, best first; none where nothing does. */
export function quotesOf({ scored }: Pick<Inquiry, "scored">): readonly PlacedQuote[] {
  const best = scored.find(({ coverage }) => coverage >= ANSWER_COVERAGE);
  if (best === undefined) return [];
  const quotes: PlacedQuote[] = [];
  for (const one of scored) {
    if (one.coverage < ANSWER_COVERAGE || one.score < best.score * NEARLY) continue;
    const quote = quoteOf(one);
    if (quotes.every(({ text, subject }) => text !== quote.text || subject !== quote.subject)) quotes.push(quote);
    if (quotes.length >= QUOTES_MAX) break;
  }
  return quotes;
}

export function quoteOf({ sentence: { file, quote } }: Pick<Scored, "sentence">): PlacedQuote {
  return { ...quote, file };
}

/** Each place once: what stands on the same line is one quotation, in the order of the text. */
export function joinedByLine(quotes: readonly PlacedQuote[]): readonly PlacedQuote[] {
  const joined: PlacedQuote[] = [];
  for (const quote of quotes) {
    const at = joined.findIndex((one) => isSameLine(one, quote));
    const known = joined[at];
    if (known === undefined) joined.push(quote);
    else if (known.text.includes(quote.text)) continue;
    else joined[at] = quote.text.includes(known.text) ? quote : { ...known, text: `${known.text} … ${quote.text}` };
  }
  return joined;
}

function isSameLine(a: PlacedQuote, b: PlacedQuote): boolean {
  return a.file === b.file && a.firstLine === b.firstLine && a.lastLine === b.lastLine;
}
