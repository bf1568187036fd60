import { recoveryOf as moveAfterCrash } from "../core/effect.ts";
import { decodeBatches } from "../core/journal-codec.ts";
import type { RunRef } from "../core/id.ts";
import { lastSeqOf, type Batch, type JournalEvent } from "../core/journal-event.ts";
import { firstState, foldBatch } from "../core/run-fold.ts";
import type { CallState, RunState } from "../core/run-state.ts";
import type { Store } from "../core/store-contract.ts";
import { limits } from "../core/limits.ts";

/** What a worker that takes a run over finds: steps whose outcome is recorded, and calls in flight when its owner died. */
export interface Recovery {
  /** Last seq that the former owner left. */
  readonly fromSeq: number;
  /** Model calls, tool calls, functions and waits that are answered from the journal. */
  readonly reused: number;
  readonly repeated: { readonly model: number; readonly pure: number; readonly sameKey: number };
  /** The remote system is asked what became of them. */
  readonly toReconcile: number;
  /** Nobody can tell: a person is asked. */
  readonly unknown: number;
}

const outcomes: readonly string[] = [
  "model.answered",
  "model.failed",
  "tool.returned",
  "tool.failed",
  "tool.refused",
  "step.returned",
  "step.failed",
  "wait.ended",
];

function isOutcome(event: JournalEvent): boolean {
  return outcomes.includes(event.type) && !("retry" in event && event.retry === true);
}

/** The recovery that a claim after `batches` begins with. Pure. */
export function recoveryAfter(batches: readonly { readonly batch: Batch; readonly hash: string }[]): Recovery | null {
  let state: RunState | null = null;
  let reused = 0;
  for (const { batch, hash } of batches) {
    state = state === null ? firstState(batch, hash) : foldBatch(state, batch, hash);
    reused += batch.events.filter(isOutcome).length;
  }
  if (state === null || state.fence === 0) return null;
  // an owner that gave the run back left nothing in flight
  const lost = state.session === null ? [] : Object.values(state.calls).filter((call) => call.fact === null);
  const counted = (kind: ReturnType<typeof fateOf>): number => lost.filter((call) => fateOf(call) === kind).length;
  return {
    fromSeq: state.seq,
    reused,
    repeated: { model: counted("model"), pure: counted("pure"), sameKey: counted("same-key") },
    toReconcile: counted("reconcile"),
    unknown: counted("unknown") + state.unknowns.length,
  };
}

/** What becomes of an open call whose owner died. A pure call leaves no start event: decided counts as begun. */
function fateOf(call: CallState): "model" | "pure" | "same-key" | "reconcile" | "unknown" | null {
  if (call.unknown) return null;
  const { intent } = call;
  if (intent.type === "model.called") return call.started ? "model" : null;
  if (!("effect" in intent)) return null;
  const isHeld = call.approval !== null && call.decision === null;
  if (intent.effect === "pure") return isHeld ? null : "pure";
  if (!call.started) return null;
  switch (moveAfterCrash(intent.effect, "started")) {
    case "reconcile":
      return "reconcile";
    case "unknown":
      return "unknown";
    default:
      return "same-key";
  }
}

/** `recovered from seq 41: 6 steps reused, 1 repeated (pure), 0 unknown` */
export function recoveryText({ fromSeq, reused, repeated, toReconcile, unknown }: Recovery): string {
  const kinds = [
    [repeated.model, "model"],
    [repeated.pure, "pure"],
    [repeated.sameKey, "same key"],
  ] as const;
  const told = kinds.filter(([count]) => count > 0);
  const total = kinds.reduce((sum, [count]) => sum + count, 0);
  const [only] = told;
  const detail =
    told.length === 0
      ? ""
      : told.length === 1
        ? ` (${only?.[1] ?? ""})`
        : ` (${told.map((one) => one.join(" ")).join(", ")})`;
  const asked = toReconcile === 0 ? "" : `, ${toReconcile} to reconcile`;
  return `recovered from seq ${fromSeq}: ${reused} step${reused === 1 ? "" : "s"} reused, ${total} repeated${detail}${asked}, ${unknown} unknown`;
}

/** Reads what was there before the claim at `claimSeq` and says what it recovers; null for a run's first claim. */
export async function recoveryAt(store: Store, ref: RunRef, claimSeq: number): Promise<Recovery | null> {
  const before: { readonly batch: Batch; readonly hash: string }[] = [];
  let after = { seq: 0, hash: "" };
  while (after.seq < claimSeq - 1) {
    const lines = await store.readEvents(ref, after.seq, limits.readBytes);
    if (lines.length === 0) break;
    for (const line of lines) {
      const { batches, hash } = decodeBatches([line], after);
      for (const batch of batches) {
        if (batch.firstSeq >= claimSeq) return recoveryAfter(before);
        before.push({ batch, hash: hash ?? "" });
        after = { seq: lastSeqOf(batch), hash: hash ?? "" };
      }
    }
  }
  return recoveryAfter(before);
}
