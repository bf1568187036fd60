import { tighter, type Amount, type BudgetNote, type BudgetRefusal, type Caps } from "../core/budget.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ModelCalled } from "../core/model-event.ts";
import type { RunState } from "../core/run-state.ts";
import type { ReserveResult } from "../core/store-contract.ts";
import type { SharedAmount } from "./deps.ts";
import type { Desk } from "./desk.ts";
import { patiently } from "./patience.ts";
import { settledAmounts } from "./shared-budget.ts";

export type SharedReservation =
  | { readonly type: "none" }
  | { readonly type: "reserved"; readonly id: string; readonly notes: readonly BudgetNote[] }
  | SharedRefusal;

export interface SharedRefusal {
  readonly type: "refused";
  readonly refusal: BudgetRefusal;
  /** What a model call may be made to fit; null = it may not shrink. */
  readonly room: Caps | null;
}

type Reserving = Pick<Desk, "deps" | "ref" | "right">;

/**
 * Takes an attempt's worst case from the shared scopes it counts against. The same fit of an attempt reserves once.
 * @param fit  which fit of the attempt: one that was given back is not taken again under its name
 */
export async function reserveShared(
  desk: Reserving,
  state: RunState,
  call: { readonly callId: string; readonly attempt: number; readonly fit?: number; readonly tool?: string },
  amount: Amount,
): Promise<SharedReservation> {
  const { deps, ref } = desk;
  const { callId, attempt, fit = 1, tool } = call;
  const { sharedScopes } = deps.hooks;
  if (sharedScopes === undefined) return { type: "none" };
  const at = { store: deps.store, clock: deps.clock, ...(tool !== undefined && { tool }) };
  const shared = await patiently(deps, desk.right.dead, async () => sharedScopes(state, amount, at));
  if (shared.length === 0) return { type: "none" };
  const id = `${ref.runId}:${callId}:${attempt}${fit === 1 ? "" : `:${fit}`}`;
  const amounts = shared.map(({ scope, window, unit, amount: counted }) => ({ scope, window, unit, amount: counted }));
  const result = await patiently(deps, desk.right.dead, () =>
    deps.store.reserve(ref.tenant, { id, runId: ref.runId, amounts }),
  );
  if (result.type === "refused") return refusedBy(shared, result);
  const notes: BudgetNote[] = [];
  for (const { watch } of shared) {
    const note = watch === undefined ? null : await patiently(deps, desk.right.dead, () => watch());
    if (note !== null) notes.push(note);
  }
  return { type: "reserved", id, notes };
}

/** A ledger's refusal, with what is left of it for a call that may shrink. */
export function refusedBy(
  shared: readonly SharedAmount[],
  { scope: { scope, window, unit }, left }: ReserveResult & { readonly type: "refused" },
): SharedRefusal {
  const wanted = shared.find((one) => one.scope === scope && one.window === window && one.unit === unit);
  const until = wanted?.endsAt ?? null;
  const refusal = {
    scope: `${scope} ${window} ${unit}`,
    left,
    needed: wanted?.amount ?? 0,
    ...(until !== null && { until }),
  };
  const room = {
    tokens: unit === "tokens" ? Math.max(0, left) : null,
    costNanoUsd: unit === "nanoUsd" ? Math.max(0, left) : null,
    calls: null,
  };
  return { type: "refused", refusal, room: wanted?.shrinksOutput === true && unit !== "calls" ? room : null };
}

/** A refusal after another one of the same call: it must fit what both leave. */
export function refusedAgain(before: SharedRefusal | null, now: SharedRefusal): SharedRefusal {
  const room = before === null || before.room === null || now.room === null ? now.room : tighter(before.room, now.room);
  return { ...now, room };
}

/** Gives back what an attempt reserved that is not made. */
export async function releaseShared(desk: Reserving, shared: SharedReservation): Promise<void> {
  if (shared.type !== "reserved") return;
  await patiently(desk.deps, desk.right.dead, () => desk.deps.store.settle(desk.ref.tenant, shared.id, []));
}

/** Settles every reservation whose attempt has its bill in the journal. @returns their ids, to be recorded in the next batch */
export async function settleKnown(desk: Reserving, state: RunState): Promise<readonly string[]> {
  const over = Object.entries(state.unsettled).filter(([, reservation]) => reservation.fate !== null);
  if (over.length === 0) return [];
  const { deps, ref } = desk;
  const open = await patiently(deps, desk.right.dead, () => deps.store.openReservationsOf(ref.tenant, ref.runId));
  for (const [id, { fate }] of over) {
    const amounts = open.find((reservation) => reservation.id === id)?.amounts;
    if (amounts === undefined || fate === null) continue;
    await patiently(deps, desk.right.dead, () =>
      deps.store.settle(
        ref.tenant,
        id,
        settledAmounts(amounts, fate.isUnused === true ? { type: "unused" } : { type: "billed", ...fate }),
      ),
    );
  }
  return over.map(([id]) => id);
}

/** The first event of a request's record, told of its reservation. */
export function withReservation(events: readonly JournalEvent[], shared: SharedReservation): readonly JournalEvent[] {
  const [first, ...rest] = events;
  if (first?.type !== "model.called" && first?.type !== "tool.called") return events;
  return [{ ...first, ...reservationOf(shared) }, ...rest];
}

export function reservationOf(shared: SharedReservation): Pick<ModelCalled, "reservationId" | "budgetNotes"> | null {
  if (shared.type !== "reserved") return null;
  return { reservationId: shared.id, ...(shared.notes.length > 0 && { budgetNotes: shared.notes }) };
}
