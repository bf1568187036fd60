import type { RunRef } from "./id.ts";

/** Work distribution by an existing queue. A delivery is a hint "look at this run now", at least once, maybe late. */
export interface Dispatch {
  readonly name: string;
  /** @param atMs not before; absent = now */
  enqueue(ref: RunRef, lane: string, headSeq: number, atMs?: number): Promise<void>;
  /** Calls `handle` for each delivery until the returned function is called. */
  consume(
    lanes: readonly string[],
    handle: (ref: RunRef, signal: AbortSignal) => Promise<void>,
  ): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
