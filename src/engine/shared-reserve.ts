import type { Amount } from "../core/budget.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { RunState } from "../core/run-state.ts";
import type { Desk } from "./desk.ts";
import { patiently } from "./patience.ts";
import { settledAmounts } from "./shared-budget.ts";

export type SharedReservation =
  | { readonly type: "none" }
  | { readonly type: "reserved"; readonly id: string }
  | { readonly type: "refused"; readonly scope: string; readonly left: number; readonly needed: number };

type Reserving = Pick<Desk, "deps" | "ref" | "right">;

/**
 * Takes an attempt's worst case from the shared scopes it counts against. The same fit of an attempt reserves once.
 * @param fit  which fit of the attempt: one that was given back is not taken again under its name
 */
export async function reserveShared(
  desk: Reserving,
  state: RunState,
  callId: string,
  attempt: number,
  amount: Amount,
  fit = 1,
): Promise<SharedReservation> {
  const { deps, ref } = desk;
  const { sharedScopes } = deps.hooks;
  if (sharedScopes === undefined) return { type: "none" };
  const amounts = await patiently(deps, desk.right.dead, async () => sharedScopes(state, amount, deps));
  if (amounts.length === 0) return { type: "none" };
  const id = `${ref.runId}:${callId}:${attempt}${fit === 1 ? "" : `:${fit}`}`;
  const result = await patiently(deps, desk.right.dead, () =>
    deps.store.reserve(ref.tenant, { id, runId: ref.runId, amounts }),
  );
  if (result.type === "ok") return { type: "reserved", id };
  const { scope, window, unit } = result.scope;
  const needed =
    amounts.find((wanted) => wanted.scope === scope && wanted.window === window && wanted.unit === unit)?.amount ?? 0;
  return { type: "refused", scope: `${scope} ${window} ${unit}`, left: result.left, needed };
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
      deps.store.settle(ref.tenant, id, settledAmounts(amounts, { type: "billed", ...fate })),
    );
  }
  return over.map(([id]) => id);
}

/** The first event of a request's record, told of its reservation. */
export function withReservation(events: readonly JournalEvent[], id: string): readonly JournalEvent[] {
  const [first, ...rest] = events;
  if (first?.type !== "model.called" && first?.type !== "tool.called") return events;
  return [{ ...first, reservationId: id }, ...rest];
}
