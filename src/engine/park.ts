import { isOwnScope, type BudgetRefusal } from "../core/budget.ts";
import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { ApprovalAsked } from "../core/approval-event.ts";
import { hasOutbox } from "../core/run-head.ts";
import type { RunState } from "../core/run-state.ts";
import type { HeadWait } from "../core/run-waits.ts";
import { budgetOfRefusal } from "./budget-waits.ts";
import { stopped } from "./endings.ts";
import type { BudgetHold } from "./call-runner.ts";
import type { OwnedJournal } from "./journal.ts";
import type { Move } from "./moves.ts";
import type { Values } from "./values.ts";

export interface ParkPlan {
  readonly journal: OwnedJournal;
  readonly clock: Clock;
  readonly values: Values;
  /** What each open call waits for. */
  readonly moves: readonly Move[];
  /** Calls that wait for budget. */
  readonly holds: readonly BudgetHold[];
  /** Nothing runs, nothing is queued, the body is not done. */
  readonly isIdle: boolean;
  /** The run stands between two turns, because it is paused or released. */
  readonly isBetweenTurns: boolean;
  readonly release: string | null;
  /** When the body was first seen with nothing open; null = it has something open. */
  readonly foreignSinceMs: number | null;
  bestAnswer(): JsonValue;
  flushOutbox(): Promise<void>;
  noteBudgetWait(refusals: readonly BudgetRefusal[]): Promise<void>;
  wait(untilMs: number | null): Promise<void>;
}

/** Parks, releases, ends for want of budget, or waits hot. null = the loop goes on. */
export async function tryPark(plan: ParkPlan): Promise<"parked" | "released" | "ended" | null> {
  const { journal, clock, moves, holds } = plan;
  const untils = moves.flatMap((move) => (move.type === "wait" && move.untilMs !== null ? [move.untilMs] : []));
  const dueAt = untils.length === 0 ? null : Math.min(...untils);
  if (!plan.isIdle) return hot(plan, dueAt);
  if (plan.release !== null) {
    const event: JournalEvent = { type: "run.released", reason: plan.release, ...journal.graceSeen };
    return (await journal.append([event], clock.nowMs(), () => [])) ? "released" : null;
  }
  if (!plan.isBetweenTurns && moves.length === 0 && holds.length === 0) return foreign(plan);
  if (holds.length > 0 && journal.state.started.limits.onBudget === "finish") {
    const end = await stopped(
      journal.state,
      "budget",
      plan.bestAnswer(),
      "the next call does not fit the budget",
      plan.values,
    );
    return (await journal.append([end], clock.nowMs(), () => [])) ? "ended" : null;
  }
  if (dueAt !== null && dueAt - clock.nowMs() <= limits.hotWaitMs) return hot(plan, dueAt);
  await plan.flushOutbox();
  if (hasOutbox(journal.head)) return hot(plan, clock.nowMs() + limits.hotWaitMs);
  // what others give back wakes it (budget-waits); a park whose note was lost looks again by itself
  await plan.noteBudgetWait(holds.map(({ refusal }) => refusal));
  const again = holds.flatMap(({ refusal }) =>
    isOwnScope(refusal.scope) ? [] : [Math.min(refusal.until ?? Infinity, clock.nowMs() + limits.budgetRetryMs)],
  );
  const wakeAt = Math.min(dueAt ?? Infinity, ...again);
  const waits = headWaitsOf(
    journal.state,
    holds.map(({ callId, refusal }) => ({ key: callId, ...budgetOfRefusal(refusal) })),
  );
  return (await journal.append(
    [{ type: "run.parked", waits, dueAt: Number.isFinite(wakeAt) ? wakeAt : null, ...journal.graceSeen }],
    clock.nowMs(),
    () => [],
  ))
    ? "parked"
    : null;
}

async function hot(plan: ParkPlan, untilMs: number | null): Promise<null> {
  await plan.wait(untilMs);
  return null;
}

/** The body waits, but for nothing of its context: it may be slow for a moment, then it is stuck for ever. */
async function foreign(plan: ParkPlan): Promise<null> {
  const until = (plan.foreignSinceMs ?? plan.clock.nowMs()) + limits.foreignWaitMs;
  if (plan.clock.nowMs() < until) return hot(plan, until);
  throw new PawlError(
    "BODY_AWAITS_OUTSIDE",
    `run "${plan.journal.ref.runId}" awaits something that is no call of its context, so nobody can resume it. Put the awaited work into ctx.step().`,
  );
}

/** What each open call of a parked run waits for. */
function headWaitsOf(state: RunState, holds: readonly Pick<HeadWait, "key" | "name">[]): readonly HeadWait[] {
  const waits = holds.map((hold): HeadWait => ({ ...hold, kind: "budget", seq: state.seq }));
  for (const call of Object.values(state.calls)) {
    if (call.fact !== null) continue;
    const { callId, seq, intent } = call;
    if (call.unknown) waits.push({ key: callId, kind: "unknown", seq });
    else if (call.approval !== null && call.decision === null)
      waits.push(approvalWait(call.approval.event, call.approval.seq));
    else if (intent.type === "child.called") waits.push({ key: intent.childRunId, kind: "child", seq });
    else if (intent.type === "wait.started" && intent.wait.kind === "signal")
      waits.push({ key: callId, kind: "signal", seq, name: intent.wait.name });
    else waits.push({ key: callId, kind: "timer", seq });
  }
  return waits;
}

function approvalWait(asked: ApprovalAsked, seq: number): HeadWait {
  const wait = { key: asked.approvalId, kind: "approval", seq, actionHash: asked.actionHash } as const;
  return asked.expiresAt === null ? wait : { ...wait, expiresAt: asked.expiresAt };
}
