import type { Clock } from "../core/clock.ts";
import { encodeCursor } from "../core/cursor.ts";
import type { RunRef } from "../core/id.ts";
import type { EncodedBatch } from "../core/journal-codec.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { dueAtOf, noMarks, type RunHead, type RunMarks } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type {
  Append,
  AppendResult,
  CreateResult,
  OpenAsk,
  Page,
  PutCondition,
  PutResult,
  RunFilter,
  SessionInfo,
  Store,
  StoreCapabilities,
  StoredRecord,
} from "../core/store-contract.ts";
import {
  askPlace,
  asksOf,
  checkBlob,
  checkFollows,
  fitsFilter,
  headText,
  numberPlace,
  pageOf,
  raisedMarks,
  runUnknown,
  textPlace,
} from "../stores/contract-rules.ts";
import { systemClock } from "../engine/system-clock.ts";
import { NotifyHub } from "../stores/notify-hub.ts";
import { MemoryLedger } from "./memory-ledger.ts";

interface MemoryRun {
  /** Order of creation, over all tenants. */
  readonly number: number;
  head: RunHead;
  readonly batches: EncodedBatch[];
}
interface MemoryRecord extends StoredRecord {
  /** Store's clock; null = kept */
  readonly expiresAt: number | null;
}
interface MemorySession {
  readonly worker: string;
  counter: number;
  /** Monotonic time of the last beat. */
  beatAt: number;
  killed: boolean;
}
interface Tenant {
  readonly runs: Map<string, MemoryRun>;
  /** scope → hash → bytes */
  readonly blobs: Map<string, Map<string, Uint8Array>>;
  readonly records: Map<string, MemoryRecord>;
}

/**
 * A store in this process' memory, for tests and the simulator: nothing survives. Share one object to stand for several
 * workers on one database; `open` and `close` do nothing, so that a "process" of a test may end without the data.
 */
export function memoryStore(options: { readonly clock?: Clock } = {}): Store {
  return new MemoryStore(options.clock ?? systemClock);
}

class MemoryStore implements Store {
  readonly capabilities: StoreCapabilities = {
    name: "memory",
    durability: "none",
    manyProcesses: false,
    ledgerPerSecond: 100_000,
    indexLagMs: 0,
    appendBytesMax: limits.batchBytes,
  };
  readonly #clock: Clock;
  readonly #tenants = new Map<string, Tenant>();
  readonly #sessions = new Map<string, MemorySession>();
  readonly #hub = new NotifyHub();
  readonly #ledger: MemoryLedger;
  #runNumber = 0;
  #recordVersion = 0;
  /** The last run that `dirty` offered: the next call goes on after it. */
  #dirtyUpTo = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#ledger = new MemoryLedger(clock);
  }

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  // runs

  async createRun(ref: RunRef, first: { readonly batch: EncodedBatch; readonly head: RunHead }): Promise<CreateResult> {
    const runs = this.#tenant(ref.tenant).runs;
    const existing = runs.get(ref.runId);
    if (existing !== undefined) return { type: "exists", head: existing.head };
    checkFollows(ref, { expectedSeq: 0, ...first });
    runs.set(ref.runId, { number: ++this.#runNumber, head: keptHead(first.head, noMarks), batches: [first.batch] });
    return { type: "created" };
  }

  async append(ref: RunRef, append: Append): Promise<AppendResult> {
    const run = this.#tenant(ref.tenant).runs.get(ref.runId);
    if (run === undefined) throw runUnknown(ref);
    const next = run.batches[firstAfter(run.batches, append.expectedSeq)];
    if (next?.id === append.batch.id && next.firstSeq === append.expectedSeq + 1) return { type: "mine" };
    if (isEnd(run.head.status)) return { type: "ended", head: run.head };
    if (run.head.seq !== append.expectedSeq) return { type: "conflict", head: run.head };
    checkFollows(ref, append);
    run.head = keptHead(append.head, run.head.marks);
    run.batches.push(append.batch);
    return { type: "ok" };
  }

  async mark(ref: RunRef, marks: Partial<RunMarks>): Promise<void> {
    const run = this.#tenant(ref.tenant).runs.get(ref.runId);
    if (run !== undefined) run.head = { ...run.head, marks: copyOf(raisedMarks(run.head, marks)) };
  }

  async readHead(ref: RunRef): Promise<RunHead | null> {
    return this.#tenant(ref.tenant).runs.get(ref.runId)?.head ?? null;
  }

  async readEvents(ref: RunRef, afterSeq: number, bytesMax: number): Promise<readonly string[]> {
    const batches = this.#tenant(ref.tenant).runs.get(ref.runId)?.batches ?? [];
    const lines: string[] = [];
    let bytes = 0;
    for (let i = firstAfter(batches, afterSeq); i < batches.length; i++) {
      const line = batches[i]?.line ?? "";
      bytes += Buffer.byteLength(line);
      if (lines.length > 0 && bytes > bytesMax) break;
      lines.push(line);
    }
    return lines;
  }

  async due(query: {
    readonly lanes: readonly string[];
    readonly nowMs: number;
    readonly limit: number;
  }): Promise<readonly RunRef[]> {
    return this.#allRuns()
      .map(({ head }) => ({ head, dueAt: dueAtOf(head) ?? Infinity }))
      .filter(({ head, dueAt }) => dueAt <= query.nowMs && query.lanes.includes(head.lane))
      .toSorted((a, b) => a.dueAt - b.dueAt)
      .slice(0, query.limit)
      .map(({ head }) => refOf(head));
  }

  async ofSession(sessionId: string, limit: number): Promise<readonly RunRef[]> {
    const owned = this.#allRuns().filter(({ head }) => head.session === sessionId);
    return owned.slice(0, limit).map(({ head }) => refOf(head));
  }

  async list(tenant: string, filter: RunFilter, cursor: string | null, limit: number): Promise<Page<RunHead>> {
    const before = cursor === null ? Infinity : numberPlace("runs", cursor);
    const found = [...this.#tenant(tenant).runs.values()]
      .filter((run) => run.number < before && fitsFilter(run.head, filter))
      .toSorted((a, b) => b.number - a.number);
    return pageOf(found, limit, {
      cursorAfter: (last) => encodeCursor("runs", last.number),
      itemOf: (run) => run.head,
    });
  }

  async openApprovals(tenant: string, cursor: string | null, limit: number): Promise<Page<OpenAsk>> {
    const [afterRun, afterSeq] = cursor === null ? [0, 0] : askPlace(cursor);
    const found = [...this.#tenant(tenant).runs.values()]
      .flatMap(({ head, number }) => asksOf(head).map((ask) => ({ ask, number })))
      .filter(({ ask, number }) => number > afterRun || (number === afterRun && ask.seq > afterSeq))
      .toSorted((a, b) => a.number - b.number || a.ask.seq - b.ask.seq);
    return pageOf(found, limit, {
      cursorAfter: ({ ask, number }) => encodeCursor("asks", [number, ask.seq]),
      itemOf: ({ ask }) => ask,
    });
  }

  async dirty(limit: number): Promise<readonly RunRef[]> {
    const behind = this.#allRuns().filter(({ head }) => head.marks.indexedSeq < head.seq);
    const later = behind.filter(({ number }) => number > this.#dirtyUpTo);
    const offered = [...later, ...behind.filter((run) => !later.includes(run))].slice(0, limit);
    this.#dirtyUpTo = offered.at(-1)?.number ?? 0;
    return offered.map(({ head }) => refOf(head));
  }

  async putBlob(tenant: string, scope: string, hash: string, bytes: Uint8Array): Promise<void> {
    checkBlob(hash, bytes);
    const blobs = this.#tenant(tenant).blobs;
    const ofScope = blobs.get(scope) ?? new Map<string, Uint8Array>();
    blobs.set(scope, ofScope);
    if (!ofScope.has(hash)) ofScope.set(hash, bytes.slice());
  }

  async getBlob(tenant: string, scope: string, hash: string): Promise<Uint8Array | null> {
    return this.#tenant(tenant).blobs.get(scope)?.get(hash)?.slice() ?? null;
  }

  async deleteScope(tenant: string, scope: string): Promise<void> {
    const { runs, blobs } = this.#tenant(tenant);
    for (const [runId, { head }] of runs) if (head.blobScope === scope) runs.delete(runId);
    blobs.delete(scope);
  }

  // sessions

  async openSession(id: string, worker: string): Promise<void> {
    if (this.#sessions.has(id)) return;
    this.#sessions.set(id, { worker, counter: 0, beatAt: this.#clock.monotonicMs(), killed: false });
  }

  async beat(id: string, counter: number): Promise<"ok" | "dead"> {
    const session = this.#sessions.get(id);
    if (session === undefined || session.killed) return "dead";
    session.counter = Math.max(session.counter, counter);
    session.beatAt = this.#clock.monotonicMs();
    return "ok";
  }

  async kill(id: string, seenCounter: number): Promise<"dead" | "alive"> {
    const session = this.#sessions.get(id);
    if (session === undefined || session.killed) return "dead";
    if (session.counter !== seenCounter || !this.#isSilent(session)) return "alive";
    session.killed = true;
    return "dead";
  }

  async closeSession(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    if (session !== undefined) session.killed = true;
  }

  async session(id: string): Promise<SessionInfo | null> {
    const session = this.#sessions.get(id);
    return session === undefined ? null : this.#sessionInfo(id, session);
  }

  async listSessions(): Promise<readonly SessionInfo[]> {
    return [...this.#sessions].map(([id, session]) => this.#sessionInfo(id, session));
  }

  #isSilent(session: MemorySession): boolean {
    return this.#clock.monotonicMs() - session.beatAt > limits.sessionDeadMs;
  }

  #sessionInfo(id: string, session: MemorySession): SessionInfo {
    const dead = session.killed || this.#isSilent(session);
    return { id, worker: session.worker, counter: session.counter, dead };
  }

  // ledger: a second atomic unit, kept apart

  readonly reserve: Store["reserve"] = async (tenant, reservation) => this.#ledger.reserve(tenant, reservation);
  readonly settle: Store["settle"] = async (tenant, id, actual) => this.#ledger.settle(tenant, id, actual);
  readonly openReservationsOf: Store["openReservationsOf"] = async (tenant, runId) =>
    this.#ledger.openOf(tenant, runId);
  readonly openReservationsBefore: Store["openReservationsBefore"] = async (atMs, limit) =>
    this.#ledger.openBefore(atMs, limit);
  readonly setCap: Store["setCap"] = async (tenant, scope, cap) => this.#ledger.setCap(tenant, scope, cap);
  readonly readLedger: Store["readLedger"] = async (tenant, scope) => this.#ledger.read(tenant, scope);
  readonly pruneLedger: Store["pruneLedger"] = async (before, limit) => this.#ledger.prune(before, limit);

  // records

  async getRecord(tenant: string, key: string): Promise<StoredRecord | null> {
    return this.#record(tenant, key);
  }

  async putRecord(
    tenant: string,
    key: string,
    value: JsonValue,
    condition: PutCondition,
    ttlMs?: number,
  ): Promise<PutResult> {
    const current = this.#record(tenant, key);
    if ("ifAbsent" in condition && current !== null) return { type: "conflict", current };
    if ("ifVersion" in condition && current?.version !== condition.ifVersion) return { type: "conflict", current };
    const version = ++this.#recordVersion;
    const expiresAt = ttlMs === undefined ? null : this.#clock.nowMs() + ttlMs;
    this.#tenant(tenant).records.set(key, { key, value: copyOf(value), version, expiresAt });
    return { type: "ok", version };
  }

  async deleteRecord(tenant: string, key: string): Promise<void> {
    this.#tenant(tenant).records.delete(key);
  }

  async listRecords(tenant: string, prefix: string, cursor: string | null, limit: number): Promise<Page<StoredRecord>> {
    const after = cursor === null ? "" : textPlace("records", cursor);
    const found = [...this.#tenant(tenant).records.values()]
      .filter((record) => record.key.startsWith(prefix) && record.key > after && !this.#isExpired(record))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    return pageOf(found, limit, { cursorAfter: (last) => encodeCursor("records", last.key), itemOf: withoutExpiry });
  }

  #record(tenant: string, key: string): StoredRecord | null {
    const record = this.#tenant(tenant).records.get(key);
    return record === undefined || this.#isExpired(record) ? null : withoutExpiry(record);
  }

  #isExpired(record: MemoryRecord): boolean {
    return record.expiresAt !== null && record.expiresAt <= this.#clock.nowMs();
  }

  // notify

  publish(channel: string, message: string): void {
    this.#hub.publish(channel, message);
  }

  subscribe(channel: string, receive: (message: string) => void): () => void {
    return this.#hub.subscribe(channel, receive);
  }

  #tenant(tenant: string): Tenant {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const fresh: Tenant = { runs: new Map(), blobs: new Map(), records: new Map() };
    this.#tenants.set(tenant, fresh);
    return fresh;
  }

  #allRuns(): readonly MemoryRun[] {
    return [...this.#tenants.values()].flatMap(({ runs }) => [...runs.values()]);
  }
}

/** What a store on disk would give back: no `undefined` members, no shared objects. */
function copyOf<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Marks are the store's own: those inside a written head are what its writer knew. */
function keptHead(head: RunHead, marks: RunMarks): RunHead {
  return JSON.parse(headText({ ...head, marks })) as RunHead;
}

function withoutExpiry({ key, value, version }: MemoryRecord): StoredRecord {
  return { key, value, version };
}

function refOf(head: RunHead): RunRef {
  return { tenant: head.tenant, runId: head.runId };
}

/** Index of the first batch that ends after `seq`. */
function firstAfter(batches: readonly EncodedBatch[], seq: number): number {
  let [low, high] = [0, batches.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((batches[middle]?.lastSeq ?? Infinity) > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
