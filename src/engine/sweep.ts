import { windowAt } from "../core/budget-rules.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import { wakeBudgetWaits } from "./budget-waits.ts";
import type { EngineDeps } from "./deps.ts";
import { settleByJournal } from "./shared-budget.ts";
import { tendStarts } from "./thread.ts";

/** Forgets windows of shared budgets that nobody asks about any more. What is left over goes at the next call. */
export async function pruneLedger({ store, clock }: EngineDeps): Promise<void> {
  for (const kind of ["hour", "day", "month"] as const) {
    const { window } = windowAt(kind, clock.nowMs() - limits.budgetAccountMs);
    await store.pruneLedger(window, limits.ledgerPruned);
  }
}

/**
 * Repairs what a crash left between units: runs of dead sessions, and those that this session
 * owns, are returned, to be claimed where nothing executes them; reservations that nobody
 * settled are settled by the journal; starts in threads that nobody completed are completed. Idempotent, and harmless to do from every worker.
 */
export async function sweep(deps: EngineDeps, ownSession: string): Promise<readonly RunRef[]> {
  const orphans: RunRef[] = [];
  for (const session of await deps.store.listSessions()) {
    if (session.id !== ownSession && !session.dead) continue;
    // some may be for other workers: look behind them
    orphans.push(...(await deps.store.ofSession(session.id, limits.passedPerPoll)));
  }
  const before = deps.clock.nowMs() - limits.ledgerStaleMs;
  for (const reservation of await deps.store.openReservationsBefore(before, limits.claimsPerPoll)) {
    await settleByJournal(deps, reservation);
  }
  await tendStarts(deps);
  await wakeBudgetWaits(deps);
  return orphans;
}
