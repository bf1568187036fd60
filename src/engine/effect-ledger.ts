import type { Effect, EffectStatus } from "../core/effect.ts";
import type { JsonValue } from "../core/json.ts";
import type { ReadEvent } from "./run-events.ts";

/** One action of a run on the world outside, as the journal tells it. */
export interface EffectEntry {
  readonly callId: string;
  /** Seq of the event that its status is from: an unknown outcome is resolved by it. */
  readonly seq: number;
  readonly tool: string;
  readonly version: string;
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
  /** When it was decided, and when its status came about; ms since 1970. */
  readonly calledAt: number;
  readonly at: number;
}

/** Every tool call of a run in order, folded from its events. Pure calls are in it too: they are the ones that may repeat. */
export function effectsOf(events: Iterable<ReadEvent>): readonly EffectEntry[] {
  const ledger = new EffectLedger();
  for (const event of events) ledger.add(event);
  return ledger.entries();
}

/** The fold of `effectsOf`, event by event. */
export class EffectLedger {
  readonly #entries = new Map<string, EffectEntry>();
  readonly #approvals = new Map<string, string>();

  entries(): readonly EffectEntry[] {
    return [...this.#entries.values()];
  }

  add(event: ReadEvent): void {
    switch (event.type) {
      case "tool.called": {
        const { callId, seq, tool, version, effect, key, input, at } = event;
        const status = event.verdict.decision === "refuse" ? "refused" : "held";
        const entry = { callId, seq, tool, version, effect, status, attempts: 0, key, input, at } as const;
        this.#entries.set(callId, { ...entry, decidedBy: null, via: null, calledAt: at });
        break;
      }
      case "approval.asked":
        this.#approvals.set(event.approvalId, event.callId);
        break;
      case "approval.decided":
        this.#decided(this.#approvals.get(event.approvalId), event.by);
        break;
      case "tool.started":
        this.#change(event, { status: "started", attempts: event.attempt });
        break;
      case "tool.returned":
        this.#change(event, { status: "done", attempts: event.attempt, via: event.via ?? null });
        break;
      case "tool.failed":
        this.#change(event, { status: event.retry === true ? "started" : "failed", attempts: event.attempt });
        break;
      case "tool.refused":
        this.#change(event, { status: "refused" });
        break;
      case "effect.unknown":
        this.#change(event, { status: "unknown" });
        break;
      case "effect.resolved":
        this.#change(event, {
          status: event.resolution === "applied" ? "done" : "held",
          via: event.by === "reconcile" ? "reconciled" : "resolved",
        });
        break;
      default:
    }
  }

  #change(event: ReadEvent & { readonly callId: string }, change: Partial<EffectEntry>): void {
    const entry = this.#entries.get(event.callId);
    if (entry === undefined) return;
    this.#entries.set(event.callId, { ...entry, ...change, seq: event.seq, at: event.at });
  }

  #decided(callId: string | undefined, by: string): void {
    const entry = this.#entries.get(callId ?? "");
    if (entry !== undefined) this.#entries.set(entry.callId, { ...entry, decidedBy: by });
  }
}
