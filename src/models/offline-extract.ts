import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Message } from "../core/message.ts";
import { evidenceOf, piecesIn } from "./offline-evidence.ts";
import { questionOf } from "./offline-question.ts";
import { sentencesOf } from "./offline-sentences.ts";
import { scoreSentences } from "./offline-score.ts";
import { stemsOf, wordsOf } from "./offline-words.ts";

const SUMMARY = /\b(summar\w+|condens\w+|compact\w*|shorten|tl;?dr|in short|recap)\b/i;
const QUOTES_MAX = 3;
const COVERAGE = 0.5;
const SENTENCES_MAX = 40;
/** Less than this is a question, not a text to quote from. */
const TEXT_CHARS = 200;

export function asksForSummary(system: string, goal: string): boolean {
  return SUMMARY.test(goal.slice(0, 500)) || SUMMARY.test(goal.slice(-300)) || SUMMARY.test(system.slice(0, 1_000));
}

/** Leading sentences, in order: of each paragraph, of each message, of each passage that a tool has shown. */
export function summaryOf(messages: readonly Message[], charsMax: number): string {
  const lines: string[] = [];
  let chars = 0;
  for (const paragraph of messages.flatMap(paragraphsOf)) {
    const line = firstSentence(paragraph);
    if (line === "" || SUMMARY.test(line) || lines.includes(line)) continue;
    chars += line.length + 3;
    if (chars > charsMax || lines.length >= SENTENCES_MAX) break;
    lines.push(line);
  }
  return lines.map((line) => `- ${line}`).join("\n");
}

function paragraphsOf(message: Message): readonly string[] {
  return message.content.flatMap((part) => {
    if (part.type === "text") return part.text.split(/\n\s*\n/);
    if (part.type === "tool-call") return [`Called ${part.tool} with ${JSON.stringify(part.input).slice(0, 200)}.`];
    if (part.type !== "tool-result") return [];
    return piecesIn(part.output).map(({ file, firstLine, lines }) => `${file}:${firstLine} ${lines.join(" ")}`);
  });
}

function firstSentence(paragraph: string): string {
  const plain = paragraph
    .replaceAll(/\s+/g, " ")
    .replace(/^\W*#*\s*/, "")
    .trim();
  return (/^.{1,400}?[.!?](?=\s|$)/u.exec(plain)?.[0] ?? plain.slice(0, 240)).trim();
}

/** Sentences of the message itself that answer the question in it; null when it holds no text, or none that does. */
export function quotesFromText(text: string): string | null {
  const question = /[^.!?\n]*\?/.exec(text)?.[0] ?? text.split("\n")[0] ?? "";
  const rest = text.replace(question, " ");
  if (rest.length < TEXT_CHARS) return null;
  const evidence = evidenceOf([{ file: "text.txt", heading: "", firstLine: 1, lines: rest.split("\n") }]);
  const found = scoreSentences(questionOf(question), sentencesOf(evidence)).filter(
    ({ coverage }) => coverage >= COVERAGE,
  );
  if (found.length === 0) return null;
  const texts = found.slice(0, QUOTES_MAX).map(({ sentence: { quote } }) => quote.text);
  return [...new Set(texts)].map((quote) => `- "${quote}"`).join("\n");
}

/** What a schema can be filled from. */
export interface Source {
  /** Text to look for labels, numbers and choices in. */
  readonly text: string;
  /** What goes into a field for the answer or summary itself. */
  readonly answer: string;
  /** null where nobody asked whether something was found. */
  readonly isAnswered: boolean | null;
}
export type Filled =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly path: string; readonly wanted: string };

/** Fills a JSON Schema with what stands in the text: labelled values, choices that occur, numbers beside their words. */
export function fillSchema(schema: JsonObject, source: Source, path: readonly string[] = []): Filled {
  const filled = isJsonObject(schema.properties)
    ? fillObject(schema.properties, schema, source, path)
    : fillValue(schema, source, path);
  if (filled === undefined)
    return {
      ok: false,
      path: path.join(".") || "(whole)",
      wanted: wantedBy(schema),
    };
  return filled;
}

function wantedBy({ description, type }: JsonObject): string {
  return typeof description === "string" ? description : typeof type === "string" ? type : "a value";
}

function fillObject(properties: JsonObject, schema: JsonObject, source: Source, path: readonly string[]): Filled {
  const required = Array.isArray(schema.required) ? schema.required : [];
  const value: Record<string, JsonValue> = {};
  for (const [name, property] of Object.entries(properties)) {
    if (!isJsonObject(property)) continue;
    const filled = fillSchema(property, source, [...path, name]);
    if (filled.ok) value[name] = filled.value;
    else if (required.includes(name)) return filled;
  }
  return { ok: true, value };
}

const OF_THE_ANSWER = /\b(answer|summary|text|report|result|quotes?|finding|explanation|content|response)\b/i;

function fillValue(schema: JsonObject, source: Source, path: readonly string[]): Filled | undefined {
  const found = (value: JsonValue | undefined): Filled | undefined =>
    value === undefined ? undefined : { ok: true, value };
  const name = path.at(-1) ?? "";
  const about = `${wordsOf(name).join(" ")} ${typeof schema.description === "string" ? schema.description : ""}`;
  const label = labelled(name, source.text);
  if (schema.const !== undefined) return found(schema.const);
  if (Array.isArray(schema.enum)) return found(chosen(schema.enum, label ?? source.text));
  switch (schema.type) {
    case "string":
      return found(label ?? (OF_THE_ANSWER.test(about) || path.length === 0 ? source.answer || undefined : undefined));
    case "number":
    case "integer":
      return found(numberNear(about, label ?? null, source.text));
    case "boolean":
      if (label !== undefined && /^(yes|true|no|false)\b/i.test(label)) return found(/^(yes|true)\b/i.test(label));
      return found(/\b(found|answered|answer)\b/i.test(about) ? (source.isAnswered ?? undefined) : undefined);
    case "array":
      return found(listFor(schema, about, source));
    default:
      return undefined;
  }
}

/** `Due date: Friday` for the field dueDate. */
function labelled(name: string, text: string): string | undefined {
  const words = wordsOf(name).join("[\\s_-]*");
  if (words === "") return undefined;
  return new RegExp(`(?:^|\\n)\\W*${words}\\W*[:=]\\s*(.+)`, "i").exec(text)?.[1]?.trim();
}

function chosen(choices: readonly JsonValue[], text: string): JsonValue | undefined {
  const places = choices.flatMap((choice) => {
    if (typeof choice !== "string") return [];
    const words = wordsOf(choice).join("\\W+");
    const at = words === "" ? -1 : text.search(new RegExp(`\\b${words}\\b`, "i"));
    return at === -1 ? [] : [{ choice, at }];
  });
  return places.toSorted((a, b) => a.at - b.at)[0]?.choice;
}

/** The labelled number, or the one in the sentence that shares most words with the field. */
function numberNear(about: string, label: string | null, text: string): number | undefined {
  const number = /-?\d+(?:\.\d+)?/;
  const own = label === null ? null : number.exec(label);
  if (own !== null) return Number(own[0]);
  const stems = new Set(stemsOf(about));
  const best = text
    .split(/(?<=[.!?])\s+|\n/)
    .filter((sentence) => number.test(sentence))
    .map((sentence) => ({ sentence, shared: stemsOf(sentence).filter((stem) => stems.has(stem)).length }))
    .toSorted((a, b) => b.shared - a.shared)[0];
  const found = best === undefined || best.shared === 0 ? null : number.exec(best.sentence);
  return found === null ? undefined : Number(found[0]);
}

function listFor(schema: JsonObject, about: string, { text, answer }: Source): JsonValue | undefined {
  const isOfTexts = isJsonObject(schema.items) && schema.items.type === "string";
  if (!isOfTexts) return schema.minItems === undefined || schema.minItems === 0 ? [] : undefined;
  const cited = [...new Set(answer.match(/[\p{L}\p{N}_./+-]+:\d+(?:-\d+)?/gu) ?? [])];
  const bullets = [...text.matchAll(/^\s*(?:[-*+•]|\d+[.)])\s+(.+)$/gm)].map(([, item = ""]) => item.trim());
  const list = /\b(citations?|sources?|cited|references?)\b/i.test(about) ? cited : bullets;
  return list.length >= Number(schema.minItems ?? 0) ? list : undefined;
}
