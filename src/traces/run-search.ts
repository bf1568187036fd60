import { firstDocOf, tenantMark, treeOfDoc } from "./index-content.ts";
import { hasAll, searchable, snippetOf, type SearchTerm } from "./search-text.ts";
import { numberOf, textOf, type Database, type Row } from "./sqlite.ts";

/** Candidates that the index may name before a search reads the texts of run after run instead. */
const CANDIDATES_MAX = 20_000;
const DOCS_OF_TREE_MAX = 500;

/** Finds words in the texts of one tenant. */
export class RunSearch {
  readonly #db: Database;
  readonly #terms: readonly SearchTerm[];
  /** Docs that may have the words, by tree; null where they are too many to be named. */
  readonly #candidates: ReadonlyMap<number, readonly number[]> | null;

  /** True when of some tree only the first texts were read, and no hit was in them. */
  isCut = false;

  constructor(db: Database, tenant: string, terms: readonly SearchTerm[]) {
    this.#db = db;
    this.#terms = terms;
    this.#candidates = this.#named(tenant);
  }

  /** Trees that alone can have the words; null = any. */
  get trees(): readonly number[] | null {
    return this.#candidates === null ? null : [...this.#candidates.keys()];
  }

  /** A doc of a run with the words, or, with `inTree`, of any run of its tree; null = none. */
  hitOf(run: { readonly id: number; readonly tree: number }, inTree: boolean): number | null {
    let read = 0;
    for (const row of this.#docsOf(run.tree)) {
      read++;
      if (!inTree && numberOf(row, "run") !== run.id) continue;
      if (hasAll(this.#terms, searchable(textOf(row, "text")))) return numberOf(row, "id");
    }
    this.isCut ||= this.#candidates === null && read >= DOCS_OF_TREE_MAX;
    return null;
  }

  #named(tenant: string): ReadonlyMap<number, readonly number[]> | null {
    const db = this.#db;
    // where there is one tenant only, its mark leaves nothing out
    const isAlone = db.count("SELECT count(*) FROM tenant") === 1;
    const mark = `"${tenantMark(db.count("SELECT id FROM tenant WHERE name = ?", tenant))}"`;
    const match = (index: SearchTerm["index"]): string =>
      [
        ...(isAlone ? [] : [mark]),
        ...this.#terms.filter((term) => term.index === index).map((term) => term.match),
      ].join(" AND ");
    const tables = (["tri", "short"] as const).filter((index) => this.#terms.some((term) => term.index === index));
    const [first = "tri", second] = tables;
    const also = second === undefined ? "" : `AND rowid IN (SELECT rowid FROM ${second} WHERE ${second} MATCH ?)`;
    const rows = db.all(
      `SELECT rowid AS id FROM ${first} WHERE ${first} MATCH ? ${also} LIMIT ${CANDIDATES_MAX + 1}`,
      ...tables.map(match),
    );
    if (rows.length > CANDIDATES_MAX) return null;
    const trees = new Map<number, number[]>();
    for (const row of rows) {
      const id = numberOf(row, "id");
      const tree = treeOfDoc(id);
      const docs = trees.get(tree);
      if (docs === undefined) trees.set(tree, [id]);
      else docs.push(id);
    }
    return trees;
  }

  *#docsOf(tree: number): Iterable<Row> {
    if (this.#candidates === null) {
      yield* this.#db.all(
        `SELECT id, run, text FROM doc WHERE id >= ? AND id < ? ORDER BY id LIMIT ${DOCS_OF_TREE_MAX}`,
        firstDocOf(tree),
        firstDocOf(tree + 1),
      );
      return;
    }
    for (const id of this.#candidates.get(tree) ?? []) {
      const row = this.#doc(id);
      if (row !== undefined) yield row;
    }
  }

  snippet(doc: number): string {
    const row = this.#doc(doc);
    return row === undefined ? "" : snippetOf(this.#terms, textOf(row, "text"));
  }

  #doc(id: number): Row | undefined {
    return this.#db.get("SELECT id, run, text FROM doc WHERE id = ?", id);
  }
}
