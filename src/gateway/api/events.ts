import { z } from "zod";
import type { LiveDelta, ReadEvent } from "../../engine/run-events.ts";
import { at, count } from "./values.ts";

/** An event of a run's journal, with what its refs stand for. A union by `type`; kinds may be added, none changes. */
export type RunEvent = ReadEvent;
/**
 * Live text of a call under way, only in the stream and without an id. `i` counts from 0 in each attempt: a gap means that
 * some were lost. Drop what came before when `attempt` or `fence` rises; the event `model.answered` has the whole.
 */
export type StreamDelta = LiveDelta & { readonly fence: number; readonly i: number };

export interface EventPage {
  readonly items: readonly RunEvent[];
  /** Ask for events `after` this seq next. */
  readonly lastSeq: number;
  /** There is more now. */
  readonly hasMore: boolean;
}

/** Last frame of a stream that is complete: the run has ended. */
export interface StreamEnd {
  readonly runId: string;
  readonly status: string;
  readonly seq: number;
}

// the cast: the union of all kinds is the journal's, written once in core; here only the place of an event is checked
export const runEvent: z.ZodType<RunEvent> = z
  .looseObject({ type: z.string(), seq: count, at, runId: z.string() })
  .meta({
    id: "RunEvent",
    description: "An event of the journal; further members by `type`.",
  }) as unknown as z.ZodType<RunEvent>;
export const eventPage: z.ZodType<EventPage> = z
  .object({ items: z.array(runEvent), lastSeq: count, hasMore: z.boolean() })
  .meta({ id: "EventPage" });
