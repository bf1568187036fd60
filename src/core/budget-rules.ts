import { unpricedNanoUsdPerToken, type Amount } from "./budget.ts";
import { PawlError } from "./errors.ts";
import { checkName } from "./id.ts";
import { limits } from "./limits.ts";
import { nearest } from "./nearest.ts";
import type { LedgerAmount, LedgerUnit } from "./store-contract.ts";
import { nanoUsdOf } from "./usage.ts";

export type BudgetKind = "run" | "thread" | "user" | "tenant" | "agent" | "tool";
export type BudgetWindow = "run" | "hour" | "day" | "month";
/** `hard` refuses what does not fit, `soft` warns, `shadow` records what it would have refused. */
export type BudgetMode = "hard" | "soft" | "shadow";

/** At least one of them is stated. `calls` are tool calls. */
export interface BudgetCaps {
  readonly tokens?: number;
  readonly costUsd?: number;
  readonly calls?: number;
}

/** A cap over many runs: of each user, thread, agent … by itself, or with `match` of one of them. */
export interface Budget extends BudgetCaps {
  readonly name: string;
  /** `run` counts a root run with all that it starts. */
  readonly scope: BudgetKind;
  /** The one user, tenant, agent … that it is about; default each of them by itself. */
  readonly match?: string;
  /** Hours, days and months are those of UTC; `run` is the whole life of a root run. */
  readonly window: BudgetWindow;
  /** Default `hard`. */
  readonly mode?: BudgetMode;
  /** Share of the cap at which a hard or soft budget warns; default 0.8. */
  readonly warnAt?: number;
  /** Whether a call's output limit may shrink so that it fits; default true. */
  readonly shrinkOutput?: boolean;
  /** Told of warnings; signed. See docs/budgets.md. */
  readonly webhook?: string;
}

/** How one cap of a budget stands in its window. */
export interface BudgetLine {
  readonly name: string;
  readonly scope: BudgetKind;
  /** The user, agent, thread … that this line is about; null = all that it counts, or nobody yet. */
  readonly key: string | null;
  readonly window: BudgetWindow;
  /** When the next window begins; null = never. */
  readonly endsAt: number | null;
  readonly mode: BudgetMode;
  readonly unit: LedgerUnit;
  readonly cap: number;
  /** What was spent; null where each run has a window of its own. */
  readonly used: number | null;
  readonly reserved: number | null;
  /** Below 0 where a soft or shadow budget was passed. */
  readonly left: number | null;
  /** Who set the cap in place of the declared one. */
  readonly setBy: string | null;
  readonly setAt: number | null;
}

/** Who a call is made for, and by what. */
export interface BudgetSubject {
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
  readonly rootRunId: string;
  readonly thread: string | null;
  /** Of a tool call. */
  readonly tool: string | null;
}

/** Where a budget counts a call: the ledger's scope and window. */
export interface BudgetAccount {
  readonly scope: string;
  readonly window: string;
  /** When the next window begins; null = never. */
  readonly endsAt: number | null;
}

type Rule = { readonly isFine: (value: unknown) => boolean; readonly allowed: string };
const oneOf = (...allowed: readonly string[]): Rule => ({
  isFine: (value) => typeof value === "string" && allowed.includes(value),
  allowed: allowed.join(", "),
});
const whole: Rule = {
  isFine: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
  allowed: "a whole number from 0",
};
const rules: { readonly [name in keyof Budget]-?: Rule } = {
  name: { isFine: (value) => typeof value === "string", allowed: "a name" },
  scope: oneOf("run", "thread", "user", "tenant", "agent", "tool"),
  match: { isFine: (value) => typeof value === "string" && value !== "", allowed: "an id or a name" },
  window: oneOf("run", "hour", "day", "month"),
  mode: oneOf("hard", "soft", "shadow"),
  tokens: whole,
  costUsd: {
    isFine: (value) => Number.isFinite(value) && Number(value) >= 0 && Number.isSafeInteger(nanoUsdOf(Number(value))),
    allowed: "an amount in USD from 0 to 9,000,000",
  },
  calls: whole,
  warnAt: { isFine: (value) => Number(value) > 0 && Number(value) <= 1, allowed: "a share above 0 and up to 1" },
  shrinkOutput: { isFine: (value) => typeof value === "boolean", allowed: "true or false" },
  webhook: { isFine: isHttpUrl, allowed: "an http or https URL" },
};

/** @throws OPTION_INVALID, NAME_INVALID naming the budget, the value and what is allowed */
export function checkBudgets(budgets: readonly Budget[]): void {
  const names = new Set<string>();
  if (budgets.length > limits.budgetsDeclared)
    throw invalid(`${budgets.length} budgets are declared; there may be ${limits.budgetsDeclared}`);
  for (const [i, budget] of budgets.entries()) {
    checkName(`name of budgets[${i}]`, String(budget.name));
    const what = `budget "${budget.name}"`;
    if (names.has(budget.name)) throw invalid(`there are two budgets "${budget.name}". Give each a name of its own`);
    names.add(budget.name);
    checkMembers(what, budget);
    for (const stated of ["scope", "window"] as const) {
      if (budget[stated] === undefined) throw invalid(`${what} has no ${stated}: ${rules[stated].allowed}`);
    }
    if (limitsOf(budget).length === 0) throw invalid(`${what} caps nothing: state tokens, costUsd or calls`);
    if (budget.scope === "tool" && budget.tokens !== undefined)
      throw invalid(`${what} is about tools, which use no tokens: state calls or costUsd, or use the scope agent`);
  }
}

/** Caps that take the place of declared ones. @throws OPTION_INVALID */
export function checkCaps(name: string, caps: BudgetCaps): void {
  checkMembers(`budget "${name}"`, caps);
}

function checkMembers(what: string, given: object): void {
  for (const [name, value] of Object.entries(given) as readonly (readonly [string, unknown])[]) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof Budget] : undefined;
    if (rule === undefined) {
      const near = nearest(name, Object.keys(rules));
      const hint = near === null ? `. There are: ${Object.keys(rules).join(", ")}` : `. Did you mean ${near}?`;
      throw invalid(`${what} has no option "${name.slice(0, 60)}"${hint}`);
    }
    if (value === undefined || rule.isFine(value)) continue;
    const shown = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? typeof value);
    throw invalid(`${what}: ${name} is ${shown.slice(0, 60)}; it must be ${rule.allowed}`);
  }
}

function invalid(problem: string): PawlError {
  return new PawlError("OPTION_INVALID", problem);
}

function isHttpUrl(value: unknown): boolean {
  return typeof value === "string" && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

/** What is capped, in the ledger's units. */
export function limitsOf({ tokens, costUsd, calls }: BudgetCaps): readonly {
  readonly unit: LedgerUnit;
  readonly cap: number;
}[] {
  return [
    ...(tokens === undefined ? [] : [{ unit: "tokens" as const, cap: tokens }]),
    ...(costUsd === undefined ? [] : [{ unit: "nanoUsd" as const, cap: nanoUsdOf(costUsd) }]),
    ...(calls === undefined ? [] : [{ unit: "calls" as const, cap: calls }]),
  ];
}

/** Where a budget counts what is done for a subject; null = it is not about it. */
export function accountOf(budget: Budget, subject: BudgetSubject, nowMs: number): BudgetAccount | null {
  const key = budget.scope === "run" ? subject.rootRunId : subject[budget.scope];
  if (key === null || (budget.match !== undefined && budget.match !== key)) return null;
  // a ledger is one tenant's, and the window of a run names it
  const isNamed = budget.scope === "tenant" || (budget.scope === "run" && budget.window === "run");
  const scope = isNamed ? budget.name : `${budget.name}:${key}`;
  if (budget.window === "run") return { scope, window: `run:${subject.rootRunId}`, endsAt: null };
  return { scope, ...windowAt(budget.window, nowMs) };
}

const isoChars = { hour: 13, day: 10, month: 7 } as const;

/** The window of a kind that a time is in: `day:2026-11-22`. */
export function windowAt(
  kind: Exclude<BudgetWindow, "run">,
  nowMs: number,
): { readonly window: string; readonly endsAt: number } {
  const now = new Date(nowMs);
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()];
  const day = now.getUTCDate() + (kind === "day" ? 1 : 0);
  const endsAt =
    kind === "month"
      ? Date.UTC(year, month + 1)
      : Date.UTC(year, month, day, kind === "hour" ? now.getUTCHours() + 1 : 0);
  return { window: `${kind}:${now.toISOString().slice(0, isoChars[kind])}`, endsAt };
}

/** What a call counts for in one unit; an unpriced one counts at the ceiling. */
export function inUnit(unit: LedgerUnit, { tokens, costNanoUsd, calls }: Amount): LedgerAmount["amount"] {
  if (unit === "calls") return calls;
  return unit === "tokens" ? tokens : (costNanoUsd ?? tokens * unpricedNanoUsdPerToken);
}
