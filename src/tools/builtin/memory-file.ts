import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { hashText } from "../../core/hash.ts";
import { limits } from "../../core/limits.ts";
import { matchOf } from "./document-index.ts";

export interface Memory {
  readonly id: string;
  readonly text: string;
  /** Day on which it was written, UTC. */
  readonly day: string;
  /** Had the run that wrote it read untrusted data? */
  readonly isTainted: boolean;
}
/** Whose memory: nobody sees another's. */
export interface Owner {
  readonly tenant: string;
  readonly principal: string;
}

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS memory (
    row INTEGER PRIMARY KEY, scope TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, isTainted INTEGER NOT NULL,
    day TEXT NOT NULL DEFAULT (date('now')), UNIQUE (scope, id)
  );
  CREATE VIRTUAL TABLE IF NOT EXISTS memory_words USING fts5(
    scope, text, content = 'memory', content_rowid = 'row', tokenize = 'porter unicode61 remove_diacritics 2'
  );
  CREATE TRIGGER IF NOT EXISTS memory_written AFTER INSERT ON memory BEGIN
    INSERT INTO memory_words (rowid, scope, text) VALUES (new.row, new.scope, new.text);
  END;
  CREATE TRIGGER IF NOT EXISTS memory_gone AFTER DELETE ON memory BEGIN
    INSERT INTO memory_words (memory_words, rowid, scope, text) VALUES ('delete', old.row, old.scope, old.text);
  END;
`;
const WRITE = `
  INSERT INTO memory (scope, id, text, isTainted) SELECT ?1, ?2, ?3, ?4
  WHERE (SELECT count(*) FROM memory WHERE scope = ?1) < ${limits.memories}
  ON CONFLICT DO NOTHING
`;
const FIND = `
  SELECT m.id, m.text, m.day, m.isTainted FROM memory_words JOIN memory m ON m.row = memory_words.rowid
  WHERE memory_words MATCH ? AND m.scope = ? ORDER BY bm25(memory_words), m.row DESC LIMIT ?
`;
const NEWEST = "SELECT id, text, day, isTainted FROM memory WHERE scope = ? ORDER BY row DESC LIMIT ?";

/** What agents remember, in a SQLite file of its own with a full-text index; several processes may have it open. */
export class MemoryFile {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true });
    this.#db = new DatabaseSync(file, { timeout: limits.sqlLockMs, allowExtension: false });
    this.#db.exec(SCHEMA);
  }

  /** @returns false where the owner's memory is full. The same id again changes nothing. */
  write(owner: Owner, { id, text, isTainted }: Omit<Memory, "day">): boolean {
    const scope = scopeOf(owner);
    if (this.#db.prepare(WRITE).run(scope, id, text, Number(isTainted)).changes > 0) return true;
    return this.#db.prepare("SELECT 1 FROM memory WHERE scope = ? AND id = ?").get(scope, id) !== undefined;
  }

  /** Those that have any of the words, best first; the newest where there is none. */
  find(owner: Owner, query: string, countMax: number): readonly Memory[] {
    const scope = scopeOf(owner);
    const match = matchOf(query);
    const rows =
      match === null
        ? this.#db.prepare(NEWEST).all(scope, countMax)
        : this.#db.prepare(FIND).all(`scope : "${scope}" AND text : (${match})`, scope, countMax);
    return rows.map(({ id, text, day, isTainted }) => ({
      id: String(id),
      text: String(text),
      day: String(day),
      isTainted: isTainted !== 0,
    }));
  }

  /** @returns false where there is none of that id */
  remove(owner: Owner, id: string): boolean {
    return this.#db.prepare("DELETE FROM memory WHERE scope = ? AND id = ?").run(scopeOf(owner), id).changes > 0;
  }

  close(): void {
    this.#db.close();
  }
}

/** One word, so that the index itself keeps owners apart. */
function scopeOf({ tenant, principal }: Owner): string {
  return hashText(JSON.stringify([tenant, principal]));
}
