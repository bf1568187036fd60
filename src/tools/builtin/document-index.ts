import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { Passage } from "./document-passages.ts";

/** A document as the index knows it. `lines` is 0 and `reason` says why where it was looked at and skipped. */
export interface IndexedDocument {
  readonly file: string;
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly lines: number;
  readonly reason: string | null;
}

export interface Hit {
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly heading: string;
  readonly text: string;
  /** BM25, higher is better; comes from this query and compares with nothing else. */
  readonly score: number;
}

/** Where a cached index is kept, and of which folder it is. */
export interface IndexCache {
  readonly file: string;
  readonly root: string;
}

/** "PwDx" in the header of the database file: only a file that has it is ever removed. */
const APPLICATION_ID = 0x50_77_44_78;
const APPLICATION_ID_AT = 68;
const SQLITE_BUSY = 5;
/** Changes with the schema, the tokenizer or the cutting of passages: an older cache is built anew. */
const CACHE_FORMAT = 1;
/** The wait holds the event loop, so it is short: who meets a writer does without the cache. */
const BUSY_MS = 250;

const SCHEMA = `
  PRAGMA application_id = ${APPLICATION_ID};
  CREATE TABLE origin (root TEXT);
  CREATE TABLE document (file TEXT PRIMARY KEY, bytes INTEGER, mtimeMs INTEGER, lines INTEGER, reason TEXT, firstRow INTEGER, lastRow INTEGER);
  CREATE VIRTUAL TABLE passage USING fts5(
    file, heading, text, parts, startLine UNINDEXED, endLine UNINDEXED,
    tokenize = 'porter unicode61 remove_diacritics 2'
  );
  PRAGMA user_version = ${CACHE_FORMAT};
`;
/** Weights of file, heading, text and parts: words of a heading or a file name say what a passage is about. */
const SEARCH = `
  SELECT file, heading, text, startLine, endLine, bm25(passage, 2.0, 3.0, 1.0, 0.5) AS rank
  FROM passage WHERE passage MATCH ? ORDER BY rank, file, startLine LIMIT ?
`;

/** Passages of a folder's documents in SQLite's full-text index, in memory or in a cache file. One process at a time. */
export class DocumentIndex {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #nextRow = 1;

  private constructor(path: string, root: string) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      // a cache that a loss of power damages is built anew, so nothing here waits for the disk
      this.#db.exec("PRAGMA synchronous = OFF");
      if (this.#one("PRAGMA user_version").user_version === 0) this.#create(root);
      if (
        this.#one("PRAGMA user_version").user_version !== CACHE_FORMAT ||
        this.#one("SELECT root FROM origin").root !== root
      ) {
        throw new Error("an index of another format or another folder");
      }
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /**
   * A cache that is damaged, of an older format or of another folder is removed and built anew; where that fails, or
   * another process is writing it, memory takes its place.
   * @throws OPTION_INVALID where the cache file is something else, which is never removed
   */
  static open(cache: IndexCache | null): DocumentIndex {
    if (cache === null) return new DocumentIndex(":memory:", "");
    checkIsIndex(cache.file);
    try {
      return new DocumentIndex(cache.file, cache.root);
    } catch (error) {
      return isBusy(error) ? DocumentIndex.open(null) : DocumentIndex.#renewed(cache);
    }
  }

  static #renewed(cache: IndexCache): DocumentIndex {
    try {
      rmSync(cache.file, { force: true });
      mkdirSync(dirname(cache.file), { recursive: true });
      return new DocumentIndex(cache.file, cache.root);
    } catch {
      return DocumentIndex.open(null);
    }
  }

  #create(root: string): void {
    this.#db.exec("BEGIN IMMEDIATE");
    this.#db.exec(SCHEMA);
    this.#db.prepare("INSERT INTO origin VALUES (?)").run(root);
    this.#db.exec("COMMIT");
  }

  begin(): void {
    this.#db.exec("BEGIN IMMEDIATE");
    this.#nextRow = Number(this.#one("SELECT coalesce(max(lastRow), 0) AS last FROM document").last) + 1;
  }

  commit(): void {
    this.#db.exec("COMMIT");
  }

  /** Room for the passages of one document, whose old ones go. `addPassages` then fills it, in as many calls as you like. */
  addDocument(document: IndexedDocument, passages: number): number {
    this.remove(document.file);
    const firstRow = this.#nextRow;
    this.#nextRow += passages;
    this.#sql("INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?)").run(
      document.file,
      document.bytes,
      document.mtimeMs,
      document.lines,
      document.reason,
      firstRow,
      this.#nextRow - 1,
    );
    return firstRow;
  }

  addPassages(file: string, firstRow: number, passages: readonly Passage[]): void {
    const insert = this.#sql(
      "INSERT INTO passage (rowid, file, heading, text, parts, startLine, endLine) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    for (const [i, { heading, text, startLine, endLine }] of passages.entries()) {
      insert.run(firstRow + i, file, heading, text, partsOfNames(text), startLine, endLine);
    }
  }

  remove(file: string): void {
    const row = this.#sql("SELECT firstRow, lastRow FROM document WHERE file = ?").get(file);
    if (row === undefined) return;
    this.#sql("DELETE FROM passage WHERE rowid BETWEEN ? AND ?").run(row.firstRow ?? 0, row.lastRow ?? 0);
    this.#sql("DELETE FROM document WHERE file = ?").run(file);
  }

  /** Skipped ones too, in order of their path. */
  documents(): IndexedDocument[] {
    return this.#sql("SELECT file, bytes, mtimeMs, lines, reason FROM document ORDER BY file").all().map(documentOf);
  }

  document(file: string): IndexedDocument | null {
    const row = this.#sql("SELECT file, bytes, mtimeMs, lines, reason FROM document WHERE file = ?").get(file);
    return row === undefined ? null : documentOf(row);
  }

  /** Passages that have any of the words, best first. @param match from `matchOf` */
  search(match: string, hitsMax: number): Hit[] {
    const rows = this.#sql(SEARCH).all(match, hitsMax);
    return rows.map((row) => ({
      file: String(row.file),
      startLine: Number(row.startLine),
      endLine: Number(row.endLine),
      heading: String(row.heading),
      text: String(row.text),
      score: -Number(row.rank),
    }));
  }

  /** The innermost headings of the deepest passages, one of each document, in order of their files. */
  topics(topicsMax: number): string[] {
    const rows = this.#sql(
      "SELECT file, heading FROM passage WHERE heading <> '' AND endLine > startLine ORDER BY file, instr(heading, ' > ') = 0, startLine LIMIT 1000",
    ).all();
    const topics = new Map<string, string>();
    for (const { file, heading } of rows) {
      const topic = String(heading).split(" > ").at(-1) ?? "";
      const isPlain = /^[\p{L}\p{N}][\p{L}\p{N} ,'’-]{3,60}$/u.test(topic);
      if (isPlain && !topics.has(String(file)) && ![...topics.values()].includes(topic))
        topics.set(String(file), topic);
      if (topics.size >= topicsMax) break;
    }
    return [...topics.values()];
  }

  #one(sql: string): Record<string, SQLOutputValue> {
    return this.#sql(sql).get() ?? {};
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #sql(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#db.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

export function isSqliteError(error: unknown): error is Error & { readonly errcode: unknown } {
  return error instanceof Error && "errcode" in error;
}

/** True where another process is writing the cache. */
export function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.errcode === SQLITE_BUSY;
}

function checkIsIndex(file: string): void {
  const header = Buffer.alloc(APPLICATION_ID_AT + 4);
  let bytes: number;
  try {
    bytes = readStart(file, header);
  } catch (error) {
    throw new PawlError(
      "OPTION_INVALID",
      `cacheFile "${file}" cannot be read. Give a file that can be written, or none.`,
      {
        cause: error,
      },
    );
  }
  if (bytes === 0 || header.readUInt32BE(APPLICATION_ID_AT) === APPLICATION_ID) return;
  throw new PawlError(
    "OPTION_INVALID",
    `cacheFile "${file}" is not an index of documents, so it is left alone. Give another name.`,
  );
}

/** Bytes read; 0 where there is no file. */
function readStart(file: string, into: Buffer): number {
  if (!existsSync(file)) return 0;
  const handle = openSync(file, "r");
  try {
    return readSync(handle, into);
  } finally {
    closeSync(handle);
  }
}

function documentOf(row: Record<string, SQLOutputValue>): IndexedDocument {
  const { file, bytes, mtimeMs, lines, reason } = row;
  return {
    file: String(file),
    bytes: Number(bytes),
    mtimeMs: Number(mtimeMs),
    lines: Number(lines),
    reason: typeof reason === "string" ? reason : null,
  };
}

const MIXED_CASE = /\b\p{L}*\p{Ll}\p{Lu}\p{L}*\b/gu;

/** The words inside names such as `maxRetryCount`, which the tokenizer takes for one. */
function partsOfNames(text: string): string {
  const names = new Set(text.match(MIXED_CASE));
  return [...names].map((name) => name.replace(/(?<=\p{Ll})(?=\p{Lu})/gu, " ")).join(" ");
}

const QUERY_PART = /"([^"]*)"|([\p{L}\p{N}]+)(\*?)/gu;
/** Words that every passage has: they say nothing and cost the time to rank them all. */
const EMPTY_WORDS = new Set(
  (
    "a an and any are as at be been but by can could did do does for from had has have how i if in into is it its may me " +
    "my not of on or our should so that the their them then there these they this to was we were what when where which " +
    "who why will with would you your near"
  ).split(" "),
);

/**
 * Turns what a model wrote into a full-text query that cannot fail: any of the words, `"a phrase"`, a beginning with `*`.
 * Every other character only separates, and empty words count only where there are no others. null when there is no word.
 */
export function matchOf(query: string): string | null {
  const terms = new Set<string>();
  const empty = new Set<string>();
  for (const [, phrase, word = "", star = ""] of query.matchAll(QUERY_PART)) {
    if (terms.size >= limits.queryTerms) break;
    const words = (phrase ?? word.replace(/(?<=\p{Ll})(?=\p{Lu})/gu, " ")).match(/[\p{L}\p{N}]+/gu) ?? [];
    if (words.length === 0) continue;
    const isEmpty = words.every((one) => EMPTY_WORDS.has(one.toLowerCase()));
    const term = `"${words.join(" ")}"${phrase === undefined ? star : ""}`;
    (isEmpty ? empty : terms).add(term);
    if (phrase === undefined && words.length > 1) terms.add(`"${word}"${star}`);
  }
  const chosen = terms.size > 0 ? terms : empty;
  return chosen.size === 0 ? null : [...chosen].slice(0, limits.queryTerms).join(" OR ");
}
