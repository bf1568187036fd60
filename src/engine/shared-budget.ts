import { costCounted } from "../core/budget.ts";
import { escrowSessionOf, type RunRef } from "../core/id.ts";
import { isOwner } from "../core/journal-event.ts";
import type { RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { LedgerAmount, OpenReservation } from "../core/store-contract.ts";
import { tokensOf } from "../core/usage.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter } from "./load-run.ts";

/** What became of a reservation, as the run's journal tells it. */
type Fate =
  | { readonly type: "unused" }
  | { readonly type: "assumed" }
  | { readonly type: "billed"; readonly tokens: number; readonly costNanoUsd: number };

/** Settles what a run that ended, or that lost its worker, left reserved on shared scopes. */
export async function settleOpenReservations(deps: EngineDeps, head: RunHead): Promise<void> {
  // what was reserved for a call that a cancel came before stands on no record
  if (!head.onLedger && deps.hooks.sharedScopes === undefined) return;
  const open = await deps.store.openReservationsOf(head.tenant, head.runId);
  for (const reservation of open) await settleByJournal(deps, reservation);
}

/**
 * The table of the protocol: no call → release; call without outcome → its worst case; outcome → what it cost. The escrow
 * of a dead session counts as used: nobody knows what its calls cost.
 */
export async function settleByJournal(deps: EngineDeps, reservation: OpenReservation): Promise<void> {
  const escrowOf = escrowSessionOf(reservation.runId);
  if (escrowOf !== null) {
    const session = await deps.store.session(escrowOf);
    if (session === null || session.dead)
      await deps.store.settle(reservation.tenant, reservation.id, reservation.amounts);
    return;
  }
  const ref = { tenant: reservation.tenant, runId: reservation.runId };
  const fate = await fateOf(deps, ref, reservation.id);
  if (fate === null) return;
  await deps.store.settle(reservation.tenant, reservation.id, settledAmounts(reservation.amounts, fate));
}

export function settledAmounts(amounts: readonly LedgerAmount[], fate: Fate): readonly LedgerAmount[] {
  if (fate.type === "unused") return [];
  if (fate.type === "assumed") return amounts;
  return amounts.map((amount) => {
    if (amount.unit === "calls") return amount;
    return { ...amount, amount: amount.unit === "tokens" ? fate.tokens : fate.costNanoUsd };
  });
}

/** null = the call is still going on under a living owner: not ours to settle. */
async function fateOf(deps: EngineDeps, ref: RunRef, id: string): Promise<Fate | null> {
  let called: { readonly callId: string; readonly attempt: number; readonly isModel: boolean } | null = null;
  let isLost = false;
  let beside = { tokens: 0, costNanoUsd: 0 };
  for await (const batch of batchesAfter(deps.store, ref, 0)) {
    for (const event of batch.events) {
      if ((event.type === "model.called" || event.type === "tool.called") && event.reservationId === id) {
        const isModel = event.type === "model.called";
        called = { callId: event.callId, attempt: isModel ? event.attempt : 1, isModel };
      }
      // a tool call goes on under its next owner, and a person may still refuse it
      if (called?.isModel === true && event.type === "run.claimed" && isOwner(batch.by)) isLost = true;
      if (called === null || !("callId" in event) || event.callId !== called.callId) continue;
      if ((event.type === "model.answered" || event.type === "model.attempted") && event.attempt === called.attempt) {
        const tokens = beside.tokens + (event.usage === undefined ? 0 : tokensOf(event.usage));
        const costNanoUsd = beside.costNanoUsd + costCounted(event);
        if (event.type === "model.answered" || event.beside !== true) return { type: "billed", tokens, costNanoUsd };
        beside = { tokens, costNanoUsd };
      }
      if (event.type === "tool.returned") return { type: "billed", tokens: 0, costNanoUsd: event.costNanoUsd ?? 0 };
      if (event.type === "tool.failed" && event.retry !== true) return { type: "billed", tokens: 0, costNanoUsd: 0 };
      if (event.type === "tool.refused") return { type: "unused" };
    }
  }
  const head = await deps.store.readHead(ref);
  const isOver = head === null || isEnd(head.status) || isLost;
  if (called === null) return head === null || head.session === null || isOver ? { type: "unused" } : null;
  return isOver ? { type: "assumed" } : null;
}
