import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import type { Pawl } from "../engine/runtime.ts";
import type { RunResult } from "../engine/run-handle.ts";

/** Of one run: what its waiters wait for together. */
interface SharedWait {
  readonly result: Promise<RunResult>;
  readonly stop: AbortController;
  waiters: number;
}

/**
 * Waits for results, of each run once: one subscription and one look in a while, however many wait. Who may wait, and how
 * many, is for OpenStreams to say.
 */
export class ResultWaits {
  readonly #app: Pawl;
  readonly #waits = new Map<string, SharedWait>();

  constructor(app: Pawl) {
    this.#app = app;
  }

  /**
   * @returns null when `signal` was aborted before the run stood still
   * @throws RUN_UNKNOWN, STORE_UNREACHABLE
   */
  async resultOf(ref: RunRef, signal: AbortSignal): Promise<RunResult | null> {
    if (signal.aborted) return null;
    const key = `${ref.tenant}/${ref.runId}`;
    const wait = this.#waits.get(key) ?? this.#begin(key, ref);
    wait.waiters++;
    const left = Promise.withResolvers<null>();
    const leave = (): void => left.resolve(null);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([wait.result, left.promise]);
    } finally {
      signal.removeEventListener("abort", leave);
      if (--wait.waiters === 0) this.#end(key, wait);
    }
  }

  #begin(key: string, { tenant, runId }: RunRef): SharedWait {
    const stop = new AbortController();
    const result = this.#app.run(runId, tenant).result({ signal: stop.signal });
    const wait = { result, stop, waiters: 0 };
    this.#waits.set(key, wait);
    // whoever comes after it has settled looks anew: the run may have gone on
    const forget = (): void => this.#forget(key, wait);
    result.then(forget, forget);
    return wait;
  }

  #end(key: string, wait: SharedWait): void {
    this.#forget(key, wait);
    wait.stop.abort(new PawlError("CANCELLED", "nobody waits any more."));
  }

  #forget(key: string, wait: SharedWait): void {
    if (this.#waits.get(key) === wait) this.#waits.delete(key);
  }
}
