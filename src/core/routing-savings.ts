import type { JournalEvent } from "./journal-event.ts";
import type { ModelCalled } from "./model-event.ts";
import { costOf } from "./usage.ts";

/** What asking a smaller model first was worth. */
export interface RoutingSavings {
  /** Decisions that a smaller model was asked for. */
  readonly asked: number;
  /** Those that were then asked of the larger one. */
  readonly escalated: number;
  /**
   * What the larger model would have cost for the same tokens, less what was paid; an escalated decision counts with what
   * the smaller one cost in vain, so this may be below 0. An estimate: the larger model was not asked.
   */
  readonly savedNanoUsd: number;
  /** Decisions whose saving is not known, because one of the two has no price. */
  readonly unpriced: number;
}

/** The savings that a run's events tell of. */
export function routingSavings(events: Iterable<JournalEvent>): RoutingSavings {
  const asked = new Map<string, NonNullable<ModelCalled["insteadOf"]>>();
  const escalated = new Set<string>();
  const paid = new Map<string, { costNanoUsd: number | null; wouldNanoUsd: number | null }>();
  for (const event of events) {
    if (event.type === "model.called" && event.insteadOf !== undefined) asked.set(event.callId, event.insteadOf);
    if (event.type === "model.called" && event.escalates !== undefined) escalated.add(event.escalates);
    if (event.type !== "model.answered" && event.type !== "model.attempted") continue;
    const instead = asked.get(event.callId);
    if (instead === undefined || event.inherited === true) continue;
    const known = paid.get(event.callId) ?? { costNanoUsd: 0, wouldNanoUsd: 0 };
    const isAnswer = event.type === "model.answered";
    paid.set(event.callId, {
      costNanoUsd: sum(known.costNanoUsd, event.costNanoUsd),
      wouldNanoUsd: isAnswer ? costOf(event.usage, instead.price) : known.wouldNanoUsd,
    });
  }
  let savedNanoUsd = 0;
  let unpriced = 0;
  for (const [callId, { costNanoUsd, wouldNanoUsd }] of paid) {
    const would = escalated.has(callId) ? 0 : wouldNanoUsd;
    if (costNanoUsd === null || would === null) unpriced++;
    else savedNanoUsd += would - costNanoUsd;
  }
  const escalations = [...escalated].filter((callId) => asked.has(callId)).length;
  return { asked: asked.size, escalated: escalations, savedNanoUsd, unpriced };
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}
