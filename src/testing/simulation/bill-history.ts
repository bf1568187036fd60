import type { JournalEvent } from "../../core/journal-event.ts";
import { tokensOf } from "../../core/usage.ts";

/** What a journal says is held for calls in flight, by the simulator's own reading. */
export class BillHistory {
  readonly #models = new Map<string, number>();
  readonly #children = new Map<string, number>();
  readonly #overruns = new Set<string>();

  /** Tokens held by model calls in flight and by children that have not ended. */
  get reservedTokens(): number {
    return [...this.#models.values(), ...this.#children.values()].reduce((sum, one) => sum + one, 0);
  }

  /** Reads one more event. @returns the claim that it breaks, null for none */
  read(event: JournalEvent): string | null {
    switch (event.type) {
      case "model.called":
        this.#models.set(event.callId, event.reservation.tokens);
        return null;
      case "budget.overrun":
        this.#overruns.add(`${event.callId}:${event.attempt}`);
        return null;
      case "model.attempted":
        if (event.beside !== true) this.#models.delete(event.callId);
        return null;
      case "model.failed":
        this.#models.delete(event.callId);
        return null;
      case "model.answered": {
        const held = this.#models.get(event.callId) ?? 0;
        this.#models.delete(event.callId);
        const isOver =
          event.inherited !== true &&
          tokensOf(event.usage) > held &&
          !this.#overruns.has(`${event.callId}:${event.attempt}`);
        return isOver ? `more billed than reserved is said (${event.callId})` : null;
      }
      case "child.called":
        if (event.allowance !== undefined) this.#children.set(event.childRunId, event.allowance.tokens);
        return null;
      case "child.ended":
        this.#children.delete(event.childRunId);
        return null;
      default:
        return null;
    }
  }
}
