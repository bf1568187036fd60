import type { Budget } from "../core/budget-rules.ts";
import type { Clock, Entropy } from "../core/clock.ts";
import type { Dispatch } from "../core/dispatch-contract.ts";
import type { GuardOptions } from "../core/guard-rules.ts";
import type { ModelSource } from "../core/model-contract.ts";
import type { RedactOptions } from "../core/redact.ts";
import type { Runnable } from "../core/runnable.ts";
import type { Store } from "../core/store-contract.ts";
import type { ToolRules } from "../core/tool-grants.ts";
import type { EngineHooks, Retention, ReviewLinkOptions, SecretSource } from "./deps.ts";
import type { WorkerEvent, WorkerOptions } from "./worker.ts";

export interface PawlOptions {
  readonly store: Store;
  readonly agents: readonly Runnable[];
  readonly models: ModelSource;
  /** Execute runs in this process; default true. False: only start, read and decide. */
  readonly worker?:
    | boolean
    | (Partial<Pick<WorkerOptions, "name">> &
        Pick<WorkerOptions, "concurrency" | "tenantConcurrency" | "only" | "isolate">);
  /** Identity of the deployed code, recorded in each claim. */
  readonly build?: string;
  readonly hooks?: EngineHooks;
  /** How much passes without a person once untrusted data was read, and rules of your own. Default: profile `standard`. */
  readonly guard?: GuardOptions;
  /** What must never be stored: taken out of all that a run records, before it is hashed, stored, streamed or sent to a model. */
  readonly redact?: RedactOptions;
  /** Grants to tools, and whether a person looks at each new tool first. */
  readonly tools?: ToolRules;
  /** Where tools get secrets by name (`ctx.secret`). What it gives is never stored. */
  readonly secrets?: SecretSource;
  /** Caps over many runs: of users, threads, agents …, by the hour, day or month. */
  readonly budgets?: readonly Budget[];
  /** How long ended runs and threads are kept. Default: for ever. */
  readonly retention?: Retention;
  /** An existing queue that tells workers which runs are due. Default: workers poll the store. */
  readonly queue?: Dispatch;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly onWorkerEvent?: (event: WorkerEvent) => void;
  /** Who is told of each approval by webhook, with a link to it. */
  readonly reviewLinks?: ReviewLinkOptions;
}
