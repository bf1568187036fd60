import type { Amount, BudgetNote } from "./budget.ts";
import type { ErrorRecord } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import type { Ref } from "./label.ts";
import type { Price, Usage } from "./usage.ts";

/** A message of a prompt: one that an event recorded, or one added here. */
export type PromptEntry = { readonly seq: number } | { readonly message: Ref };

/**
 * O. An attempt at a model call was decided and reserved; the request goes out after this is durable. The prompt is the
 * previous request of the same context (`baseSeq`, 0 for none), less its last `drop` entries, plus `add`.
 */
export interface ModelCalled {
  readonly type: "model.called";
  readonly callId: string;
  readonly attempt: number;
  readonly context: string;
  readonly route: string;
  readonly endpoint: string;
  readonly baseSeq: number;
  readonly drop: number;
  readonly add: readonly PromptEntry[];
  readonly systemRef?: Ref;
  readonly toolsetRef?: Ref;
  readonly params?: JsonObject;
  readonly promptHash: string;
  readonly inputTokens: number;
  readonly reservation: Amount;
  /** The dearer route that was not asked, and what it would have charged; null = unpriced. */
  readonly insteadOf?: { readonly route: string; readonly price: Price | null };
  /** The call of a smaller model that was not good enough. */
  readonly escalates?: string;
  /** Ledger id where shared scopes were reserved too. */
  readonly reservationId?: string;
  readonly budgetNotes?: readonly BudgetNote[];
}
interface Billed {
  readonly callId: string;
  readonly attempt: number;
  readonly endpoint: string;
  readonly usage?: Usage;
  readonly costNanoUsd: number | null;
  readonly priceSource: string | null;
  /** True where usage was not told and the worst case is charged. */
  readonly assumed: boolean;
  /** Copied by a fork: the original paid for it. */
  readonly inherited?: true;
}
/** O. An attempt that is not the answer: failed, hedged away, or lost with its worker. */
export interface ModelAttempted extends Billed {
  readonly type: "model.attempted";
  readonly error: ErrorRecord;
  /** A second bill of the attempt of this number: of the endpoint that was asked beside. In the batch of its outcome. */
  readonly beside?: true;
}
export type FinishReason = "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other";
/** O. */
export interface ModelAnswered extends Billed {
  readonly type: "model.answered";
  readonly model: string;
  readonly context: string;
  readonly messageRef: Ref;
  readonly finish: FinishReason;
  readonly usage: Usage;
  readonly ttftMs: number | null;
  readonly ms: number;
  /** A person answered, and no model was asked: who, and the event by which they did. */
  readonly person?: { readonly by: string; readonly seq: number };
  /** It was answered by a kept answer, for nothing: what that one took. */
  readonly saved?: SavedAnswer;
}

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
