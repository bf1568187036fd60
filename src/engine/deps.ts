import type { Clock, Entropy } from "../core/clock.ts";
import type { RunRef } from "../core/id.ts";
import type { LedgerAmount, Store } from "../core/store-contract.ts";
import type { ModelSource } from "../core/model-contract.ts";
import type { Verdict } from "../core/policy.ts";
import type { Amount, BudgetNote } from "../core/budget.ts";
import type { Budget } from "../core/budget-rules.ts";
import type { RunState } from "../core/run-state.ts";
import type { ToolRules } from "../core/tool-grants.ts";
import type { GuardOptions } from "../core/guard-rules.ts";
import type { JobQueue } from "./job-queue.ts";
import type { Redaction } from "./redaction.ts";
import type { Registry } from "./registry.ts";

/** What every part of the engine is given. Nothing in it is global. */
export interface EngineDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly models: ModelSource;
  readonly registry: Registry;
  /** Hears of each run that is due; absent = workers poll the store. */
  readonly queue?: JobQueue;
  /** Identity of this code in run.claimed. */
  readonly build: string;
  readonly hooks: EngineHooks;
  readonly guard?: GuardOptions;
  /** What is taken out of everything that is stored; null = nothing. */
  readonly redaction: Redaction | null;
  /** What the configuration says of grants and reviews of tools. */
  readonly toolRules?: ToolRules;
  /** Absent = everything is kept. */
  readonly retention?: Retention;
  /** Values that tools may ask for by name. */
  readonly secrets?: SecretSource;
  /** Who is told of each approval by webhook, with a link to it. */
  readonly reviewLinks?: ReviewLinkOptions;
}

/** Somebody who is told of the approvals that they may decide. */
export interface Reviewer {
  readonly by: string;
  /** Held against `whoMay` and `escalation`, as those of a credential are. */
  readonly roles?: readonly string[];
  /** Where their messages are posted; default that of all. */
  readonly url?: string;
}

export interface ReviewLinkOptions {
  /** Signs the links. */
  readonly secret: string;
  /** Where the messages are posted. */
  readonly url: string;
  /** Address under which browsers reach the gateway: links begin with it. */
  readonly publicUrl: string;
  readonly reviewers: readonly Reviewer[];
}

/** How long what has ended is kept. */
export interface Retention {
  /** Since a run's end; of a thread, since the end of its last run. */
  readonly days: number;
}

/** Gives a secret's value, to a tool that declares the capability `secret:<name>`; null = there is none of that name. */
export type SecretSource = (
  name: string,
  of: { readonly tenant: string; readonly runId: string; readonly tool: string },
) => Promise<string | null> | string | null;

/** Where and for what an amount is counted; `tool` of a tool call. */
export interface CountedAt extends Pick<EngineDeps, "store" | "clock"> {
  readonly tool?: string;
}

/** What counts against a shared scope. */
export interface SharedAmount extends LedgerAmount {
  /** When its window ends; null or absent = never. */
  readonly endsAt?: number | null;
  /** A call's output limit may shrink so that it fits. */
  readonly shrinksOutput?: boolean;
  /** Asked once the amount is taken: what its budget has to say. It may be asked twice. @param unused of what is taken, by nobody yet */
  readonly watch?: (unused?: number) => Promise<BudgetNote | null>;
}

/** A message to a receiver outside; a receiver knows a repeat by its id. */
export interface WebhookMessage {
  readonly id: string;
  readonly url: string;
  readonly body: string;
}
/** @throws what went wrong: it is posted again later */
export type PostWebhook = (message: WebhookMessage, nowMs: number) => Promise<void>;

/** Rules that are read live, at each start of a call: the stricter of these and what was recorded wins. */
export interface EngineHooks {
  /** Asked directly before a tool starts; `refuse` acts at once, whatever was decided before. */
  readonly beforeTool?: (call: { readonly ref: RunRef; readonly tool: string; readonly version: string }) => Verdict;
  /**
   * Shared scopes that an amount counts against, beside the run's own budget. Empty = none. Asked before each reservation;
   * what it writes (a cap) may be written twice, and a store that cannot be reached is tried again.
   */
  readonly sharedScopes?: (
    state: RunState,
    amount: Amount,
    at: CountedAt,
  ) => readonly SharedAmount[] | Promise<readonly SharedAmount[]>;
  /** Declared budgets that `sharedScopes` counts for. */
  readonly budgets?: readonly Budget[];
  /** Posts what budgets have to tell. */
  readonly postWebhook?: PostWebhook;
  /** Names of what `sharedScopes` counts: a door that promises a limit asks whether somebody counts for it. */
  readonly counts?: readonly string[];
  /** Events between stored folds; default limits.snapshotEveryEvents. A simulation lowers it. */
  readonly snapshotEveryEvents?: number;
  /** Whether live deltas are wanted; default true. */
  readonly streams?: boolean;
}

/** The right of this process to own runs, as the executor sees it. */
export interface OwnerRight {
  readonly id: string;
  /** True while the last acknowledged beat was sent no more than half the time-out ago, by the monotonic clock. */
  isFresh(): boolean;
  /** Resolves true once fresh again, false when the session died. */
  whenFresh(): Promise<boolean>;
  /** Beats sent so far: each at least limits.beatMs after the one before it, by this machine's monotonic clock. */
  readonly beats: number;
  readonly dead: AbortSignal;
}
