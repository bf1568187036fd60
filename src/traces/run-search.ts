import { tenantMark, firstDocOf } from "./index-content.ts";
import { hasAll, searchable, snippetOf, type SearchTerm } from "./search-text.ts";
import { numberOf, textOf, type Database, type Row, type SqlValue } from "./sqlite.ts";

/** Candidates that are compared with the text before a search goes over to asking run after run. */
const CANDIDATES_MAX = 400;
const CANDIDATE_CHARS_MAX = 4_194_304;
const DOCS_OF_RUN_MAX = 50;

/** Finds words in the texts of one tenant. */
export class RunSearch {
  readonly #db: Database;
  readonly #terms: readonly SearchTerm[];
  readonly #from: string;
  readonly #values: readonly SqlValue[];

  constructor(db: Database, tenant: string, terms: readonly SearchTerm[]) {
    this.#db = db;
    this.#terms = terms;
    const mark = `"${tenantMark(db.count("SELECT id FROM tenant WHERE name = ?", tenant))}"`;
    const match = (index: SearchTerm["index"]): string =>
      [mark, ...terms.filter((term) => term.index === index).map((term) => term.match)].join(" AND ");
    const tables = (["tri", "short"] as const).filter((index) => terms.some((term) => term.index === index));
    const [first = "tri", second] = tables;
    this.#from =
      second === undefined
        ? `FROM ${first} WHERE ${first} MATCH ?`
        : `FROM ${first} WHERE ${first} MATCH ? AND rowid IN (SELECT rowid FROM ${second} WHERE ${second} MATCH ?)`;
    this.#values = tables.map(match);
  }

  /**
   * Every run with a hit, and a doc of each, where the index names few candidates.
   * @returns null where there are too many to look at them all
   */
  all(): ReadonlyMap<number, number> | null {
    const ids = this.#db.all(`SELECT rowid AS id ${this.#from} LIMIT ${CANDIDATES_MAX + 1}`, ...this.#values);
    if (ids.length > CANDIDATES_MAX) return null;
    const hits = new Map<number, number>();
    let chars = 0;
    for (const row of ids) {
      const doc = this.#doc(numberOf(row, "id"));
      if (doc === undefined) continue;
      const text = textOf(doc, "text");
      chars += text.length;
      if (chars > CANDIDATE_CHARS_MAX) return null;
      const run = numberOf(doc, "run");
      if (!hits.has(run) && hasAll(this.#terms, searchable(text))) hits.set(run, numberOf(row, "id"));
    }
    return hits;
  }

  /** A doc of a run with the words, or, with `tree`, of any run of its tree; null = none. */
  hitOf(run: { readonly id: number; readonly tree: number }, inTree: boolean): number | null {
    const ids = this.#db.all(
      `SELECT rowid AS id ${this.#from} AND rowid >= ? AND rowid < ? LIMIT ${DOCS_OF_RUN_MAX}`,
      ...this.#values,
      firstDocOf(run.tree),
      firstDocOf(run.tree + 1),
    );
    for (const row of ids) {
      const doc = this.#doc(numberOf(row, "id"));
      if (doc === undefined || (!inTree && numberOf(doc, "run") !== run.id)) continue;
      if (hasAll(this.#terms, searchable(textOf(doc, "text")))) return numberOf(row, "id");
    }
    return null;
  }

  snippet(doc: number): string {
    const row = this.#doc(doc);
    return row === undefined ? "" : snippetOf(this.#terms, textOf(row, "text"));
  }

  #doc(id: number): Row | undefined {
    return this.#db.get("SELECT run, text FROM doc WHERE id = ?", id);
  }
}
