import { isDeepStrictEqual } from "node:util";
import { leftOf } from "../../core/budget.ts";
import { PawlError } from "../../core/errors.ts";
import { defaultTenant, type RunRef } from "../../core/id.ts";
import { decodeBatch, decodeBatches } from "../../core/journal-codec.ts";
import { writersOf } from "../../core/event-writers.ts";
import { isOwner, type Batch, type JournalEvent } from "../../core/journal-event.ts";
import { errorText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import { hasOutbox, nextHead, type RunHead } from "../../core/run-head.ts";
import { isEnd } from "../../core/run-outcome.ts";
import { firstState, foldBatch } from "../../core/run-fold.ts";
import type { RunState } from "../../core/run-state.ts";
import type { Append, AppendResult, CreateResult, Page, Store } from "../../core/store-contract.ts";
import { loadRun } from "../../engine/load-run.ts";
import type { ReviewEntry } from "../../engine/review-queue.ts";
import { asksOf } from "../../stores/contract-rules.ts";
import { BillHistory } from "./bill-history.ts";
import { RunHistory } from "./call-history.ts";
import { markOf, placeOf } from "./place.ts";
import type { StoreWitness } from "./faulty-store.ts";
import type { SimProcess } from "./schedule.ts";

/** More than a seed makes of anything. */
const EVERYTHING = 10_000;

/** One run as the simulator knows it, from what the store acknowledged. */
export interface AuditedRun {
  readonly ref: RunRef;
  head: RunHead;
  state: RunState;
  /** Process of the claim in force. */
  owner: SimProcess | null;
  readonly history: RunHistory;
  readonly bills: BillHistory;
  readonly lines: string[];
  readonly batchIds: Set<string>;
  readonly messageIds: Set<string>;
  readonly events: { readonly seq: number; readonly event: JournalEvent }[];
}

/**
 * Watches what the store acknowledges and says which claim a simulation broke first. It trusts no part of the engine but
 * the pure fold, whose sums it compares with its own reading of the events.
 */
export class Audit implements StoreWitness {
  /** By `placeOf`. */
  readonly runs: Map<string, AuditedRun> = new Map();
  readonly #tenants: readonly string[];
  readonly #store: Store;
  readonly #sessions = new Map<string, SimProcess>();
  #listener: (run: AuditedRun, event: JournalEvent) => void = () => undefined;
  #failure: string | null = null;

  constructor(store: Store, tenants: readonly string[]) {
    this.#store = store;
    this.#tenants = tenants;
  }

  /** The first broken claim, with where; null while all hold. */
  get failure(): string | null {
    return this.#failure;
  }

  fail(claim: string): void {
    this.#failure ??= claim;
  }

  /** Tells of every event that was acknowledged. */
  listen(listener: (run: AuditedRun, event: JournalEvent) => void): void {
    this.#listener = listener;
  }

  run(ref: RunRef): AuditedRun | undefined {
    return this.runs.get(placeOf(ref));
  }

  ofTenant(tenant: string): readonly AuditedRun[] {
    return [...this.runs.values()].filter(({ ref }) => ref.tenant === tenant);
  }

  /** Nothing of another tenant is in what one tenant sees. */
  checkOwn(tenant: string, what: string, seen: string): void {
    const others = this.#tenants.filter((one) => one !== tenant && one !== defaultTenant);
    const other = others.find((one) => seen.includes(markOf(one)));
    if (other !== undefined) this.fail(`${what}: a tenant sees nothing of another (${other}'s: ${seen.slice(0, 300)})`);
  }

  refs(): readonly RunRef[] {
    return [...this.runs.values()].map(({ ref }) => ref);
  }

  ownerOf(session: string): SimProcess | undefined {
    return this.#sessions.get(session);
  }

  openedSession(process: SimProcess, id: string): void {
    const other = this.#sessions.get(id);
    if (other !== undefined && other !== process) this.fail(`two processes opened the session ${id}`);
    this.#sessions.set(id, process);
  }

  // ---- what the store did

  async created(_by: SimProcess, ref: RunRef, head: RunHead, line: string, result: CreateResult): Promise<void> {
    if (result.type !== "created") return;
    if (this.run(ref) !== undefined) this.fail(`${placeOf(ref)}: a run is created once`);
    const { batch, hash } = decodeBatch(line);
    const run: AuditedRun = {
      ref,
      head,
      state: firstState(batch, hash),
      owner: null,
      history: new RunHistory(),
      bills: new BillHistory(),
      lines: [line],
      batchIds: new Set([batch.id]),
      messageIds: new Set(isOwner(batch.by) ? [] : [batch.by.messageId]),
      events: [],
    };
    this.runs.set(placeOf(ref), run);
    this.checkOwn(ref.tenant, placeOf(ref), line);
    this.#readEvents(run, batch);
  }

  async appended(by: SimProcess, ref: RunRef, append: Append, result: AppendResult): Promise<void> {
    const run = this.run(ref);
    if (run === undefined) return this.fail(`${placeOf(ref)}: nothing is appended to a run that was not created`);
    const where = `${placeOf(ref)} seq ${append.batch.firstSeq} by ${by.name}`;
    if (result.type === "mine" && !run.batchIds.has(append.batch.id)) this.fail(`${where}: "mine" is true`);
    if (result.type !== "ok") return;
    const { batch, hash } = decodeBatch(append.batch.line);
    const broken =
      chainBreach(run, batch, append) ??
      (isOwner(batch.by) ? this.#ownerBreach(run, by, batch) : outsideBreach(run, batch)) ??
      (await this.#claimBreach(run, by, batch)) ??
      this.#threadBreach(run, batch);
    if (broken !== null) this.fail(`${where}: ${broken}`);
    const head = nextHead({ ...run.head, marks: append.head.marks }, ref, append.batch, batch);
    if (!isDeepStrictEqual(plain(head), plain(append.head)))
      this.fail(`${where}: a writer's head is the fold of all batches`);
    this.checkOwn(ref.tenant, where, append.batch.line);
    this.#take(run, by, batch, { hash, line: append.batch.line });
    run.head = (await this.#store.readHead(ref)) ?? head;
    if (!isDeepStrictEqual(plain({ ...head, marks: run.head.marks }), plain(run.head)))
      this.fail(`${where}: the stored head is the fold of all batches`);
    const over = budgetBreach(run);
    if (over !== null) this.fail(`${where}: ${over}`);
  }

  async marked(ref: RunRef): Promise<void> {
    const run = this.run(ref);
    const head = await this.#store.readHead(ref);
    if (run === undefined || head === null) return;
    if (head.marks.outboxAckedSeq < run.head.marks.outboxAckedSeq) this.fail(`${placeOf(ref)}: marks only rise`);
    run.head = head;
  }

  #take(
    run: AuditedRun,
    by: SimProcess,
    batch: Batch,
    encoded: { readonly hash: string; readonly line: string },
  ): void {
    run.state = foldBatch(run.state, batch, encoded.hash);
    run.lines.push(encoded.line);
    run.batchIds.add(batch.id);
    if (!isOwner(batch.by)) run.messageIds.add(batch.by.messageId);
    if (batch.events.some((event) => event.type === "run.claimed")) run.owner = by;
    this.#readEvents(run, batch);
  }

  #readEvents(run: AuditedRun, batch: Batch): void {
    for (const [i, event] of batch.events.entries()) {
      const seq = batch.firstSeq + i;
      run.events.push({ seq, event });
      const broken =
        run.history.read(event) ?? run.bills.read(event) ?? this.#childBreach(run, event) ?? blockBreach(run, event);
      if (broken !== null) this.fail(`${placeOf(run.ref)} seq ${seq}: ${broken}`);
      this.#listener(run, event);
    }
  }

  #childBreach(run: AuditedRun, event: JournalEvent): string | null {
    if (event.type !== "child.ended") return null;
    const child = this.run({ ...run.ref, runId: event.childRunId })?.state.ended;
    if (child === undefined || child === null) return `a child's end is told after it (${event.childRunId})`;
    if (child.status !== event.status || !isDeepStrictEqual(plain(child.valueRef), plain(event.valueRef)))
      return `a child's end is told as it was (${event.childRunId})`;
    return null;
  }

  #ownerBreach(run: AuditedRun, by: SimProcess, batch: Batch): string | null {
    if (!isOwner(batch.by)) return null;
    const claim = batch.events.find((event) => event.type === "run.claimed");
    const fence = run.head.fence + (claim === undefined ? 0 : 1);
    if (batch.by.fence !== fence) return `an owner appends in the fence in force (${batch.by.fence}, not ${fence})`;
    if (claim === undefined && run.owner !== by) return "only the process that claimed the run appends in its fence";
    if (claim === undefined && run.head.session === null) return "nobody appends as owner after the run was given back";
    if (claim !== undefined && this.#sessions.get(claim.session) !== by)
      return "a claim is made with one's own session";
    const foreign = batch.events.find((event) => writersOf(event.type) === "outside");
    return foreign === undefined ? null : `an owner does not write ${foreign.type}`;
  }

  async #claimBreach(run: AuditedRun, by: SimProcess, batch: Batch): Promise<string | null> {
    const claim = batch.events.find((event) => event.type === "run.claimed");
    if (claim === undefined) return null;
    const { session, dueAt, attempts } = run.head;
    const isBlocked = batch.events.some((event) => event.type === "run.blocked");
    if (session !== null && attempts >= limits.poisonBlocked && !isBlocked)
      return `a run that killed ${attempts} workers is blocked`;
    if (session === null) return dueAt === null ? "only a run that is due is claimed" : null;
    if (this.#sessions.get(session) === by) return null;
    const info = await this.#store.session(session);
    return info === null || info.dead ? null : "a run is taken only from a session that was declared dead";
  }

  #threadBreach(run: AuditedRun, batch: Batch): string | null {
    const { threadId, parent, cancelRequested } = run.head;
    if (threadId === null || parent !== null || batch.events[0]?.type !== "run.claimed") return null;
    // one that was cancelled while it waited is claimed to be ended, and does nothing else
    if (!isAdmitted(run)) return cancelRequested ? null : "a run of a thread waits until it is let go";
    const other = this.ofTenant(run.ref.tenant).find(
      (one) => one !== run && one.head.threadId === threadId && one.head.parent === null && isActive(one),
    );
    return other === undefined ? null : `a thread has one active run (${other.ref.runId} is)`;
  }

  /** The review queue of a tenant, read between two requests, is what its runs ask. */
  checkReview(tenant: string, { items, cursor }: Page<ReviewEntry>): void {
    this.checkOwn(tenant, "review queue", JSON.stringify(items));
    const asked = this.ofTenant(tenant).flatMap(({ head }) => asksOf(head).map(({ runId, seq }) => `${runId} ${seq}`));
    const seen = items.map(({ runId, seq }) => `${runId} ${seq}`);
    if (cursor === null && seen.toSorted().join() !== asked.toSorted().join())
      this.fail(`a review queue has what the runs of its tenant ask (${tenant}: ${seen.join()}, not ${asked.join()})`);
  }

  // ---- at the end of a simulation

  /** The indexes of a tenant name its own runs, and its threads what was said in them. */
  async checkIndex(tenant: string): Promise<void> {
    const own = this.ofTenant(tenant).map(({ ref }) => ref.runId);
    const { items } = await this.#store.list(tenant, { children: true }, null, EVERYTHING);
    if (
      items
        .map(({ runId }) => runId)
        .toSorted()
        .join() !== own.toSorted().join()
    )
      this.fail(`a list has the runs of its tenant (${tenant}: ${items.length}, not ${own.length})`);
    const records = await this.#store.listRecords(tenant, "", null, EVERYTHING);
    this.checkOwn(tenant, "records", JSON.stringify(records.items));
  }

  /** Runs that have not ended, or whose end is not yet told to all whom it concerns. */
  unfinished(): readonly AuditedRun[] {
    return [...this.runs.values()].filter(({ head }) => !isEnd(head.status) || hasDuties(head));
  }

  /** A run whose end is told has settled every reservation that its journal names. */
  async checkSettled(): Promise<void> {
    for (const { ref, events } of this.runs.values()) {
      const open = await this.#store.openReservationsOf(ref.tenant, ref.runId);
      const named = new Set(events.map(({ event }) => ("reservationId" in event ? event.reservationId : undefined)));
      const forgotten = open.find(({ id }) => named.has(id));
      if (forgotten !== undefined)
        this.fail(`${placeOf(ref)}: an ended run has settled what it reserved (${forgotten.id})`);
    }
  }

  /** Everything that must hold once all runs ended: journals read back whole, folds equal however they are made. */
  async checkJournals(): Promise<void> {
    for (const run of this.runs.values()) {
      try {
        await this.#checkJournal(run);
      } catch (error) {
        this.fail(`${placeOf(run.ref)}: its journal reads back (${errorText(error, 300)})`);
      }
    }
  }

  async #checkJournal(run: AuditedRun): Promise<void> {
    const runId = placeOf(run.ref);
    const lines = await this.#store.readEvents(run.ref, 0, limits.readBytes);
    if (!isDeepStrictEqual(lines, run.lines)) this.fail(`${runId}: every acknowledged append is in the journal, once`);
    decodeBatches(lines, { seq: 0, hash: "" });
    const loaded = await loadRun(this.#store, run.ref);
    if (loaded === null) throw new PawlError("RUN_UNKNOWN", "the run is gone");
    if (!isDeepStrictEqual(plain(loaded.state), plain(run.state)))
      this.fail(
        `${runId}: the fold by snapshot equals the fold from the start (${differenceOf(loaded.state, run.state)})`,
      );
    if (!isDeepStrictEqual(plain(loaded.state.totals), plain(run.head.totals)))
      this.fail(`${runId}: head and state have the same totals`);
    const children = new Set(run.events.flatMap(({ event }) => (event.type === "child.called" ? event.callId : [])));
    const leftBehind = Object.keys(run.state.reserved).find((callId) => !children.has(callId));
    if (leftBehind !== undefined) this.fail(`${runId}: an ended run holds nothing of its budget (${leftBehind})`);
    if (run.head.session !== null) this.fail(`${runId}: an ended run belongs to no session`);
  }
}

/** Never held by its thread, or let go. */
function isAdmitted({ state, events }: AuditedRun): boolean {
  const isHeld = state.started.heldByThread === true;
  return !isHeld || events.some(({ event }) => event.type === "run.resumed" && event.contextRefs !== undefined);
}

function isActive(run: AuditedRun): boolean {
  return isAdmitted(run) && run.head.fence > 0 && !isEnd(run.head.status);
}

/** Duties to others; a cancel without children is none. */
function hasDuties(head: RunHead): boolean {
  const concerns = head.parent !== null || head.threadId !== null || head.onLedger || head.hasChildren;
  return hasOutbox(head) && concerns;
}

/** Only what kills workers again and again is blocked; nothing else of a simulation gives a reason. */
function blockBreach(run: AuditedRun, event: JournalEvent): string | null {
  if (event.type !== "run.blocked") return null;
  if (event.code === "POISONED" && run.head.attempts >= limits.poisonBlocked) return null;
  return `nothing blocks a run but the death of its workers (${event.code}: ${event.detail})`;
}

function chainBreach(run: AuditedRun, batch: Batch, append: Append): string | null {
  if (batch.firstSeq !== run.head.seq + 1) return "journal positions are dense";
  if (batch.prevHash !== run.head.lastHash) return "each batch links to the one before";
  if (run.batchIds.has(append.batch.id)) return "a batch is in the journal once";
  return null;
}

function outsideBreach(run: AuditedRun, batch: Batch): string | null {
  if (isOwner(batch.by)) return null;
  if (run.messageIds.has(batch.by.messageId)) return `a message is taken once (${batch.by.messageId})`;
  const isCopy = run.state.started.forkedFrom !== undefined && batch.by.messageId.startsWith("fork:");
  const foreign = isCopy ? undefined : batch.events.find((event) => writersOf(event.type) === "owner");
  return foreign === undefined ? null : `an outside writer does not write ${foreign.type}`;
}

/** Spent and reserved never pass a cap, but for stated overruns. */
function budgetBreach(run: AuditedRun): string | null {
  const isExcused = run.events.some(({ event }) => event.type === "budget.overrun");
  if (isExcused) return null;
  const left = leftOf(run.state.caps, run.state.totals, Object.values(run.state.reserved));
  const ownReading = leftOf(run.state.caps, run.state.totals, [
    { tokens: run.bills.reservedTokens, costNanoUsd: 0, calls: 0 },
  ]).tokens;
  const readings: readonly (readonly [string, number | null])[] = [...Object.entries(left), ["tokens", ownReading]];
  const over = readings.find(([, amount]) => amount !== null && amount < 0);
  return over === undefined ? null : `spent and reserved stay within the budget (${over[0]}: ${over[1]} left)`;
}

/** What a store gives back of a value: no members that are undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

function differenceOf(a: object, b: object): string {
  const keys = Object.keys({ ...a, ...b });
  return keys
    .filter((key) => !isDeepStrictEqual(plain([Reflect.get(a, key)]), plain([Reflect.get(b, key)])))
    .join(", ");
}
