import type { Usage } from "./usage.ts";

/** The same strings in API, CLI, console and SQL. */
export type RunStatus =
  | "queued"
  | "running"
  | "sleeping"
  | "awaiting_approval"
  | "awaiting_signal"
  | "awaiting_child"
  | "awaiting_budget"
  | "paused"
  | "blocked"
  | EndStatus;

export type EndStatus = "completed" | "stopped" | "failed" | "cancelled";

/** Only with `stopped`. */
export type StopReason = "max_turns" | "budget" | "no_progress" | "refused" | "context_overflow";

export const endStatuses: readonly EndStatus[] = ["completed", "stopped", "failed", "cancelled"];

export function isEnd(status: RunStatus): status is EndStatus {
  return endStatuses.some((end) => end === status);
}

/** Sums over a run, its children's own sums excluded. Costs in nano-dollars. */
export interface RunTotals {
  readonly usage: Usage;
  readonly costNanoUsd: number;
  /** Billed attempts without a known price: `costNanoUsd` does not contain them. */
  readonly unpricedCalls: number;
  /** Of those: what a budget of money counts at a ceiling. Absent: none. */
  readonly unpricedTokens?: number;
  readonly modelCalls: number;
  readonly toolCalls: number;
  readonly turns: number;
  /** Spent by ended children, so that a tree's sum is known at its root. */
  readonly childCostNanoUsd: number;
  readonly childTokens: number;
  /** Absent: none. */
  readonly childToolCalls?: number;
  /** As `unpricedTokens`, of ended children. */
  readonly childUnpricedTokens?: number;
}
