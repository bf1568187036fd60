import { createRequire } from "node:module";
import type * as o200k from "gpt-tokenizer/encoding/o200k_base";
import { utf8Bytes } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { AssistantPart, FilePart, TextPart, ToolResultPart } from "../core/message.ts";
import type { ModelRequest } from "../core/model-contract.ts";
import { WordCounts } from "./word-counts.ts";

/**
 * Characters tokenized at once. The tokenizer's time grows with the square of an unbroken run (10,000 Chinese
 * characters: 0.26 s, measured), so a text is cut into slices first; each cut costs at most one token too many.
 */
const SLICE_CHARS = 256;
/** A slice with a longer run is cut again, and counts as several: 256 slices of Chinese took 0.55 s, now 0.03 s. */
const RUN_CHARS = 32;
const RUN_EFFORT = 8;
const SPACE = 32;
/** Bytes per token where nothing is tokenized: English has four, code three, so this counts too many. */
const BYTES_PER_TOKEN = 3;
/** What providers add around a message, a call, a tool, and for their own instructions. */
const PART_TOKENS = 6;
const TOOL_TOKENS = 12;
const REQUEST_TOKENS = 10;
/** A file has no length in text; images of usual size are below this at every provider. */
const FILE_TOKENS = 2_000;
const TEXTS_REMEMBERED = 64;

type Part = AssistantPart | ToolResultPart | TextPart | FilePart;

const countedParts = new WeakMap<object, number>();
const countedTexts = new Map<string, number>();

/** What is left to tokenize in one call: it bounds how long the event loop is held (256 slices: 7 ms of English). */
interface Work {
  slices: number;
}

/**
 * Estimated tokens of a request's prompt, by OpenAI's tokenizer (o200k). A part is counted once and remembered by
 * identity, so a growing conversation costs only what is new. A long text is sampled, and beyond the work allowed in
 * one call a text counts by its bytes, too high rather than too low.
 */
export function countTokensOf(request: ModelRequest): number {
  const work: Work = { slices: limits.countedSlicesPerCall };
  let tokens = REQUEST_TOKENS + textTokens(request.system, work);
  for (const tool of request.tools) tokens += remembered(tool, work, () => JSON.stringify(tool)) + TOOL_TOKENS;
  for (const message of request.messages) {
    for (const part of message.content) tokens += remembered(part, work, () => textOfPart(part)) + PART_TOKENS;
  }
  return tokens;
}

function remembered(key: object, work: Work, text: () => string): number {
  const known = countedParts.get(key);
  if (known !== undefined) return known;
  if ("type" in key && key.type === "file") return FILE_TOKENS;
  const { tokens, isFinal } = counted(text(), work);
  if (isFinal) countedParts.set(key, tokens);
  return tokens;
}

function textOfPart(part: Part): string {
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text;
    case "file":
      return "";
    case "tool-call":
      return `${part.tool} ${typeof part.input === "string" ? part.input : JSON.stringify(part.input)}`;
    case "tool-result":
      return `${part.tool} ${typeof part.output === "string" ? part.output : JSON.stringify(part.output)}`;
  }
}

/** Instructions are the same text in every request of an agent, but not the same object. */
function textTokens(text: string, work: Work): number {
  const known = countedTexts.get(text);
  if (known !== undefined) return known;
  const { tokens, isFinal } = counted(text, work);
  if (countedTexts.size >= TEXTS_REMEMBERED) countedTexts.clear();
  if (isFinal) countedTexts.set(text, tokens);
  return tokens;
}

/** `isFinal` is false where the work allowed ran out: the next call may count better. */
function counted(text: string, work: Work): { readonly tokens: number; readonly isFinal: boolean } {
  const slices = Math.ceil(text.length / SLICE_CHARS);
  const wanted = Math.min(slices, limits.countedSlicesPerPart);
  const byBytes = (): number => Math.ceil(utf8Bytes(text) / BYTES_PER_TOKEN);
  if (wanted > work.slices) return { tokens: byBytes(), isFinal: false };
  let taken = slicesOf(text, wanted);
  const over = effortOf(taken) / limits.countedSlicesPerPart;
  if (over > 1) taken = slicesOf(text, Math.max(1, Math.floor(taken.length / over)));
  const effort = effortOf(taken);
  if (effort > work.slices) return { tokens: byBytes(), isFinal: false };
  work.slices -= effort;
  const isWhole = taken.length === slices;
  let tokens = 0;
  let bytes = 0;
  for (const slice of taken) {
    tokens += words.tokensOf(slice);
    if (!isWhole) bytes += utf8Bytes(slice);
  }
  return { tokens: isWhole ? tokens : Math.ceil((tokens * utf8Bytes(text)) / bytes), isFinal: true };
}

/** So many slices, spread over the text. */
function slicesOf(text: string, wanted: number): readonly string[] {
  const slices = Math.ceil(text.length / SLICE_CHARS);
  return Array.from({ length: wanted }, (_, i) => {
    const start = Math.floor((i * slices) / wanted) * SLICE_CHARS;
    return text.slice(start, start + SLICE_CHARS);
  });
}

function effortOf(slices: readonly string[]): number {
  return slices.reduce((sum, slice) => sum + (hasLongRun(slice) ? RUN_EFFORT : 1), 0);
}

function hasLongRun(text: string): boolean {
  let run = 0;
  for (let i = 0; i < text.length; i++) {
    run = text.charCodeAt(i) <= SPACE ? 0 : run + 1;
    if (run > RUN_CHARS) return true;
  }
  return false;
}

/** A text that holds a special token of the tokenizer is text. */
const PLAIN_TEXT = { disallowedSpecial: new Set<string>() };

const words = new WordCounts((text) => {
  if (!hasLongRun(text)) return tokenizer().countTokens(text, PLAIN_TEXT);
  let tokens = 0;
  for (let at = 0; at < text.length; at += RUN_CHARS)
    tokens += tokenizer().countTokens(text.slice(at, at + RUN_CHARS), PLAIN_TEXT);
  return tokens;
});

type Tokenizer = typeof o200k;
let loaded: Tokenizer | undefined;

/** Loaded at the first count: its table takes 0.13 s and 60 MB, which a process without a model never pays. */
function tokenizer(): Tokenizer {
  loaded ??= createRequire(import.meta.url)("gpt-tokenizer/encoding/o200k_base") as Tokenizer;
  return loaded;
}
