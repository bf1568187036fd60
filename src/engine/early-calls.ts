import type { CallState, RunState } from "../core/run-state.ts";
import type { Item } from "./commit.ts";
import type { Desk } from "./desk.ts";
import type { Move } from "./moves.ts";

interface EarlyCall {
  readonly call: CallState;
  /** Of the draft that is to record it. */
  readonly state: RunState;
  fate: "open" | "recorded" | "dropped";
}

/**
 * Calls that were begun before the draft that records them was written. Once it is, they are calls like any other; what
 * was cut out of it, or came after a cancel, is nobody's: its outcome is not heard.
 */
export class EarlyCalls {
  readonly #open = new Map<string, EarlyCall>();

  get size(): number {
    return this.#open.size;
  }

  /** A desk for one such call: like that of the others, but what it hands in has no record to rest on yet. */
  begin(call: CallState, state: RunState, desk: Desk, queue: (item: Item) => void): Desk {
    const early: EarlyCall = { call, state, fate: "open" };
    this.#open.set(call.callId, early);
    const place = (): Partial<Item> => (early.fate === "open" ? { restsOn: call.callId } : {});
    return {
      ...desk,
      state: () => (early.fate === "recorded" ? desk.state() : early.state),
      record: (events) => {
        if (early.fate === "recorded") return desk.record(events);
        if (early.fate === "dropped") return Promise.resolve(false);
        return new Promise((resolve) => {
          queue({
            events,
            fact: null,
            isOutcome: true,
            ack: (isDurable) => resolve(isDurable && early.fate !== "dropped"),
            ...place(),
          });
        });
      },
      fact: (callId, events) => {
        if (early.fate !== "dropped") queue({ events, fact: callId, isOutcome: true, ...place() });
      },
    };
  }

  /**
   * Call it once a draft's fate is known.
   * @returns the calls of which the journal holds no record
   */
  settle(state: RunState): readonly string[] {
    const dropped: string[] = [];
    for (const [callId, early] of this.#open) {
      const isRecorded = state.calls[callId]?.intent === early.call.intent;
      early.fate = isRecorded ? "recorded" : "dropped";
      if (!isRecorded) dropped.push(callId);
    }
    this.#open.clear();
    return dropped;
  }
}

/** True for a call that may run before its record is durable: it changes nothing outside, and holds nothing shared. */
export function mayStartEarly({ intent }: CallState, move: Move): boolean {
  return (
    move.type === "start" &&
    intent.type === "tool.called" &&
    intent.effect === "pure" &&
    intent.reservationId === undefined &&
    intent.reservedNanoUsd === undefined
  );
}
