import type { BudgetNote } from "./budget.ts";
import type { Effect } from "./effect.ts";
import type { ErrorRecord } from "./errors.ts";
import type { JsonObject } from "./json.ts";
import type { Ref } from "./label.ts";
import type { Verdict } from "./policy.ts";

/** O. A tool call was decided; nothing has happened yet. */
export interface ToolCalled {
  readonly type: "tool.called";
  readonly callId: string;
  /** The call as the model wrote it: `<modelCallId>-<index>`; absent where code asked. */
  readonly modelCallId?: string;
  readonly index?: number;
  readonly tool: string;
  readonly version: string;
  readonly argsRef: Ref;
  readonly argsHash: string;
  readonly effect: Effect;
  /** Idempotency key: from the recorded call, the same for every attempt. */
  readonly key: string;
  readonly verdict: Verdict;
  readonly provenance?: JsonObject;
  readonly cacheHit?: boolean;
  readonly inherited?: true;
  readonly reservationId?: string;
  /** The most that the call may cost, held until its outcome. */
  readonly reservedNanoUsd?: number;
  readonly budgetNotes?: readonly BudgetNote[];
}
/** O. About to touch the world; committed directly before the call. */
export interface ToolStarted {
  readonly type: "tool.started";
  readonly callId: string;
  readonly attempt: number;
  readonly approvalId?: string;
  readonly deadlineMs: number;
}
/** Names the place in the conversation that an outcome answers; absent where code, not a model, asked. */
interface Answering {
  readonly callId: string;
  readonly tool: string;
  /** Id of the call inside the model's message: `<modelCallId>-<index>`. */
  readonly part?: string;
}
/** O. */
export interface ToolReturned extends Answering {
  readonly type: "tool.returned";
  readonly attempt: number;
  /** The whole result; absent where it is what was shown. */
  readonly rawRef?: Ref;
  /** What the model sees: sanitised, wrapped, cut. */
  readonly shownRef: Ref;
  readonly ms: number;
  readonly costNanoUsd?: number;
  /** The result did not say what it cost: the most is charged. */
  readonly costAssumed?: true;
  /** It happened, but its result breaks its outputSchema: the model is shown an error, never the result as a fact. */
  readonly invalid?: ErrorRecord;
  /** Where the result came from when the call itself did not return it. */
  readonly via?: "reconciled" | "resolved" | "cache" | "fork";
  /** What the call took whose result this is, with via `cache`. */
  readonly saved?: { readonly ms: number; readonly costNanoUsd: number };
  /** Copied by a fork: the original paid for it. */
  readonly inherited?: true;
}
/** O. Nothing was applied outside (`maybe`: an idempotent call, which its key makes safe to repeat). With `retry`, another attempt follows and the body does not see this one. */
export interface ToolFailed extends Answering {
  readonly type: "tool.failed";
  readonly attempt: number;
  readonly error: ErrorRecord;
  readonly applied: "no" | "maybe";
  readonly shownRef?: Ref;
  readonly retry?: true;
  readonly ms?: number;
}
/** O. The call never started: unknown tool, bad arguments, a rule, a person, a budget, a cancel. */
export interface ToolRefused extends Answering {
  readonly type: "tool.refused";
  readonly code: string;
  readonly shownRef: Ref;
}
/** O. The result, and what rests on it, leave the context; the journal keeps them. */
export interface ToolRetracted extends Answering {
  readonly type: "tool.retracted";
  readonly reason: string;
}
/** O. Nobody knows whether it happened. A person or `reconcile` resolves it. */
export interface EffectUnknown {
  readonly type: "effect.unknown";
  readonly callId: string;
  readonly attempt: number;
  /** seq of the call's intent, where its name and arguments are. */
  readonly callSeq?: number;
  readonly reason: string;
}
/** X or O. `not_applied` permits a next attempt with the same key. */
export interface EffectResolved {
  readonly type: "effect.resolved";
  readonly callId: string;
  readonly resolution: "applied" | "not_applied";
  readonly resultRef?: Ref;
  readonly by: string;
}
