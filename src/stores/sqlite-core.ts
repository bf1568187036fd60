import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";
import { HighWaterMark } from "./high-water-mark.ts";
import { Database, isOwnFault, replaced, storeErrorOf, type OpenMode } from "./sqlite.ts";
import { createPrivate, fileIdentity, isFrozen } from "./sqlite-files.ts";
import { integrityOfDatabase } from "./sqlite-integrity.ts";
import { SqliteLedger } from "./sqlite-ledger.ts";
import { SqliteRecords } from "./sqlite-records.ts";
import { isWrite, type CoreMethods, type StoreAnswer, type StoreRequest, type StoreTime } from "./sqlite-requests.ts";
import { lastBatchIdOf, SqliteRuns } from "./sqlite-runs.ts";
import { checkedVersion, migrate, schemaVersion } from "./sqlite-schema.ts";
import { SqliteScopes } from "./sqlite-scopes.ts";
import { SqliteSessions, type Beat } from "./sqlite-sessions.ts";

export interface CoreOptions {
  readonly path: string;
  readonly readOnly: boolean;
}

/** One open connection and what works on it; replaced as a whole when the connection is. */
interface Connection {
  readonly db: Database;
  readonly runs: SqliteRuns;
  readonly methods: CoreMethods;
}

const BUSY_MS = 2_000;
const WAL_BYTES_MAX = 16_777_216;
/** Of a new database. The batch of an agent's turn has 2 to 3 KB: a page of 4,096 would hold one, a third of it empty. */
const PAGE_BYTES = 8_192;

/**
 * The SQLite store itself, synchronous: takes requests in order and gives an answer for each. The writes among them are
 * one transaction, checked one by one, so that a conflict fails only itself; no answer leaves before the commit is on
 * disk. Reads are done after it and never see what is not committed.
 */
export class SqliteCore {
  readonly #options: CoreOptions;
  readonly #beats = new Map<string, Beat>();
  #connection: Connection | null = null;
  #mark: HighWaterMark | null = null;
  /** Identity of the file that was opened: device and inode. */
  #file = "";
  #warnedOfMark = false;
  /** A commit failed on its way to the disk. */
  #isInDoubt = false;
  #now: StoreTime = { nowMs: 0, monotonicMs: 0 };

  constructor(options: CoreOptions) {
    this.#options = options;
  }

  /** @throws STORE_CORRUPT STORE_NEWER STORE_REGRESSED STORE_READ_ONLY STORE_FULL FOLDER_UNUSABLE OPTION_INVALID */
  open(): void {
    const { path, readOnly } = this.#options;
    try {
      if (readOnly) this.#openForReading();
      else this.#openForWriting();
    } catch (error) {
      this.close();
      throw storeErrorOf(error, path);
    }
  }

  /** Idempotent. */
  close(): void {
    this.#disconnect();
    this.#mark?.close();
    this.#mark = null;
    this.#file = "";
  }

  run(requests: readonly StoreRequest[], now: StoreTime): readonly StoreAnswer[] {
    this.#now = now;
    const writing = requests.filter(({ method }) => isWrite(method));
    const written = writing.length === 0 ? [] : this.#write(writing);
    let next = 0;
    return requests.map((request) =>
      isWrite(request.method) ? (written[next++] ?? notDone(request)) : this.#answer(request),
    );
  }

  /** One transaction for all. An error of the disk fails all of them, a refusal or a wrong value only its own. */
  #write(requests: readonly StoreRequest[]): readonly StoreAnswer[] {
    let connection: Connection;
    const answers: StoreAnswer[] = [];
    try {
      connection = this.#writable();
      connection.db.begin();
    } catch (error) {
      return this.#failAll(requests, error);
    }
    try {
      for (const request of requests) answers.push(doneBy(connection, request));
    } catch (error) {
      this.#undo(connection);
      if (requests.length > 1 && isOwnFault(error)) return requests.flatMap((request) => this.#write([request]));
      return this.#failAll(requests, error);
    }
    try {
      connection.db.commit();
    } catch (error) {
      return this.#commitFailed(connection, requests, error);
    }
    this.#noteHighWater(connection.runs.lastBatchId);
    return answers;
  }

  #commitFailed(connection: Connection, requests: readonly StoreRequest[], cause: unknown): readonly StoreAnswer[] {
    const answers = this.#failAll(requests, cause);
    const isFull = answers.some((answer) => !answer.ok && answer.error.code === "STORE_FULL");
    if (isFull) {
      // it had no room for the commit, so there is none, and what was there before can be read on
      this.#undo(connection);
    } else {
      // nobody knows what reached the disk: the next request reads it anew, and every caller must do the same
      this.#disconnect();
      this.#isInDoubt = true;
    }
    return answers;
  }

  #undo(connection: Connection): void {
    try {
      connection.db.rollback();
      connection.runs.forget();
    } catch {
      // the error that led here is the one to tell; a fresh connection undoes what this one could not
      this.#disconnect();
    }
  }

  /** A mark that cannot be written makes an older copy harder to notice, but what was committed stays committed. */
  #noteHighWater(count: number): void {
    try {
      this.#mark?.write(count);
    } catch (error) {
      if (!this.#warnedOfMark) warn(`"${this.#options.path}.hwm" cannot be written`, error);
      this.#warnedOfMark = true;
    }
  }

  #answer(request: StoreRequest): StoreAnswer {
    try {
      return doneBy(this.#connected(), request);
    } catch (error) {
      return { ok: false, error: storeErrorOf(error, this.#options.path) };
    }
  }

  #failAll(requests: readonly StoreRequest[], cause: unknown): readonly StoreAnswer[] {
    const error = storeErrorOf(cause, this.#options.path);
    return requests.map(() => ({ ok: false, error }));
  }

  #writable(): Connection {
    if (this.#options.readOnly) throw openedReadOnly(this.#options.path);
    if (this.#connection !== null && this.#isReplaced()) this.#disconnect();
    return this.#connected();
  }

  /** The connection, opened again if an error closed it. */
  #connected(): Connection {
    if (this.#connection !== null) return this.#connection;
    const { path, readOnly } = this.#options;
    if (this.#file === "") throw new PawlError("STORE_CLOSED", `the database "${path}" is not open. Open it first.`);
    if (this.#isReplaced()) throw replaced(path);
    const connection = this.#connect({ busyMs: BUSY_MS, readOnly });
    if (this.#isInDoubt) settleDoubt(connection.db);
    this.#isInDoubt = false;
    this.#connection = connection;
    return connection;
  }

  /** Checked at each group of writes: 3 µs against an acknowledged write into a file that nobody can find again. */
  #isReplaced(): boolean {
    return fileIdentity(this.#options.path) !== this.#file;
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = null;
    try {
      connection?.db.close();
    } catch (error) {
      warn(`closing "${this.#options.path}" failed`, error);
    }
  }

  #openForWriting(): void {
    const { path } = this.#options;
    this.#mark = new HighWaterMark(`${path}.hwm`);
    if (fileIdentity(path) === "") this.#checkNotOlder(0);
    createPrivate(path);
    this.#connection = this.#connect({ busyMs: BUSY_MS });
    this.#file = fileIdentity(path);
    this.#noteHighWater(this.#connection.runs.lastBatchId);
  }

  /** @throws STORE_REGRESSED */
  #checkNotOlder(batches: number): void {
    const { path } = this.#options;
    const highest = this.#mark?.read()?.count ?? 0;
    if (batches < highest) throw regressed(path, { has: batches, had: highest });
  }

  #openForReading(): void {
    const { path } = this.#options;
    if (fileIdentity(path) === "") {
      throw new PawlError("OPTION_INVALID", `there is no database "${path}" to read. Check the path.`);
    }
    this.#connection = this.#connect({ busyMs: BUSY_MS, readOnly: true, immutable: isFrozen(path) });
    this.#file = fileIdentity(path);
  }

  #connect(mode: OpenMode): Connection {
    const db = new Database(this.#options.path, mode);
    try {
      const version = checkedVersion(db);
      if (this.#options.readOnly) {
        if (version !== schemaVersion) throw notMigrated(db.path, version);
      } else {
        this.#checkNotOlder(version === 0 ? 0 : lastBatchIdOf(db));
        prepareForWriting(db);
        migrate(db, version);
      }
      return this.#connectionOf(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  #connectionOf(db: Database): Connection {
    const runs = new SqliteRuns(db);
    const parts: Parts = {
      runs,
      scopes: new SqliteScopes(db),
      sessions: new SqliteSessions(db, this.#beats, !this.#options.readOnly),
      ledger: new SqliteLedger(db),
      records: new SqliteRecords(db),
      integrity: () => integrityOfDatabase(db),
    };
    return { db, runs, methods: methodsOf(parts, () => this.#now) };
  }
}

interface Parts {
  readonly runs: SqliteRuns;
  readonly scopes: SqliteScopes;
  readonly sessions: SqliteSessions;
  readonly ledger: SqliteLedger;
  readonly records: SqliteRecords;
  readonly integrity: CoreMethods["integrity"];
}

function methodsOf({ runs, scopes, sessions, ledger, records, integrity }: Parts, now: () => StoreTime): CoreMethods {
  return {
    createRun: (ref, first) => runs.createRun(ref, first),
    append: (ref, append) => runs.append(ref, append),
    mark: (ref, marks) => runs.mark(ref, marks),
    readHead: (ref) => runs.readHead(ref),
    readEvents: (ref, afterSeq, bytesMax) => runs.readEvents(ref, afterSeq, bytesMax),
    due: (query) => runs.due(query),
    ofSession: (sessionId, limit) => runs.ofSession(sessionId, limit),
    list: (tenant, filter, cursor, limit) => runs.list(tenant, filter, cursor, limit),
    openApprovals: (tenant, cursor, limit) => runs.openApprovals(tenant, cursor, limit),
    dirty: (limit) => runs.dirty(limit),
    putBlob: (tenant, scope, hash, bytes) => scopes.putBlob(tenant, scope, hash, bytes),
    getBlob: (tenant, scope, hash) => scopes.getBlob(tenant, scope, hash),
    deleteStep: (tenant, scope) => {
      runs.forget();
      return scopes.deleteStep(tenant, scope);
    },
    openSession: (id, worker, process) => sessions.openSession({ id, worker, process }, now()),
    beat: (id, counter) => sessions.beat(id, counter, now()),
    kill: (id, seenCounter) => sessions.kill(id, seenCounter, now()),
    closeSession: (id) => sessions.closeSession(id, now()),
    session: (id) => sessions.session(id, now()),
    listSessions: () => sessions.listSessions(now()),
    reserve: (tenant, reservation) => ledger.reserve(tenant, reservation, now().nowMs),
    settle: (tenant, id, actual) => ledger.settle({ tenant, id, actual }, now().nowMs),
    openReservationsOf: (tenant, runId) => ledger.openReservationsOf(tenant, runId),
    openReservationsBefore: (atMs, limit) => ledger.openReservationsBefore(atMs, limit),
    setCap: (tenant, scope, cap) => ledger.setCap(tenant, scope, cap),
    readLedger: (tenant, scope) => ledger.readLedger(tenant, scope),
    pruneLedger: (before, limit) => ledger.pruneLedger(before, limit),
    getRecord: (tenant, key) => records.getRecord(tenant, key, now().nowMs),
    putRecord: (tenant, key, value, condition, ttlMs) =>
      records.putRecord({ tenant, key, value, ttlMs: ttlMs ?? null }, condition, now().nowMs),
    deleteRecord: (tenant, key) => records.deleteRecord(tenant, key),
    listRecords: (tenant, prefix, cursor, limit) => records.listRecords({ tenant, prefix, cursor, limit }, now().nowMs),
    integrity,
  };
}

/**
 * A refusal in Pawl's own words is the request's answer: it comes before the request has written anything. All else, and
 * damage that was met half-way, is thrown to whoever holds the transaction.
 */
function doneBy(connection: Connection, request: StoreRequest): StoreAnswer {
  const method = connection.methods[request.method] as (...args: readonly unknown[]) => unknown;
  try {
    return { ok: true, value: method(...request.args) };
  } catch (error) {
    if (PawlError.is(error) && error.code !== "STORE_CORRUPT") return { ok: false, error };
    throw error;
  }
}

/**
 * After a failed flush the system may hold pages of the write-ahead log that it will never write, and show them all the
 * same. Copying the log into the database writes them anew, so that what can be read is also on disk.
 */
function settleDoubt(db: Database): void {
  try {
    db.exec("PRAGMA wal_checkpoint(FULL)");
  } catch (error) {
    db.close();
    throw error;
  }
}

function warn(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${errorText(error)}`, "PawlWarning");
}

function notDone(request: StoreRequest): StoreAnswer {
  return { ok: false, error: new PawlError("INTERNAL", `"${request.method}" got no answer.`) };
}

function prepareForWriting(db: Database): void {
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  if (db.value("PRAGMA journal_mode = WAL") !== "wal") {
    throw new PawlError(
      "STORE_READ_ONLY",
      `"${db.path}" cannot be written ahead (WAL): its file system does not allow it. Use a local disk.`,
    );
  }
  // FULL: a commit is on disk before it is answered. fullfsync: on macOS only that reaches the disk itself.
  db.exec(`PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`);
}

function openedReadOnly(path: string): PawlError {
  return new PawlError("STORE_READ_ONLY", `"${path}" was opened with { readOnly: true }. Open it without to write.`);
}

function notMigrated(path: string, version: number): PawlError {
  return version === 0
    ? new PawlError("STORE_CORRUPT", `"${path}" is empty. Name another file, or open it for writing once.`)
    : new PawlError("STORE_READ_ONLY", `"${path}" has the older version ${version}. Open it for writing once.`);
}

function regressed(path: string, count: { readonly has: number; readonly had: number }): PawlError {
  const state = count.has === 0 ? "is empty or missing" : `has ${count.has} batches`;
  return new PawlError(
    "STORE_REGRESSED",
    `the database "${path}" ${state}, but "${path}.hwm" says that it had ${count.had}: it is an older copy, or its -wal file was left behind. Put the newer files back; or, to go on from this copy and lose what came after it, delete "${path}.hwm".`,
    { details: { has: count.has, had: count.had } },
  );
}
