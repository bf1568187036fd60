import type { RunHead, Store, WorkerEvent } from "pawl";

type Ref = Pick<RunHead, "tenant" | "runId">;

/** Times runs from the first read of their claim to their first request, and knows when they have parked. */
export class Stopwatch {
  /** The store with an eye on the claims; give it to the executing app alone. */
  readonly store: Store;
  readonly #begins = new Map<string, number | null>();
  readonly #ends = new Map<string, (ms: number) => void>();
  readonly #parks = new Map<string, (how: string) => void>();

  constructor(store: Store) {
    const readHead: Store["readHead"] = (ref) => {
      this.#looked(ref);
      return store.readHead(ref);
    };
    this.store = new Proxy(store, {
      get: (target, key): unknown => {
        if (key === "readHead") return readHead;
        const member: unknown = Reflect.get(target, key);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  }

  /** Resolves with the milliseconds of the run's next claim, up to its first request. */
  time(runId: string): Promise<number> {
    this.#begins.set(runId, null);
    return new Promise((resolve) => {
      this.#ends.set(runId, resolve);
    });
  }

  /** Resolves when the run has parked; rejects when it stands still in another way. */
  async parked(runId: string): Promise<void> {
    const how = await new Promise<string>((resolve) => {
      this.#parks.set(runId, resolve);
    });
    if (how !== "parked") throw new Error(`run "${runId}" is ${how}, not parked`);
  }

  requested(runId: string): void {
    const begin = this.#begins.get(runId);
    if (typeof begin !== "number") return;
    this.#begins.delete(runId);
    this.#ends.get(runId)?.(performance.now() - begin);
  }

  told(event: WorkerEvent): void {
    if (event.type === "failed") console.error(event.error);
    if (event.type === "finished") this.#parks.get(event.ref.runId)?.(event.how);
  }

  /** A claim begins with reading the head. */
  #looked({ runId }: Ref): void {
    if (this.#begins.get(runId) === null) this.#begins.set(runId, performance.now());
  }
}
