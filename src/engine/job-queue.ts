import type { Clock } from "../core/clock.ts";
import type { Dispatch } from "../core/dispatch-contract.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Store } from "../core/store-contract.ts";

/** The runtime's side of an existing queue: what is due goes in, as a hint that nobody waits for. */
export class JobQueue {
  readonly #dispatch: Dispatch;
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #underWay = new Set<Promise<void>>();
  /** What was put in again, and when by the monotonic clock: a backlog is not put in at every sweep. */
  readonly #again = new Map<string, number>();

  constructor(dispatch: Dispatch, clock: Clock, failed: (error: unknown) => void) {
    this.#dispatch = dispatch;
    this.#clock = clock;
    this.#failed = failed;
  }

  get name(): string {
    return this.#dispatch.name;
  }

  open(): Promise<void> {
    return this.#dispatch.open();
  }

  /** Past a bound, and where the queue fails, nothing is put in: a sweep finds the run when it is overdue. */
  offer(ref: RunRef, { lane, seq, session, dueAt }: Pick<RunHead, "lane" | "seq" | "session" | "dueAt">): void {
    if (session !== null || dueAt === null || this.#underWay.size >= limits.offersUnderWay) return;
    const work = this.#dispatch
      .enqueue({ ref, lane, headSeq: seq, delayMs: Math.max(0, dueAt - this.#clock.nowMs()) })
      .catch(this.#failed)
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** Puts in what should have been taken long ago: the queue was flushed, or never heard of it. */
  async offerOverdue(store: Store, lanes: readonly string[]): Promise<void> {
    const now = this.#clock.monotonicMs();
    for (const [key, at] of this.#again) if (now - at > limits.offerAgainMs) this.#again.delete(key);
    const before = this.#clock.nowMs() - limits.sweepMs;
    for (const ref of await store.due({ lanes, nowMs: before, limit: limits.passedPerPoll })) {
      const key = `${ref.tenant}/${ref.runId}`;
      if (this.#again.has(key)) continue;
      const head = await store.readHead(ref);
      if (head === null) continue;
      this.#again.set(key, now);
      this.offer(ref, head);
      if (this.#underWay.size >= limits.offersUnderWay) await Promise.race(this.#underWay);
    }
  }

  consume(
    lanes: readonly string[],
    concurrency: number,
    handle: (ref: RunRef) => Promise<void>,
  ): Promise<() => Promise<void>> {
    return this.#dispatch.consume(lanes, concurrency, handle);
  }

  /** Hints that a server does not take are left: a sweep finds their runs. */
  async close(): Promise<void> {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.setTimer(limits.queueOpenMs, resolve);
    });
    await Promise.race([Promise.allSettled(this.#underWay), late]);
    cancel();
    await this.#dispatch.close();
  }
}
