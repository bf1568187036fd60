import type { ApprovalDecided } from "../core/approval-event.ts";
import type { ArgumentOrigin } from "../core/guard-rules.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import type { Gate, WhoMay } from "../core/policy.ts";
import type { Comment, Vote } from "./approval-rules.ts";
import type { ReviewEntry } from "./review-queue.ts";

/** A question to a person, with the exact call it is bound to. */
export interface Approval extends Pick<ReviewEntry, "agent" | "title" | "principal" | "threadId" | "claim" | "effect"> {
  readonly approvalId: string;
  readonly runId: string;
  readonly callId: string;
  /** seq of the event that asked. */
  readonly seq: number;
  readonly question: string;
  /** What is approved: a hash of tool, version and arguments, or of the question. */
  readonly actionHash: string;
  /** Hash of the arguments as they were asked about. */
  readonly argsHash: string;
  readonly tool: string | null;
  readonly version: string | null;
  readonly input: JsonValue;
  readonly reasons: readonly string[];
  /** What was measured of the call; null = nothing. */
  readonly gate: Gate | null;
  /** Of each argument that steers, as the guard recorded it; empty where nothing untrusted had been read. */
  readonly origins: readonly ArgumentOrigin[];
  /** JSON Schema of the answer; null = approve or reject. */
  readonly schema: JsonObject | null;
  /** Absent lists: everybody of the tenant. */
  readonly whoMay: WhoMay | null;
  /** Distinct people who must approve the same. */
  readonly quorum: number;
  readonly votes: readonly Vote[];
  readonly comments: readonly Comment[];
  readonly expiresAt: number | null;
  /** What happens when nobody decides in time. */
  readonly default: "approve" | "reject";
  /** From `at` on people with this role may decide too. */
  readonly escalation: { readonly at: number; readonly role: string } | null;
  readonly askedAt: number;
  readonly decision: ApprovalDecided | null;
}

export interface DecideOptions {
  readonly by: string;
  /** Roles that the person's credential gives: held against whoMay. Default none. */
  readonly roles?: readonly string[];
  readonly reason?: string;
  /** Arguments to run instead, checked against the tool's schema. */
  readonly edit?: JsonValue;
  readonly answer?: JsonValue;
  /** The actionHash that the person saw; refused when it is not the open one. */
  readonly shownHash?: string;
  /** Decides although somebody else has claimed it. */
  readonly takeOver?: boolean;
  readonly from?: string;
  readonly messageId?: string;
}

export interface Decision {
  readonly approvalId: string;
  readonly decision: "approve" | "reject" | "answer";
  readonly by: string;
  /** People who must still say the same; 0 = it is decided. */
  readonly missing: number;
}
