import type { RunRef } from "../core/id.ts";
import type { BudgetRefusal } from "../core/budget.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ModelCalled } from "../core/model-event.ts";
import type { RunState } from "../core/run-state.ts";
import type { EngineDeps, OwnerRight } from "./deps.ts";
import type { Values } from "./values.ts";

/** `no-room`: what was drafted before it took the budget that it was fitted to; fit it again. `dropped`: a cancel came first. */
export type AttemptFate = "recorded" | "no-room" | "dropped";

/** What the code that does I/O for a call has of the executor. */
export interface Desk {
  readonly deps: EngineDeps;
  readonly ref: RunRef;
  readonly right: OwnerRight;
  readonly fence: number;
  readonly values: Values;
  /** The journal's state, all acknowledged. */
  state(): RunState;
  /** Aborted on cancel, park, abandonment. */
  readonly signal: AbortSignal;
  /**
   * Appends events that are no outcome.
   * @returns true once they are durable; false when the run was cancelled first and they were dropped: do not go on
   */
  record(events: readonly JournalEvent[]): Promise<boolean>;
  /** Appends a model call's next attempt, where its reservation still fits as it is drafted. */
  attempt(called: ModelCalled): Promise<AttemptFate>;
  /** Hands in a call's outcome: recorded, then delivered to the body. */
  fact(callId: string, events: readonly JournalEvent[]): void;
  /** The call's next attempt does not fit the budget: it stays open until the budget is raised. */
  hold(callId: string, refusal: BudgetRefusal): void;
  /** Live deltas: lossy, for people's eyes. */
  delta(callId: string, attempt: number, index: number, part: { readonly type: string; readonly text: string }): void;
}
