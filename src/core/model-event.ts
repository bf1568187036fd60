import type { ErrorRecord } from "./errors.ts";
import type { Usage } from "./usage.ts";

/** O. All attempts failed. The last attempt's bill is in its `model.attempted`. */
export interface ModelFailed {
  readonly type: "model.failed";
  readonly callId: string;
  readonly error: ErrorRecord;
}

/** What the call took whose answer another one was given. */
export interface SavedAnswer {
  readonly ms: number;
  readonly costNanoUsd: number;
  readonly usage: Usage;
}
