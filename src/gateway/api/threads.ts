import { z } from "zod";
import type { Message } from "../../core/message.ts";
import { count } from "./values.ts";

/** A conversation across runs. Its runs: `GET /runs?thread=ID`. */
export interface ThreadSummary {
  readonly threadId: string;
  /** The run that has its turn; null = none. */
  readonly active: string | null;
  /** Runs that wait behind it, the next first. */
  readonly queue: readonly string[];
  /** Ended runs whose messages the next one is given. */
  readonly remembered: number;
}
/** Messages that the next run of the thread would begin with, the oldest first, each with the run it came from. */
export interface ThreadMessages {
  readonly threadId: string;
  readonly items: readonly Message[];
}

export const threadSummary: z.ZodType<ThreadSummary> = z
  .object({ threadId: z.string(), active: z.string().nullable(), queue: z.array(z.string()), remembered: count })
  .meta({ id: "ThreadSummary" });
// the cast: what the parts of a message may be is core's union; here only their frame is checked
export const message: z.ZodType<Message> = z
  .object({
    role: z.enum(["user", "assistant", "tool"]),
    content: z.array(z.looseObject({ type: z.string() })),
  })
  .meta({ id: "Message", description: "A provider-neutral message." }) as unknown as z.ZodType<Message>;
export const threadMessages: z.ZodType<ThreadMessages> = z
  .object({ threadId: z.string(), items: z.array(message) })
  .meta({ id: "ThreadMessages" });
