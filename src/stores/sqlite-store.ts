import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { LedgerScope, Store, StoreCapabilities } from "../core/store-contract.ts";
import { checkBlob, checkNotify } from "./contract-rules.ts";
import { checkCap } from "./ledger-amounts.ts";
import { machineClock } from "./machine-clock.ts";
import { NotifyHub } from "./notify-hub.ts";
import { processIdentity } from "./process-identity.ts";
import { filesOf, type SqliteFiles } from "./sqlite-files.ts";
import { isWrite, type CoreMethods, type SqliteIntegrity } from "./sqlite-requests.ts";
import { readerSeat, takeSeat, type Seat, type SeatOptions, type SqliteRole } from "./sqlite-seat.ts";

export interface SqliteOptions {
  /** Opens for reading beside whoever holds the database, without a lock; every write is refused. Default false. */
  readonly readOnly?: boolean;
  /**
   * Where SQLite runs: `always` in a thread of its own, `never` in the caller's, `auto` in a thread where flushing the
   * disk takes over 1 ms (measured at each opening). Default `auto`.
   */
  readonly thread?: "auto" | "always" | "never";
  /** For tests. Default: the machine's. */
  readonly clock?: Clock;
}

/**
 * A store in one SQLite file, with no service to start. What it acknowledged survives a loss of power. One process holds
 * the file; others that open it call that process over a socket beside it, and one of them goes on when it ends.
 * @param path file to create or open; its folder must exist
 */
export function sqlite(path: string, options: SqliteOptions = {}): Store {
  if (path === "" || path === ":memory:" || path.startsWith("file:")) {
    throw new PawlError(
      "OPTION_INVALID",
      `sqlite("${path}") names no file. Give a path such as "pawl.db"; for tests there is memoryStore() in pawl/testing.`,
    );
  }
  return new SqliteStore(path, options);
}

/**
 * Checks the file of a store made by `sqlite()`: reads all of it, about a second for each gigabyte.
 * @returns null for another kind of store
 */
export async function integrityOf(store: Store): Promise<SqliteReport | null> {
  return store instanceof SqliteStore ? store.integrity() : null;
}

/** What `pawl verify` and `pawl doctor` show of a database. */
export interface SqliteReport extends SqliteIntegrity {
  readonly role: SqliteRole;
}

/** Holders that may go away in a row while one read is under way. */
const READ_TRIES = 4;

class SqliteStore implements Store {
  readonly capabilities: StoreCapabilities = {
    name: "sqlite",
    durability: "power",
    manyProcesses: false,
    ledgerPerSecond: 3_000,
    indexLagMs: 0,
    appendBytesMax: limits.batchBytes,
  };
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #thread: "auto" | "always" | "never";
  readonly #clock: Clock;
  readonly #hub: NotifyHub;
  #isOpen = false;
  #seat: Seat | null = null;
  /** Under way while there is no seat. */
  #taking: Promise<Seat> | null = null;

  constructor(path: string, options: SqliteOptions = {}) {
    this.#path = path;
    this.#readOnly = options.readOnly ?? false;
    this.#thread = options.thread ?? "auto";
    this.#clock = options.clock ?? machineClock;
    this.#hub = new NotifyHub({
      onFirst: (channel) => this.#seat?.watch(channel, true),
      onLast: (channel) => this.#seat?.watch(channel, false),
    });
  }

  async open(): Promise<void> {
    this.#isOpen = true;
    try {
      await this.#seated();
    } catch (error) {
      this.#isOpen = false;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    const taking = this.#taking;
    const seat = taking === null ? this.#seat : await taking.catch(() => null);
    this.#seat = null;
    await seat?.close();
  }

  readonly createRun: Store["createRun"] = (ref, first) => this.#call("createRun", [plain(ref), first]);
  readonly append: Store["append"] = (ref, append) => this.#call("append", [plain(ref), append]);
  readonly mark: Store["mark"] = (ref, marks) => this.#call("mark", [plain(ref), marks]);
  readonly readHead: Store["readHead"] = (ref) => this.#call("readHead", [plain(ref)]);
  readonly readEvents: Store["readEvents"] = (ref, afterSeq, bytesMax) =>
    this.#call("readEvents", [plain(ref), afterSeq, bytesMax]);
  readonly due: Store["due"] = (query) => this.#call("due", [query]);
  readonly ofSession: Store["ofSession"] = (sessionId, limit) => this.#call("ofSession", [sessionId, limit]);
  readonly list: Store["list"] = (tenant, filter, cursor, limit) => this.#call("list", [tenant, filter, cursor, limit]);
  readonly openApprovals: Store["openApprovals"] = (tenant, cursor, limit) =>
    this.#call("openApprovals", [tenant, cursor, limit]);
  readonly dirty: Store["dirty"] = (limit) => this.#call("dirty", [limit]);
  readonly getBlob: Store["getBlob"] = (tenant, scope, hash) => this.#call("getBlob", [tenant, scope, hash]);
  readonly openSession: Store["openSession"] = (id, worker) =>
    this.#call("openSession", [id, worker, processIdentity()]);
  readonly beat: Store["beat"] = (id, counter) => this.#call("beat", [id, counter]);
  readonly kill: Store["kill"] = (id, seenCounter) => this.#call("kill", [id, seenCounter]);
  readonly closeSession: Store["closeSession"] = (id) => this.#call("closeSession", [id]);
  readonly session: Store["session"] = (id) => this.#call("session", [id]);
  readonly listSessions: Store["listSessions"] = () => this.#call("listSessions", []);
  readonly reserve: Store["reserve"] = (tenant, reservation) => this.#call("reserve", [tenant, reservation]);
  readonly settle: Store["settle"] = (tenant, id, actual) => this.#call("settle", [tenant, id, actual]);
  readonly openReservationsOf: Store["openReservationsOf"] = (tenant, runId) =>
    this.#call("openReservationsOf", [tenant, runId]);
  readonly pruneLedger: Store["pruneLedger"] = (before, limit) => this.#call("pruneLedger", [before, limit]);
  readonly openReservationsBefore: Store["openReservationsBefore"] = (atMs, limit) =>
    this.#call("openReservationsBefore", [atMs, limit]);
  readonly readLedger: Store["readLedger"] = (tenant, scope) => this.#call("readLedger", [tenant, scope]);
  readonly getRecord: Store["getRecord"] = (tenant, key) => this.#call("getRecord", [tenant, key]);
  readonly putRecord: Store["putRecord"] = (tenant, key, value, condition, ttlMs) =>
    this.#call(
      "putRecord",
      ttlMs === undefined ? [tenant, key, value, condition] : [tenant, key, value, condition, ttlMs],
    );
  readonly deleteRecord: Store["deleteRecord"] = (tenant, key) => this.#call("deleteRecord", [tenant, key]);
  readonly listRecords: Store["listRecords"] = (tenant, prefix, cursor, limit) =>
    this.#call("listRecords", [tenant, prefix, cursor, limit]);

  async setCap(tenant: string, scope: LedgerScope, cap: number | null): Promise<void> {
    // checked here, since NaN becomes null on the socket, and null removes a cap
    checkCap(scope, cap);
    await this.#call("setCap", [tenant, scope, cap]);
  }

  async putBlob(tenant: string, scope: string, hash: string, bytes: Uint8Array): Promise<void> {
    checkBlob(hash, bytes);
    await this.#call("putBlob", [tenant, scope, hash, bytes]);
  }

  async deleteScope(tenant: string, scope: string): Promise<void> {
    while (!(await this.#call("deleteStep", [tenant, scope])));
  }

  publish(channel: string, message: string): void {
    checkNotify(channel, message);
    // without a seat nobody else could hear it: hints are lossy
    if (this.#seat === null) this.#hub.publish(channel, message);
    else this.#seat.publish(channel, message);
  }

  subscribe(channel: string, receive: (message: string) => void): () => void {
    return this.#hub.subscribe(channel, receive);
  }

  async integrity(): Promise<SqliteReport> {
    const found = await this.#call("integrity", []);
    return { ...found, role: this.#seat?.role ?? "client" };
  }

  /** The types of arguments and answer are those of the core's method: the seat only carries them. */
  async #call<Method extends keyof CoreMethods>(
    method: Method,
    args: Parameters<CoreMethods[Method]>,
  ): Promise<ReturnType<CoreMethods[Method]>> {
    for (let tries = 1; ; tries++) {
      const seat = this.#seat ?? (await this.#seated());
      try {
        return (await seat.call(method, args)) as ReturnType<CoreMethods[Method]>;
      } catch (error) {
        // what only reads may be asked again of the next holder, when this one went away with the question
        const isAskedAgain = !isWrite(method) && this.#seat !== seat && this.#isOpen && tries < READ_TRIES;
        if (!isAskedAgain || !PawlError.is(error, "STORE_UNREACHABLE")) throw error;
      }
    }
  }

  #seated(): Promise<Seat> {
    if (!this.#isOpen) return Promise.reject(notOpen(this.#path));
    if (this.#seat !== null) return Promise.resolve(this.#seat);
    this.#taking ??= this.#take();
    return this.#taking;
  }

  async #take(): Promise<Seat> {
    try {
      const options = this.#seatOptions(filesOf(this.#path));
      const seat = this.#readOnly ? readerSeat(options) : await takeSeat(options);
      this.#seat = seat;
      for (const channel of this.#hub.channels) seat.watch(channel, true);
      return seat;
    } finally {
      this.#taking = null;
    }
  }

  #seatOptions(files: SqliteFiles): SeatOptions {
    return { files, thread: this.#thread, clock: this.#clock, hub: this.#hub, onLost: (seat) => this.#lost(seat) };
  }

  /** Takes the next seat at once, so that receivers go on hearing; a failure is told to the next call. */
  #lost(seat: Seat): void {
    if (this.#seat !== seat) return;
    this.#seat = null;
    if (this.#isOpen) this.#seated().catch(() => {});
  }
}

/** A head is a fine address too: what else it carries stays here. */
function plain({ tenant, runId }: RunRef): RunRef {
  return { tenant, runId };
}

function notOpen(path: string): PawlError {
  return new PawlError("STORE_CLOSED", `the store "${path}" is not open. Call open() first, and not after close().`);
}
