/** O. */
export interface PlanUpdated {
  readonly type: "plan.updated";
  readonly callId: string;
  readonly items: readonly PlanItem[];
}
/** O. The tools that a task may use, fixed by what people said alone. A later one adds to it: they said more. */
export interface TaskPlanned {
  readonly type: "task.planned";
  readonly callId: string;
  readonly tools: readonly string[];
  /** `rule`: no model was there to ask, or it gave no list. */
  readonly by: "model" | "rule";
}
export interface PlanItem {
  readonly id: string;
  readonly text: string;
  readonly status: "open" | "active" | "done" | "dropped";
  /** Runnable that does it; absent = the run itself. */
  readonly by?: string;
  /** Ids of the items whose results it needs. */
  readonly needs?: readonly string[];
}
