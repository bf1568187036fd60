import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Durability, Store, StoreCapabilities } from "../core/store-contract.ts";
import { checkBlob } from "./contract-rules.ts";
import { machineClock } from "./machine-clock.ts";
import { NotifyHub } from "./notify-hub.ts";
import { PostgresDatabase, type Ask } from "./postgres.ts";
import { PostgresHints } from "./postgres-hints.ts";
import { PostgresLedger } from "./postgres-ledger.ts";
import { PostgresRecords } from "./postgres-records.ts";
import { PostgresRuns } from "./postgres-runs.ts";
import { prepareSchema } from "./postgres-schema.ts";
import { PostgresSessions } from "./postgres-sessions.ts";

export interface PostgresOptions {
  /** Where the tables are; made when it is missing. Default "pawl". */
  readonly schema?: string;
  /** Connections of this process at most, beside the one for hints. Default 10. */
  readonly poolMax?: number;
  /**
   * false: hints stay in this process, and others find work by polling. Default true, but behind a pooler (PgBouncer),
   * which is noticed.
   */
  readonly notify?: boolean;
  /** In words: tools that must not repeat may run here although `synchronous_commit` is off. */
  readonly accept?: "acknowledged writes may be lost";
  /** For tests. Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * A store in a PostgreSQL database, for any number of processes.
 * @param url postgres://user:password@host:port/database
 */
export function postgres(url: string, options: PostgresOptions = {}): Store {
  const { schema = "pawl", poolMax = 10 } = options;
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
    throw new PawlError(
      "OPTION_INVALID",
      "postgres(url) got what is no address of a PostgreSQL database. Give postgres://user:password@host:5432/database.",
    );
  }
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema) || schema.startsWith("pg_")) {
    throw new PawlError(
      "OPTION_INVALID",
      `postgres() got the schema "${schema.slice(0, 60)}". Use 1 to 48 of a-z, 0-9 and _, not beginning with a digit or pg_.`,
    );
  }
  if (!Number.isInteger(poolMax) || poolMax < 1 || poolMax > limits.storeConnections) {
    throw new PawlError(
      "OPTION_INVALID",
      `postgres() got poolMax ${poolMax}. Use a whole number from 1 to ${limits.storeConnections}.`,
    );
  }
  return new PostgresStore(url, { ...options, schema, poolMax });
}

interface Server {
  readonly identity: string;
  readonly fsync: string;
  readonly commit: string;
}

interface Found {
  readonly identity: string;
  readonly standby: boolean;
  /** Of the newest run that is, or was before its scope was deleted. */
  readonly newestRun: number;
  readonly tenant: string | null;
  readonly run_id: string | null;
  readonly seq: number | null;
  readonly deleted: boolean | null;
  readonly crc: string | null;
}

const CHECK = `
  SELECT m.value AS identity, pg_is_in_recovery() AS standby, r.tenant, r.run_id, r.seq, r.deleted,
    greatest((SELECT value::bigint FROM pawl.meta WHERE key = 'lastRunRemoved'), (SELECT max(id) FROM pawl.run)) AS "newestRun",
    (SELECT left(line, 8) FROM pawl.batch WHERE run = r.id AND first_seq = $2) AS crc
  FROM pawl.meta m LEFT JOIN pawl.run r ON r.id = $1 WHERE m.key = 'identity'`;

class PostgresStore implements Store {
  readonly #db: PostgresDatabase;
  readonly #hub: NotifyHub;
  readonly #runs: PostgresRuns;
  readonly #sessions: PostgresSessions;
  readonly #ledger: PostgresLedger;
  readonly #records: PostgresRecords;
  readonly #hints: PostgresHints;
  readonly #mayNotify: boolean;
  readonly #lossAccepted: boolean;
  #notifies = false;
  #durability: Durability = "power";
  /** Of the database as it was opened. */
  #identity: string | null = null;
  #opening: Promise<void> | null = null;

  constructor(url: string, options: PostgresOptions & { readonly schema: string; readonly poolMax: number }) {
    const { schema, poolMax, notify = true, clock = machineClock } = options;
    this.#db = new PostgresDatabase({ url, schema, poolMax, clock, check: (ask) => this.#check(ask) });
    this.#hub = new NotifyHub({
      onFirst: (channel) => this.#hints.watch(channel, true),
      onLast: (channel) => this.#hints.watch(channel, false),
    });
    this.#mayNotify = notify;
    this.#lossAccepted = options.accept !== undefined;
    this.#runs = new PostgresRuns(this.#db);
    this.#sessions = new PostgresSessions(this.#db);
    this.#ledger = new PostgresLedger(this.#db);
    this.#records = new PostgresRecords(this.#db);
    this.#hints = new PostgresHints({ hub: this.#hub, clock, db: this.#db });
  }

  get capabilities(): StoreCapabilities {
    return {
      name: "postgres",
      durability: this.#durability,
      lossAccepted: this.#lossAccepted,
      manyProcesses: true,
      ledgerPerSecond: 500,
      indexLagMs: 0,
      appendBytesMax: limits.batchBytes,
      hintsReachOthers: this.#notifies,
    };
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().catch(async (error: unknown) => {
      this.#opening = null;
      await this.#db.close();
      throw error;
    });
    return this.#opening;
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    this.#opening = null;
    this.#identity = null;
    await this.#hints.close();
    await this.#db.close();
  }

  async #open(): Promise<void> {
    await this.#db.open();
    await prepareSchema(this.#db);
    const server = await this.#db.row<Server>(
      `SELECT value AS identity, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit
       FROM pawl.meta WHERE key = 'identity'`,
    );
    if (server === null) throw new PawlError("STORE_CORRUPT", `"${this.#db.place.server}" has lost its identity.`);
    this.#identity = server.identity;
    // without fsync a commit is with the system, which writes it when it likes
    this.#durability = server.commit === "off" ? "window" : server.fsync === "on" ? "power" : "process";
    this.#notifies = this.#mayNotify && !this.#db.isPooled;
    if (this.#notifies) await this.#hints.open();
  }

  /** A server that is not the one it was, or is older than what it acknowledged, is neither read nor written. */
  async #check(ask: Ask): Promise<PawlError | null> {
    if (this.#identity === null) return null;
    const { last } = this.#runs;
    const [found] = await ask<Found>(CHECK, [last?.run ?? 0, last?.firstSeq ?? 0]);
    const { server } = this.#db.place;
    if (found?.identity !== this.#identity) {
      return new PawlError(
        "STORE_REPLACED",
        `another database of Pawl answers at ${server} than when the store was opened; nothing is written to it. Bring the first one back, or start the processes anew to go on with this one.`,
      );
    }
    if (last === null || found.standby) return null;
    const isGone = found.run_id === null && found.newestRun >= last.run;
    const isThere =
      found.run_id === last.ref.runId &&
      found.tenant === last.ref.tenant &&
      (found.deleted === true || (found.crc === last.crc && (found.seq ?? 0) >= last.lastSeq));
    if (isGone || isThere) return null;
    return new PawlError(
      "STORE_REGRESSED",
      `the database at ${server} is older than it was: it has lost seq ${last.lastSeq} of run "${last.ref.runId}", which it had acknowledged (a restored backup, or a replica that lagged behind). Nothing is written to it. Bring the newer one back; or, to go on from this one and lose what came after it, start the processes anew.`,
      { details: { runId: last.ref.runId, seq: last.lastSeq } },
    );
  }

  readonly createRun: Store["createRun"] = (ref, first) => this.#runs.createRun(ref, first);
  readonly append: Store["append"] = (ref, append) => this.#runs.append(ref, append);
  readonly mark: Store["mark"] = (ref, marks) => this.#runs.mark(ref, marks);
  readonly readHead: Store["readHead"] = (ref) => this.#runs.readHead(ref);
  readonly readEvents: Store["readEvents"] = (ref, afterSeq, bytesMax) =>
    this.#runs.readEvents(ref, afterSeq, bytesMax);
  readonly due: Store["due"] = (query) => this.#runs.due(query);
  readonly ofSession: Store["ofSession"] = (sessionId, limit) => this.#runs.ofSession(sessionId, limit);
  readonly list: Store["list"] = (tenant, filter, cursor, limit) => this.#runs.list(tenant, filter, cursor, limit);
  readonly openApprovals: Store["openApprovals"] = (tenant, cursor, limit) =>
    this.#runs.openApprovals(tenant, cursor, limit);
  readonly dirty: Store["dirty"] = (limit) => this.#runs.dirty(limit);
  readonly openSession: Store["openSession"] = (id, worker) => this.#sessions.openSession(id, worker);
  readonly kill: Store["kill"] = (id, seenCounter) => this.#sessions.kill(id, seenCounter);
  readonly closeSession: Store["closeSession"] = (id) => this.#sessions.closeSession(id);
  readonly session: Store["session"] = (id) => this.#sessions.session(id);
  readonly listSessions: Store["listSessions"] = () => this.#sessions.listSessions();
  readonly reserve: Store["reserve"] = (tenant, reservation) => this.#ledger.reserve(tenant, reservation);
  readonly settle: Store["settle"] = (tenant, id, actual) => this.#ledger.settle(tenant, id, actual);
  readonly openReservationsOf: Store["openReservationsOf"] = (tenant, runId) =>
    this.#ledger.openReservationsOf(tenant, runId);
  readonly openReservationsBefore: Store["openReservationsBefore"] = (atMs, limit) =>
    this.#ledger.openReservationsBefore(atMs, limit);
  readonly setCap: Store["setCap"] = (tenant, scope, cap) => this.#ledger.setCap(tenant, scope, cap);
  readonly readLedger: Store["readLedger"] = (tenant, scope) => this.#ledger.readLedger(tenant, scope);
  readonly pruneLedger: Store["pruneLedger"] = (before, limit) => this.#ledger.pruneLedger(before, limit);
  readonly getRecord: Store["getRecord"] = (tenant, key) => this.#records.getRecord(tenant, key);
  readonly putRecord: Store["putRecord"] = (tenant, key, value, condition, ttlMs) =>
    this.#records.putRecord({ tenant, key, value, ttlMs: ttlMs ?? null }, condition);
  readonly deleteRecord: Store["deleteRecord"] = (tenant, key) => this.#records.deleteRecord(tenant, key);
  readonly listRecords: Store["listRecords"] = (tenant, prefix, cursor, limit) =>
    this.#records.listRecords(tenant, prefix, cursor, limit);
  readonly subscribe: Store["subscribe"] = (channel, receive) => this.#hub.subscribe(channel, receive);

  async beat(id: string, counter: number): Promise<"ok" | "dead"> {
    await this.#db.check();
    return this.#sessions.beat(id, counter);
  }

  async putBlob(tenant: string, scope: string, hash: string, bytes: Uint8Array): Promise<void> {
    checkBlob(hash, bytes);
    await this.#db.rows(
      "INSERT INTO pawl.blob (tenant, scope, hash, bytes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
      [tenant, scope, hash, Buffer.from(bytes)],
      limits.storeBlobMs,
    );
  }

  async getBlob(tenant: string, scope: string, hash: string): Promise<Uint8Array | null> {
    const row = await this.#db.row<{ readonly bytes: Uint8Array }>(
      "SELECT bytes FROM pawl.blob WHERE tenant = $1 AND scope = $2 AND hash = $3",
      [tenant, scope, hash],
      limits.storeBlobMs,
    );
    return row === null ? null : row.bytes;
  }

  async deleteScope(tenant: string, scope: string): Promise<void> {
    const step = "SELECT pawl.delete_step($1, $2) AS done";
    const ask = () => this.#db.row<{ readonly done: boolean }>(step, [tenant, scope], limits.storeBlobMs);
    while ((await ask())?.done !== true);
  }

  publish(channel: string, message: string): void {
    this.#hub.publish(channel, message);
    this.#hints.publish(channel, message);
  }
}
