import { PawlError } from "../core/errors.ts";
import { spanFoldVersion } from "./spans-from-journal.ts";
import type { Database } from "./sqlite.ts";

/** "PwTr" in ASCII: only a file that has it is ever removed. */
export const indexApplicationId = 0x50777472;

/** Rises with the schema, the tokens or the reading of journals: an older index is built anew. */
export const indexFormat: number = 2_001 + spanFoldVersion;

/**
 * One row of `run` for each run, with sums of its own spans (`own`) and of its tree (columns). `facet` leads from a value to
 * the runs in whose tree it occurs, so a child's facets are its ancestors' too. `doc` holds what is searched; `tri` and
 * `short` find candidates in it, which are then compared with the text itself, so that they need no positions: with them the
 * trigrams took 2.5 times the text, without 0.5 times. The id of a doc begins with its tree's, so that one tree can be asked
 * alone; every doc carries a token of its tenant, so that no tenant's words weigh on another's search.
 */
const schema = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE tree (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, root TEXT NOT NULL, docs INTEGER NOT NULL);
  CREATE UNIQUE INDEX tree_root ON tree (tenant, root);

  -- an id is never given again: what is kept in memory of a run that went away must not be another run's
  CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, run_id TEXT NOT NULL, tree INTEGER NOT NULL, parent TEXT,
    is_root INTEGER NOT NULL, seq INTEGER NOT NULL, rev INTEGER NOT NULL,
    trace_id TEXT NOT NULL, runnable TEXT NOT NULL, version TEXT NOT NULL, status TEXT NOT NULL, principal TEXT NOT NULL,
    thread TEXT, tags TEXT NOT NULL, title TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER,
    duration INTEGER NOT NULL, turns INTEGER NOT NULL, error TEXT, error_group TEXT, own TEXT NOT NULL,
    spans INTEGER NOT NULL, errors INTEGER NOT NULL, model_calls INTEGER NOT NULL, tool_calls INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL, tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX run_ref ON run (tenant, run_id);
  CREATE INDEX run_tree ON run (tree);
  CREATE INDEX run_parent ON run (tenant, parent) WHERE parent IS NOT NULL;
  CREATE INDEX run_rev ON run (rev);
  CREATE INDEX run_started ON run (tenant, started_at, id);
  CREATE INDEX root_started ON run (tenant, started_at, id) WHERE is_root = 1;
  CREATE INDEX root_cost ON run (tenant, cost, id) WHERE is_root = 1;
  CREATE INDEX root_duration ON run (tenant, duration, id) WHERE is_root = 1;
  CREATE INDEX root_tokens ON run (tenant, tokens, id) WHERE is_root = 1;

  -- what reading goes on with, of runs that have not ended; and journals that were refused
  CREATE TABLE saved (run INTEGER PRIMARY KEY, fold TEXT NOT NULL, hash TEXT NOT NULL);
  CREATE TABLE refused (
    tenant TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id)
  ) WITHOUT ROWID;

  CREATE TABLE facet (
    tenant TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, run INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, value, run)
  ) WITHOUT ROWID;
  CREATE INDEX facet_run ON facet (run);

  CREATE TABLE span (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, seq INTEGER NOT NULL,
    end_seq INTEGER, rev INTEGER NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, started_at INTEGER NOT NULL,
    ended_at INTEGER, bill TEXT, data TEXT NOT NULL
  );
  CREATE UNIQUE INDEX span_id ON span (run, span_id);
  CREATE INDEX span_rev ON span (run, rev);
  CREATE INDEX span_closed ON span (run, end_seq, span_id) WHERE end_seq IS NOT NULL;

  CREATE TABLE cost (
    tenant TEXT NOT NULL, day TEXT NOT NULL, run INTEGER NOT NULL, model TEXT NOT NULL, tool TEXT NOT NULL,
    calls INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
    output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    assumed INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, run, model, tool)
  ) WITHOUT ROWID;
  CREATE INDEX cost_run ON cost (run);

  CREATE TABLE failure (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, grp TEXT NOT NULL, run INTEGER NOT NULL, span_id TEXT NOT NULL,
    at INTEGER NOT NULL, cost INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX failure_span ON failure (run, span_id);
  CREATE INDEX failure_group ON failure (tenant, grp, at);
  CREATE TABLE error_group (
    tenant TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, code TEXT NOT NULL, place TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
  ) WITHOUT ROWID;

  CREATE TABLE effect (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, run INTEGER NOT NULL, call_id TEXT NOT NULL, span_id TEXT NOT NULL,
    tool TEXT NOT NULL, version TEXT NOT NULL, effect TEXT NOT NULL, status TEXT NOT NULL, key TEXT NOT NULL, approval TEXT, approver TEXT,
    input TEXT NOT NULL, attempts INTEGER NOT NULL, called_at INTEGER NOT NULL, at INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX effect_call ON effect (run, call_id);
  CREATE INDEX effect_approval ON effect (run, approval) WHERE approval IS NOT NULL;
  CREATE INDEX effect_at ON effect (tenant, called_at, id);
  CREATE INDEX effect_status ON effect (tenant, status, called_at, id);

  CREATE TABLE doc (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, span_id TEXT NOT NULL, field TEXT NOT NULL, text TEXT NOT NULL
  );
  CREATE INDEX doc_run ON doc (run);
  CREATE VIRTUAL TABLE tri USING fts5(
    text, content='', contentless_delete=1, detail='none', tokenize='trigram case_sensitive 1'
  );
  CREATE VIRTUAL TABLE short USING fts5(text, content='', contentless_delete=1, detail='none', tokenize='ascii');
`;

/** What a file is: an index of this build, an older one that may be built anew, an empty one, or none of ours. */
export function stateOfIndex(db: Database): "ours" | "older" | "empty" | "foreign" {
  const application = db.count("PRAGMA application_id");
  if (db.count("SELECT count(*) FROM sqlite_schema") === 0) return "empty";
  if (application !== indexApplicationId) return "foreign";
  return db.count("PRAGMA user_version") === indexFormat ? "ours" : "older";
}

/** Everything out, to begin anew in the same file: others may have it open. */
export function emptyIndex(db: Database, identity: string): void {
  db.transaction(() => {
    const tables = db.all("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE%'");
    for (const name of tables.map((row) => String(row["name"])).filter((one) => !/^(tri|short|sqlite)_/.test(one)))
      db.exec(`DROP TABLE IF EXISTS ${name}`);
    fill(db, identity);
  });
}

/** @param identity a new id: positions taken in one index mean nothing in another */
export function createIndex(db: Database, identity: string): void {
  db.transaction(() => {
    if (stateOfIndex(db) === "ours") return;
    fill(db, identity);
  });
}

function fill(db: Database, identity: string): void {
  db.exec(schema);
  db.run("INSERT INTO meta VALUES ('identity', ?)", identity);
  db.exec(`PRAGMA application_id = ${indexApplicationId}; PRAGMA user_version = ${indexFormat}`);
}

export function foreignFile(path: string): PawlError {
  return new PawlError(
    "STORE_CORRUPT",
    `"${path}" is a database, but not a trace index. Name another file; this one was not changed.`,
  );
}
