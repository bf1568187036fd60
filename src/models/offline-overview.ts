import { type Evidence, isShown } from "./offline-evidence.ts";
import { type PlacedQuote, sentencesOf } from "./offline-sentences.ts";

const DOCUMENTS = "(?:documents?|docs|documentation|files?|folder|texts?|notes|papers|reports)";
const ASKS_WHAT_IT_IS = new RegExp(
  `^\\W*(?:what (?:is|are|do|does) (?:(?:all|in|this|these|those|the|my|our) )*${DOCUMENTS}(?: here)?(?: (?:about|contain|cover|say|hold|deal with|talk about))?\\s*(?:[?.!,]|$)|` +
    `(?:(?:give|write|show)(?: me)? (?:an? )?(?:short )?)?(?:overview|summary) of (?:(?:all|this|these|those|the|my|our) )*${DOCUMENTS}\\s*(?:[?.!,]|$)|` +
    `summari[sz]e (?:(?:all|this|these|those|the|my|our) )*${DOCUMENTS}\\s*(?:[?.!,]|$))`,
  "i",
);
const HEADING = /^#{1,6}\s+(.+?)\s*#*$/;

/** Documents that an overview reads; the rest is named by its number. */
export const OVERVIEW_FILES = 8;
/** Lines read of each. */
export const OVERVIEW_LINES = 20;

/** "What are these documents about?": asks for no fact that could be looked for. */
export function asksForOverview(question: string): boolean {
  return ASKS_WHAT_IT_IS.test(question);
}

/** Of each document that was read from its start, its title and its first sentence, as they stand there. */
export function overviewOf(evidence: Evidence, files: readonly string[]): readonly PlacedQuote[] {
  const sentences = sentencesOf(evidence);
  return files.flatMap((file) => {
    if (!isShown(evidence, file, 1, 1)) return [];
    const quotes: PlacedQuote[] = [];
    const title = titleOf(evidence, file);
    if (title !== null) quotes.push(title);
    const first = sentences.find((one) => one.file === file && !one.isCode && one.quote.text !== title?.text);
    if (first !== undefined) quotes.push({ ...first.quote, file });
    return quotes;
  });
}

/** The first heading, where one stands in the lines shown. */
function titleOf({ files }: Evidence, file: string): PlacedQuote | null {
  const lines = [...(files.get(file)?.lines ?? [])].toSorted(([a], [b]) => a - b);
  for (const [i, [line, text]] of lines.entries()) {
    const isUnderlined = /^(=|-){3,}\s*$/.test(lines[i + 1]?.[1] ?? "") && /\p{L}/u.test(text);
    const title = HEADING.exec(text)?.[1] ?? (isUnderlined ? text.trim() : undefined);
    if (title !== undefined) return { file, text: title, firstLine: line, lastLine: line, subject: "" };
  }
  return null;
}
