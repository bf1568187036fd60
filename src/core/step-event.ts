import type { Effect } from "./effect.ts";
import type { ErrorRecord } from "./errors.ts";
import type { Ref } from "./label.ts";

/** O. Decided, and asked about before it starts: how a fork opens a step that acts outside. Others open as they start. */
export interface StepCalled {
  readonly type: "step.called";
  readonly callId: string;
  readonly name: string;
  readonly effect: Effect;
}
/** O. */
export interface StepStarted {
  readonly type: "step.started";
  readonly callId: string;
  readonly name: string;
  readonly effect: Effect;
  readonly attempt: number;
  /** Its time limit; absent in journals of the first builds, where limits.stepTimeMs is meant. */
  readonly deadlineMs?: number;
}
/** O. */
export interface StepReturned {
  readonly type: "step.returned";
  readonly callId: string;
  readonly valueRef: Ref;
}
/** O. With `retry`, another attempt follows. */
export interface StepFailed {
  readonly type: "step.failed";
  readonly callId: string;
  readonly error: ErrorRecord;
  readonly retry?: true;
}

export type StepEvent = StepCalled | StepStarted | StepReturned | StepFailed;
