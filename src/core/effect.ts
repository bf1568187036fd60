/**
 * What a repeat of a call would do outside:
 * `pure` nothing (repeat freely) · `idempotent` nothing, if it carries the same key · `reconcilable` maybe something, but
 * the remote system can be asked · `once` something, and nobody can be asked: never repeat.
 */
export type Effect = "pure" | "idempotent" | "reconcilable" | "once";

export const effects: readonly Effect[] = ["pure", "idempotent", "reconcilable", "once"];

/** Where a call of a lost worker stood in the journal. */
export type CallPhase = "called" | "started";

/** What the next worker does with it. `reconcile` and `unknown` wait for the grace period first. */
export type Recovery = "start" | "rerun" | "rerun-same-key" | "reconcile" | "unknown";

export function recoveryOf(effect: Effect, phase: CallPhase): Recovery {
  if (phase === "called") return "start";
  switch (effect) {
    case "pure":
      return "rerun";
    case "idempotent":
      return "rerun-same-key";
    case "reconcilable":
      return "reconcile";
    case "once":
      return "unknown";
  }
}

/** True where `tool.started` must be durable before the call touches the world. */
export function needsStartEvent(effect: Effect): boolean {
  return effect !== "pure";
}

/** True where a throw other than notApplied(), a time limit or an abort leaves the outcome unknown. */
export function failsAsUnknown(effect: Effect): boolean {
  return effect === "once" || effect === "reconcilable";
}

/** One outside action of a run, as the ledger of effects shows it. */
export type EffectStatus = "held" | "started" | "done" | "unknown" | "refused" | "failed";

/** What became of a run's outside actions. `unknown`: nobody knows; failed idempotent calls, which may have happened, among them. */
export interface EffectCounts {
  readonly done: number;
  readonly notStarted: number;
  readonly unknown: number;
}
