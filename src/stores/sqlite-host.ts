import type { Clock } from "../core/clock.ts";
import { CommitQueue } from "./commit-queue.ts";
import { SqliteCore, type CoreOptions } from "./sqlite-core.ts";
import { isWrite, type CoreMethods } from "./sqlite-requests.ts";
import { SqliteThread } from "./sqlite-thread.ts";

/** Where the database is open: requests go in, answers come out after the disk has them. */
export interface SqliteHost {
  call(method: keyof CoreMethods, args: readonly unknown[]): Promise<unknown>;
  /** Answers what waits, then closes the database. */
  close(): Promise<void>;
}

/** The database in this thread: writes are grouped by tick, reads are done at once. */
export function hostHere(options: CoreOptions, clock: Clock): SqliteHost {
  const core = new SqliteCore(options);
  core.open();
  const time = () => ({ nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });
  const queue = new CommitQueue((requests) => core.run(requests, time()));
  return {
    call: async (method, args) => {
      if (isWrite(method)) return queue.call(method, args);
      const [answer] = core.run([{ method, args }], time());
      if (answer?.ok === true) return answer.value;
      throw answer?.error ?? new Error("no answer");
    },
    close: async () => {
      await queue.drained();
      core.close();
    },
  };
}

/** The database in a thread of its own, so that a slow disk does not stop this one. */
export async function hostInThread(options: CoreOptions, clock: Clock): Promise<SqliteHost> {
  const thread = new SqliteThread(options, clock);
  await thread.open();
  const queue = new CommitQueue((requests) => thread.run(requests));
  return {
    call: (method, args) => queue.call(method, args),
    close: async () => {
      await queue.drained();
      await thread.close();
    },
  };
}
