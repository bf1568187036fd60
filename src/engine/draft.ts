import { journalFormat, type JournalEvent } from "../core/journal-event.ts";
import { foldBatch } from "../core/run-fold.ts";
import type { RunState } from "../core/run-state.ts";
import type { Cleaner } from "./redaction.ts";

interface Drafted {
  readonly events: readonly JournalEvent[];
  readonly fits?: (state: RunState) => boolean;
}

/**
 * Events that are about to be appended, and the state as it will be after them. All carry one time, `at`, which is also
 * what the body's now() says for facts delivered among them. Events pushed together are never split over batches.
 */
export class Draft {
  readonly at: number;
  /** The state it began with. */
  readonly base: RunState;
  readonly #fence: number;
  readonly #groups: (readonly JournalEvent[])[] = [];
  readonly #cleaner: Cleaner | null;
  #count = 0;
  #state: RunState;

  constructor(state: RunState, at: number, fence: number, cleaner: Cleaner | null) {
    this.#cleaner = cleaner;
    this.base = state;
    this.#state = state;
    this.at = at;
    this.#fence = fence;
  }

  get groups(): readonly (readonly JournalEvent[])[] {
    return this.#groups;
  }

  /** Number of events. */
  get count(): number {
    return this.#count;
  }

  get state(): RunState {
    return this.#state;
  }

  /** Takes in what a call handed in. @returns false where it no longer fits */
  take({ events, fits }: Drafted): boolean {
    if (fits !== undefined && !fits(this.#state)) return false;
    this.push(events);
    return true;
  }

  push(given: readonly JournalEvent[]): void {
    if (given.length === 0) return;
    const events = this.#cleaner?.events(given) ?? given;
    this.#groups.push(events);
    this.#count += events.length;
    const batch = {
      id: "",
      firstSeq: this.#state.seq + 1,
      at: this.at,
      format: journalFormat,
      by: { fence: this.#fence },
      prevHash: "",
      events,
    };
    this.#state = foldBatch(this.#state, batch, "");
  }
}
