import { sleep, type Clock } from "../core/clock.ts";
import { errorRecord, PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { KnownTenants } from "../core/known-tenants.ts";
import { limits } from "../core/limits.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { RunHead } from "../core/run-head.ts";
import { runChannel, type Store } from "../core/store-contract.ts";
import type { TraceProgress } from "../core/trace-contract.ts";
import { isComplete, setComplete, sync } from "./index-file.ts";
import { IndexWriter } from "./index-writer.ts";
import { readPiece, type ReadingPlace } from "./run-reading.ts";
import { spanFold } from "./spans-from-journal.ts";
import { jsonOf, numberOf, textOf, type Database } from "./sqlite.ts";

export interface IndexerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly db: Database;
}

/** Failures that are not the journal's: the whole reading stops and is tried again. */
const passing = ["STORE_UNREACHABLE", "STORE_FULL", "STORE_LOCKED", "STORE_CLOSED", "STORE_READ_ONLY", "STORE_CORRUPT"];

/** Reads journals into the index, each from where it stopped. Any number may work on one file: a write that comes second is dropped. */
export class Indexer {
  readonly #deps: IndexerDeps;
  readonly #writer: IndexWriter;
  readonly #tenants: KnownTenants;
  /** Least recently used first. */
  readonly #places = new Map<string, ReadingPlace>();
  readonly #underWay = new Map<string, Promise<number>>();
  readonly #watched = new Map<string, () => void>();
  /** Refused journals, and when they may be tried again though they have not grown: only while following. */
  readonly #resting = new Map<string, { readonly seq: number; readonly untilMs: number }>();
  #isFollowing = false;
  #wake: () => void = () => {};
  #hinted = false;

  constructor(deps: IndexerDeps) {
    this.#deps = deps;
    this.#writer = new IndexWriter(deps.db);
    this.#tenants = new KnownTenants(deps.store);
  }

  /**
   * Brings one run up to date. A refused journal is noted and left as far as it was read.
   * @returns spans read
   * @throws RUN_UNKNOWN, RUN_DELETED
   */
  async bring(ref: RunRef): Promise<number> {
    const head = await this.#headOf(ref);
    if (head === null) throw new PawlError("RUN_UNKNOWN", `no run "${ref.runId}" for tenant "${ref.tenant}".`);
    return this.#index(head);
  }

  async catchUp(told: (progress: TraceProgress) => void, signal?: AbortSignal): Promise<TraceProgress> {
    const tally = { runs: 0, spans: 0 };
    const tell = (): TraceProgress => ({ ...tally, refused: this.refused() });
    const count = (spans: number): void => {
      tally.runs++;
      tally.spans += spans;
    };
    if (!isComplete(this.#deps.db)) await this.#readAll(count, () => told(tell()), signal);
    const seen = new Set<string>();
    while (signal?.aborted !== true) {
      const isNew = await this.#round(seen, count);
      told(tell());
      if (!isNew) break;
    }
    return tell();
  }

  /** Catches up again and again, woken by hints of the runs that go on and by a poll, until `signal` aborts. */
  async follow(signal: AbortSignal, failed: (error: unknown) => void, catchUp: () => Promise<unknown>): Promise<void> {
    const { clock } = this.#deps;
    this.#isFollowing = true;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await catchUp();
        await this.sweep();
        failures = 0;
      } catch (error) {
        failures++;
        failed(error);
      }
      await this.#pause(Math.min(limits.tracePollMs * 2 ** failures, limits.traceRetryMs), signal);
      // hints of many appends come together
      if (this.#hinted) await sleep(clock, limits.traceHintMs, signal).catch(() => {});
      this.#hinted = false;
    }
    this.#isFollowing = false;
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
  }

  /**
   * Takes out what was deleted in the store: nothing tells of it. One call looks at a bounded number of runs and goes on
   * from where the last one stopped, in this process or another.
   */
  async sweep(): Promise<void> {
    const { db } = this.#deps;
    const after = db.count("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'swept'");
    const rows = db.all(
      `SELECT id, tenant, run_id FROM run WHERE id > ? ORDER BY id LIMIT ${limits.traceSweptRuns}`,
      after,
    );
    for (const row of rows)
      await this.#headOf({ tenant: textOf(row, "tenant"), runId: textOf(row, "run_id") }).catch(ignoreDeleted);
    const last = rows.length < limits.traceSweptRuns ? undefined : rows.at(-1);
    const place = last === undefined ? 0 : numberOf(last, "id");
    if (place !== after) db.run("INSERT OR REPLACE INTO meta VALUES ('swept', ?)", String(place));
  }

  refused(): number {
    return this.#deps.db.count("SELECT count(*) FROM refused");
  }

  /** Forgets what is held in memory: the file was emptied. */
  reset(): void {
    this.#places.clear();
  }

  // ---- all runs

  /** Runs of every tenant that was ever indexed: a new file does not know them, and their marks say that all is done. */
  async #readAll(count: (spans: number) => void, told: () => void, signal?: AbortSignal): Promise<void> {
    const { store, db } = this.#deps;
    for (const tenant of await this.#tenants.all()) {
      let cursor: string | null = null;
      do {
        if (signal?.aborted === true) return;
        const page = await store.list(tenant, { children: true }, cursor, limits.traceRound);
        for (const head of page.items) count(await this.#indexPatiently(head));
        sync(db);
        told();
        cursor = page.cursor;
      } while (cursor !== null);
    }
    setComplete(db);
  }

  /**
   * One page of `dirty`. Marks are raised after the index is on disk: a power failure takes back the one only with the other.
   * @returns false when nothing of it was new: where marks cannot be raised, runs are offered again and again
   */
  async #round(seen: Set<string>, count: (spans: number) => void): Promise<boolean> {
    const { store, db } = this.#deps;
    const refs = await store.dirty(limits.traceRound);
    const heads: RunHead[] = [];
    let isNew = false;
    for (const ref of refs) {
      const head = await this.#headOf(ref).catch(ignoreDeleted);
      const key = `${ref.tenant}\n${ref.runId}\n${head?.seq ?? 0}`;
      if (seen.has(key)) continue;
      seen.add(key);
      isNew = true;
      if (head === null) continue;
      await this.#tenants.note(ref.tenant);
      count(await this.#indexPatiently(head));
      heads.push(head);
    }
    if (heads.length === 0) return isNew;
    sync(db);
    await Promise.all(heads.map((head) => this.#mark(head)));
    return isNew;
  }

  async #mark(head: RunHead): Promise<void> {
    const indexedSeq = this.#writer.seqOf(head.tenant, head.runId);
    try {
      if (indexedSeq > 0) await this.#deps.store.mark({ tenant: head.tenant, runId: head.runId }, { indexedSeq });
    } catch (error) {
      // a reader indexes too: its own seqs say what is done
      if (!PawlError.is(error, "STORE_READ_ONLY") && !PawlError.is(error, "RUN_UNKNOWN")) throw error;
    }
  }

  /** Between two pieces others have their turn. */
  async #indexPatiently(head: RunHead): Promise<number> {
    const spans = await this.#index(head);
    await this.#deps.clock.drain();
    this.#watch(head);
    return spans;
  }

  // ---- one run

  async #headOf(ref: RunRef): Promise<RunHead | null> {
    try {
      const head = await this.#deps.store.readHead(ref);
      if (head === null) this.#forget(ref);
      return head;
    } catch (error) {
      if (PawlError.is(error, "RUN_DELETED")) this.#forget(ref);
      throw error;
    }
  }

  #forget(ref: RunRef): void {
    this.#places.delete(keyOf(ref));
    this.#deps.db.transaction(() => this.#writer.forget(ref));
  }

  /** One reading of a run at a time in this process. */
  async #index(head: RunHead): Promise<number> {
    const key = keyOf(head);
    const before = this.#underWay.get(key);
    const work = (before ?? Promise.resolve(0)).then(() => this.#read(head));
    this.#underWay.set(key, work);
    try {
      return await work;
    } finally {
      if (this.#underWay.get(key) === work) this.#underWay.delete(key);
    }
  }

  async #read(head: RunHead): Promise<number> {
    let spans = 0;
    if (this.#isResting(head)) return spans;
    try {
      while (this.#writer.seqOf(head.tenant, head.runId) < head.seq) {
        const piece = await readPiece(this.#deps.store, head, this.#placeOf(head));
        if (piece === null) break;
        if (this.#deps.db.transaction(() => this.#writer.apply(piece.delta))) {
          spans += piece.delta.spans.length;
          this.#keep(head, piece.place);
        } else this.#places.delete(keyOf(head));
        await this.#deps.clock.drain();
      }
      this.#writer.cleared(head);
    } catch (error) {
      this.#places.delete(keyOf(head));
      if (PawlError.is(error) && passing.includes(error.code)) throw error;
      this.#writer.refuse(head, errorRecord(error, "INTERNAL"));
      this.#rest(head);
    }
    return spans;
  }

  #isResting(head: RunHead): boolean {
    const rest = this.#resting.get(keyOf(head));
    return this.#isFollowing && rest?.seq === head.seq && this.#deps.clock.monotonicMs() < rest.untilMs;
  }

  #rest(head: RunHead): void {
    if (this.#resting.size >= limits.traceWatched) this.#resting.clear();
    const untilMs = this.#deps.clock.monotonicMs() + limits.traceRefusedMs;
    this.#resting.set(keyOf(head), { seq: head.seq, untilMs });
  }

  #placeOf(head: RunHead): ReadingPlace {
    const seq = this.#writer.seqOf(head.tenant, head.runId);
    const held = this.#places.get(keyOf(head));
    if (held !== undefined && held.fold.seq === seq) return held;
    if (seq === 0) return { fold: spanFold(head), hash: "" };
    const row = this.#deps.db.get(
      "SELECT fold, hash FROM saved JOIN run ON run.id = saved.run WHERE tenant = ? AND run_id = ?",
      head.tenant,
      head.runId,
    );
    const fold = row === undefined ? null : spanFold(head, jsonOf(row, "fold"));
    if (row !== undefined && fold?.seq === seq) return { fold, hash: textOf(row, "hash") };
    // what it would go on from is not there: begin anew
    this.#forget(head);
    return { fold: spanFold(head), hash: "" };
  }

  #keep(head: RunHead, place: ReadingPlace): void {
    const key = keyOf(head);
    this.#places.delete(key);
    if (place.fold.run !== null && isEnd(place.fold.run.status)) return;
    this.#places.set(key, place);
    if (this.#places.size <= limits.traceFolds) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      break;
    }
  }

  // ---- hints

  /** Hears of the runs that go on, as far as there is room; the poll finds the others. */
  #watch(head: RunHead): void {
    const key = keyOf(head);
    if (isEnd(head.status)) {
      this.#watched.get(key)?.();
      this.#watched.delete(key);
    } else if (!this.#watched.has(key) && this.#watched.size < limits.traceWatched) {
      const ref = { tenant: head.tenant, runId: head.runId };
      this.#watched.set(
        key,
        this.#deps.store.subscribe(runChannel(ref), (message) => {
          // a live delta is no event
          if (!message.startsWith('{"seq":')) return;
          this.#hinted = true;
          this.#wake();
        }),
      );
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#hinted || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const stop = (): void => {
        cancel();
        signal.removeEventListener("abort", stop);
        this.#wake = () => {};
        resolve();
      };
      const cancel = this.#deps.clock.setTimer(ms, stop);
      signal.addEventListener("abort", stop, { once: true });
      this.#wake = stop;
    });
  }
}

function keyOf({ tenant, runId }: RunRef): string {
  return `${tenant}\n${runId}`;
}

function ignoreDeleted(error: unknown): null {
  if (PawlError.is(error, "RUN_DELETED")) return null;
  throw error;
}
