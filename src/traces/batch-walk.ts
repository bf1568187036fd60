import type { Batch } from "../core/journal-event.ts";
import { limits } from "../core/limits.ts";

/** Lets others have their turn: of a clock, `drain`. */
export type Pause = () => Promise<void>;

/** The batches in order, with a pause after every few hundred events: a long journal stops nobody. */
export async function* eachBatch(batches: Iterable<Batch>, pause: Pause): AsyncGenerator<Batch, void, undefined> {
  let events = 0;
  for (const batch of batches) {
    events += batch.events.length;
    if (events >= limits.detailPauseEvents) {
      events = 0;
      await pause();
    }
    yield batch;
  }
}
