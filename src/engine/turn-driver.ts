import { hasMore, leftOf, type BudgetRefusal } from "../core/budget.ts";
import { PawlError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { Runnable, TurnResult } from "../core/runnable.ts";
import type { RunState } from "../core/run-state.ts";
import { blameOn, type Blamed } from "./blame.ts";
import { bodyScope, type CodeScope } from "./code-scope.ts";
import type { BudgetHold, CallRunner } from "./call-runner.ts";
import type { Item } from "./commit.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import type { Draft } from "./draft.ts";
import { failedEnd, turnEndEvents } from "./endings.ts";
import { deliveryOf } from "./facts.ts";
import type { ForkMemory } from "./fork.ts";
import { openCall, type Opening } from "./intents.ts";
import type { OwnedJournal } from "./journal.ts";
import { replayTurn } from "./replay.ts";
import {
  refusedAgain,
  reserveShared,
  withReservation,
  type SharedRefusal,
  type SharedReservation,
} from "./shared-reserve.ts";
import type { TaskGuard } from "./task-guard.ts";
import { mostOfCall } from "./tool-bill.ts";
import type { TreeUnknowns } from "./tree-unknowns.ts";
import { TurnScope, type LiveCall } from "./turn-scope.ts";
import type { Values } from "./values.ts";
import { noteReviewers } from "./webhooks.ts";

export interface DriverContext {
  readonly deps: EngineDeps;
  readonly right: OwnerRight;
  readonly journal: OwnedJournal;
  readonly runnable: Runnable;
  readonly values: Values;
  readonly runner: CallRunner;
  readonly signal: AbortSignal;
  readonly blamed: Blamed;
  readonly input: JsonValue;
  readonly definition: JsonValue | null;
  readonly fork: ForkMemory | null;
  readonly unknowns: TreeUnknowns;
  readonly guard: TaskGuard;
  wake(): void;
  /** True where a turn's end must also be the batch's: a snapshot is due, the run is paused or given back. */
  mustPause(draft: Draft): boolean;
}

interface Turn {
  readonly scope: TurnScope;
  readonly code: CodeScope;
  /** Calls whose promise the body may still hold. */
  readonly live: Map<string, LiveCall>;
  /** Requests that do not fit the budget, not yet recorded. */
  readonly held: Map<string, { readonly call: LiveCall; readonly refusal: BudgetRefusal }>;
  /** Nothing was delivered since the body last stood still: letting it run again would be an idle turn of the event loop. */
  isStill: boolean;
  result: { readonly ok: true; readonly value: TurnResult } | { readonly ok: false; readonly error: unknown } | null;
}

type Fitted =
  | { readonly type: "held"; readonly refusal: BudgetRefusal }
  | {
      readonly type: "fits";
      readonly opening: Opening & { readonly type: "recorded" };
      readonly shared: SharedReservation;
    };

const answers: readonly string[] = ["model.answered", "model.failed", "tool.refused", "tool.returned"];
const nothing: ReadonlyMap<string, LiveCall> = new Map();

/** Drives the body of the current turn: delivers facts, lets it run, records what it asks for, ends it. */
export class TurnDriver {
  readonly #on: DriverContext;
  #turn: Turn | null = null;
  /** Groups of the draft up to its first end of a turn; 0 = it has none. */
  turnCut = 0;

  constructor(on: DriverContext) {
    this.#on = on;
  }

  get hasTurn(): boolean {
    return this.#turn !== null;
  }

  /** The body is done, and nothing that it began is under way. */
  mayEnd(state: RunState): boolean {
    return this.#turn !== null && this.#turn.result !== null && this.#isQuiet(state);
  }

  get live(): ReadonlyMap<string, LiveCall> {
    return this.#turn?.live ?? nothing;
  }

  get held(): readonly BudgetHold[] {
    return [...(this.#turn?.held ?? [])].map(([callId, { refusal }]) => ({ callId, refusal }));
  }

  /** Starts the body of the turn that `state` stands in, and brings it to where the journal is. */
  async resume(state: RunState): Promise<void> {
    await this.#begin(state.turnBase ?? state);
    if (state.log.length > 0 && this.#turn !== null) await replayTurn(state, this.#turn, this.#on.values);
  }

  async #begin(state: RunState): Promise<void> {
    const { deps, journal, values, input, definition, signal, runnable, blamed } = this.#on;
    const { registry, clock } = deps;
    const scope = new TurnScope({ ref: journal.ref, state, definition, input, values, registry, clock, signal });
    const code = bodyScope(scope, values);
    const turn: Turn = { scope, code, live: new Map(), held: new Map(), isStill: false, result: null };
    this.#turn = turn;
    const turnState = state.turnStateRef === null ? null : await values.read(state.turnStateRef);
    const body = blameOn(blamed, () => Promise.resolve().then(() => code.run(() => runnable.turn(scope, turnState))));
    void body.then(
      (value) => {
        turn.result = { ok: true, value };
        this.#on.wake();
      },
      (error: unknown) => {
        turn.result = { ok: false, error };
        this.#on.wake();
      },
    );
  }

  /** The body is no longer heard: what it was given is outdated, or its turn is over. */
  drop(): void {
    this.#turn?.scope.revoke();
    this.#turn = null;
  }

  /** Delivers what came in, one fact at a time, and records what the body then asks for. */
  async advance(draft: Draft, items: readonly Item[]): Promise<void> {
    this.turnCut = 0;
    await this.#collect(draft);
    for (const item of items) {
      if (!draft.take(item)) continue;
      if (item.fact !== null) await this.#deliver(draft, item.fact);
      await this.#collect(draft);
    }
    await this.#endTurns(draft);
  }

  /** Records what came in, and tells the body nothing: it asks for no more, and the next worker delivers these facts. */
  record(draft: Draft, items: readonly Item[]): void {
    this.turnCut = 0;
    for (const item of items) draft.take(item);
  }

  async #deliver(draft: Draft, callId: string): Promise<void> {
    const turn = this.#turn;
    const fact = draft.state.calls[callId]?.fact?.event;
    const call = turn?.live.get(callId);
    if (turn === null || fact === undefined || call === undefined) return;
    turn.live.delete(callId);
    turn.isStill = false;
    const delivery = await deliveryOf(draft.state, fact, this.#on.values);
    turn.scope.factAt(draft.at);
    if (delivery.ok) call.settle(delivery.value);
    else call.fail(delivery.error);
  }

  /**
   * Lets the body run and records what it asked for, until it asks for nothing more. Calls that are answered as they are
   * recorded (refused ones) are delivered in the order of the record, as a replay will.
   */
  async #collect(draft: Draft): Promise<void> {
    const answered: string[] = [];
    const openAll = async (): Promise<void> => {
      const turn = this.#turn;
      if (turn === null) return;
      if (!turn.isStill) await turn.scope.drain();
      turn.isStill = true;
      for (const call of [...this.#retried(turn, draft.state), ...turn.scope.take()]) {
        await this.#open(turn, call, draft);
        if ((draft.state.calls[call.callId]?.fact ?? null) !== null) answered.push(call.callId);
      }
    };
    await openAll();
    for (let callId = answered.shift(); callId !== undefined; callId = answered.shift()) {
      await this.#deliver(draft, callId);
      await openAll();
    }
  }

  async #open(turn: Turn, call: LiveCall, draft: Draft): Promise<void> {
    const fitted = await this.#fitted(call, draft);
    if (fitted.type === "held") {
      const { callId } = call;
      if (!turn.held.has(callId)) draft.push([{ type: "budget.refused", callId, ...fitted.refusal }]);
      turn.held.set(callId, { call, refusal: fitted.refusal });
      return;
    }
    const { opening, shared } = fitted;
    turn.held.delete(call.callId);
    const { deps, journal } = this.#on;
    for (const event of deps.reviewLinks === undefined ? [] : opening.events)
      if (event.type === "approval.asked")
        await noteReviewers(deps, { tenant: journal.ref.tenant, approvalId: event.approvalId });
    draft.push(withReservation(opening.events, shared));
    if (call.request.kind !== "note") turn.live.set(call.callId, call);
    if (opening.model !== undefined) this.#on.runner.prepared(call.callId, opening.model);
  }

  /** What records a request, with what it takes of shared budgets. One that these have no room for shrinks where it may. */
  async #fitted(call: LiveCall, draft: Draft): Promise<Fitted> {
    const { deps, journal, values, fork } = this.#on;
    let refused: SharedRefusal | null = null;
    for (let shrinks = 0; ; shrinks++) {
      const opening = await openCall(call, {
        deps,
        runId: journal.ref.runId,
        state: draft.state,
        values,
        at: draft.at,
        fork,
        guard: this.#on.guard,
        room: refused?.room ?? null,
        isUnknownInTree: (tool, argsHash) => this.#isUnknownInTree(tool, argsHash),
      });
      if (opening.type === "held") return { type: "held", refusal: refused?.refusal ?? opening.refusal };
      const shared = await this.#reserve(call.callId, opening, draft.state);
      if (shared.type !== "refused") return { type: "fits", opening, shared };
      refused = refusedAgain(refused, shared);
      if (refused.room === null || shrinks === limits.budgetShrinks) return { type: "held", refusal: shared.refusal };
    }
  }

  /** A run without relatives has only its own fold to ask. */
  #isUnknownInTree(tool: string, argsHash: string): Promise<boolean> {
    const { head } = this.#on.journal;
    return head.parent === null && !head.hasChildren
      ? Promise.resolve(false)
      : this.#on.unknowns.isUnknown(tool, argsHash);
  }

  async #reserve(
    callId: string,
    opening: Opening & { readonly type: "recorded" },
    state: RunState,
  ): Promise<SharedReservation> {
    const { deps, journal, right } = this.#on;
    const [called, ...further] = opening.events;
    // what is answered as it is recorded is not made; what a person is asked about may be
    const isAnswered = further.some(({ type }) => answers.includes(type));
    if (isAnswered || deps.hooks.sharedScopes === undefined) return { type: "none" };
    const on = { deps, ref: journal.ref, right };
    if (called?.type === "model.called") return reserveShared(on, state, { callId, attempt: 1 }, called.reservation);
    if (called?.type === "tool.called") {
      const { tool, reservedNanoUsd } = called;
      return reserveShared(on, state, { callId, attempt: 1, tool }, mostOfCall(reservedNanoUsd));
    }
    return { type: "none" };
  }

  /** Held requests, again, once the budget was raised or another call gave back what it held of it. */
  #retried(turn: Turn, state: RunState): readonly LiveCall[] {
    if (turn.held.size === 0) return [];
    const isRaised = turn.scope.state.caps !== state.caps || state.answer !== null;
    const left = leftOf(state.caps, state.totals, Object.values(state.reserved));
    return [...turn.held.values()].flatMap(({ call, refusal }) => (isRaised || hasMore(refusal, left) ? [call] : []));
  }

  /** Ends the turn when its body is done and nothing is open; goes on into the next turns of the same batch. */
  async #endTurns(draft: Draft): Promise<void> {
    for (
      let turn = this.#turn;
      turn !== null && turn.result !== null && this.#isQuiet(draft.state);
      turn = this.#turn
    ) {
      const { result } = turn;
      const { values, guard } = this.#on;
      if (!result.ok && PawlError.is(result.error, "RUNNABLE_MISSING")) throw result.error;
      for (const spans of await turn.code.groups()) draft.push(spans);
      draft.push(
        result.ok
          ? await turnEndEvents(result.value, draft.state, { values, guard })
          : [await failedEnd(draft.state, result.error, values)],
      );
      this.drop();
      if (draft.state.ended !== null || this.#on.mustPause(draft)) return;
      if (this.turnCut === 0) this.turnCut = draft.groups.length;
      await this.#begin(draft.state);
      await this.#collect(draft);
    }
  }

  /** Nothing is open but waits that the body left behind: a timer that lost a race ends with its turn. */
  #isQuiet(state: RunState): boolean {
    const { runner } = this.#on;
    const open = Object.values(state.calls).filter((call) => call.fact === null);
    const isLeft = (kind: string): boolean => kind === "wait" || kind === "ask" || kind === "child";
    return runner.queue.length === 0 && open.every((call) => isLeft(call.kind) && !runner.isRunning(call.callId));
  }
}
