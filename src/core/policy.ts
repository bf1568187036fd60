/** The decision about one call, deterministic, with the rules that made it. */
export interface Verdict {
  readonly decision: "allow" | "ask" | "refuse";
  readonly rules: readonly string[];
  /** Why, in words that a person and the model may read. */
  readonly reason?: string;
}

export const allowed: Verdict = { decision: "allow", rules: [] };

const strictness = { allow: 0, ask: 1, refuse: 2 } as const;

/** The stricter of several verdicts, with the rules of all that are as strict. */
export function strictest(verdicts: readonly Verdict[]): Verdict {
  const level = Math.max(0, ...verdicts.map((verdict) => strictness[verdict.decision]));
  const decisive = verdicts.filter((verdict) => strictness[verdict.decision] === level);
  const reasons = decisive.flatMap((verdict) => verdict.reason ?? []);
  const decision = level === 2 ? "refuse" : level === 1 ? "ask" : "allow";
  const rules = decisive.flatMap((verdict) => verdict.rules);
  return reasons.length === 0 ? { decision, rules } : { decision, rules, reason: reasons.join("; ") };
}
