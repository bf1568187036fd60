import type { Amount, BudgetNote } from "../core/budget.ts";
import {
  accountOf,
  inUnit,
  limitsOf,
  type Budget,
  type BudgetAccount,
  type BudgetCaps,
  type BudgetSubject,
} from "../core/budget-rules.ts";
import { hashJson } from "../core/hash.ts";
import { limits } from "../core/limits.ts";
import type { RunState } from "../core/run-state.ts";
import type { LedgerUnit, Store } from "../core/store-contract.ts";
import { capsInForce, type CapOverride } from "./budget-overrides.ts";
import type { CountedAt, EngineHooks, SharedAmount } from "./deps.ts";
import { LedgerCaps } from "./ledger-caps.ts";
import { putWebhook } from "./webhooks.ts";

/** Cap of an account that counts and never refuses. */
export const NEVER_REFUSES: number = Number.MAX_SAFE_INTEGER;
const WARN_AT = 0.8;

/** The hooks that make the engine count each call against the budgets that are declared. */
export function budgetHooks(budgets: readonly Budget[]): Pick<EngineHooks, "budgets" | "sharedScopes"> {
  if (budgets.length === 0) return {};
  const ofStores = new WeakMap<Store, Counter>();
  return {
    budgets,
    sharedScopes: (state, amount, at) => {
      const counter = ofStores.get(at.store) ?? new Counter(budgets, at.store);
      ofStores.set(at.store, counter);
      return counter.amounts(state, amount, at);
    },
  };
}

/** Key of the record that says that a budget counts in an account: what a list of budgets shows. */
export function accountKey({ name }: Budget, scope: string): string {
  return `budget-account/${name}/${scope}`;
}

function subjectOf({ started }: RunState, tool: string | undefined): BudgetSubject {
  const { tenant, principal, runnable, rootRunId, threadId, blobScope } = started;
  // a child has the values of its root's thread
  const ofRoot = blobScope?.startsWith("thread:") === true ? blobScope.slice("thread:".length) : null;
  return { tenant, user: principal, agent: runnable, rootRunId, thread: threadId ?? ofRoot, tool: tool ?? null };
}

interface Counted {
  readonly budget: Budget;
  readonly account: BudgetAccount;
  readonly unit: LedgerUnit;
  readonly cap: number;
  readonly amount: number;
}

/** Counts for one store. What it knows of it is kept short and forgotten after a while. */
class Counter {
  readonly #budgets: readonly Budget[];
  readonly #store: Store;
  readonly #caps: LedgerCaps;
  readonly #overrides = new Map<string, { readonly at: number; readonly caps: ReadonlyMap<string, CapOverride> }>();
  /** Accounts that are listed and warnings that were given, the oldest first. */
  readonly #done = new Set<string>();

  constructor(budgets: readonly Budget[], store: Store) {
    this.#budgets = budgets;
    this.#store = store;
    this.#caps = new LedgerCaps(store);
  }

  async amounts(state: RunState, amount: Amount, { clock, tool }: CountedAt): Promise<readonly SharedAmount[]> {
    const now = clock.nowMs();
    const subject = subjectOf(state, tool);
    const shared: SharedAmount[] = [];
    for (const budget of this.#budgets) {
      const account = accountOf(budget, subject, now);
      if (account === null) continue;
      for (const { unit, cap } of limitsOf(await this.#capsOf(budget, subject.tenant, now))) {
        const counted = { budget, account, unit, cap, amount: inUnit(unit, amount) };
        if (counted.amount === 0) continue;
        await this.#prepare(subject.tenant, counted);
        const { scope, window, endsAt } = account;
        const shrinksOutput = budget.shrinkOutput ?? true;
        const watch = (unused = 0): Promise<BudgetNote | null> => this.#watch(subject, counted, now, unused);
        shared.push({ scope, window, unit, amount: counted.amount, endsAt, shrinksOutput, watch });
      }
    }
    return shared;
  }

  async #capsOf(budget: Budget, tenant: string, now: number): Promise<BudgetCaps> {
    let known = this.#overrides.get(tenant);
    if (known === undefined || now - known.at >= limits.budgetOverrideMs || now < known.at) {
      known = { at: now, caps: await capsInForce(this.#store, tenant) };
      this.#overrides.delete(tenant);
      this.#overrides.set(tenant, known);
      const oldest = this.#overrides.keys().next();
      if (this.#overrides.size > limits.budgetCapsKept && oldest.done !== true) this.#overrides.delete(oldest.value);
    }
    return { ...budget, ...known.caps.get(budget.name)?.caps };
  }

  /** The cap is in the ledger, and the account in the list, before anything counts there. */
  async #prepare(tenant: string, { budget, account, unit, cap }: Counted): Promise<void> {
    const isHard = (budget.mode ?? "hard") === "hard";
    const kind = { scope: account.scope, window: budget.window, unit };
    await this.#caps.set(tenant, kind, isHard ? cap : NEVER_REFUSES);
    // every run has a window of its own: nobody lists them
    if (budget.window === "run") return;
    await this.#once(JSON.stringify([tenant, budget.name, account]), async () => {
      const key = accountKey(budget, account.scope);
      await this.#store.putRecord(tenant, key, { scope: account.scope }, {}, limits.budgetAccountMs);
    });
  }

  /** What the budget says of a call whose amount it has just taken. */
  async #watch(subject: BudgetSubject, counted: Counted, now: number, unused: number): Promise<BudgetNote | null> {
    const { budget, account, unit, cap } = counted;
    const { scope, window } = account;
    const mode = budget.mode ?? "hard";
    const about = [subject.tenant, budget.name, scope, window, unit] as const;
    if (mode !== "shadow" && this.#done.has(noticeId(about, mode === "soft" ? "over" : "warned"))) return null;
    const reading = await this.#store.readLedger(subject.tenant, { scope, window, unit });
    const used = reading.spent + reading.reserved - unused;
    const note = { budget: budget.name, scope, window, unit, used, cap } as const;
    if (mode === "shadow") return used > cap ? { ...note, says: "would-refuse" } : null;
    if (used < (budget.warnAt ?? WARN_AT) * cap) return null;
    const says = mode === "soft" && used > cap ? "over" : "warned";
    const id = noticeId(about, says);
    let isNew = false;
    await this.#once(id, async () => {
      isNew = (await this.#store.getRecord(subject.tenant, `budget-notice/${id}`)) === null;
      if (!isNew) return;
      // first what is to be posted, whose id its receiver knows; a crash between the two posts it again
      if (budget.webhook !== undefined) {
        const { tenant, rootRunId: runId } = subject;
        const told = { id, type: `budget.${says}`, at: new Date(now).toISOString(), tenant, mode, runId, ...note };
        await putWebhook(this.#store, { id, url: budget.webhook, body: JSON.stringify(told) }, now);
      }
      const condition = { ifAbsent: true } as const;
      const put = await this.#store.putRecord(
        subject.tenant,
        `budget-notice/${id}`,
        { at: now },
        condition,
        limits.budgetAccountMs,
      );
      isNew = put.type === "ok";
    });
    return isNew ? { ...note, says } : null;
  }

  /** Does something that this process does once, as far as it remembers. */
  async #once(key: string, does: () => Promise<void>): Promise<void> {
    if (this.#done.has(key)) return;
    await does();
    this.#done.add(key);
    const oldest = this.#done.keys().next();
    if (this.#done.size > limits.budgetCapsKept && oldest.done !== true) this.#done.delete(oldest.value);
  }
}

function noticeId(about: readonly string[], says: string): string {
  return hashJson([...about, says]);
}
