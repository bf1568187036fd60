import { z } from "zod";
import type { BudgetScope, RunLimits } from "../../core/budget.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { OnBusy } from "../../engine/thread.ts";
import { runLimits } from "./agents.ts";
import { enumOf, json, jsonObject, name, userId } from "./values.ts";

/** `POST /runs`. With the header `Idempotency-Key`, a repeat of the same body gives the same run. */
export interface StartRunRequest {
  readonly agent: string;
  readonly input: JsonValue;
  /** Default: a new id, or one made of the `Idempotency-Key`. */
  readonly runId?: string;
  readonly threadId?: string;
  /** With a thread that has an active run; default `enqueue`. */
  readonly onBusy?: OnBusy;
  readonly limits?: RunLimits;
  /** Tools that this task may use; a call of any other is refused. Default: all that the agent has. */
  readonly tools?: readonly string[];
  readonly tags?: readonly string[];
}
const toolNames = z.array(z.string().min(1).max(64)).max(256);
export const startRunRequest: z.ZodType<StartRunRequest> = z
  .strictObject({
    agent: name,
    input: json,
    runId: userId.exactOptional(),
    threadId: userId.exactOptional(),
    onBusy: z.enum(["enqueue", "reject", "interrupt"]).exactOptional(),
    limits: runLimits.exactOptional(),
    tools: toolNames.exactOptional(),
    tags: z.array(z.string().min(1).max(64)).max(16).exactOptional(),
  })
  .meta({ id: "StartRunRequest" });

const reason = z.string().min(1).max(1_000);

/** `POST /runs/{runId}/cancel` and `/pause`. */
export interface ReasonRequest {
  readonly reason: string;
}
export const reasonRequest: z.ZodType<ReasonRequest> = z.strictObject({ reason }).meta({ id: "ReasonRequest" });

/** `POST /runs/{runId}/unblock`. */
export interface UnblockRequest {
  readonly action: "retry" | "fail";
}
export const unblockRequest: z.ZodType<UnblockRequest> = z
  .strictObject({ action: z.enum(["retry", "fail"]) })
  .meta({ id: "UnblockRequest" });

/** `POST /runs/{runId}/messages`: the agent reads it at its next turn. */
export interface MessageRequest {
  readonly text: string;
}
export const messageRequest: z.ZodType<MessageRequest> = z
  .strictObject({ text: z.string().min(1).max(100_000) })
  .meta({ id: "MessageRequest" });

/** `POST /runs/{runId}/answer`: said in the agent's place. */
export const answerRequest: z.ZodType<MessageRequest> = z
  .strictObject({ text: z.string().trim().min(1).max(limits.answerChars) })
  .meta({ id: "AnswerRequest" });

/** `POST /runs/{runId}/signals`. */
export interface SignalRequest {
  readonly name: string;
  readonly value: JsonValue;
}
export const signalRequest: z.ZodType<SignalRequest> = z
  .strictObject({ name, value: json })
  .meta({ id: "SignalRequest" });

/** `POST /runs/{runId}/tools`: a task that was started with a set of tools may use these too. */
export interface AllowToolsRequest {
  readonly tools: readonly string[];
}
export const allowToolsRequest: z.ZodType<AllowToolsRequest> = z
  .strictObject({ tools: toolNames.min(1) })
  .meta({ id: "AllowToolsRequest" });

/** `POST /runs/{runId}/budget`: adds to a cap. Money in nano-dollars (1e9 = 1 USD). */
export interface RaiseBudgetRequest {
  readonly scope: BudgetScope;
  readonly amount: number;
}
export const raiseBudgetRequest: z.ZodType<RaiseBudgetRequest> = z
  .strictObject({
    scope: enumOf<BudgetScope>({ tokens: true, costNanoUsd: true, calls: true }),
    amount: z.int().min(1),
  })
  .meta({ id: "RaiseBudgetRequest" });

/** `POST /runs/{runId}/fork`: a new run from the first `turn` turns; 0 = only the input. */
export interface ForkRequest {
  readonly turn: number;
  readonly runId?: string;
  /** Replace those of the original that they name: a run that was stopped can go on so. `turns` counts the kept ones. */
  readonly limits?: RunLimits;
  /** Channels of a graph's state that are set to other values. */
  readonly state?: JsonObject;
}
export const forkRequest: z.ZodType<ForkRequest> = z
  .strictObject({
    turn: z.int().min(0).max(1_000_000),
    runId: userId.exactOptional(),
    limits: runLimits.exactOptional(),
    state: jsonObject.exactOptional(),
  })
  .meta({ id: "ForkRequest" });
