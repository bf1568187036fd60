import type { JournalEvent } from "../core/journal-event.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import { hasUnread } from "../core/run-context.ts";
import type { RunState } from "../core/run-state.ts";
import type { Draft } from "./draft.ts";
import type { OwnedJournal } from "./journal.ts";

/** Events that a running call hands in. */
export interface Item {
  readonly events: readonly JournalEvent[];
  /** Call whose outcome the last event is; null = no outcome for the body. */
  readonly fact: string | null;
  /** False for events that announce I/O: dropped when a cancel came first, so that it never starts. */
  readonly isOutcome: boolean;
  /** Call that was begun before its record: where that does not get into the journal, this is nobody's outcome. */
  readonly restsOn?: string;
  /** Asked with the state that the draft has come to: false keeps the events out. */
  readonly fits?: (state: RunState) => boolean;
  readonly ack?: (isDurable: boolean) => void;
}

export interface Commit {
  readonly draft: Draft;
  readonly items: readonly Item[];
  /** Number of groups up to the first end of a turn in the draft; 0 = none. */
  readonly turnCut: number;
}

const announcing: readonly string[] = ["tool.started", "model.called", "step.started", "budget.refused"];

export function isOutcome(events: readonly JournalEvent[]): boolean {
  return !events.some((event) => announcing.includes(event.type));
}

/**
 * Appends a draft. Outside events that came first change what goes in: after a cancel only outcomes do, and what a body
 * asked for on the strength of an older state is cut, so that its turn begins again with the newer one.
 * @returns true when the current turn's body was cut off and must begin again
 */
export async function commit(journal: OwnedJournal, plan: Commit): Promise<boolean> {
  const ofCancelled = outcomesIn(plan.items);
  let groups = plan.draft.groups;
  let offset = 0;
  let wasCut = false;
  let wasCancelled = false;
  // almost every draft fits one batch: only where one does not are its groups measured
  let isMeasured = plan.draft.count > limits.batchEvents;
  while (groups.length > 0) {
    const taken = isMeasured ? chunkOf(groups, plan.turnCut - offset) : groups;
    const revise = (state: RunState): readonly JournalEvent[] => {
      if (state.cancel !== null) {
        wasCancelled = true;
        return ofCancelled(taken.flat(), state).filter((event) => !isDecided(event, state));
      }
      const keep = Math.min(cutOf(state, plan.turnCut - offset, taken.length), untilEnd(taken, state));
      if (keep < taken.length) wasCut = true;
      return taken
        .slice(0, keep)
        .flat()
        .filter((event) => !isDecided(event, state));
    };
    try {
      if (taken === plan.draft.groups) await journal.appendDraft(plan.draft, revise);
      else {
        const wanted = wasCancelled ? ofCancelled(taken.flat(), journal.state) : taken.flat();
        await journal.append(wanted, plan.draft.at, revise);
      }
    } catch (error) {
      if (isMeasured || !PawlError.is(error, "EVENT_TOO_LARGE")) throw error;
      isMeasured = true;
      continue;
    }
    if (wasCut) break;
    groups = groups.slice(taken.length);
    offset += taken.length;
  }
  for (const item of plan.items) item.ack?.(item.isOutcome || !wasCancelled);
  return wasCut;
}

/** What of some events goes in after a cancel: outcomes, where the calls that they conclude are known. */
function outcomesIn(
  items: readonly Item[],
): (events: readonly JournalEvent[], state: RunState) => readonly JournalEvent[] {
  const restsOn = new Map<JournalEvent, string | null>();
  for (const item of items)
    if (item.isOutcome) for (const event of item.events) restsOn.set(event, item.restsOn ?? null);
  return (events, { calls }) =>
    events.filter((event) => {
      const callId = restsOn.get(event);
      return callId !== undefined && (callId === null || calls[callId] !== undefined);
    });
}

/** Time decides an approval only where nobody was faster. */
function isDecided(event: JournalEvent, state: RunState): boolean {
  if (event.type !== "approval.decided") return false;
  const call = Object.values(state.calls).find((one) => one.approval?.event.approvalId === event.approvalId);
  return call !== undefined && call.decision !== null;
}

/** An end that was decided before somebody said something is decided again. */
function untilEnd(groups: readonly (readonly JournalEvent[])[], state: RunState): number {
  const end = groups.findIndex((group) => group.some((event) => event.type === "run.ended"));
  return end >= 0 && hasUnread(state) ? end : groups.length;
}

/** How many of the next `count` groups still hold after outside events were folded. */
function cutOf(state: RunState, untilCut: number, count: number): number {
  if (untilCut > 0) return Math.min(untilCut, count);
  return state.log.length === 0 ? 0 : count;
}

/** As many groups as one batch takes; where not all fit, an end of a turn is also the end of a batch. */
function chunkOf(groups: readonly (readonly JournalEvent[])[], untilCut: number): readonly (readonly JournalEvent[])[] {
  let events = 0;
  let bytes = 0;
  let n = 0;
  for (const group of groups) {
    events += group.length;
    bytes += groups.length === 1 ? 0 : sizeOf(group);
    if (n > 0 && (events > limits.batchEvents || bytes > limits.batchBytes * 0.9)) break;
    n++;
  }
  if (n === groups.length) return groups;
  return groups.slice(0, untilCut > 0 ? Math.min(n, untilCut) : n);
}

/** Upper bound of a group's encoded size, cheap for the common small events. */
function sizeOf(group: readonly JournalEvent[]): number {
  return JSON.stringify(group).length * 2;
}
