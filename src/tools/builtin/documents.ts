import { isAbsolute, posix, relative, resolve } from "node:path";
import { z } from "zod";
import { decodeCursor, encodeCursor } from "../../core/cursor.ts";
import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";
import { checkFolder, type FolderBounds, readInside, sizeText, type SkippedFile } from "./document-folder.ts";
import { type DocumentIndex, type Hit, type IndexedDocument, matchOf } from "./document-index.ts";
import { documentText } from "./document-text.ts";
import { indexFolder } from "./index-folder.ts";

export interface DocumentOptions {
  /** The folder; nothing outside it is ever read. */
  readonly root: string;
  /** A file to keep the index in, so that the next start reads only what changed. Without it: memory. */
  readonly cacheFile?: string;
  readonly filesMax?: number;
  readonly fileBytesMax?: number;
  readonly totalBytesMax?: number;
  /** Why a file is left out, by its path below the folder with `/`; null for one that is taken. */
  readonly leftOut?: (file: string) => string | null;
}

/** The tools of one folder, and what was found in it. */
export interface DocumentSet {
  /** search_docs, read_document, list_documents */
  readonly tools: readonly ToolDefinition[];
  /** The folder's real path. */
  readonly root: string;
  readonly files: number;
  readonly lines: number;
  readonly bytes: number;
  /** The first ones; `skippedCount` counts all. Dotfiles and node_modules are passed over without being listed. */
  readonly skipped: readonly SkippedFile[];
  readonly skippedCount: number;
  /** Headings with text below them, at most one of each document. */
  readonly topics: readonly string[];
  /** Frees the index. Its tools must not be called afterwards. */
  close(): void;
}

const RESULT_CHARS = 1_500;
const RESULTS_CHARS = 20_000;
const LINE_CHARS = 1_000;
const RESULTS = 6;
const READ_LINES = 80;
const LISTING = "documents";

/**
 * Indexes a folder of Markdown, text, HTML and source code, and gives the tools that search and read it. The index shows
 * the folder as it was now; `read_document` reads the file as it is then.
 * @throws FOLDER_UNUSABLE no such folder, not a folder, or nothing in it that can be read
 */
export async function documentTools(options: DocumentOptions): Promise<DocumentSet> {
  const bounds = boundsOf(options);
  const root = await checkFolder(options.root);
  const { index, skipped } = await indexFolder(root, bounds, options.cacheFile);
  const documents = index.documents().filter(({ reason }) => reason === null);
  const sum = (pick: (one: IndexedDocument) => number): number =>
    documents.reduce((total, one) => total + pick(one), 0);
  return {
    tools: [searchTool(index), readTool({ root, documents, bytesMax: bounds.fileBytesMax }), listTool(documents)],
    root,
    files: documents.length,
    lines: sum(({ lines }) => lines),
    bytes: sum(({ bytes }) => bytes),
    skipped: skipped.kept,
    skippedCount: skipped.count,
    topics: index.topics(limits.documentTopics),
    close: () => index.close(),
  };
}

function boundsOf(options: DocumentOptions): FolderBounds {
  const bound = (name: "filesMax" | "fileBytesMax" | "totalBytesMax", max: number): number => {
    const given = options[name] ?? max;
    if (Number.isSafeInteger(given) && given >= 1 && given <= max) return given;
    throw new PawlError("OPTION_INVALID", `documents: ${name} is ${given}. Give a whole number from 1 to ${max}.`);
  };
  return {
    filesMax: bound("filesMax", limits.documentFiles),
    fileBytesMax: bound("fileBytesMax", limits.documentFileBytes),
    totalBytesMax: bound("totalBytesMax", limits.documentBytes),
    leftOut: options.leftOut ?? (() => null),
  };
}

function searchTool(index: DocumentIndex): ToolDefinition {
  return tool({
    name: "search_docs",
    version: "1",
    description:
      "Searches the documents and returns the passages that fit a query best, with file, line range and numbered lines. " +
      'Any of the words may match. Put a phrase in "double quotes"; end a word with * to match its beginnings. ' +
      "If nothing fits, try other words that a writer might have used.",
    inputSchema: z.object({
      query: z.string().min(1).max(1_000).describe("The words to search for"),
      limit: z.int().min(1).max(limits.searchResults).default(RESULTS).describe("Passages to return"),
    }),
    effect: "pure",
    execute: ({ query, limit }) => {
      const match = matchOf(query);
      if (match === null) return { results: [], note: "The query has no word in it. Give words to search for." };
      const hits = index.search(match, limit);
      if (hits.length === 0) return { results: [], note: "No passage has any of these words. Try other words." };
      return { results: withinBudget(hits, query) };
    },
  });
}

/** Passages with numbered lines, as many as a model may be shown at once. */
function withinBudget(hits: readonly Hit[], query: string): readonly object[] {
  const words = (query.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []).map((word) => word.slice(0, 6));
  const results: object[] = [];
  let chars = 0;
  for (const { file, heading, score, startLine, text } of hits) {
    const lines = text.split("\n");
    const first = firstShown(lines, words);
    const shown = numbered(lines.slice(first), startLine + first, RESULT_CHARS);
    chars += shown.text.length;
    if (chars > RESULTS_CHARS) break;
    const place = { file, startLine: startLine + first, endLine: startLine + first + shown.lines - 1 };
    results.push({ ...place, heading, score: Math.round(score * 100) / 100, text: shown.text });
  }
  return results;
}

/** A passage too long to be shown starts shortly before its first line with a word of the query. */
function firstShown(lines: readonly string[], words: readonly string[]): number {
  if (lines.reduce((chars, line) => chars + line.length + 8, 0) <= RESULT_CHARS) return 0;
  const found = lines.findIndex((line) => words.some((word) => line.toLowerCase().includes(word)));
  return Math.max(0, found - 2);
}

/** `12| text` for each line, at least one, and no more than fit. */
function numbered(
  lines: readonly string[],
  startLine: number,
  charsMax: number,
): { readonly text: string; readonly lines: number } {
  const shown: string[] = [];
  let chars = 0;
  for (const [i, line] of lines.entries()) {
    const text = `${startLine + i}| ${line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)} …` : line}`;
    chars += text.length + 1;
    if (shown.length > 0 && chars > charsMax) break;
    shown.push(text);
  }
  return { text: shown.join("\n"), lines: shown.length };
}

interface Readable {
  readonly root: string;
  readonly documents: readonly IndexedDocument[];
  readonly bytesMax: number;
}

function readTool({ root, documents, bytesMax }: Readable): ToolDefinition {
  const files = new Set(documents.map(({ file }) => file));
  return tool({
    name: "read_document",
    version: "1",
    description:
      `Reads lines of one document, numbered, at most ${limits.readLines} at once. ` +
      "Use it to see a passage in full before you cite it.",
    inputSchema: z.object({
      path: z.string().min(1).max(1_000).describe("Path of the file, as search_docs or list_documents gives it"),
      startLine: z.int().min(1).default(1).describe("First line to read; 1 is the first of the file"),
      endLine: z.int().min(1).optional().describe("Last line to read"),
    }),
    effect: "pure",
    execute: async ({ path, startLine, endLine }) => {
      const file = insidePath(root, path);
      if (file === null || !files.has(file)) return unknownDocument(path, [...files]);
      const read = await readInside(root, file, bytesMax);
      const text = read.ok ? documentText(file, read.bytes) : read;
      if (!text.ok) return { error: `"${file}" cannot be read: ${text.reason}.` };
      const total = text.lines.length;
      if (startLine > total) return { error: `"${file}" has ${total} lines; line ${startLine} does not exist.` };
      const last = Math.min(endLine ?? startLine + READ_LINES - 1, startLine + limits.readLines - 1, total);
      const lines = text.lines.slice(startLine - 1, Math.max(startLine, last));
      const shown = numbered(lines, startLine, RESULTS_CHARS);
      return { file, startLine, endLine: startLine + shown.lines - 1, lines: total, text: shown.text };
    },
  });
}

/** The path below the folder in the form of the index; null where it leads out. */
function insidePath(root: string, path: string): string | null {
  const below = isAbsolute(path) ? relative(root, resolve(path)) : path;
  const file = posix.normalize(below.replaceAll("\\", "/"));
  return file.startsWith("../") || isAbsolute(file) ? null : file;
}

const NEAREST = 5;

function unknownDocument(path: string, files: readonly string[]): object {
  const words = path.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? [];
  const shared = (file: string): number => words.filter((word) => file.toLowerCase().includes(word)).length;
  const nearest = files
    .map((file) => ({ file, shared: shared(file) }))
    .filter((one) => one.shared > 0)
    .toSorted((a, b) => b.shared - a.shared)
    .slice(0, NEAREST)
    .map(({ file }) => file);
  return {
    error: `There is no document "${path.slice(0, 200)}". Use a path that a search or the list gives.`,
    nearest,
  };
}

function listTool(documents: readonly IndexedDocument[]): ToolDefinition {
  return tool({
    name: "list_documents",
    version: "1",
    description: "Lists the documents with their sizes and numbers of lines, in order of their paths.",
    inputSchema: z.object({
      cursor: z.string().optional().describe("Where the list goes on, from the answer before; leave out to start"),
    }),
    effect: "pure",
    execute: ({ cursor }) => {
      const from = cursor === undefined ? 0 : Number(decodeCursor(LISTING, cursor));
      const to = from + limits.listedDocuments;
      const page = documents.slice(from, to).map(({ file, bytes, lines }) => ({ file, size: sizeText(bytes), lines }));
      const listed = { documents: page, total: documents.length };
      return to < documents.length ? { ...listed, cursor: encodeCursor(LISTING, to) } : listed;
    },
  });
}
