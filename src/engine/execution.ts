import type { BudgetRefusal } from "../core/budget.ts";
import { PawlError, errorRecord } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import { errorText, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Runnable, TurnResult } from "../core/runnable.ts";
import type { CallState, RunState } from "../core/run-state.ts";
import { runChannel } from "../core/store-contract.ts";
import { blameOn } from "./blame.ts";
import { commit, isOutcome, type Item } from "./commit.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import type { Desk } from "./desk.ts";
import { Draft } from "./draft.ts";
import { deliveryOf } from "./facts.ts";
import { cancelledEnd, failedEnd, turnEndEvents } from "./endings.ts";
import { openCall, type ModelStart, type Opening } from "./intents.ts";
import type { OwnedJournal } from "./journal.ts";
import { moveOf, type Move } from "./moves.ts";
import { flushOutbox } from "./outbox.ts";
import { tryPark } from "./park.ts";
import { reconcileTool, refuseTool, resolvedTool, runTool } from "./run-tool.ts";
import { isPassing, patiently } from "./patience.ts";
import { replayTurn } from "./replay.ts";
import { resumeLostModel, resumeModel, runModel } from "./run-model.ts";
import { resolvedStep, runStep } from "./run-step.ts";
import { reserveShared, settleKnown, withReservation, type SharedReservation } from "./shared-reserve.ts";
import { storeSnapshot } from "./snapshot.ts";
import { TurnScope, type LiveCall } from "./turn-scope.ts";
import { Values } from "./values.ts";

export type ExecutionEnd = "parked" | "ended" | "blocked" | "released" | "lost";

const oneCall = { tokens: 0, costNanoUsd: 0, calls: 1 };

interface Turn {
  readonly scope: TurnScope;
  /** Calls whose promise the body may still hold. */
  readonly live: Map<string, LiveCall>;
  /** Requests that do not fit the budget, not yet recorded. */
  readonly held: Map<string, LiveCall>;
  result: { readonly ok: true; readonly value: TurnResult } | { readonly ok: false; readonly error: unknown } | null;
}

/** One claim of one run: executes turns until the run parks, ends, is blocked, released or lost. */
export class Execution {
  readonly #deps: EngineDeps;
  readonly #right: OwnerRight;
  readonly #journal: OwnedJournal;
  readonly #runnable: Runnable;
  readonly #values: Values;
  readonly #abort = new AbortController();
  readonly #queue: Item[] = [];
  readonly #running = new Map<string, Promise<void>>();
  readonly #models = new Map<string, ModelStart>();
  readonly #budgetHolds = new Map<string, BudgetRefusal>();
  #turn: Turn | null = null;
  #release: string | null = null;
  #input: JsonValue = null;
  #definition: JsonValue | null = null;
  #wakeUp: () => void = () => undefined;
  #isAwake = false;
  #isClosing = false;
  /** Ledger reservations that were settled and are not yet recorded as such. */
  readonly #settled: string[] = [];
  /** Groups of the draft up to its first end of a turn. */
  #turnCut = 0;
  #foreignSinceMs: number | null = null;
  #failure: Error | null = null;

  constructor(deps: EngineDeps, right: OwnerRight, journal: OwnedJournal, runnable: Runnable) {
    this.#deps = deps;
    this.#right = right;
    this.#journal = journal;
    this.#runnable = runnable;
    this.#values = new Values(deps.store, journal.ref, journal.head.blobScope, (operation) =>
      patiently(deps, right.dead, operation),
    );
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
    this.#failure = asError(error);
    this.#wake();
  }

  async run(): Promise<ExecutionEnd> {
    const stopHints = this.#deps.store.subscribe(runChannel(this.ref), () => this.#wake());
    const onDead = (): void => this.#wake();
    this.#right.dead.addEventListener("abort", onDead, { once: true });
    try {
      return await this.#execute();
    } catch (error) {
      return await this.#blocked(error);
    } finally {
      stopHints();
      this.#right.dead.removeEventListener("abort", onDead);
      this.#turn?.scope.revoke();
      this.#abort.abort(new PawlError("CONTEXT_REVOKED", `run "${this.ref.runId}" is no longer executed here.`));
    }
  }

  async #execute(): Promise<ExecutionEnd> {
    const { started } = this.#journal.state;
    this.#input = await this.#values.read(started.inputRef);
    this.#definition = started.pins.agent === undefined ? null : await this.#values.read(started.pins.agent);
    await this.#outbox();
    if (this.#journal.state.cancel !== null) return this.#cancel();
    if (this.#journal.state.failRequested) return this.#endFailed();
    const { state } = this.#journal;
    if (!state.paused || state.log.length > 0) await this.#beginTurn(state.turnBase ?? state);
    if (this.#turn !== null) await replayTurn(state, this.#turn, this.#values);
    return this.#loop();
  }

  // ---- the loop: deliver, drain, append, start

  async #loop(): Promise<ExecutionEnd> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#right.dead.aborted) return "lost";
      if (this.#journal.state.cancel !== null) return this.#cancel();
      const draft = new Draft(this.#journal.state, this.#deps.clock.nowMs(), this.#journal.fence);
      const items = this.#queue.splice(0);
      const acted = await this.#advance(draft, items);
      if (draft.count > 0) {
        await this.#commit(draft, acted);
        if (this.#journal.state.ended !== null) return this.#ended();
        await this.#afterCommit();
        continue;
      }
      if (this.#queue.length > 0) continue;
      this.#startMoves();
      const parked = await this.#parkOrWait();
      if (parked !== null) return parked;
    }
  }

  /** Delivers what came in, one fact at a time, and collects what the body then asks for. */
  async #advance(draft: Draft, items: readonly Item[]): Promise<readonly Item[]> {
    this.#turnCut = 0;
    const acted = [...items, ...this.#movesAsItems(draft, items)];
    await this.#collect(draft);
    for (const item of acted) {
      draft.push(item.events);
      if (item.fact !== null) await this.#deliver(draft, item.fact);
      await this.#collect(draft);
    }
    await this.#endTurns(draft);
    return draft.count > 0 && this.#settled.length > 0 ? [...acted, this.#settledItem(draft)] : acted;
  }

  /** Rides in a batch that is written anyway; nothing waits for it. */
  #settledItem(draft: Draft): Item {
    const ids = this.#settled.splice(0).filter((id) => draft.state.unsettled[id] !== undefined);
    const item: Item = {
      events: ids.length === 0 ? [] : [{ type: "budget.settled", ids }],
      fact: null,
      isOutcome: true,
    };
    if (draft.state.ended === null) draft.push(item.events);
    return item;
  }

  async #deliver(draft: Draft, callId: string): Promise<void> {
    const turn = this.#turn;
    const fact = draft.state.calls[callId]?.fact?.event;
    const call = turn?.live.get(callId);
    if (turn === null || fact === undefined || call === undefined) return;
    turn.live.delete(callId);
    const delivery = await deliveryOf(draft.state, fact, this.#values);
    turn.scope.factAt(draft.at);
    if (delivery.ok) call.settle(delivery.value);
    else call.fail(delivery.error);
  }

  /** Lets the body run and records what it asked for, until it asks for nothing more. */
  async #collect(draft: Draft): Promise<void> {
    const turn = this.#turn;
    if (turn === null) return;
    await turn.scope.drain();
    const asked = [...this.#retried(turn, draft.state), ...turn.scope.take()];
    for (const call of asked) await this.#open(turn, call, draft);
    for (const { callId } of asked) {
      if ((draft.state.calls[callId]?.fact ?? null) === null) continue;
      await this.#deliver(draft, callId);
      await this.#collect(draft);
    }
  }

  async #open(turn: Turn, call: LiveCall, draft: Draft): Promise<void> {
    const on = { deps: this.#deps, runId: this.ref.runId, state: draft.state, values: this.#values, at: draft.at };
    const opening = await openCall(call, on);
    if (opening.type === "held") {
      if (!turn.held.has(call.callId))
        draft.push([{ type: "budget.refused", callId: call.callId, ...opening.refusal }]);
      turn.held.set(call.callId, call);
      return;
    }
    const shared = await this.#reserveShared(call.callId, opening, draft.state);
    if (shared.type === "refused") {
      const { scope, left, needed } = shared;
      if (!turn.held.has(call.callId))
        draft.push([{ type: "budget.refused", callId: call.callId, scope, left, needed }]);
      turn.held.set(call.callId, call);
      return;
    }
    turn.held.delete(call.callId);
    draft.push(shared.type === "reserved" ? withReservation(opening.events, shared.id) : opening.events);
    if (call.request.kind !== "note") turn.live.set(call.callId, call);
    if (opening.model !== undefined) this.#models.set(call.callId, opening.model);
  }

  async #reserveShared(
    callId: string,
    opening: Opening & { readonly type: "recorded" },
    state: RunState,
  ): Promise<SharedReservation> {
    const [called] = opening.events;
    if (!opening.io || this.#deps.hooks.sharedScopes === undefined) return { type: "none" };
    const amount =
      called?.type === "model.called" ? called.reservation : called?.type === "tool.called" ? oneCall : null;
    if (amount === null) return { type: "none" };
    return reserveShared({ deps: this.#deps, ref: this.ref, right: this.#right }, state, callId, 1, amount);
  }

  /** Held requests, again, once the budget was raised. */
  #retried(turn: Turn, state: RunState): readonly LiveCall[] {
    if (turn.held.size === 0 || turn.scope.state.caps === state.caps) return [];
    return [...turn.held.values()];
  }

  /** Ends the turn when its body is done and nothing is open; goes on into the next turns of the same batch. */
  async #endTurns(draft: Draft): Promise<void> {
    for (
      let turn = this.#turn;
      turn !== null && turn.result !== null && this.#isQuiet(draft.state);
      turn = this.#turn
    ) {
      const { result } = turn;
      if (result.ok) draft.push(await turnEndEvents(result.value, draft.state, this.#values));
      else draft.push([await failedEnd(draft.state, result.error, this.#values)]);
      this.#dropTurn();
      if (draft.state.ended !== null || this.#mustStopAtBoundary(draft)) return;
      if (this.#turnCut === 0) this.#turnCut = draft.groups.length;
      await this.#beginTurn(draft.state);
      await this.#collect(draft);
    }
  }

  #mustStopAtBoundary(draft: Draft): boolean {
    const { state } = draft;
    const sinceSnapshot = state.seq - (this.#journal.head.marks.snapshot?.seq ?? 0);
    return (
      state.paused ||
      this.#release !== null ||
      draft.count > limits.batchEvents / 2 ||
      sinceSnapshot >= limits.snapshotEveryEvents
    );
  }

  /** Nothing is open but waits that the body left behind: a timer that lost a race ends with its turn. */
  #isQuiet(state: RunState): boolean {
    const open = Object.values(state.calls).filter((call) => call.fact === null);
    return (
      this.#queue.length === 0 &&
      open.every(
        (call) =>
          (call.kind === "wait" || call.kind === "ask" || call.kind === "child") && !this.#running.has(call.callId),
      )
    );
  }

  async #commit(draft: Draft, items: readonly Item[]): Promise<void> {
    const wasCut = await commit(this.#journal, { draft, items, turnCut: this.#turnCut });
    if (wasCut) this.#dropTurn();
  }

  /** The body saw an older state than the journal now has, and nothing of its turn is recorded: it begins again. */
  #dropTurn(): void {
    this.#turn?.scope.revoke();
    this.#turn = null;
  }

  async #afterCommit(): Promise<void> {
    await this.#outbox();
    this.#settled.push(
      ...(await settleKnown({ deps: this.#deps, ref: this.ref, right: this.#right }, this.#journal.state)),
    );
    if (this.#turn !== null || this.#journal.state.cancel !== null) return;
    await storeSnapshot(this.#deps, this.#journal);
    if (!this.#journal.state.paused && this.#release === null) await this.#beginTurn(this.#journal.state);
  }

  // ---- turns

  async #beginTurn(state: RunState): Promise<void> {
    const scope = new TurnScope({
      ref: this.ref,
      state,
      definition: this.#definition,
      input: this.#input,
      values: this.#values,
      registry: this.#deps.registry,
      clock: this.#deps.clock,
      signal: this.#abort.signal,
    });
    const turn: Turn = { scope, live: new Map(), held: new Map(), result: null };
    this.#turn = turn;
    const turnState = state.turnStateRef === null ? null : await this.#values.read(state.turnStateRef);
    const body = blameOn(this, () => Promise.resolve().then(() => this.#runnable.turn(scope, turnState)));
    void body.then(
      (value) => {
        turn.result = { ok: true, value };
        this.#wake();
      },
      (error: unknown) => {
        turn.result = { ok: false, error };
        this.#wake();
      },
    );
  }

  // ---- calls: what to do next for each that is open and not running

  #moves(state: RunState): readonly { readonly call: CallState; readonly move: Move }[] {
    const now = this.#deps.clock.nowMs();
    return Object.values(state.calls)
      .filter((call) => call.fact === null && !this.#running.has(call.callId) && !this.#budgetHolds.has(call.callId))
      .map((call) => ({ call, move: moveOf(state, call, now, this.#timeLimitOf(call)) }));
  }

  /** Outcomes that need no I/O: news from outside, time that passed. */
  #movesAsItems(draft: Draft, items: readonly Item[]): readonly Item[] {
    const concluded = new Set(items.map((item) => item.fact));
    return this.#moves(draft.state).flatMap(({ call, move }): readonly Item[] => {
      if (concluded.has(call.callId)) return [];
      if (move.type === "fact") return [{ events: move.events, fact: call.callId, isOutcome: true }];
      return move.type === "record" ? [{ events: move.events, fact: null, isOutcome: true }] : [];
    });
  }

  /** Starts I/O for calls that need it. Synchronous, with an empty queue: a call that just ended is not started again. */
  #startMoves(): void {
    if (this.#release !== null || this.#turn === null) return;
    this.#liftHolds();
    for (const { call, move } of this.#moves(this.#journal.state)) {
      if (move.type !== "wait" && move.type !== "fact" && move.type !== "record" && this.#hasRoom(call))
        this.#start(call, move);
    }
  }

  #start(call: CallState, move: Move): void {
    const request = this.#turn?.live.get(call.callId)?.request;
    if (request === undefined) return;
    const desk = this.#desk();
    const { callId } = call;
    const work = async (): Promise<void> => {
      if (request.kind === "model") {
        const first = this.#models.get(callId);
        this.#models.delete(callId);
        if (move.type === "charge-lost") await resumeLostModel(callId, request.spec, desk);
        else if (first === undefined) await resumeModel(callId, request.spec, desk);
        else await runModel(callId, request.spec, first, desk);
      } else if (request.kind === "tool") {
        if (move.type === "start") await runTool(callId, request.spec, move.attempt, desk);
        else if (move.type === "reconcile") await reconcileTool(callId, request.spec, desk);
        else if (move.type === "resolved") await resolvedTool(callId, request.spec, call, desk);
        else if (move.type === "refuse")
          await refuseTool(
            callId,
            request.spec,
            "APPROVAL_REJECTED",
            `Refused by ${move.decided.by}: ${move.decided.reason ?? "no reason given"}.`,
            desk,
          );
      } else if (request.kind === "step") {
        if (move.type === "start") await runStep(callId, request, move.attempt, desk);
        else if (move.type === "resolved") await resolvedStep(call, desk);
      }
    };
    const running = blameOn(this, work)
      .catch((error: unknown) => {
        this.#failure ??= asError(error);
      })
      .finally(() => {
        this.#running.delete(callId);
        this.#wake();
      });
    this.#running.set(callId, running);
  }

  #hasRoom(call: CallState): boolean {
    if (this.#running.size >= limits.callsInFlight) return false;
    if (call.intent.type !== "tool.called") return true;
    const { tool, version } = call.intent;
    const concurrency = this.#deps.registry.tool(tool, version)?.concurrency ?? limits.toolConcurrency;
    const same = [...this.#running.keys()].filter((id) => {
      const intent = this.#journal.state.calls[id]?.intent;
      return intent?.type === "tool.called" && intent.tool === tool;
    });
    return same.length < concurrency;
  }

  #timeLimitOf(call: CallState): number {
    if (call.intent.type !== "tool.called") return limits.toolTimeMs;
    return this.#deps.registry.tool(call.intent.tool, call.intent.version)?.timeLimitMs ?? limits.toolTimeMs;
  }

  #liftHolds(): void {
    if (this.#budgetHolds.size > 0 && this.#turn !== null && this.#turn.scope.state.caps !== this.#journal.state.caps)
      this.#budgetHolds.clear();
  }

  #desk(): Desk {
    const { ref, fence } = this.#journal;
    const push = (item: Item): void => {
      this.#queue.push(item);
      this.#wake();
    };
    return {
      deps: this.#deps,
      ref,
      fence,
      right: this.#right,
      values: this.#values,
      signal: this.#abort.signal,
      state: () => this.#journal.state,
      record: (events) =>
        new Promise((resolve) => {
          const isKept = isOutcome(events);
          if (!this.#isClosing || isKept) push({ events, fact: null, isOutcome: isKept, ack: resolve });
          if (this.#isClosing) resolve(false);
        }),
      fact: (callId, events) => push({ events, fact: callId, isOutcome: true }),
      hold: (callId, refusal) => {
        this.#budgetHolds.set(callId, refusal);
        push({ events: [{ type: "budget.refused", callId, ...refusal }], fact: null, isOutcome: false });
      },
      delta: (callId, attempt, i, part) =>
        this.#deps.store.publish(runChannel(ref), JSON.stringify({ callId, attempt, fence, i, part })),
    };
  }

  // ---- waiting and ending

  async #parkOrWait(): Promise<ExecutionEnd | null> {
    const moves = this.#moves(this.#journal.state).map(({ move }) => move);
    const holds = [...(this.#turn?.held.keys() ?? []), ...this.#budgetHolds.keys()];
    const isIdle = this.#running.size === 0 && this.#queue.length === 0 && (this.#turn?.result ?? null) === null;
    const isForeign = isIdle && this.#turn !== null && moves.length === 0 && holds.length === 0;
    this.#foreignSinceMs = isForeign ? (this.#foreignSinceMs ?? this.#deps.clock.nowMs()) : null;
    const outcome = await tryPark({
      journal: this.#journal,
      clock: this.#deps.clock,
      values: this.#values,
      moves,
      holds,
      isIdle,
      isBetweenTurns: this.#turn === null,
      release: this.#release,
      foreignSinceMs: this.#foreignSinceMs,
      bestAnswer: () => this.#runnable.bestAnswer(this.#journal.state),
      flushOutbox: () => this.#outbox(),
      wait: (untilMs) => this.#wait(untilMs),
    });
    return outcome === "ended" ? this.#ended() : outcome;
  }

  /** Waits for news, at most until `untilMs`, and looks at the journal's tail: hints may be lost. */
  async #wait(untilMs: number | null): Promise<void> {
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
    if (this.#queue.length > 0 || this.#right.dead.aborted) return;
    const hasNews = await this.#journal.catchUp();
    if (!hasNews || this.#journal.state.log.length > 0 || this.#journal.state.cancel !== null) return;
    this.#dropTurn();
    if (!this.#journal.state.paused) await this.#beginTurn(this.#journal.state);
  }

  #wake(): void {
    this.#isAwake = true;
    this.#wakeUp();
  }

  async #outbox(): Promise<void> {
    if (this.#journal.head.outboxSeq <= this.#journal.head.marks.outboxAckedSeq) return;
    try {
      this.#journal.raiseOutboxAcked(await flushOutbox(this.#deps, this.#journal.head));
    } catch (error) {
      // duties stay in the journal: a park waits for them, and the sweep does them for an ended run
      if (!isPassing(error)) throw error;
    }
  }

  async #ended(): Promise<ExecutionEnd> {
    await this.#outbox();
    return "ended";
  }

  async #cancel(): Promise<ExecutionEnd> {
    this.#isClosing = true;
    this.#dropTurn();
    this.#abort.abort(new PawlError("CANCELLED", this.#journal.state.cancel ?? "cancelled"));
    for (const item of this.#queue) item.ack?.(false);
    await Promise.all(this.#running.values());
    const kept = this.#queue.splice(0).filter((item) => item.isOutcome);
    const draft = new Draft(this.#journal.state, this.#deps.clock.nowMs(), this.#journal.fence);
    for (const item of kept) draft.push(item.events);
    draft.push(await cancelledEnd(draft.state, this.#values));
    await commit(this.#journal, {
      draft,
      items: [{ events: draft.groups.flat(), fact: null, isOutcome: true }],
      turnCut: 0,
    });
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
    const record = errorRecord(error, "INTERNAL");
    const { expected, found } = record.details ?? {};
    const sides = {
      ...(expected !== undefined && { expected: String(expected) }),
      ...(found !== undefined && { found: String(found) }),
    };
    const event: JournalEvent = { type: "run.blocked", code: record.code, detail: record.message, ...sides };
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

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new PawlError("UNCAUGHT", errorText(thrown));
}
