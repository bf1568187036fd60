import { PawlError } from "./errors.ts";
import { limits } from "./limits.ts";

/** Who may decide about an approval: any of these roles or principals; neither list given = everybody of the tenant. */
export interface WhoMay {
  readonly roles?: readonly string[];
  readonly principals?: readonly string[];
  /** May the principal that started the run approve what it asks for? Default: where one approver is enough. */
  readonly requester?: boolean;
}

/** Who must approve, and how many of them. */
export interface Approvers {
  readonly whoMay?: WhoMay;
  /** Distinct people who must approve the same arguments; default 1. One who rejects decides. */
  readonly quorum?: number;
  /** When nobody has decided after `afterMs`, people with this role may decide too. */
  readonly escalation?: { readonly afterMs: number; readonly role: string };
  /** For how long it is asked; default 7 days; null = until it is decided. */
  readonly expiresMs?: number | null;
  /** What happens when nobody decides in time; default `reject`. */
  readonly default?: "approve" | "reject";
  /**
   * In place of the above from an amount on, with rising amounts: the last rule that fits holds. The amount is the sum of
   * the arguments that `flow.sinks` calls `amount`; without one that is a number it counts as without end.
   */
  readonly above?: readonly AmountRule[];
}

/** Who must approve from an amount on; what it does not say is as for every call. */
export interface AmountRule extends Omit<Approvers, "above"> {
  readonly amount: number;
  /** Only for this tenant. Default: for all. */
  readonly tenant?: string;
}

/**
 * @param what names it in the error: `tool "refund": approvers`
 * @throws OPTION_INVALID where nobody could ever fulfil it
 */
export function checkApprovers(what: string, approvers: Omit<Approvers, "above">): void {
  const { whoMay, quorum = 1, escalation, expiresMs = null, default: byTime = "reject" } = approvers;
  const refuse = (text: string): never => {
    throw new PawlError("OPTION_INVALID", `${what}: ${text}`);
  };
  if (
    escalation !== undefined &&
    (!(escalation.afterMs >= 1) || typeof escalation.role !== "string" || !escalation.role)
  )
    refuse("escalation is { afterMs, role }: at least 1 ms, and the role that may decide from then on.");
  if (expiresMs !== null && !(expiresMs >= 1)) refuse(`expiresMs is ${expiresMs}: at least 1 ms, or null for no end.`);
  if (byTime !== "approve" && byTime !== "reject")
    refuse(`default is ${JSON.stringify(byTime)}. It is "approve" or "reject".`);
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > limits.approvers)
    refuse(`quorum is ${String(quorum)}. It is a whole number from 1 to ${limits.approvers}.`);
  for (const [list, names] of Object.entries({ roles: whoMay?.roles, principals: whoMay?.principals })) {
    if (names === undefined) continue;
    const isList = Array.isArray(names) && names.every((name) => typeof name === "string" && name.length > 0);
    if (!isList || names.length === 0 || names.length > limits.approverNames)
      refuse(`whoMay.${list} is a list of 1 to ${limits.approverNames} names. Leave it out where nobody is named.`);
  }
  const named = new Set(whoMay?.principals).size;
  if (whoMay?.principals !== undefined && whoMay.roles === undefined && !escalation && named < quorum)
    refuse(`${quorum} people must approve, and ${named} may. Name more, or lower the quorum.`);
}

/** How sure a measurement was that a call is right, and what came of it. */
export interface Gate {
  readonly by: "tool" | "samples" | "reviewer";
  /** 0 to 1; null = it could not be measured, which asks. */
  readonly score: number | null;
  readonly threshold: number;
  readonly decision: "auto_approved" | "asked" | "refused";
  readonly reason: string;
}

/** The decision about one call, deterministic, with the rules that made it. */
export interface Verdict {
  readonly decision: "allow" | "ask" | "refuse";
  readonly rules: readonly string[];
  /** Why, in words that a person and the model may read. */
  readonly reason?: string;
  /** Where confidence was measured. */
  readonly gate?: Gate;
}

export const allowed: Verdict = { decision: "allow", rules: [] };

const gateDecisions = { allow: "auto_approved", ask: "asked", refuse: "refused" } as const;
const strictness = { allow: 0, ask: 1, refuse: 2 } as const;

/** The stricter of several verdicts, with the rules of all that are as strict. */
export function strictest(verdicts: readonly Verdict[]): Verdict {
  const level = Math.max(0, ...verdicts.map((verdict) => strictness[verdict.decision]));
  const decisive = verdicts.filter((verdict) => strictness[verdict.decision] === level);
  const reasons = decisive.flatMap((verdict) => verdict.reason ?? []);
  const decision = level === 2 ? "refuse" : level === 1 ? "ask" : "allow";
  const rules = decisive.flatMap((verdict) => verdict.rules);
  const gate = verdicts.find((verdict) => verdict.gate !== undefined)?.gate;
  return {
    decision,
    rules,
    ...(reasons.length > 0 && { reason: reasons.join("; ") }),
    ...(gate && { gate: { ...gate, decision: gateDecisions[decision] } }),
  };
}
