import { hasMore, leftOf, refusalOf, type BudgetRefusal, type Caps } from "../core/budget.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ModelCalled } from "../core/model-event.ts";
import { limits } from "../core/limits.ts";
import type { CallState, RunState } from "../core/run-state.ts";
import { runChannel } from "../core/store-contract.ts";
import { blameOn, type Blamed } from "./blame.ts";
import { isOutcome, type Item } from "./commit.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import type { AttemptFate, Desk } from "./desk.ts";
import { EarlyCalls, mayStartEarly } from "./early-calls.ts";
import type { ModelStart } from "./intents.ts";
import type { OwnedJournal } from "./journal.ts";
import { moveOf, type Move, type Now } from "./moves.ts";
import { resumeLostModel, resumeModel, runModel } from "./run-model.ts";
import { resolvedStep, runStep } from "./run-step.ts";
import { reconcileTool, refuseTool, resolvedTool, runTool } from "./run-tool.ts";
import type { LiveCall, Request } from "./turn-scope.ts";
import type { Values } from "./values.ts";

export interface RunnerContext {
  readonly deps: EngineDeps;
  readonly right: OwnerRight;
  readonly journal: OwnedJournal;
  readonly values: Values;
  /** Aborted on cancel, park and abandonment. */
  readonly signal: AbortSignal;
  readonly blamed: Blamed;
  wake(): void;
}

/** A hint takes 8 KiB, and one character up to six bytes of its JSON. */
const DELTA_CHARS = 1_200;

/** A call that does not fit a budget. */
export interface BudgetHold {
  readonly callId: string;
  readonly refusal: BudgetRefusal;
}

/** The I/O of one execution: starts what open calls need, collects what they hand in, knows what runs. */
export class CallRunner {
  /** Handed in and not yet appended. */
  readonly queue: Item[] = [];
  readonly #on: RunnerContext;
  readonly #running = new Map<string, Promise<void>>();
  /** Beside what runs: what was begun early and turned out to be nobody's, and is not over yet. */
  readonly #inFlight = new Set<Promise<void>>();
  readonly #callsOfTool = new Map<string, number>();
  readonly #early = new EarlyCalls();
  readonly #models = new Map<string, ModelStart>();
  readonly #holds = new Map<string, { readonly refusal: BudgetRefusal; readonly caps: Caps }>();
  readonly #desk: Desk;
  #isClosing = false;

  constructor(on: RunnerContext) {
    this.#on = on;
    this.#desk = this.#makeDesk();
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0 && this.queue.length === 0;
  }

  isRunning(callId: string): boolean {
    return this.#running.has(callId);
  }

  /** Calls whose next attempt waits for budget. */
  get holds(): readonly BudgetHold[] {
    return [...this.#holds].map(([callId, { refusal }]) => ({ callId, refusal }));
  }

  /** The request that a recorded model call is going to send. */
  prepared(callId: string, start: ModelStart): void {
    this.#models.set(callId, start);
  }

  /** What every open call needs of which nothing runs. */
  moves(state: RunState, now: Now = this.now()): readonly { readonly call: CallState; readonly move: Move }[] {
    return Object.values(state.calls)
      .filter((call) => call.fact === null && !this.#running.has(call.callId) && !this.#holds.has(call.callId))
      .map((call) => ({ call, move: moveOf(state, call, now) }));
  }

  now(): Now {
    const { deps, journal } = this.#on;
    return { atMs: deps.clock.nowMs(), ownedMs: journal.ownedMs };
  }

  /** Outcomes that need no I/O: news from outside, time that passed. */
  ready(state: RunState, items: readonly Item[], now: Now): readonly Item[] {
    const { cleaner } = this.#on.values;
    const concluded = new Set(items.map((item) => item.fact));
    return this.moves(state, now).flatMap(({ call, move }): readonly Item[] => {
      if (concluded.has(call.callId)) return [];
      if (move.type !== "fact" && move.type !== "record") return [];
      const events = cleaner?.events<JournalEvent>(move.events) ?? move.events;
      return [{ events, fact: move.type === "fact" ? call.callId : null, isOutcome: true }];
    });
  }

  /**
   * Starts I/O for the calls that need it. Call it with an empty queue and nothing awaited since: a call that has just
   * ended must not be started again.
   * @param isReleasing  the run is being given back: only what is recorded as begun is started, because the next worker
   *   would take it for lost
   */
  startDue(live: ReadonlyMap<string, LiveCall>, isReleasing: boolean): void {
    const { state } = this.#on.journal;
    const left = leftOf(state.caps, state.totals, Object.values(state.reserved));
    for (const [callId, { caps, refusal }] of this.#holds) {
      if (caps !== state.caps || hasMore(refusal, left)) this.#holds.delete(callId);
    }
    const full = new Set<string>();
    for (const { call, move } of this.moves(state)) {
      const request = live.get(call.callId)?.request;
      if (isReleasing && (!call.started || call.lostAt !== null)) continue;
      const isIo = move.type !== "wait" && move.type !== "fact" && move.type !== "record";
      if (isIo && request !== undefined && this.#hasRoom(call, full)) this.#start(call, move, request);
    }
  }

  /**
   * Starts what is pure and new in a draft before it is appended: what is done at once rides in the same batch, and
   * slower work does not wait for the disk. `settleEarly` must follow once the draft's fate is known.
   * @returns false when there was nothing to start
   */
  startEarly(draft: RunState, live: ReadonlyMap<string, LiveCall>): boolean {
    const { state } = this.#on.journal;
    const now = this.now();
    const full = new Set<string>();
    for (const call of Object.values(draft.calls)) {
      if (call.fact !== null || state.calls[call.callId] !== undefined || this.#running.has(call.callId)) continue;
      const request = live.get(call.callId)?.request;
      const move = moveOf(draft, call, now);
      if (request === undefined || !mayStartEarly(call, move) || !this.#hasRoom(call, full)) continue;
      this.#start(
        call,
        move,
        request,
        this.#early.begin(call, draft, this.#desk, (item) => this.#push(item)),
      );
    }
    return this.#early.size > 0;
  }

  /** What was started early goes on where its record is durable now; elsewhere it is nobody's. */
  settleEarly(): void {
    if (this.#early.size === 0) return;
    const dropped = new Set(this.#early.settle(this.#on.journal.state));
    if (dropped.size === 0) return;
    for (const callId of dropped) this.#running.delete(callId);
    const kept = this.queue.splice(0).filter((item) => {
      const isNobodys = item.restsOn !== undefined && dropped.has(item.restsOn);
      if (isNobodys) item.ack?.(false);
      return !isNobodys;
    });
    this.queue.push(...kept);
  }

  /** Takes nothing more and waits for what runs: announcements are refused, outcomes still queued. */
  async close(): Promise<readonly Item[]> {
    this.#isClosing = true;
    for (const item of this.queue) item.ack?.(false);
    await Promise.all(this.#inFlight);
    return this.queue.splice(0).filter((item) => item.isOutcome);
  }

  #start(call: CallState, move: Move, request: Request, desk: Desk = this.#desk): void {
    const { callId } = call;
    this.#countTool(call, 1);
    const running = blameOn(this.#on.blamed, () => this.#work(call, move, request, desk))
      .catch((error: unknown) => this.#on.blamed.fail(error))
      .finally(() => {
        this.#inFlight.delete(running);
        this.#countTool(call, -1);
        if (this.#running.get(callId) === running) this.#running.delete(callId);
        this.#on.wake();
      });
    this.#inFlight.add(running);
    this.#running.set(callId, running);
  }

  async #work(call: CallState, move: Move, request: Request, desk: Desk): Promise<void> {
    const { callId } = call;
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
      else if (move.type === "refuse") await refuseTool(callId, request.spec, move.code, move.shown, desk);
    } else if (request.kind === "step") {
      if (move.type === "start") await runStep(callId, request, move.attempt, desk);
      else if (move.type === "resolved") await resolvedStep(call, desk);
    }
  }

  /** @param full tools that were found without a place meanwhile: of 500 calls that wait for one, only the first asks */
  #hasRoom(call: CallState, full: Set<string>): boolean {
    if (this.#inFlight.size >= limits.callsInFlight) return false;
    if (call.intent.type !== "tool.called") return true;
    const { tool, version } = call.intent;
    if (full.has(tool)) return false;
    const concurrency = this.#on.deps.registry.tool(tool, version)?.concurrency ?? limits.toolConcurrency;
    const hasRoom = (this.#callsOfTool.get(tool) ?? 0) < concurrency;
    if (!hasRoom) full.add(tool);
    return hasRoom;
  }

  /** Kept as a number for each tool: asking what runs for each of 500 calls would cost 500 times 500. */
  #countTool({ intent }: CallState, change: 1 | -1): void {
    if (intent.type !== "tool.called") return;
    const count = (this.#callsOfTool.get(intent.tool) ?? 0) + change;
    if (count > 0) this.#callsOfTool.set(intent.tool, count);
    else this.#callsOfTool.delete(intent.tool);
  }

  /** Cleaned here, before the item's events are known by their identity. */
  #push(item: Item): void {
    const events = this.#on.values.cleaner?.events(item.events);
    this.queue.push(events === undefined ? item : { ...item, events });
    this.#on.wake();
  }

  #makeDesk(): Desk {
    const { deps, right, journal, values, signal } = this.#on;
    const { ref, fence } = journal;
    return {
      deps,
      ref,
      fence,
      right,
      values,
      signal,
      state: () => journal.state,
      record: (events) => this.#record(events),
      attempt: (called) => this.#attempt(called),
      fact: (callId, events) => this.#push({ events, fact: callId, isOutcome: true }),
      hold: (callId, refusal) => {
        this.#holds.set(callId, { refusal, caps: journal.state.caps });
        this.#push({ events: [{ type: "budget.refused", callId, ...refusal }], fact: null, isOutcome: false });
      },
      delta: (callId, attempt, i, part) => {
        for (let from = 0; from < part.text.length; from += DELTA_CHARS) {
          const piece = { type: part.type, text: part.text.slice(from, from + DELTA_CHARS) };
          deps.store.publish(runChannel(ref), JSON.stringify({ callId, attempt, fence, i, part: piece }));
        }
      },
    };
  }

  /** The fit is judged where records stand in line: since it was made, other calls may have taken the same room. */
  #attempt(called: ModelCalled): Promise<AttemptFate> {
    let hasRoom = true;
    return new Promise((resolve) => {
      if (this.#isClosing) resolve("dropped");
      else
        this.#push({
          events: [called],
          fact: null,
          isOutcome: false,
          fits: ({ caps, totals, reserved }) => {
            hasRoom = refusalOf(leftOf(caps, totals, Object.values(reserved)), called.reservation) === null;
            return hasRoom;
          },
          ack: (isDurable) => {
            if (!isDurable) resolve("dropped");
            else resolve(hasRoom ? "recorded" : "no-room");
          },
        });
    });
  }

  #record(events: Item["events"]): Promise<boolean> {
    const isKept = isOutcome(events);
    return new Promise((resolve) => {
      if (!this.#isClosing || isKept) this.#push({ events, fact: null, isOutcome: isKept, ack: resolve });
      if (this.#isClosing) resolve(false);
    });
  }
}
