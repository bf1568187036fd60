/** O. */
export interface PlanUpdated {
  readonly type: "plan.updated";
  readonly callId: string;
  readonly items: readonly PlanItem[];
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
