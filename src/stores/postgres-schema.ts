import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Ask, PostgresDatabase } from "./postgres.ts";
import { functions } from "./postgres-functions.ts";

/**
 * `run` keeps beside the head what an index or a condition needs. Its rows change at each append: there is room in a page
 * for the next version, and no index has a column that changes each time (`seq`, `head`), so that indexes stay untouched.
 * Text is ordered by its bytes (COLLATE "C"), as in the other stores. Each index of a listing has an order that only it has
 * (id + n), since the planner would else go backwards through all runs for a status that none has.
 */
const tables = `
  CREATE TABLE pawl.meta (key text PRIMARY KEY, value text NOT NULL);
  INSERT INTO pawl.meta VALUES ('identity', gen_random_uuid()::text), ('lastRunRemoved', '0');

  CREATE TABLE pawl.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL, run_id text COLLATE "C" NOT NULL, seq integer NOT NULL,
    acked integer NOT NULL DEFAULT 0, indexed integer NOT NULL DEFAULT 0,
    snapshot_seq integer NOT NULL DEFAULT 0, snapshot text,
    status text COLLATE "C" NOT NULL, ended boolean NOT NULL, lane text COLLATE "C" NOT NULL,
    due_at bigint, outbox_seq integer NOT NULL, session text COLLATE "C", asks smallint NOT NULL,
    dirty boolean NOT NULL DEFAULT true, deleted boolean NOT NULL DEFAULT false,
    parent text COLLATE "C" NOT NULL, thread text COLLATE "C", runnable text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL, head text NOT NULL,
    UNIQUE (tenant, run_id)
  ) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
  CREATE INDEX run_tenant ON pawl.run (tenant, (id + 1)) WHERE NOT deleted;
  CREATE INDEX run_parent ON pawl.run (tenant, parent, (id + 2)) WHERE NOT deleted;
  CREATE INDEX run_status ON pawl.run (tenant, status, (id + 3)) WHERE NOT deleted;
  CREATE INDEX run_thread ON pawl.run (tenant, thread, (id + 4)) WHERE NOT deleted AND thread IS NOT NULL;
  CREATE INDEX run_scope ON pawl.run (tenant, scope);
  CREATE INDEX run_due ON pawl.run (lane, due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX run_session ON pawl.run (session) WHERE session IS NOT NULL;
  CREATE INDEX run_asks ON pawl.run (tenant, id) WHERE asks > 0;
  CREATE INDEX run_dirty ON pawl.run (id) WHERE dirty;

  CREATE TABLE pawl.batch (
    run bigint NOT NULL, first_seq integer NOT NULL, line text NOT NULL, PRIMARY KEY (run, first_seq)
  );

  CREATE TABLE pawl.blob (
    tenant text COLLATE "C" NOT NULL, scope text COLLATE "C" NOT NULL, hash text COLLATE "C" NOT NULL, bytes bytea NOT NULL,
    PRIMARY KEY (tenant, scope, hash)
  );

  CREATE TABLE pawl.session (
    id text PRIMARY KEY, worker text NOT NULL, counter bigint NOT NULL DEFAULT 0, beat_at bigint NOT NULL, killed_at bigint
  ) WITH (fillfactor = 50);

  CREATE TABLE pawl.account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL, scope text COLLATE "C" NOT NULL, period text COLLATE "C" NOT NULL, unit text NOT NULL,
    cap bigint, spent bigint NOT NULL DEFAULT 0, reserved bigint NOT NULL DEFAULT 0,
    UNIQUE (tenant, scope, period, unit)
  ) WITH (fillfactor = 50);
  CREATE INDEX account_period ON pawl.account (period);
  CREATE TABLE pawl.reservation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, run_id text COLLATE "C" NOT NULL, at bigint NOT NULL,
    amounts text NOT NULL, held_ids bigint[] NOT NULL, held_amounts bigint[] NOT NULL, settled_at bigint,
    UNIQUE (tenant, key)
  );
  CREATE INDEX reservation_run ON pawl.reservation (tenant, run_id) WHERE settled_at IS NULL;
  CREATE INDEX reservation_age ON pawl.reservation (at) WHERE settled_at IS NULL;
  CREATE INDEX reservation_settled ON pawl.reservation (settled_at) WHERE settled_at IS NOT NULL;

  CREATE SEQUENCE pawl.record_version;
  CREATE TABLE pawl.record (
    tenant text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, value text NOT NULL, version bigint NOT NULL,
    expires_at bigint, PRIMARY KEY (tenant, key)
  ) WITH (fillfactor = 70);
  CREATE INDEX record_expiry ON pawl.record (expires_at) WHERE expires_at IS NOT NULL;
`;

/** Each entry brings a schema from its index to the next version, in one transaction. */
const migrations: readonly string[] = [tables, functions];
export const schemaVersion: number = migrations.length;

const TABLES = ["meta", "run", "batch", "blob", "session", "account", "reservation", "record"];
/** Held while one process migrates; "Pawl" in ASCII. */
const MIGRATION_LOCK = 0x5061776c;

interface Setting {
  readonly encoding: string;
  readonly readOnly: boolean;
  readonly hasTables: boolean;
}

/**
 * Checks the server and brings the schema to this build's version. Several processes may do so at once, and each may be
 * killed at any time: a migration is done, or nothing of it is there.
 * @throws STORE_READ_ONLY, STORE_NEWER, STORE_CORRUPT, STORE_FORBIDDEN, OPTION_INVALID
 */
export async function prepareSchema(db: PostgresDatabase): Promise<void> {
  const { encoding, readOnly, hasTables } = await settingOf(db);
  const { server, schema } = db.place;
  if (readOnly) {
    throw new PawlError(
      "STORE_READ_ONLY",
      `PostgreSQL at ${server} takes no writes: it is a replica, or default_transaction_read_only is on. Name the primary server.`,
    );
  }
  if (encoding !== "UTF8") {
    throw new PawlError(
      "OPTION_INVALID",
      `the database at ${server} is encoded in ${encoding}. Use one in UTF8: createdb --encoding=UTF8 --template=template0 NAME.`,
    );
  }
  const version = hasTables ? await checkedVersion(db) : 0;
  for (let next = version; next < schemaVersion;) next = await db.transaction((ask) => migrateOnce(ask, db));
  const lacking = await db.rows<{ readonly what: string }>(
    `SELECT p || ' on "${schema}".' || t AS what FROM unnest($1::text[]) t, unnest($2::text[]) p
     WHERE NOT has_table_privilege('pawl.' || quote_ident(t), p)`,
    [TABLES, ["SELECT", "INSERT", "UPDATE", "DELETE"]],
  );
  if (lacking.length > 0)
    throw rightsMissing(
      db,
      lacking.map(({ what }) => what),
    );
}

async function settingOf(db: PostgresDatabase): Promise<Setting> {
  const setting = await db.row<Setting>(
    `SELECT current_setting('server_encoding') AS encoding, to_regclass('pawl.migration') IS NOT NULL AS "hasTables",
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly"`,
  );
  return setting ?? { encoding: "", readOnly: true, hasTables: false };
}

async function checkedVersion(db: PostgresDatabase): Promise<number> {
  const row = await db.row<{ readonly version: number }>("SELECT max(version) AS version FROM pawl.migration");
  const version = row?.version ?? 0;
  if (version <= schemaVersion) return version;
  throw new PawlError(
    "STORE_NEWER",
    `schema "${db.place.schema}" at ${db.place.server} has version ${version}; this Pawl knows versions up to ${schemaVersion}. Use the newer Pawl that wrote it; it was not changed.`,
  );
}

/** @returns the version that the schema has after it */
async function migrateOnce(ask: Ask, { place }: PostgresDatabase): Promise<number> {
  // others wait here, however long it takes, and then find it done
  await ask("SELECT pg_advisory_xact_lock($1, hashtext($2))", [MIGRATION_LOCK, place.schema], limits.storeMigrationMs);
  const [found] = await ask<{ readonly schema: boolean }>("SELECT to_regnamespace($1) IS NOT NULL AS schema", [
    `"${place.schema}"`,
  ]);
  if (found?.schema !== true) await ask(`CREATE SCHEMA "${place.schema}"`);
  await ask(
    "CREATE TABLE IF NOT EXISTS pawl.migration (version integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())",
  );
  const [row] = await ask<{ readonly version: number }>(
    "SELECT coalesce(max(version), 0) AS version FROM pawl.migration",
  );
  const version = row?.version ?? 0;
  if (version >= schemaVersion) return version;
  await ask(migrations[version] ?? "", [], limits.storeMigrationMs);
  await ask("INSERT INTO pawl.migration (version) VALUES ($1)", [version + 1]);
  return version + 1;
}

function rightsMissing({ place }: PostgresDatabase, lacking: readonly string[]): PawlError {
  const { server, user, schema } = place;
  return new PawlError(
    "STORE_FORBIDDEN",
    `PostgreSQL at ${server}: user "${user}" lacks ${lacking.slice(0, 4).join(", ")}${lacking.length > 4 ? " and more" : ""}. Let the owner of the tables run: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO "${user}"; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "${schema}" TO "${user}".`,
  );
}
