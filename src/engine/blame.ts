import { AsyncLocalStorage } from "node:async_hooks";

/** What a run's code belongs to: lets an uncaught exception name its run. */
export interface Blamed {
  readonly ref: { readonly tenant: string; readonly runId: string };
  fail(error: unknown): void;
}

const current = new AsyncLocalStorage<Blamed>();

export function blameOn<T>(owner: Blamed, code: () => Promise<T>): Promise<T> {
  return current.run(owner, code);
}

/** The execution whose code runs now; undefined outside all. */
export function blamed(): Blamed | undefined {
  return current.getStore();
}
