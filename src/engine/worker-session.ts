import type { Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { SessionStore } from "../core/store-contract.ts";
import type { OwnerRight } from "./deps.ts";

/**
 * A worker's right to own runs: one record in the store, beaten every 1.5 s. It is fresh while its last acknowledged beat
 * was *sent* no more than half the time-out ago, by this machine's monotonic clock: only then may an effect begin.
 */
export class WorkerSession implements OwnerRight {
  readonly id: string;
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #dead = new AbortController();
  readonly #waiting: ((isFresh: boolean) => void)[] = [];
  #counter = 0;
  #beatSentMs: number;
  #cancelTimer: () => void = () => undefined;
  #isClosed = false;

  private constructor(store: SessionStore, clock: Clock, id: string) {
    this.#store = store;
    this.#clock = clock;
    this.id = id;
    this.#beatSentMs = clock.monotonicMs();
  }

  static async open(store: SessionStore, clock: Clock, id: string, worker: string): Promise<WorkerSession> {
    const session = new WorkerSession(store, clock, id);
    await store.openSession(id, worker);
    session.#schedule();
    return session;
  }

  get dead(): AbortSignal {
    return this.#dead.signal;
  }

  get beats(): number {
    return this.#counter;
  }

  isFresh(): boolean {
    return !this.#dead.signal.aborted && this.#clock.monotonicMs() - this.#beatSentMs <= limits.effectBeatAgeMs;
  }

  whenFresh(): Promise<boolean> {
    if (this.isFresh()) return Promise.resolve(true);
    if (this.#dead.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Ends the session cleanly. What it still owns becomes claimable at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer();
    await this.#store.closeSession(this.id).catch(() => undefined);
    this.#die("the worker was closed");
  }

  #schedule(): void {
    if (this.#isClosed || this.#dead.signal.aborted) return;
    this.#cancelTimer = this.#clock.setTimer(limits.beatMs, () => {
      void this.#beat().finally(() => this.#schedule());
    });
  }

  async #beat(): Promise<void> {
    const sentMs = this.#clock.monotonicMs();
    try {
      const answer = await this.#store.beat(this.id, ++this.#counter);
      if (answer === "dead") {
        this.#die("another worker declared this session dead");
        return;
      }
      this.#beatSentMs = sentMs;
    } catch {
      // not heard is not dead: freshness runs out by itself, and the next beat tries again
      return;
    }
    if (!this.isFresh()) return;
    for (const resolve of this.#waiting.splice(0)) resolve(true);
  }

  #die(why: string): void {
    if (this.#dead.signal.aborted) return;
    this.#dead.abort(new PawlError("OWNER_LOST", `session "${this.id}": ${why}.`));
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }
}
