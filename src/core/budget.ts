import { PawlError } from "./errors.ts";
import type { RunTotals } from "./run-outcome.ts";
import { nanoUsdOf, tokensOf, type Usage } from "./usage.ts";

/** Limits of one run, as its author states them. Absent = no cap, except `tokens`: 100,000 without any stated budget. */
export interface RunLimits {
  /** Model calls of one agent; default 20. */
  readonly turns?: number;
  readonly tokens?: number;
  readonly costUsd?: number;
  /** Tool calls. */
  readonly calls?: number;
  /** `park` waits for a top-up as awaiting_budget; `finish` ends with the best answer so far. Default `park`. */
  readonly onBudget?: "park" | "finish";
}

/** An amount taken from or held against a budget. `costNanoUsd` null = unpriced. */
export interface Amount {
  readonly tokens: number;
  readonly costNanoUsd: number | null;
  readonly calls: number;
}

/** Caps in force: the run's limits plus every top-up. null = no cap. */
export interface Caps {
  readonly tokens: number | null;
  readonly costNanoUsd: number | null;
  readonly calls: number | null;
}

export type BudgetScope = "tokens" | "costNanoUsd" | "calls";

/** True for a scope of the run's own budget, false for a shared one. */
export function isOwnScope(scope: string): scope is BudgetScope {
  return scope === "tokens" || scope === "costNanoUsd" || scope === "calls";
}

type Rule = { readonly isFine: (value: unknown) => boolean; readonly allowed: string };
const whole: Rule = {
  isFine: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  allowed: "a whole number from 0",
};
const rules: { readonly [name in keyof RunLimits]-?: Rule } = {
  turns: { isFine: (value) => Number.isSafeInteger(value) && Number(value) > 0, allowed: "a whole number above 0" },
  tokens: whole,
  costUsd: { isFine: (value) => Number.isFinite(value) && Number(value) >= 0, allowed: "an amount in USD from 0" },
  calls: whole,
  onBudget: { isFine: (value) => value === "park" || value === "finish", allowed: '"park" or "finish"' },
};

/**
 * @param what begins the message: `agent "billing"`
 * @throws OPTION_INVALID naming the limit, what was given and what is allowed
 */
export function checkLimits(what: string, stated: RunLimits): RunLimits {
  for (const [name, value] of Object.entries(stated) as readonly (readonly [string, unknown])[]) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof RunLimits] : undefined;
    if (rule?.isFine(value) === true || (rule !== undefined && value === undefined)) continue;
    const given = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? typeof value);
    const problem =
      rule === undefined
        ? `there is no limit "${name.slice(0, 60)}". There are: ${Object.keys(rules).join(", ")}`
        : `limits.${name} is ${given.slice(0, 60)}; it must be ${rule.allowed}`;
    throw new PawlError("OPTION_INVALID", `${what}: ${problem}.`);
  }
  return stated;
}

export interface BudgetRefusal {
  /** A scope of the run's own budget, or the name of a shared one. */
  readonly scope: string;
  readonly left: number;
  readonly needed: number;
  /** When a shared one begins its next window. */
  readonly until?: number;
}

/** What a budget that let a call through has to say of it. `warned` and `over` are said once in a window. */
export interface BudgetNote {
  readonly budget: string;
  /** The ledger's: `team:ada`, `day:2026-11-22`. */
  readonly scope: string;
  readonly window: string;
  readonly unit: string;
  /** `would-refuse`: a shadow budget had no room for it. */
  readonly says: "warned" | "over" | "would-refuse";
  /** With the call's own worst case. */
  readonly used: number;
  readonly cap: number;
}

/** Nano-dollars assumed per token where a cost cap meets an unpriced model: 100 USD per million tokens. */
export const unpricedNanoUsdPerToken = 100_000;

/** What a bill counts in a budget of money. */
export function costCounted({ usage, costNanoUsd }: Bill): number {
  return costNanoUsd ?? (usage === undefined ? 0 : tokensOf(usage)) * unpricedNanoUsdPerToken;
}
interface Bill {
  readonly usage?: Usage;
  readonly costNanoUsd: number | null;
}

/** What a run and its ended children count in a budget of money. */
export function costOfTotals(totals: RunTotals): number {
  const unpriced = (totals.unpricedTokens ?? 0) + (totals.childUnpricedTokens ?? 0);
  return totals.costNanoUsd + totals.childCostNanoUsd + unpriced * unpricedNanoUsdPerToken;
}

export function capsOf(runLimits: RunLimits, defaultTokens: number): Caps {
  const stated = runLimits.tokens !== undefined || runLimits.costUsd !== undefined;
  return {
    tokens: runLimits.tokens ?? (stated ? null : defaultTokens),
    costNanoUsd: runLimits.costUsd === undefined ? null : nanoUsdOf(runLimits.costUsd),
    calls: runLimits.calls ?? null,
  };
}

/** What is left under the caps after what was spent (children included) and what is reserved by calls in flight. */
export function leftOf(caps: Caps, totals: RunTotals, reserved: Iterable<Amount>): Caps {
  let tokens = tokensOf(totals.usage) + totals.childTokens;
  let cost = costOfTotals(totals);
  let calls = totals.toolCalls + (totals.childToolCalls ?? 0);
  for (const amount of reserved) {
    tokens += amount.tokens;
    cost += costAssumed(amount);
    calls += amount.calls;
  }
  const left = (cap: number | null, used: number): number | null => (cap === null ? null : cap - used);
  return {
    tokens: left(caps.tokens, tokens),
    costNanoUsd: left(caps.costNanoUsd, cost),
    calls: left(caps.calls, calls),
  };
}

/** The first scope that an amount does not fit; null when it fits all. */
export function refusalOf(left: Caps, needed: Amount): BudgetRefusal | null {
  if (left.tokens !== null && needed.tokens > left.tokens) {
    return { scope: "tokens", left: left.tokens, needed: needed.tokens };
  }
  if (left.costNanoUsd !== null && costAssumed(needed) > left.costNanoUsd) {
    return { scope: "costNanoUsd", left: left.costNanoUsd, needed: costAssumed(needed) };
  }
  if (left.calls !== null && needed.calls > left.calls)
    return { scope: "calls", left: left.calls, needed: needed.calls };
  return null;
}

/** Whether a scope of the run's own budget has more left than when it refused. */
export function hasMore({ scope, left }: BudgetRefusal, now: Caps): boolean {
  return isOwnScope(scope) && (now[scope] ?? Infinity) > left;
}

/** What is left where two budgets must hold. */
export function tighter(one: Caps, other: Caps): Caps {
  const less = (a: number | null, b: number | null): number | null =>
    a === null ? b : b === null ? a : Math.min(a, b);
  return {
    tokens: less(one.tokens, other.tokens),
    costNanoUsd: less(one.costNanoUsd, other.costNanoUsd),
    calls: less(one.calls, other.calls),
  };
}

function costAssumed(amount: Amount): number {
  return amount.costNanoUsd ?? amount.tokens * unpricedNanoUsdPerToken;
}
