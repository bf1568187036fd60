import type { SpanRecorded } from "../core/span-event.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { Desk } from "./desk.ts";

/** A desk that brings an attempt's spans along with what is said next. */
export interface SpansDesk {
  readonly desk: Desk;
  /** Resolves once all spans are recorded, also those of an attempt of which nothing was said. */
  recorded(): Promise<void>;
}

/**
 * The spans ride in the batch of the attempt's outcome: a batch of their own, before it, would be one more write that a
 * crash can come into between an effect and the record of its outcome. Of more than one group the others come behind it.
 */
export function withSpans(desk: Desk, groups: readonly (readonly SpanRecorded[])[]): SpansDesk {
  const left = [...groups];
  const behind: Promise<unknown>[] = [];
  const withFirst = (events: readonly JournalEvent[]): readonly JournalEvent[] => [...(left.shift() ?? []), ...events];
  const sendOthers = (): void => {
    for (const spans of left.splice(0)) behind.push(desk.record(spans));
  };
  return {
    desk: {
      ...desk,
      record: (events) => {
        const recorded = desk.record(withFirst(events));
        sendOthers();
        return recorded;
      },
      fact: (callId, events) => {
        desk.fact(callId, withFirst(events));
        sendOthers();
      },
    },
    recorded: async () => {
      sendOthers();
      await Promise.all(behind);
    },
  };
}
