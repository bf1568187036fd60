import type { Ref } from "./label.ts";

// What people and programs tell a run, at its start and on its way.

/** What whoever started a run fixed about its task. */
export interface TaskScope {
  /** Tools that it may use, by name; absent = nobody fixed a set. */
  readonly tools?: readonly string[];
  /** Of a child whose parent has read untrusted data: what people said to the whole tree, as a list of texts. */
  readonly promptRef?: Ref;
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
/** X. A person lets the task use more tools. */
export interface TaskExtended {
  readonly type: "task.extended";
  readonly tools: readonly string[];
}
