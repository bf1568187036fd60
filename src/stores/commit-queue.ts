import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { CoreMethods, StoreAnswer, StoreRequest } from "./sqlite-requests.ts";

interface Waiting {
  readonly request: StoreRequest;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: PawlError) => void;
}

/** Does a group of requests and gives an answer for each, in their order. Never throws or rejects. */
export type DoGroup = (requests: readonly StoreRequest[]) => readonly StoreAnswer[] | Promise<readonly StoreAnswer[]>;

/**
 * Group commit: requests that arrive in one tick, or while a group is being written, become the next group, and so share
 * one flush of the disk.
 */
export class CommitQueue {
  readonly #doGroup: DoGroup;
  readonly #whenEmpty: (() => void)[] = [];
  #waiting: Waiting[] = [];
  #isBusy = false;
  #isScheduled = false;

  constructor(doGroup: DoGroup) {
    this.#doGroup = doGroup;
  }

  /** @throws STORE_UNREACHABLE when too many wait: the disk does not keep up */
  call(method: keyof CoreMethods, args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= limits.storeQueue) {
        reject(queueFull());
        return;
      }
      this.#waiting.push({ request: { method, args }, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when every request so far has its answer. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isIdle()) resolve();
      else this.#whenEmpty.push(resolve);
    });
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && !this.#isBusy;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBusy) return;
    this.#isScheduled = true;
    setImmediate(() => this.#nextGroup());
  }

  #nextGroup(): void {
    this.#isScheduled = false;
    const group = this.#takeGroup();
    this.#isBusy = true;
    const answers = this.#doGroup(group.map(({ request }) => request));
    if (answers instanceof Promise) void this.#settleLater(group, answers);
    else this.#settle(group, answers);
  }

  async #settleLater(group: readonly Waiting[], answers: Promise<readonly StoreAnswer[]>): Promise<void> {
    this.#settle(group, await answers);
  }

  #settle(group: readonly Waiting[], answers: readonly StoreAnswer[]): void {
    this.#isBusy = false;
    for (const [i, { resolve, reject }] of group.entries()) {
      const answer = answers[i];
      if (answer?.ok === true) resolve(answer.value);
      else reject(answer?.error ?? new PawlError("INTERNAL", "a request of the store got no answer."));
    }
    if (this.#waiting.length > 0) this.#schedule();
    else for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  /** At least one; as many as a transaction may hold. */
  #takeGroup(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { request } of this.#waiting) {
      bytes += bytesOf(request);
      if (count > 0 && (bytes > limits.storeGroupBytes || count >= limits.storeGroup)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}

/** Blobs alone are large enough to count. */
function bytesOf({ args }: StoreRequest): number {
  const last = args.at(-1);
  return last instanceof Uint8Array ? last.byteLength : 0;
}

function queueFull(): PawlError {
  return new PawlError(
    "STORE_UNREACHABLE",
    `${limits.storeQueue} requests wait for the database already; this one was not begun. Its disk does not keep up: start fewer runs at once.`,
  );
}
