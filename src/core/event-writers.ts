import { isOwner, type Batch, type EventType } from "./journal-event.ts";

const kinds: { readonly [type in EventType]: "owner" | "outside" | "both" } = {
  "run.started": "outside",
  "run.claimed": "both",
  "task.planned": "owner",
  "plan.updated": "owner",
  "context.compacted": "owner",
  "model.called": "owner",
  "model.attempted": "owner",
  "model.answered": "owner",
  "model.failed": "owner",
  "tool.called": "owner",
  "span.recorded": "owner",
  "approval.asked": "owner",
  "approval.voted": "outside",
  "approval.commented": "outside",
  "approval.refused": "outside",
  "approval.decided": "both",
  "tool.started": "owner",
  "tool.returned": "owner",
  "tool.failed": "owner",
  "tool.late": "outside",
  "tool.refused": "owner",
  "tool.retracted": "owner",
  "effect.unknown": "owner",
  "effect.resolved": "both",
  "step.called": "owner",
  "step.started": "owner",
  "step.returned": "owner",
  "step.failed": "owner",
  "child.called": "owner",
  "child.ended": "outside",
  "wait.started": "owner",
  "wait.ended": "owner",
  "signal.received": "outside",
  "message.received": "outside",
  "answer.given": "outside",
  "guard.flagged": "owner",
  "budget.refused": "owner",
  "budget.settled": "owner",
  "budget.overrun": "owner",
  "budget.raised": "outside",
  "turn.ended": "owner",
  "run.paused": "outside",
  "run.resumed": "outside",
  "task.extended": "outside",
  "cancel.requested": "outside",
  "run.parked": "owner",
  "run.released": "owner",
  "run.blocked": "owner",
  "run.unblocked": "outside",
  "run.ended": "both",
};

/** Every kind of event, in order of a run's life. */
export const eventTypes: readonly string[] = Object.keys(kinds);

/** Who may write a kind of event; null for a kind this build does not know (such a journal is refused). */
export function writersOf(type: string): "owner" | "outside" | "both" | null {
  return Object.hasOwn(kinds, type) ? (kinds[type as EventType] ?? null) : null;
}

/** What was copied keeps its times; the fork itself begins when it may be claimed. */
export function beginsFork({ by, events }: Batch): boolean {
  const isFork = !isOwner(by) && by.messageId.startsWith("fork:");
  return isFork && events.some((event) => event.type === "run.resumed" && event.contextRefs !== undefined);
}
