import type { ParentLink } from "./journal-event.ts";
import type { RunHead } from "./run-head.ts";
import { isEnd, type RunStatus, type RunTotals, type StopReason } from "./run-outcome.ts";
import type { HeadWait } from "./run-waits.ts";

/** A run as lists show it: its head, less what only workers need. */
export interface RunSummary {
  readonly runId: string;
  readonly rootRunId: string;
  readonly parent: ParentLink | null;
  readonly threadId: string | null;
  readonly agent: string;
  readonly version: string;
  readonly status: RunStatus;
  readonly stopReason: StopReason | null;
  readonly errorCode: string | null;
  readonly blocked: { readonly code: string; readonly detail: string } | null;
  readonly principal: string;
  /** The input in at most 120 characters. */
  readonly title: string;
  readonly tags: readonly string[];
  readonly startedAt: number;
  readonly updatedAt: number;
  /** null while it runs or waits. */
  readonly endedAt: number | null;
  /** Last seq of its journal. */
  readonly seq: number;
  /** Its own sums; of ended children `childCostNanoUsd` and `childTokens`. */
  readonly totals: RunTotals;
  /** What it waits for. */
  readonly waits: readonly HeadWait[];
  readonly paused: boolean;
  /** Its thread has an active run, or it is a fork that is still copied. */
  readonly held: boolean;
  readonly cancelRequested: boolean;
  readonly hasChildren: boolean;
  /** A worker has it now. */
  readonly hasOwner: boolean;
  /** Rises with each worker that took it. */
  readonly fence: number;
}

/** A head as people and programs are shown it. */
export function summaryOf(head: RunHead): RunSummary {
  return {
    runId: head.runId,
    rootRunId: head.rootRunId,
    parent: head.parent,
    threadId: head.threadId,
    agent: head.runnable,
    version: head.version,
    status: head.status,
    stopReason: head.stopReason,
    errorCode: head.errorCode,
    blocked: head.blocked,
    principal: head.principal,
    title: head.title,
    tags: head.tags,
    startedAt: head.startedAt,
    updatedAt: head.updatedAt,
    // run.ended is the last event there can be
    endedAt: isEnd(head.status) ? head.updatedAt : null,
    seq: head.seq,
    totals: head.totals,
    waits: head.waits,
    paused: head.paused,
    held: head.held,
    cancelRequested: head.cancelRequested,
    hasChildren: head.hasChildren,
    hasOwner: head.session !== null,
    fence: head.fence,
  };
}
