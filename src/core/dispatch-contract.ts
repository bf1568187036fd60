import type { RunRef } from "./id.ts";

/** A run that is due, or will be: which, for whom, and since which event. */
export interface DueRun {
  readonly ref: RunRef;
  readonly lane: string;
  readonly headSeq: number;
  /** From now; 0 = at once. A queue may deliver earlier, or cap it: then the run is looked at and left. */
  readonly delayMs: number;
}

/**
 * Work distribution by an existing queue. A delivery is a hint "look at this run now": at least once, maybe late, maybe
 * for nothing. A queue that loses everything loses no run: sweeps put in again what is overdue.
 */
export interface Dispatch {
  readonly name: string;
  /** Connects. @throws QUEUE_UNREACHABLE */
  open(): Promise<void>;
  /** A run already waiting in the queue with the same head is one job, where the queue can tell. */
  enqueue(due: DueRun): Promise<void>;
  /**
   * Calls `handle` for each delivery, `concurrency` at once, until the returned function is called, which waits for those
   * under way. A delivery is done when its handler is, however that ends: the journal, not the queue, knows what is left.
   */
  consume(
    lanes: readonly string[],
    concurrency: number,
    handle: (ref: RunRef) => Promise<void>,
  ): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
