import type { ErrorRecord } from "./errors.ts";
import type { GuardProfile } from "./guard-rules.ts";
import type { Ref } from "./label.ts";

// What people and programs tell a run, at its start and on its way.

/** What whoever started a run fixed about its task. */
export interface TaskScope {
  /** Tools that it may use, by name; absent = nobody fixed a set. */
  readonly tools?: readonly string[];
  /** Of a child whose parent has read untrusted data: what people said to the whole tree, as a list of texts. */
  readonly promptRef?: Ref;
  /** Of a child: its parent's profile, where that is not the runtime's; it is held to no less. */
  readonly profile?: GuardProfile;
}

/** X. */
export interface SignalReceived {
  readonly type: "signal.received";
  readonly name: string;
  readonly valueRef: Ref;
}
/** X. Steering: read by an agent at its next turn. */
export interface MessageReceived {
  readonly type: "message.received";
  readonly valueRef: Ref;
}
/** X. A person answers in the agent's place: the next request of its main conversation is answered with this, and no model is asked. */
export interface AnswerGiven {
  readonly type: "answer.given";
  readonly valueRef: Ref;
  readonly by: string;
}
/** X. A person lets the task use more tools. */
export interface TaskExtended {
  readonly type: "task.extended";
  readonly tools: readonly string[];
}

/**
 * X. What an attempt came to after nobody waited for it any more: its time limit had passed, or it ignored its abort. For
 * people and traces; never the call's result. After the run's end it is not recorded.
 */
export interface ToolLate {
  readonly type: "tool.late";
  readonly callId: string;
  readonly tool: string;
  readonly attempt: number;
  readonly valueRef?: Ref;
  readonly error?: ErrorRecord;
  /** Since the attempt began. */
  readonly ms: number;
}

export type ToldEvent = SignalReceived | MessageReceived | AnswerGiven | TaskExtended | ToolLate;
