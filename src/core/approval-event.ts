import type { JsonObject } from "./json.ts";
import type { Ref } from "./label.ts";
import type { WhoMay } from "./policy.ts";

/** O. The run asks a person: about one exact action (`actionHash`), or a plain question. */
export interface ApprovalAsked {
  readonly type: "approval.asked";
  readonly approvalId: string;
  readonly callId: string;
  readonly actionHash: string;
  readonly question: string;
  /** JSON Schema of an answer; absent for approve or reject. */
  readonly schema?: JsonObject;
  readonly whoMay?: WhoMay;
  readonly quorum: number;
  /** ms since 1970; null = never */
  readonly expiresAt: number | null;
  readonly default: "approve" | "reject";
  /** From `at` on people with this role may decide too. */
  readonly escalation?: { readonly at: number; readonly role: string };
}
/** X. */
export interface ApprovalVoted {
  readonly type: "approval.voted";
  readonly approvalId: string;
  readonly vote: "approve" | "reject" | "answer";
  readonly editedArgsRef?: Ref;
  readonly answerRef?: Ref;
  /** Hash of the arguments, or of the answer, that this vote is for. */
  readonly argsHash?: string;
  readonly reason?: string;
  /** Hash of what the person was shown; must equal the asked actionHash. */
  readonly shownHash: string;
  readonly from: string;
}
/** X. What somebody said beside a vote: it binds nothing. Who: the batch's principal. */
export interface ApprovalCommented {
  readonly type: "approval.commented";
  readonly approvalId: string;
  readonly text: string;
  readonly from: string;
}
/** X. Somebody who may not decide tried to, and was refused. The first limits.approvalRefusals of an approval are kept. */
export interface ApprovalRefused {
  readonly type: "approval.refused";
  readonly approvalId: string;
  readonly vote: "approve" | "reject" | "answer";
  readonly by: string;
  readonly from: string;
}
/** X in the batch of the deciding vote; O on expiry. Decides once. */
export interface ApprovalDecided {
  readonly type: "approval.decided";
  readonly approvalId: string;
  readonly decision: "approve" | "reject" | "answer";
  /** Hash of the arguments that may run: the asked ones, or the edited ones; of a plain question that of its answer. */
  readonly argsHash: string;
  readonly by: string;
  readonly reason?: string;
  readonly expired?: true;
}
