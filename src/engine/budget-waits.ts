import { isOwnScope, type BudgetRefusal } from "../core/budget.ts";
import { limitsOf } from "../core/budget-rules.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { LedgerScope, LedgerUnit } from "../core/store-contract.ts";
import { capsInForce } from "./budget-overrides.ts";
import type { EngineDeps } from "./deps.ts";
import { outsideAppend } from "./outside.ts";

/** Beside all tenants: the runs that wait for room in a budget that others use too. */
const TENANT = "~budget-waits";
const units: readonly LedgerUnit[] = ["tokens", "nanoUsd", "calls"];

/** A run that was refused by a shared budget, and what was left then. */
interface BudgetWait {
  readonly tenant: string;
  readonly runId: string;
  readonly scope: string;
  readonly window: string;
  readonly unit: LedgerUnit;
  readonly left: number;
  readonly needed: number;
}

/** The shared budget that refused, with its unit, for who reads the head. */
export function budgetOfRefusal(refusal: BudgetRefusal): { readonly name?: string } {
  const at = scopeOfRefusal(refusal);
  return at === null ? {} : { name: `${at.scope.split(":", 1)[0] ?? ""} ${at.unit}` };
}

/** Where a refusal by a shared budget came from; null for one by the run's own. */
function scopeOfRefusal({ scope }: Pick<BudgetRefusal, "scope">): LedgerScope | null {
  if (isOwnScope(scope)) return null;
  // a user's id may have spaces, a window and a unit have none
  const found = /^(.+) (\S+) (\S+)$/s.exec(scope);
  const unit = units.find((one) => one === found?.[3]);
  return found?.[1] === undefined || found[2] === undefined || unit === undefined
    ? null
    : { scope: found[1], window: found[2], unit };
}

/** Says that a run is about to park for want of room, for `wakeBudgetWaits` to find: nothing tells it when others settle. */
export async function noteBudgetWait(deps: EngineDeps, ref: RunRef, refusals: readonly BudgetRefusal[]): Promise<void> {
  for (const refusal of refusals) {
    const at = scopeOfRefusal(refusal);
    if (at === null) continue;
    const wait: JsonObject = { ...ref, ...at, left: refusal.left, needed: refusal.needed };
    await deps.store.putRecord(TENANT, `${ref.tenant}/${ref.runId}`, wait, {}, limits.budgetRetryMs);
    return;
  }
}

/**
 * Wakes runs in whose budget there is more room than when they parked: what others gave back, or a cap that was raised. Of
 * many that wait for one budget only as many as fit.
 */
export async function wakeBudgetWaits(deps: EngineDeps): Promise<void> {
  const lefts = new Map<string, number>();
  let cursor: string | null = null;
  let looked = 0;
  do {
    const page = await deps.store.listRecords(TENANT, "", cursor, limits.budgetWaitsPerPage);
    for (const { key, value } of page.items) {
      if (!isJsonObject(value)) continue;
      // the cast: written by `noteBudgetWait`
      const wait = value as unknown as BudgetWait;
      const account = JSON.stringify([wait.tenant, wait.scope, wait.window, wait.unit]);
      const left = lefts.get(account) ?? (await leftNow(deps, wait));
      lefts.set(account, left);
      if (left <= wait.left) continue;
      const fate = await wake(deps, wait);
      if (fate === "woken") lefts.set(account, left - wait.needed);
      // a note of one that goes on stays: it parks again with another, or it ends
      if (fate === "over") await deps.store.deleteRecord(TENANT, key);
    }
    looked += page.items.length;
    cursor = page.cursor;
  } while (cursor !== null && looked < limits.budgetWaitsPerLook);
}

/** By the cap in force now, which the ledger learns with the next call only. */
async function leftNow({ store, hooks }: EngineDeps, { tenant, scope, window, unit }: BudgetWait): Promise<number> {
  const { cap, spent, reserved } = await store.readLedger(tenant, { scope, window, unit });
  const budget = hooks.budgets?.find(({ name }) => scope === name || scope.startsWith(`${name}:`));
  const caps =
    budget === undefined ? null : { ...budget, ...(await capsInForce(store, tenant)).get(budget.name)?.caps };
  const inForce = caps === null ? cap : limitsOf(caps).find((one) => one.unit === unit)?.cap;
  return (inForce ?? Number.MAX_SAFE_INTEGER) - spent - reserved;
}

async function wake(deps: EngineDeps, { tenant, runId }: BudgetWait): Promise<"woken" | "busy" | "over"> {
  const head = await deps.store.readHead({ tenant, runId });
  if (head === null || isEnd(head.status)) return "over";
  if (head.status !== "awaiting_budget") return "busy";
  const writer = { principal: "budget", messageId: null };
  try {
    await outsideAppend(deps, { tenant, runId }, writer, (now) => {
      if (now.status === "awaiting_budget") return [{ type: "run.resumed" }];
      throw new PawlError("JOURNAL_CONFLICT", `run "${runId}" no longer waits for budget.`);
    });
  } catch (error) {
    if (!PawlError.is(error, "JOURNAL_CONFLICT")) throw error;
    return "busy";
  }
  return "woken";
}
