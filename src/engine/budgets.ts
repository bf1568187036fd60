import { limitsOf, windowAt, type Budget, type BudgetCaps, type BudgetLine } from "../core/budget-rules.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { capsInForce, putOverride, type CapOverride } from "./budget-overrides.ts";
import { accountKey } from "./declared-budgets.ts";
import type { EngineDeps } from "./deps.ts";

/** The budgets that are declared, for one tenant. */
export class Budgets {
  readonly #deps: EngineDeps;
  readonly #tenant: string;

  constructor(deps: EngineDeps, tenant: string) {
    this.#deps = deps;
    this.#tenant = tenant;
  }

  /** Of each budget at most limits.budgetAccountsShown accounts. */
  async list(): Promise<readonly BudgetLine[]> {
    const overrides = await capsInForce(this.#deps.store, this.#tenant);
    const lines: BudgetLine[] = [];
    for (const budget of this.#deps.hooks.budgets ?? []) {
      if (budget.scope === "tenant" && (budget.match ?? this.#tenant) !== this.#tenant) continue;
      lines.push(...(await this.#linesOf(budget, overrides.get(budget.name))));
    }
    return lines;
  }

  /**
   * Sets caps in place of the declared ones, for this tenant, until `null` takes them back. They hold within
   * limits.budgetOverrideMs in every process.
   * @throws BUDGET_UNKNOWN, OPTION_INVALID
   */
  async set(name: string, caps: BudgetCaps | null, by: string): Promise<void> {
    const budget = this.#deps.hooks.budgets?.find((one) => one.name === name);
    if (budget === undefined) throw unknownBudget(name, this.#deps.hooks.budgets ?? []);
    const foreign = limitsOf(caps ?? {}).find(({ unit }) => !limitsOf(budget).some((own) => own.unit === unit));
    if (foreign !== undefined || (caps !== null && limitsOf(caps).length === 0)) {
      const units = limitsOf(budget).map(({ unit }) => unit);
      throw new PawlError("OPTION_INVALID", `budget "${name}" caps ${units.join(", ")}: set these, and nothing else.`);
    }
    await putOverride(this.#deps.store, this.#tenant, name, { caps, by, at: this.#deps.clock.nowMs() });
  }

  async #linesOf(budget: Budget, override: CapOverride | undefined): Promise<readonly BudgetLine[]> {
    const { store, clock } = this.#deps;
    const lines: BudgetLine[] = [];
    const scopes = budget.window === "run" ? [] : await this.#scopesOf(budget);
    const now = budget.window === "run" ? { window: "run", endsAt: null } : windowAt(budget.window, clock.nowMs());
    for (const { unit, cap } of limitsOf({ ...budget, ...override?.caps })) {
      const base = {
        name: budget.name,
        scope: budget.scope,
        window: budget.window,
        endsAt: now.endsAt,
        mode: budget.mode ?? "hard",
        unit,
        cap,
        setBy: override?.by ?? null,
        setAt: override?.at ?? null,
      } as const;
      if (scopes.length === 0) {
        const unused = budget.window === "run" ? null : 0;
        lines.push({
          ...base,
          key: budget.match ?? null,
          used: unused,
          reserved: unused,
          left: unused === null ? null : cap,
        });
      }
      for (const scope of scopes) {
        const { spent, reserved } = await store.readLedger(this.#tenant, { scope, window: now.window, unit });
        const key = scope === budget.name ? (budget.match ?? null) : scope.slice(budget.name.length + 1);
        lines.push({ ...base, key, used: spent, reserved, left: cap - spent - reserved });
      }
    }
    return lines;
  }

  async #scopesOf(budget: Budget): Promise<readonly string[]> {
    const { store } = this.#deps;
    const scopes: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await store.listRecords(this.#tenant, accountKey(budget, ""), cursor, limits.budgetAccountsShown);
      scopes.push(...page.items.map(({ key }) => key.slice(accountKey(budget, "").length)));
      cursor = page.cursor;
    } while (cursor !== null && scopes.length < limits.budgetAccountsShown);
    return scopes.slice(0, limits.budgetAccountsShown);
  }
}

function unknownBudget(name: string, budgets: readonly Budget[]): PawlError {
  const names = budgets.map((budget) => budget.name);
  const there = names.length === 0 ? "None is declared: pawl({ budgets: [...] })" : `There are: ${names.join(", ")}`;
  return new PawlError("BUDGET_UNKNOWN", `there is no budget "${name.slice(0, 60)}". ${there}.`);
}
