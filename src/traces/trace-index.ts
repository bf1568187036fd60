import { sleep, type Clock, type Entropy } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { Page, Store } from "../core/store-contract.ts";
import type {
  CostQuery,
  CostRow,
  EffectFilter,
  EffectRow,
  ErrorGroups,
  RunCosts,
  Span,
  SpanDetail,
  SpanWindow,
  TraceFilter,
  TraceIndex,
  TraceIndexSize,
  TracePage,
  TraceProgress,
} from "../core/trace-contract.ts";
import { billedSpans, runCosts } from "./billed-spans.ts";
import { effectPage } from "./effect-list.ts";
import type { BillLine, PriceAt, RepricedRow } from "./cost.ts";
import { identityOf, openIndex, setIdentity } from "./index-file.ts";
import { emptyIndex } from "./index-schema.ts";
import { Indexer } from "./indexer.ts";
import { IndexWriter } from "./index-writer.ts";
import { mergedReports, repricedPieces } from "./reprice.ts";
import { RunList } from "./run-list.ts";
import { SpanDetails } from "./span-details.ts";
import { numberOf, textOf, tryLock, type Database } from "./sqlite.ts";
import { machineClock, machineEntropy } from "./machine.ts";
import { COST_ROWS_MAX, costRows, errorGroupRows, sizeOf } from "./trace-sums.ts";
import { spanColumns, TreeCache, treeSpanOf, wholeSpan } from "./tree-cache.ts";

export interface TraceIndexOptions {
  /** Open, and closed after the index. May be read-only: then no marks are raised. */
  readonly store: Store;
  /** File of the index, beside the database; made where it is not there. */
  readonly path: string;
  /** Told of failures of `follow`, which goes on after them. Default: a process warning. */
  readonly onFailure?: (error: unknown) => void;
  /** For tests. Default: the machine's. */
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

/** An index whose costs can be computed anew. */
export interface PricedTraceIndex extends TraceIndex {
  /**
   * What recorded usage would cost by other prices.
   * @param write true: the index shows the new costs, until it is rebuilt; journals stay what they are
   */
  reprice(tenant: string, priceAt: PriceAt, write: boolean): Promise<readonly RepricedRow[]>;
}

/** The index in one SQLite file: a cache, which may be deleted. Any number of processes may have it open. */
export function traceIndex(options: TraceIndexOptions): PricedTraceIndex {
  return new SqliteTraceIndex(options);
}

/** One open file with what works on it. */
interface Opened {
  readonly db: Database;
  readonly indexer: Indexer;
  readonly runs: RunList;
  readonly trees: TreeCache;
  readonly details: SpanDetails;
}

const OPEN_RUNS_BROUGHT = 50;
const BEHIND_COUNTED = 1_000;
const SEARCHED_PAGES = 20;

class SqliteTraceIndex implements PricedTraceIndex {
  readonly #options: TraceIndexOptions;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #closing = new AbortController();
  #opened: Opened | null = null;
  #identity = "";
  /** Readings of all journals follow one another. */
  #reading: Promise<unknown> = Promise.resolve();
  #following: Promise<void> = Promise.resolve();

  constructor(options: TraceIndexOptions) {
    this.#options = options;
    this.#clock = options.clock ?? machineClock;
    this.#entropy = options.entropy ?? machineEntropy;
  }

  async open(): Promise<void> {
    if (this.#opened !== null) return;
    const { store, path } = this.#options;
    const db = openIndex(path, this.#entropy);
    const deps = { store, clock: this.#clock, db };
    const [runs, details] = [new RunList(db, this.#clock), new SpanDetails(store, this.#clock)];
    this.#opened = { db, indexer: new Indexer(deps), runs, trees: new TreeCache(db), details };
    this.#identity = identityOf(db);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([this.#reading, this.#following]);
    this.#opened?.db.close();
    this.#opened = null;
  }

  catchUp(signal?: AbortSignal): Promise<TraceProgress> {
    return this.#read(() => {}, signal);
  }

  async follow(signal: AbortSignal): Promise<void> {
    const until = AbortSignal.any([signal, this.#closing.signal]);
    this.#following = this.#follow(until);
    await this.#following;
  }

  async rebuild(told: (progress: TraceProgress) => void = () => {}, signal?: AbortSignal): Promise<TraceProgress> {
    const { db } = this.#current();
    emptyIndex(db, this.#entropy.id());
    return this.#read(told, signal);
  }

  async list(tenant: string, filter: TraceFilter, cursor: string | null, limit: number): Promise<TracePage> {
    return this.#current().runs.page(tenant, filter, cursor, limit);
  }

  async spans(ref: RunRef, { from, limit }: { readonly from: number; readonly limit: number }): Promise<SpanWindow> {
    const row = await this.#brought(ref);
    return this.#current().trees.window(row, from, limit);
  }

  async span(ref: RunRef, spanId: string): Promise<SpanDetail> {
    const row = await this.#brought(ref);
    const [span] = this.#spansWhere(row, "span.span_id = ?", spanId);
    if (span === undefined)
      throw new PawlError("SPAN_UNKNOWN", `no span "${spanId.slice(0, 40)}" in the trace of run "${ref.runId}".`);
    const { runId, callId } = span;
    const attempts =
      callId === null || span.kind === "attempt"
        ? []
        : this.#spansWhere(
            row,
            "span.kind = 'attempt' AND span.parent_id = ?",
            spanIdOf({ tenant: ref.tenant, runId }, `call:${callId}`),
          );
    return this.#current().details.of({ tenant: ref.tenant, runId }, span, attempts);
  }

  async errorGroups(tenant: string, filter: TraceFilter, limit: number): Promise<ErrorGroups> {
    const { db } = this.#current();
    const { text, ...plain } = filter;
    const found = text === undefined ? null : await this.#rootsWith(tenant, filter);
    const items = errorGroupRows(db, tenant, plain, { limit, among: found?.roots ?? null });
    return found?.partial === true ? { items, partial: true } : { items };
  }

  async costs(tenant: string, query: CostQuery): Promise<readonly CostRow[]> {
    return costRows(this.#current().db, tenant, query);
  }

  async runCosts(ref: RunRef, { by, limit = 100 }: Parameters<TraceIndex["runCosts"]>[1]): Promise<RunCosts> {
    const row = await this.#brought(ref);
    const { db, trees } = this.#current();
    const lines: BillLine[] = [];
    for (const { id } of trees.runsBelow(row)) {
      for (const span of billedSpans(db, ref.tenant, "span.run = ?", id)) lines.push(...span.lines);
      await this.#clock.drain();
    }
    return runCosts(lines, by, Math.min(COST_ROWS_MAX, Math.max(1, limit)));
  }

  async reprice(tenant: string, priceAt: PriceAt, write: boolean): Promise<readonly RepricedRow[]> {
    const { db } = this.#current();
    let report: readonly RepricedRow[] = [];
    for (const piece of repricedPieces(db, tenant, priceAt, write ? new IndexWriter(db) : null)) {
      report = mergedReports(report, piece);
      await this.#clock.drain();
    }
    // every process that has trees in memory reads them anew
    if (write) setIdentity(db, this.#entropy.id());
    return report;
  }

  async effects(tenant: string, filter: EffectFilter, cursor: string | null, limit: number): Promise<Page<EffectRow>> {
    return effectPage(this.#current().db, tenant, filter, { cursor, limit });
  }

  async size(): Promise<TraceIndexSize> {
    const { db } = this.#current();
    return { ...sizeOf(db), behind: await this.#behind(db) };
  }

  // ----

  /** What is open; with nothing left in memory of a file that was emptied meanwhile. */
  #current(): Opened {
    const opened = this.#opened;
    if (opened === null)
      throw new PawlError("STORE_CLOSED", `the trace index "${this.#options.path}" is not open. Open it first.`);
    const identity = identityOf(opened.db);
    if (identity !== this.#identity) {
      this.#identity = identity;
      opened.indexer.reset();
      opened.trees.reset();
      opened.details.reset();
    }
    return opened;
  }

  /** Spans of the tree that a run belongs to, in order of opening. */
  #spansWhere(row: number, condition: string, value: string): readonly Span[] {
    const rows = this.#current().db.all(
      `SELECT ${spanColumns.replaceAll(/\w+/g, "span.$&")}, run.trace_id, run.run_id FROM span JOIN run ON run.id = span.run
       WHERE run.tree = (SELECT tree FROM run WHERE id = ?) AND ${condition} ORDER BY span.run, span.seq LIMIT 1000`,
      row,
      value,
    );
    return rows.map((one) => wholeSpan(treeSpanOf(one), one, textOf(one, "trace_id"), textOf(one, "run_id")));
  }

  #read(told: (progress: TraceProgress) => void, signal?: AbortSignal): Promise<TraceProgress> {
    const until = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    const reading = this.#reading.then(() => this.#current().indexer.catchUp(told, until));
    this.#reading = reading.catch(() => {});
    return reading;
  }

  /** One process follows at a time; when it ends, the kernel lets its lock go and another goes on. */
  async #follow(signal: AbortSignal): Promise<void> {
    const failed = this.#options.onFailure ?? warn;
    while (!signal.aborted) {
      const lock = this.#lock(failed);
      if (lock === null) {
        await sleep(this.#clock, limits.traceRetryMs, signal).catch(() => {});
        continue;
      }
      try {
        await this.#current().indexer.follow(signal, failed, () => this.#read(() => {}, signal));
      } finally {
        lock.release();
      }
    }
  }

  #lock(failed: (error: unknown) => void): { release(): void } | null {
    try {
      return tryLock(`${this.#options.path}.lock`);
    } catch (error) {
      failed(error);
      return null;
    }
  }

  /** Row of a run that is up to date, and with it the open runs of its tree. @throws RUN_UNKNOWN, RUN_DELETED */
  async #brought(ref: RunRef): Promise<number> {
    const { db, indexer } = this.#current();
    await indexer.bring(ref);
    const row = db.get("SELECT id, tree FROM run WHERE tenant = ? AND run_id = ?", ref.tenant, ref.runId);
    if (row === undefined)
      throw new PawlError("JOURNAL_CORRUPT", `the journal of run "${ref.runId}" was refused. Run "pawl verify".`);
    const others = db.all(
      `SELECT run_id FROM run WHERE tree = ? AND run_id <> ? AND ended_at IS NULL ORDER BY id DESC LIMIT ${OPEN_RUNS_BROUGHT}`,
      numberOf(row, "tree"),
      ref.runId,
    );
    for (const other of others) {
      await indexer.bring({ tenant: ref.tenant, runId: textOf(other, "run_id") }).catch(ignoreGone);
    }
    return numberOf(row, "id");
  }

  /** Roots of the runs that have the words, as far as a bounded search finds them. */
  async #rootsWith(tenant: string, filter: TraceFilter) {
    const roots: string[] = [];
    let cursor: string | null = null;
    let partial = false;
    for (let page = 0; page < SEARCHED_PAGES; page++) {
      const found: TracePage = await this.list(tenant, { ...filter, children: false }, cursor, limits.tracePage);
      roots.push(...found.items.map(({ runId }) => runId));
      partial ||= found.partial === true;
      cursor = found.cursor;
      if (cursor === null) break;
      await this.#clock.drain();
    }
    return { roots, partial: partial || cursor !== null };
  }

  async #behind(db: Database): Promise<number> {
    let behind = 0;
    for (const ref of await this.#options.store.dirty(BEHIND_COUNTED)) {
      const head = await this.#options.store.readHead(ref).catch(() => null);
      const seq = db.count("SELECT seq FROM run WHERE tenant = ? AND run_id = ?", ref.tenant, ref.runId);
      if (head !== null && seq < head.seq) behind++;
    }
    return behind;
  }
}

function ignoreGone(error: unknown): void {
  if (!PawlError.is(error, "RUN_UNKNOWN") && !PawlError.is(error, "RUN_DELETED")) throw error;
}

function warn(error: unknown): void {
  process.emitWarning(`the trace index: ${String(error)}`, "PawlWarning");
}
