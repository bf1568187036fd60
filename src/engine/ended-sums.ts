import type { EffectCounts } from "../core/effect.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { RunState } from "../core/run-state.ts";

/**
 * What became of a run's outside actions, as its end tells it. Idempotent calls that failed are among the unknown: they may
 * have happened, though their key makes a repeat safe and nobody is asked.
 */
export function effectsOf(state: RunState): EffectCounts {
  const open = Object.values(state.calls).filter(
    (call) =>
      call.intent.type === "tool.called" && call.intent.effect !== "pure" && call.fact === null && call.attempt === 0,
  );
  return {
    done: state.effectsDone,
    notStarted: state.effectsNotStarted + open.length,
    unknown: state.unknowns.length + state.effectsMaybe,
  };
}

/**
 * Events that outside ones came before: an end among them tells the sums as they are by then.
 * @param stateAfter the state after some of the events
 */
export function withNewSums(
  events: readonly JournalEvent[],
  stateAfter: (events: readonly JournalEvent[]) => RunState,
): readonly JournalEvent[] {
  return events.map((event, i) => {
    if (event.type !== "run.ended") return event;
    const before = stateAfter(events.slice(0, i));
    return { ...event, effects: effectsOf(before), totals: before.totals };
  });
}
