import { PawlError } from "../core/errors.ts";
import type { Approvers } from "../core/policy.ts";
import type { ApprovalAsked, ApprovalDecided } from "../core/approval-event.ts";

/** What one person said about an approval. */
export interface Vote {
  readonly by: string;
  readonly vote: "approve" | "reject" | "answer";
  /** Hash of the arguments, or of the answer, that it is for. */
  readonly argsHash: string;
  readonly at: number;
  readonly reason: string | null;
}

/** What one person said beside their vote, or without one. */
export interface Comment {
  readonly by: string;
  readonly text: string;
  readonly at: number;
  /** `http`, `cli`, `api` … */
  readonly from: string;
}

/** Somebody who wants to decide, as their credential says. */
export interface Voter {
  readonly by: string;
  readonly roles: readonly string[];
  /** ms since 1970 */
  readonly at: number;
}

/** Who must decide. */
export type Rules = Pick<ApprovalAsked, "approvalId" | "whoMay" | "quorum" | "escalation">;

/**
 * @param requester principal of the run that asks
 * @throws APPROVAL_FORBIDDEN  this person may not decide; or started the run and may not approve what it asks for
 */
export function checkVoter(asked: Rules, requester: string, voter: Voter, vote: Vote["vote"]): void {
  const { approvalId, whoMay, quorum, escalation } = asked;
  const isEscalated = escalation !== undefined && escalation.at <= voter.at;
  const roles = [...(whoMay?.roles ?? []), ...(isEscalated ? [escalation.role] : [])];
  const principals = whoMay?.principals ?? [];
  const isOpen = whoMay?.roles === undefined && whoMay?.principals === undefined;
  if (!isOpen && !principals.includes(voter.by) && !roles.some((role) => voter.roles.includes(role))) {
    const allowed = [
      ...(roles.length === 0 ? [] : [`people with the role ${roles.join(" or ")}`]),
      ...(principals.length === 0 ? [] : [principals.join(", ")]),
    ];
    throw new PawlError(
      "APPROVAL_FORBIDDEN",
      `"${voter.by}" may not decide approval "${approvalId}". It is for ${allowed.join(", or ")}.`,
    );
  }
  if (vote === "reject" || voter.by !== requester || (whoMay?.requester ?? quorum === 1)) return;
  throw new PawlError(
    "APPROVAL_FORBIDDEN",
    `"${voter.by}" started the run that asks: approval "${approvalId}" needs somebody else. Rejecting it is possible.`,
  );
}

/**
 * Why nobody could ever approve what this run asks, as it was started by one of those who may; null = somebody could.
 * Who has a role is not known here.
 */
export function unreachable(
  { whoMay, quorum = 1, escalation }: Omit<Approvers, "above">,
  requester: string,
): PawlError | null {
  const { principals, roles, requester: mayAsk = quorum === 1 } = whoMay ?? {};
  if (principals === undefined || roles !== undefined || escalation !== undefined) return null;
  const others = new Set(principals.filter((name) => mayAsk || name !== requester));
  if (others.size >= quorum) return null;
  return new PawlError(
    "QUORUM_UNREACHABLE",
    `${quorum} of ${principals.join(", ")} must approve, and "${requester}" started the run: only ${others.size} can. Name more people, a role or an escalation.`,
  );
}

/**
 * How many more people must say the same before an approval is decided with this vote; 0 = it decides. Those count who
 * approved the same arguments or gave the same answer. One who rejects decides.
 * @throws APPROVAL_VOTED  this person has said something already
 */
export function missingAfter(
  asked: Rules,
  votes: readonly Vote[],
  vote: Pick<Vote, "by" | "vote" | "argsHash">,
): number {
  if (votes.some(({ by }) => by === vote.by)) throw alreadyVoted(asked, votes, vote.by);
  if (vote.vote === "reject") return 0;
  const same = votes.filter((one) => one.vote === vote.vote && one.argsHash === vote.argsHash).length;
  return Math.max(0, asked.quorum - same - 1);
}

export function alreadyVoted(
  asked: Pick<Rules, "approvalId" | "quorum">,
  votes: readonly Vote[],
  by: string,
): PawlError {
  const earlier = votes.find((one) => one.by === by);
  return new PawlError(
    "APPROVAL_VOTED",
    `"${by}" voted on approval "${asked.approvalId}" already: ${earlier?.vote ?? "something"}. It takes ${asked.quorum} people.`,
  );
}

/** Why an approval is not open: it was decided, or never was. */
export function alreadyDecided({
  approvalId,
  decision,
}: {
  readonly approvalId: string;
  readonly decision: ApprovalDecided | null;
}): PawlError {
  if (decision === null)
    return new PawlError(
      "APPROVAL_DECIDED",
      `approval "${approvalId}" is closed: its run ended or went on without it.`,
    );
  const why = decision.reason === undefined ? "" : ` (${decision.reason})`;
  return new PawlError(
    "APPROVAL_DECIDED",
    `approval "${approvalId}" was decided already: ${decision.decision} by ${decision.by}${why}. That decision stands.`,
    {
      details: { decision: decision.decision, by: decision.by },
    },
  );
}

export function unknownApproval(approvalId: string): PawlError {
  return new PawlError("APPROVAL_UNKNOWN", `no approval "${approvalId}". List the open ones with "pawl approvals".`);
}

/** The run and call that an approval id names: `<runId>:<callId>`. */
export function splitApprovalId(approvalId: string): { readonly runId: string; readonly callId: string } {
  const cut = approvalId.lastIndexOf(":");
  if (cut < 1)
    throw new PawlError(
      "APPROVAL_UNKNOWN",
      `"${approvalId.slice(0, 80)}" is no approval id. It looks like "RUN_ID:t3-1"; list them with "pawl approvals".`,
    );
  return { runId: approvalId.slice(0, cut), callId: approvalId.slice(cut + 1) };
}
