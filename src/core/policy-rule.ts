import type { Policy, PolicyCall } from "./guard-rules.ts";
import { checkName } from "./id.ts";
import { allowed, type Verdict } from "./policy.ts";

/** What a rule as code says: null = nothing about this call. */
export type RuleAnswer =
  | Verdict["decision"]
  | { readonly decision: Verdict["decision"]; readonly reason: string }
  | null;

/**
 * A rule of your own for `guard.policies`, recorded as `policy.<name>` where it asks or refuses.
 * @param rule.tools the tools that it is about; default all
 * @throws NAME_INVALID
 */
export function policy(rule: {
  readonly name: string;
  readonly tools?: readonly string[];
  readonly decide: (call: PolicyCall) => RuleAnswer | Promise<RuleAnswer>;
}): Policy {
  const rules = [`policy.${checkName("policy name", rule.name)}`];
  return async (call) => {
    if (rule.tools !== undefined && !rule.tools.includes(call.tool)) return allowed;
    const said = await rule.decide(call);
    if (said === null || said === "allow") return allowed;
    return typeof said === "string" ? { decision: said, rules } : { ...said, rules };
  };
}
