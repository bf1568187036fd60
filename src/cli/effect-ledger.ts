import type { Effect, EffectStatus } from "../core/effect.ts";
import type { ReadEvent } from "../engine/run-events.ts";
import type { JsonValue } from "../core/json.ts";

/** One action of a run on the world outside, as the journal tells it. */
export interface EffectEntry {
  readonly callId: string;
  readonly tool: string;
  readonly effect: Effect;
  readonly status: EffectStatus;
  /** Attempts that began; a pure call leaves no trace of them but the last. */
  readonly attempts: number;
  /** The same for all attempts: what the receiver deduplicates by. */
  readonly key: string;
  readonly input: JsonValue;
  /** Who approved or rejected it; null = nobody was asked. */
  readonly decidedBy: string | null;
  /** How the outcome became known where the call itself did not tell. */
  readonly via: "reconciled" | "resolved" | "cache" | "fork" | null;
}

/** Every tool call of a run in order, folded from its events. Pure calls are in it too: they are the ones that may repeat. */
export function effectsOf(events: Iterable<ReadEvent>): readonly EffectEntry[] {
  const entries = new Map<string, EffectEntry>();
  const patch = (callId: string, change: Partial<EffectEntry>): void => {
    const entry = entries.get(callId);
    if (entry !== undefined) entries.set(callId, { ...entry, ...change });
  };
  const approvals = new Map<string, string>();
  for (const event of events) {
    switch (event.type) {
      case "tool.called": {
        const { callId, tool, effect, key, input } = event;
        const status = event.verdict.decision === "refuse" ? "refused" : "held";
        entries.set(callId, { callId, tool, effect, status, attempts: 0, key, input, decidedBy: null, via: null });
        break;
      }
      case "approval.asked":
        approvals.set(event.approvalId, event.callId);
        break;
      case "approval.decided":
        patch(approvals.get(event.approvalId) ?? "", { decidedBy: event.by });
        break;
      case "tool.started":
        patch(event.callId, { status: "started", attempts: event.attempt });
        break;
      case "tool.returned":
        patch(event.callId, { status: "done", attempts: event.attempt, via: event.via ?? null });
        break;
      case "tool.failed":
        patch(event.callId, { status: event.retry === true ? "started" : "failed", attempts: event.attempt });
        break;
      case "tool.refused":
        patch(event.callId, { status: "refused" });
        break;
      case "effect.unknown":
        patch(event.callId, { status: "unknown" });
        break;
      case "effect.resolved":
        patch(event.callId, {
          status: event.resolution === "applied" ? "done" : "held",
          via: event.by === "reconcile" ? "reconciled" : "resolved",
        });
        break;
      default:
    }
  }
  return [...entries.values()];
}
