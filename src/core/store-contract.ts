import type { RunRef } from "./id.ts";
import type { EncodedBatch } from "./journal-codec.ts";
import type { JsonValue } from "./json.ts";
import type { RunStatus } from "./run-outcome.ts";
import type { RunHead, RunMarks } from "./run-head.ts";

/**
 * What a store survives: `power` every acknowledged write survives loss of power; `process` the death of this process or
 * the server's; `window` it may lose what it acknowledged last: about a second, or more where the server is set so.
 */
export type Durability = "power" | "process" | "window" | "none";

/** Of a store with a server, what is set there is known once it is open. */
export interface StoreCapabilities {
  readonly name: string;
  readonly durability: Durability;
  /** The operator has said in words that a `window` will do, also for tools that must not repeat. */
  readonly lossAccepted?: boolean;
  /** True where several processes may open it themselves. */
  readonly manyProcesses: boolean;
  /** Ledger operations per second that one scope can take, about. */
  readonly ledgerPerSecond: number;
  /** How far index reads (due, list, openApprovals, dirty) may lag behind appends; 0 = not at all. */
  readonly indexLagMs: number;
  readonly appendBytesMax: number;
  /** It keeps content encrypted, so nothing beside it may keep that plain. Default false. */
  readonly isSealed?: boolean;
  /** False where hints stay in this process, and others live by polling. Default true. */
  readonly hintsReachOthers?: boolean;
}

export type CreateResult = { readonly type: "created" } | { readonly type: "exists"; readonly head: RunHead };

/** `mine`: the batch at expectedSeq + 1 is this one (a lost response, retried). */
export type AppendResult =
  | { readonly type: "ok" }
  | { readonly type: "mine" }
  | { readonly type: "conflict"; readonly head: RunHead }
  | { readonly type: "ended"; readonly head: RunHead };

export interface Append {
  readonly expectedSeq: number;
  readonly batch: EncodedBatch;
  /** nextHead(head at expectedSeq, batch). Its `marks` are ignored: only `mark` changes marks. */
  readonly head: RunHead;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** null = no more */
  readonly cursor: string | null;
}

export interface RunFilter {
  readonly statuses?: readonly RunStatus[];
  readonly runnable?: string;
  readonly threadId?: string;
  readonly parentRunId?: string;
  /** Default false: child runs are left out unless `parentRunId` is given. */
  readonly children?: boolean;
}

/** One entry of a tenant's review queue: an approval, or an effect whose outcome is unknown. */
export interface OpenAsk {
  readonly runId: string;
  readonly key: string;
  readonly kind: "approval" | "unknown";
  readonly seq: number;
  readonly expiresAt: number | null;
}

/** The first atomic unit: a run's batches, its head, and index entries derived from the head, changed together. */
export interface RunStore {
  /** Writes the first batch of a run unless the run exists. Repeating it is harmless. */
  createRun(ref: RunRef, first: { readonly batch: EncodedBatch; readonly head: RunHead }): Promise<CreateResult>;
  /**
   * Appends if the last seq is still `expectedSeq` and the run has not ended. Tested in the order mine, ended, conflict.
   * @throws RUN_UNKNOWN, RUN_DELETED
   * @throws STORE_UNREACHABLE outcome unknown: the batch may be there. Read, or repeat the same batch (`mine` tells).
   */
  append(ref: RunRef, append: Append): Promise<AppendResult>;
  /**
   * Raises marks; a lower value than the stored one changes nothing. No condition, no event. No mark passes the run's seq.
   */
  mark(ref: RunRef, marks: Partial<RunMarks>): Promise<void>;
  /** Strongly consistent. null = no such run. */
  readHead(ref: RunRef): Promise<RunHead | null>;
  /**
   * Batches that end after `afterSeq`, in order, until `bytesMax` is passed (at least one). Strongly consistent. The first
   * may begin at or before `afterSeq`. Empty = nothing there.
   */
  readEvents(ref: RunRef, afterSeq: number, bytesMax: number): Promise<readonly string[]>;
  /** Runs of these lanes whose dueAt is at or before `nowMs`, the longest due first. May be stale: a claim re-checks. */
  due(query: {
    readonly lanes: readonly string[];
    readonly nowMs: number;
    readonly limit: number;
  }): Promise<readonly RunRef[]>;
  /** Runs that a session owns. */
  ofSession(sessionId: string, limit: number): Promise<readonly RunRef[]>;
  /** Newest first. A page may be short or empty and still have a cursor; a null cursor alone means the end. */
  list(tenant: string, filter: RunFilter, cursor: string | null, limit: number): Promise<Page<RunHead>>;
  /** Ordered by run, oldest first, then by seq. */
  openApprovals(tenant: string, cursor: string | null, limit: number): Promise<Page<OpenAsk>>;
  /** Runs whose indexedSeq is behind their seq. May begin anywhere; repeated calls offer every one. */
  dirty(limit: number): Promise<readonly RunRef[]>;
  /** Idempotent; durable when it returns, which must be before the append that names the hash. */
  putBlob(tenant: string, scope: string, hash: string, bytes: Uint8Array): Promise<void>;
  getBlob(tenant: string, scope: string, hash: string): Promise<Uint8Array | null>;
  /** Deletes runs and blobs of a root run or thread: tombstones, then content, then tombstones. Resumable by repeating. */
  deleteScope(tenant: string, scope: string): Promise<void>;
}

export interface SessionInfo {
  readonly id: string;
  readonly worker: string;
  /** Rises with each beat. */
  readonly counter: number;
  /** By the store's clock (without one: after this process saw the counter unchanged as long on its monotonic clock): true when the last beat is older than limits.sessionDeadMs, or the session was killed. */
  readonly dead: boolean;
}

/** A worker process' right to own runs. */
export interface SessionStore {
  openSession(id: string, worker: string): Promise<void>;
  /** `dead` is final: the worker abandons everything it holds. */
  beat(id: string, counter: number): Promise<"ok" | "dead">;
  /** Turns a session dead for ever if its beats stopped at `seenCounter` long enough ago. Unknown sessions are dead. */
  kill(id: string, seenCounter: number): Promise<"dead" | "alive">;
  /** Ends one's own session cleanly. */
  closeSession(id: string): Promise<void>;
  session(id: string): Promise<SessionInfo | null>;
  /** Dead ones stay for at least ten minutes, then may vanish: the sweep finds their runs through this. */
  listSessions(): Promise<readonly SessionInfo[]>;
}

export type LedgerUnit = "tokens" | "nanoUsd" | "calls";

/**
 * One capped thing: `user:ada`, `tenant`, `agent:billing`, … in a window such as `day:2026-11-22` or `all`. What comes
 * before the colon is the window's kind.
 */
export interface LedgerScope {
  readonly scope: string;
  readonly window: string;
  readonly unit: LedgerUnit;
}
export interface LedgerAmount extends LedgerScope {
  readonly amount: number;
}
export type ReserveResult =
  | { readonly type: "ok" }
  | { readonly type: "refused"; readonly scope: LedgerScope; readonly left: number };
export interface LedgerReading extends LedgerScope {
  /** In force for this window, its own or its kind's; null = not capped */
  readonly cap: number | null;
  readonly spent: number;
  readonly reserved: number;
}
export interface OpenReservation {
  readonly id: string;
  readonly runId: string;
  readonly tenant: string;
  readonly at: number;
  readonly amounts: readonly LedgerAmount[];
}

/** The second atomic unit: one tenant's shared budgets. All scopes of a reservation fit, or none is taken. */
export interface LedgerStore {
  /**
   * An id that was granted is granted again and reserves once. A refusal is not remembered; a released id may be reserved
   * again. Scopes without a cap are not counted.
   */
  reserve(
    tenant: string,
    reservation: { readonly id: string; readonly runId: string; readonly amounts: readonly LedgerAmount[] },
  ): Promise<ReserveResult>;
  /** Replaces a reservation by what was really used (`[]` releases it). An unknown id was settled already: no change. */
  settle(tenant: string, id: string, actual: readonly LedgerAmount[]): Promise<void>;
  openReservationsOf(tenant: string, runId: string): Promise<readonly OpenReservation[]>;
  openReservationsBefore(atMs: number, limit: number): Promise<readonly OpenReservation[]>;
  /**
   * Sets the cap of one window (`day:2026-11-22`: a top-up for today), or of a kind (`day`: each day, also those to come).
   * A window's own cap goes before its kind's. null removes the cap; of a window, its kind's holds again.
   */
  setCap(tenant: string, scope: LedgerScope, cap: number | null): Promise<void>;
  readLedger(tenant: string, scope: LedgerScope): Promise<LedgerReading>;
  /**
   * Forgets windows that are past: of every tenant those of `before`'s kind that sort before it, with what was spent in
   * them and their own caps, unless something is still reserved there. A kind's cap stays.
   * @param before a window with a colon: `day:2026-09-20`
   * @returns how many windows went, at most `limit`; fewer = none is left
   */
  pruneLedger(before: string, limit: number): Promise<number>;
}

export interface StoredRecord {
  readonly key: string;
  readonly value: JsonValue;
  readonly version: number;
}
export type PutCondition = { readonly ifVersion: number } | { readonly ifAbsent: true } | Record<string, never>;
export type PutResult =
  | { readonly type: "ok"; readonly version: number }
  | { readonly type: "conflict"; readonly current: StoredRecord | null };

/** Small versioned records: threads, definitions, keys, grants, cached results. */
export interface RecordStore {
  getRecord(tenant: string, key: string): Promise<StoredRecord | null>;
  /** @param ttlMs the record may vanish after this long; absent = kept */
  putRecord(tenant: string, key: string, value: JsonValue, condition: PutCondition, ttlMs?: number): Promise<PutResult>;
  deleteRecord(tenant: string, key: string): Promise<void>;
  listRecords(tenant: string, prefix: string, cursor: string | null, limit: number): Promise<Page<StoredRecord>>;
}

/** Lossy hints, at most 8 KiB each: wake-ups and live deltas. Nothing may depend on one arriving. */
export interface NotifyStore {
  publish(channel: string, message: string): void;
  /** @returns a function that ends the subscription */
  subscribe(channel: string, receive: (message: string) => void): () => void;
}

/** Everything Pawl asks of a store. Test a store of your own with `storeSuite` of `pawl/testing`. */
export interface Store extends RunStore, SessionStore, LedgerStore, RecordStore, NotifyStore {
  readonly capabilities: StoreCapabilities;
  /** Opens files or connections, checks versions and identity. Idempotent. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** The kind of a window, as a window of its own: `day` for `day:2026-11-22`. null for a kind, such as `day` or `all`. */
export function windowKindOf(scope: LedgerScope): LedgerScope | null {
  const colon = scope.window.indexOf(":");
  return colon < 0 ? null : { scope: scope.scope, window: scope.window.slice(0, colon), unit: scope.unit };
}

/** Channel on which a worker hears that a run of a lane may be due. */
export function laneChannel(lane: string): string {
  return `lane:${lane}`;
}

/** Channel of one run: new events (`{"seq":n}`) and live deltas. */
export function runChannel(ref: RunRef): string {
  return `run:${ref.tenant}/${ref.runId}`;
}
