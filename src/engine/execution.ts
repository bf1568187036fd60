import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import { errorText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Runnable } from "../core/runnable.ts";
import { runChannel } from "../core/store-contract.ts";
import { blockByHead, blockedEvent } from "./block-run.ts";
import { CallRunner } from "./call-runner.ts";
import { commit, type Item } from "./commit.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import { Draft } from "./draft.ts";
import { endCancelled, failedEnd } from "./endings.ts";
import { forkMemoryOf } from "./fork.ts";
import type { OwnedJournal } from "./journal.ts";
import { noteBudgetWait } from "./budget-waits.ts";
import { flushOutbox } from "./outbox.ts";
import { runHintOf } from "./run-hints.ts";
import { tryPark } from "./park.ts";
import { isPassing, patiently } from "./patience.ts";
import type { Now } from "./moves.ts";
import { settleKnown } from "./shared-reserve.ts";
import { isSnapshotDue, storeSnapshot } from "./snapshot.ts";
import { TaskGuard } from "./task-guard.ts";
import { TreeUnknowns } from "./tree-unknowns.ts";
import { TurnDriver } from "./turn-driver.ts";
import { Values } from "./values.ts";

export type ExecutionEnd = "parked" | "ended" | "blocked" | "released" | "lost";

/** One claim of one run: executes turns until the run parks, ends, is blocked, released or lost. */
export class Execution {
  readonly #deps: EngineDeps;
  readonly #right: OwnerRight;
  readonly #journal: OwnedJournal;
  readonly #runnable: Runnable;
  readonly #values: Values;
  readonly #runner: CallRunner;
  readonly #abort = new AbortController();
  /** Ledger reservations that were settled and are not yet recorded as such. */
  readonly #settled: string[] = [];
  readonly #unknowns: TreeUnknowns;
  #release: string | null = null;
  #wakeUp: () => void = () => undefined;
  #isAwake = false;
  /** Somebody appended what this execution has not read. */
  #isHinted = false;
  #lookedMs = -Infinity;
  #foreignSinceMs: number | null = null;
  #failure: Error | null = null;

  constructor(deps: EngineDeps, right: OwnerRight, journal: OwnedJournal, runnable: Runnable) {
    this.#deps = deps;
    this.#right = right;
    this.#journal = journal;
    this.#runnable = runnable;
    this.#values = new Values(deps, journal.ref, journal.head.blobScope, (operation) =>
      patiently(deps, right.dead, operation),
    );
    this.#unknowns = new TreeUnknowns({ deps, ref: journal.ref, right });
    const { signal } = this.#abort;
    this.#runner = new CallRunner({
      deps,
      right,
      journal,
      values: this.#values,
      signal,
      blamed: this,
      wake: () => this.#wake(),
    });
  }

  get ref(): RunRef {
    return this.#journal.ref;
  }

  /** Gives the run back at the next safe point, for a shutdown. */
  release(reason: string): void {
    this.#release = reason;
    this.#wake();
  }

  /** Blocks the run: its code threw where nothing could catch it. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new PawlError("UNCAUGHT", errorText(error));
    this.#wake();
  }

  async run(): Promise<ExecutionEnd> {
    const stopHints = this.#deps.store.subscribe(runChannel(this.ref), (message) => this.#hint(message));
    const onDead = (): void => this.#wake();
    this.#right.dead.addEventListener("abort", onDead, { once: true });
    let driver: TurnDriver | null = null;
    try {
      driver = await this.#makeDriver();
      return await this.#execute(driver);
    } catch (error) {
      return await this.#blocked(error);
    } finally {
      stopHints();
      this.#right.dead.removeEventListener("abort", onDead);
      driver?.drop();
      this.#abort.abort(new PawlError("CONTEXT_REVOKED", `run "${this.ref.runId}" is no longer executed here.`));
    }
  }

  async #makeDriver(): Promise<TurnDriver> {
    const { started } = this.#journal.state;
    const { pins, inputRef } = started;
    const definition = pins.agent === undefined ? null : await this.#values.read(pins.agent);
    return new TurnDriver({
      deps: this.#deps,
      right: this.#right,
      journal: this.#journal,
      runnable: this.#runnable,
      values: this.#values,
      runner: this.#runner,
      signal: this.#abort.signal,
      blamed: this,
      input: await this.#values.read(inputRef),
      definition,
      guard: new TaskGuard(
        { deps: this.#deps, ref: this.ref, values: this.#values, dead: this.#right.dead },
        definition,
      ),
      unknowns: this.#unknowns,
      fork: await patiently(this.#deps, this.#right.dead, () => forkMemoryOf(this.#deps, this.ref.tenant, started)),
      wake: () => this.#wake(),
      mustPause: (draft) => this.#mustPause(draft),
    });
  }

  async #execute(driver: TurnDriver): Promise<ExecutionEnd> {
    await this.#outbox();
    const { state } = this.#journal;
    await this.#unknowns.tell(state);
    if (state.cancel === null && state.failRequested) return this.#endFailed();
    if (state.cancel === null && state.log.length > 0) await driver.resume(state);
    return this.#loop(driver);
  }

  /** Deliver, drain, append, start; then wait or park. */
  async #loop(driver: TurnDriver): Promise<ExecutionEnd> {
    const { queue } = this.#runner;
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#right.dead.aborted) return "lost";
      const { state } = this.#journal;
      if (state.cancel !== null) return this.#cancel(driver);
      if (!driver.hasTurn && !state.paused && this.#release === null) await driver.resume(state);
      const draft = new Draft(state, this.#deps.clock.nowMs(), this.#journal.fence, this.#values.cleaner);
      const news = queue.splice(0);
      // one moment for what is due and for what a park waits for: a time that passes in between is not lost
      const now = this.#runner.now();
      const items = [...news, ...this.#runner.ready(state, news, now)];
      if (this.#release === null) {
        await driver.advance(draft, items);
        items.push(...(await this.#doneEarly(driver, draft)));
      } else driver.record(draft, items);
      if (draft.count > 0) {
        const settled = this.#settledItem(draft);
        const wasCut = await commit(this.#journal, { draft, items: [...items, settled], turnCut: driver.turnCut });
        this.#runner.settleEarly();
        if (wasCut) driver.drop();
        if (this.#journal.state.ended !== null) return this.#ended();
        await this.#afterCommit(driver);
        continue;
      }
      // nothing of them was left to write: they hear that at once
      for (const item of items) item.ack?.(true);
      if (queue.length > 0) continue;
      this.#runner.startDue(driver.live, this.#release !== null);
      const parked = await this.#parkOrWait(driver, now);
      if (parked !== null) return parked;
    }
  }

  /** Pure tools that a draft calls are started before it is written; what they return at once becomes part of it. */
  async #doneEarly(driver: TurnDriver, draft: Draft): Promise<readonly Item[]> {
    if (driver.turnCut > 0 || draft.count === 0 || !this.#runner.startEarly(draft.state, driver.live)) return [];
    await this.#deps.clock.drain();
    const done = this.#runner.queue.splice(0);
    if (done.length > 0) await driver.advance(draft, done);
    return done;
  }

  #mustPause(draft: Draft): boolean {
    const { state } = draft;
    return (
      state.paused ||
      this.#release !== null ||
      draft.count > limits.batchEvents / 2 ||
      isSnapshotDue(this.#deps, this.#journal.head, state.seq)
    );
  }

  async #afterCommit(driver: TurnDriver): Promise<void> {
    await this.#outbox();
    const { state } = this.#journal;
    await this.#unknowns.tell(state);
    this.#settled.push(...(await settleKnown({ deps: this.#deps, ref: this.ref, right: this.#right }, state)));
    if (!driver.hasTurn && state.cancel === null)
      await patiently(this.#deps, this.#right.dead, () => storeSnapshot(this.#deps, this.#journal));
  }

  /** Rides in a batch that is written anyway; nothing waits for it. */
  #settledItem(draft: Draft): Item {
    const ids = this.#settled.splice(0).filter((id) => draft.state.unsettled[id] !== undefined);
    const isWritten = ids.length > 0 && draft.state.ended === null;
    const events: readonly JournalEvent[] = isWritten ? [{ type: "budget.settled", ids }] : [];
    draft.push(events);
    return { events, fact: null, isOutcome: true };
  }

  // ---- waiting and ending

  async #parkOrWait(driver: TurnDriver, now: Now): Promise<ExecutionEnd | null> {
    const { state } = this.#journal;
    const moves = this.#runner.moves(state, now).map(({ move }) => move);
    const holds = [...driver.held, ...this.#runner.holds];
    // a body that is done may have left calls behind that wait for a person: its run parks like any other
    const isIdle = this.#runner.isIdle && (!driver.mayEnd(state) || this.#release !== null);
    const isForeign = isIdle && driver.hasTurn && moves.length === 0 && holds.length === 0;
    this.#foreignSinceMs = isForeign ? (this.#foreignSinceMs ?? this.#deps.clock.nowMs()) : null;
    const outcome = await tryPark({
      journal: this.#journal,
      clock: this.#deps.clock,
      values: this.#values,
      moves,
      holds,
      isIdle,
      isBetweenTurns: !driver.hasTurn,
      release: this.#release,
      foreignSinceMs: this.#foreignSinceMs,
      bestAnswer: () => this.#runnable.bestAnswer(this.#journal.state),
      flushOutbox: () => this.#outbox(),
      noteBudgetWait: (refusals) => noteBudgetWait(this.#deps, this.#journal.ref, refusals),
      wait: (untilMs) => this.#wait(driver, untilMs),
    });
    return outcome === "ended" ? this.#ended() : outcome;
  }

  /** Waits for news, at most until `untilMs`. Looks at the journal's tail when it was told to, and now and then: hints may be lost. */
  async #wait(driver: TurnDriver, untilMs: number | null): Promise<void> {
    if (!this.#isAwake) {
      const maxMs = Math.min(
        limits.pollMs * 2,
        untilMs === null ? Infinity : Math.max(0, untilMs - this.#deps.clock.nowMs()),
      );
      await new Promise<void>((resolve) => {
        const cancel = this.#deps.clock.setTimer(maxMs, resolve);
        this.#wakeUp = () => {
          cancel();
          resolve();
        };
      });
      this.#wakeUp = () => undefined;
    }
    this.#isAwake = false;
    if (this.#runner.queue.length > 0 || this.#right.dead.aborted) return;
    const nowMs = this.#deps.clock.monotonicMs();
    if (!this.#isHinted && nowMs - this.#lookedMs < limits.pollMs * 2) return;
    this.#isHinted = false;
    this.#lookedMs = nowMs;
    // a body that was given an older state, and of which nothing is recorded yet, begins again with the news
    if ((await this.#journal.catchUp()) && this.#journal.state.log.length === 0) driver.drop();
  }

  /** Only what others appended is news: this run's own appends and live deltas are not. */
  #hint(message: string): void {
    const hint = runHintOf(message);
    if (hint === null || hint.seq <= this.#journal.state.seq) return;
    this.#isHinted = true;
    this.#wake();
  }

  #wake(): void {
    this.#isAwake = true;
    this.#wakeUp();
  }

  async #outbox(): Promise<void> {
    const { head } = this.#journal;
    if (head.outboxSeq <= head.marks.outboxAckedSeq) return;
    try {
      this.#journal.raiseOutboxAcked(await flushOutbox(this.#deps, head));
    } catch (error) {
      // duties stay in the journal: a park waits for them, and the sweep does them for an ended run
      if (!isPassing(error)) throw error;
    }
  }

  async #ended(): Promise<ExecutionEnd> {
    await this.#outbox();
    return "ended";
  }

  async #cancel(driver: TurnDriver): Promise<ExecutionEnd> {
    driver.drop();
    this.#abort.abort(new PawlError("CANCELLED", this.#journal.state.cancel ?? "cancelled"));
    const outcomes = await this.#runner.close();
    const draft = new Draft(this.#journal.state, this.#deps.clock.nowMs(), this.#journal.fence, this.#values.cleaner);
    for (const item of outcomes) draft.push(item.events);
    await endCancelled(draft, this.#values);
    const items = [{ events: draft.groups.flat(), fact: null, isOutcome: true }];
    await commit(this.#journal, { draft, items, turnCut: 0 });
    return this.#ended();
  }

  /** A person ended a blocked run. */
  async #endFailed(): Promise<ExecutionEnd> {
    const error = new PawlError("POISONED", `run "${this.ref.runId}" was blocked, and a person chose to end it.`);
    const end = await failedEnd(this.#journal.state, error, this.#values);
    await this.#journal.append([end], this.#deps.clock.nowMs(), () => [end]);
    return this.#ended();
  }

  async #blocked(error: unknown): Promise<ExecutionEnd> {
    if (PawlError.is(error, "OWNER_LOST") || isPassing(error)) return "lost";
    if (PawlError.is(error, "JOURNAL_REGRESSED")) {
      await blockByHead(this.#deps, this.ref, error);
      return "blocked";
    }
    const event = blockedEvent(error);
    this.#abort.abort(error);
    try {
      await this.#journal.append([event], this.#deps.clock.nowMs(), () => [event]);
      return "blocked";
    } catch (failure) {
      if (PawlError.is(failure, "OWNER_LOST") || isPassing(failure)) return "lost";
      throw failure;
    }
  }
}
