import { z } from "zod";
import type { Effect } from "../../core/effect.ts";
import type { ApprovalDecided } from "../../core/approval-event.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import type { ArgumentOrigin } from "../../core/guard-rules.ts";
import { limits } from "../../core/limits.ts";
import type { Gate, WhoMay } from "../../core/policy.ts";
import { sinks } from "../../core/tool-contract.ts";
import type { Cause } from "../../core/trace-contract.ts";
import type { Comment, Vote } from "../../engine/approval-rules.ts";
import { effect } from "./agents.ts";
import { gate } from "./confidence.ts";
import { cause } from "./traces.ts";
import { at, count, json, jsonObject } from "./values.ts";

/** Who looks at it now, so that two people do not: it lapses by itself. */
export interface ReviewClaim {
  readonly by: string;
  readonly until: number;
}
/** A line of the review queue: a question, a call to approve, or an effect whose outcome nobody knows. */
export interface ReviewItem {
  readonly kind: "approval" | "unknown";
  /** Of an approval; null for an unknown effect, which `runId`, `callId` and `seq` name. */
  readonly approvalId: string | null;
  readonly runId: string;
  readonly callId: string;
  /** Seq of the event that asked. */
  readonly seq: number;
  readonly agent: string;
  /** Of the run. */
  readonly title: string;
  readonly principal: string;
  readonly threadId: string | null;
  readonly question: string;
  readonly tool: string | null;
  readonly toolVersion: string | null;
  readonly effect: Effect | null;
  /** The exact arguments; what was left out for its size is null, see `get`. */
  readonly input: JsonValue;
  /** The arguments in at most 200 characters, "" for none. */
  readonly summary: string;
  readonly askedAt: number;
  readonly expiresAt: number | null;
  readonly claim: ReviewClaim | null;
}
export interface ApprovalDetail extends ReviewItem {
  readonly kind: "approval";
  readonly approvalId: string;
  /** Hash of tool version and arguments: send it back as `shownHash`, and nothing else can be approved by it. */
  readonly actionHash: string;
  /** Why a person is asked. */
  readonly reasons: readonly string[];
  /** Of each argument that steers, as the guard recorded it; empty where nothing untrusted had been read. */
  readonly origins: readonly ArgumentOrigin[];
  /** JSON Schema of the answer; null = approve or reject. */
  readonly answerSchema: JsonObject | null;
  /** JSON Schema of the arguments, for an edit; null where the tool is not registered here. */
  readonly inputSchema: JsonObject | null;
  /** Distinct people who must approve the same. */
  readonly quorum: number;
  /** What was said so far. */
  readonly votes: readonly Vote[];
  /** What people said beside it, at most 50: it binds nothing. */
  readonly comments: readonly Comment[];
  /** How sure a measurement was of the call; null = nothing was measured. */
  readonly gate: Gate | null;
  /** null = everybody of the tenant with the role `review`. */
  readonly whoMay: WhoMay | null;
  /** What happens when nobody decides in time. */
  readonly default: "approve" | "reject";
  /** From `at` on people with this role may decide too. */
  readonly escalation: { readonly at: number; readonly role: string } | null;
  readonly decision: RecordedDecision | null;
  /** Where the words of the arguments came from; null while the trace index cannot tell. */
  readonly provenance: readonly Cause[] | null;
}
export type RecordedDecision = Pick<ApprovalDecided, "decision" | "by"> & {
  readonly reason: string | null;
  readonly expired: boolean;
};

/** `POST /approvals/{approvalId}/decision`. */
export interface DecideRequest {
  readonly decision: "approve" | "reject" | "answer";
  /** With `approve`: arguments to run instead, checked against the tool's schema. */
  readonly edit?: JsonValue;
  /** With `answer`. */
  readonly answer?: JsonValue;
  readonly reason?: string;
  /** The `actionHash` that the person saw; 409 when it is not the open one. */
  readonly shownHash?: string;
  /** Decides although somebody else has claimed it. */
  readonly takeOver?: boolean;
}
export interface DecideResponse {
  readonly approvalId: string;
  readonly decision: "approve" | "reject" | "answer";
  readonly by: string;
  /** People who must still say the same; 0 = it is decided. */
  readonly missing: number;
}
/** `POST /approvals/{approvalId}/comments`. */
export interface CommentRequest {
  readonly text: string;
}
/** `POST /approvals/{approvalId}/claim`. */
export interface ClaimRequest {
  /** 1 to 3600; default 300. */
  readonly seconds?: number;
  /** Takes another's claim over. */
  readonly takeOver?: boolean;
}

const claim = z.object({ by: z.string(), until: at }).meta({ id: "ReviewClaim" });
const item = {
  runId: z.string(),
  callId: z.string(),
  seq: count,
  agent: z.string(),
  title: z.string(),
  principal: z.string(),
  threadId: z.string().nullable(),
  question: z.string(),
  tool: z.string().nullable(),
  toolVersion: z.string().nullable(),
  effect: effect.nullable(),
  input: json,
  summary: z.string(),
  askedAt: at,
  expiresAt: at.nullable(),
  claim: claim.nullable(),
};
export const reviewClaim: z.ZodType<ReviewClaim> = claim;
export const reviewItem: z.ZodType<ReviewItem> = z
  .object({ kind: z.enum(["approval", "unknown"]), approvalId: z.string().nullable(), ...item })
  .meta({ id: "ReviewItem" });

const decision = z.enum(["approve", "reject", "answer"]);
const argumentOrigin: z.ZodType<ArgumentOrigin> = z
  .object({
    path: z.string(),
    value: z.union([z.string(), z.number(), z.boolean()]),
    sink: z.enum([...sinks, "undeclared"]),
    origin: z.union([
      z.object({ source: z.enum(["prompt", "developer", "fixed", "model"]) }),
      z.object({ source: z.literal("trusted"), callId: z.string(), tool: z.string(), path: z.string() }),
      z.object({
        source: z.literal("untrusted"),
        callId: z.string(),
        tool: z.string(),
        around: z.string(),
        also: z.array(z.object({ callId: z.string(), tool: z.string() })).exactOptional(),
      }),
    ]),
  })
  .meta({ id: "ArgumentOrigin", description: "An argument that steers, and who named its value." });
export const approvalDetail: z.ZodType<ApprovalDetail> = z
  .object({
    kind: z.literal("approval"),
    approvalId: z.string(),
    ...item,
    actionHash: z.string(),
    reasons: z.array(z.string()),
    answerSchema: jsonObject.nullable(),
    inputSchema: jsonObject.nullable(),
    quorum: count,
    votes: z.array(
      z.object({ by: z.string(), vote: decision, argsHash: z.string(), at, reason: z.string().nullable() }),
    ),
    comments: z.array(z.object({ by: z.string(), text: z.string(), at, from: z.string() })),
    gate: gate.nullable(),
    whoMay: z
      .object({
        roles: z.array(z.string()).exactOptional(),
        principals: z.array(z.string()).exactOptional(),
        requester: z.boolean().exactOptional(),
      })
      .nullable(),
    default: z.enum(["approve", "reject"]),
    escalation: z.object({ at, role: z.string() }).nullable(),
    decision: z.object({ decision, by: z.string(), reason: z.string().nullable(), expired: z.boolean() }).nullable(),
    origins: z.array(argumentOrigin),
    provenance: z.array(cause).nullable(),
  })
  .meta({ id: "ApprovalDetail" });

export const decideRequest: z.ZodType<DecideRequest> = z
  .strictObject({
    decision,
    edit: json.exactOptional(),
    answer: json.exactOptional(),
    reason: z.string().min(1).max(1_000).exactOptional(),
    shownHash: z.string().min(1).max(64).exactOptional(),
    takeOver: z.boolean().exactOptional(),
  })
  .meta({ id: "DecideRequest" });
export const decideResponse: z.ZodType<DecideResponse> = z
  .object({ approvalId: z.string(), decision, by: z.string(), missing: count })
  .meta({ id: "DecideResponse" });
export const claimRequest: z.ZodType<ClaimRequest> = z
  .strictObject({ seconds: z.int().min(1).max(3_600).exactOptional(), takeOver: z.boolean().exactOptional() })
  .meta({ id: "ClaimRequest" });
export const commentRequest: z.ZodType<CommentRequest> = z
  .strictObject({ text: z.string().trim().min(1).max(limits.approvalCommentChars) })
  .meta({ id: "CommentRequest" });
