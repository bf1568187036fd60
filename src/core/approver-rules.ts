import { PawlError } from "./errors.ts";
import { sinkOf } from "./guard-rules.ts";
import type { JsonValue } from "./json.ts";
import { limits } from "./limits.ts";
import { checkApprovers, type AmountRule, type Approvers } from "./policy.ts";
import { leavesOf } from "./provenance.ts";
import type { ToolFlow } from "./tool-contract.ts";

/** A tool, as far as it says who must approve. */
interface Approved {
  readonly name: string;
  readonly flow?: ToolFlow;
  readonly approvers?: Approvers;
}

/** What a call is about in all: the sum of its arguments that are declared as amounts. What is no number counts as without end. */
export function amountOf({ flow }: Pick<Approved, "flow">, args: JsonValue): number {
  const declared = flow?.sinks ?? {};
  const amounts = leavesOf(args).filter(({ path }) => sinkOf(declared, path) === "amount");
  const sum = amounts.reduce(
    (total, { value }) => total + Math.abs(typeof value === "boolean" ? NaN : Number(value)),
    0,
  );
  return amounts.length === 0 || Number.isNaN(sum) ? Infinity : sum;
}

/** Who must approve this call: what the tool says, and in its place what it says of so large an amount. */
export function approversFor(tool: Approved, args: JsonValue, tenant: string): Omit<Approvers, "above"> {
  const { above = [], ...plain } = tool.approvers ?? {};
  const amount = above.length === 0 ? 0 : amountOf(tool, args);
  const rule = above.findLast((one) => amount >= one.amount && (one.tenant ?? tenant) === tenant);
  if (rule === undefined) return plain;
  const { amount: _amount, tenant: _tenant, ...stricter } = rule;
  return { ...plain, ...stricter };
}

/** @throws OPTION_INVALID where a rule could never hold, or nobody could fulfil it */
export function checkToolApprovers({ name, flow, approvers = {} }: Approved): void {
  const what = `tool "${name}": approvers`;
  const { above = [], ...plain } = approvers;
  checkApprovers(what, plain);
  const refuse = (text: string): never => {
    throw new PawlError("OPTION_INVALID", `${what}.above: ${text}`);
  };
  if (above.length === 0) return;
  if (above.length > limits.approvers) refuse(`${above.length} rules are too many, at most ${limits.approvers}.`);
  if (!Object.values(flow?.sinks ?? {}).includes("amount"))
    refuse(`no argument is an amount. Name it: flow: { sinks: { usd: "amount" } }.`);
  let before = 0;
  for (const [i, rule] of above.entries()) {
    const { amount, tenant: _tenant, ...stricter } = rule satisfies AmountRule;
    if (!(amount >= before)) refuse(`amounts rise from rule to rule and are 0 or more; rule ${i} has ${amount}.`);
    before = amount;
    checkApprovers(`${what}.above[${i}]`, { ...plain, ...stricter });
  }
}
