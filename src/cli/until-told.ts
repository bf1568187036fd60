import { exitCodes } from "./exit-codes.ts";
import { note } from "./terminal.ts";

export interface Ending {
  /** Called at once, before what follows. */
  readonly drain?: () => void;
  /** Reads the configuration again, where that can be: on SIGHUP without a terminal. */
  readonly reload?: { reload(): void } | null;
  readonly storeFailed: AbortSignal;
}

/** Resolves when this process was told to end: what follows takes at most limits.drainMs. The second signal does not wait. */
export async function untilTold({ drain, reload = null, storeFailed }: Ending): Promise<number> {
  const told = Promise.withResolvers<void>();
  let isTold = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    // a terminal that closes ends its programs; to what has none the signal says: read your configuration again
    if (signal === "SIGHUP" && reload !== null && !process.stdout.isTTY) {
      reload.reload();
      return;
    }
    if (isTold) process.exit(signal === "SIGINT" ? exitCodes.interrupted : exitCodes.terminated);
    isTold = true;
    drain?.();
    note("draining: runs stop at a safe point, and go on at the next start ...");
    told.resolve();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  storeFailed.addEventListener("abort", () => told.reject(storeFailed.reason), { once: true });
  try {
    await told.promise;
    return exitCodes.ok;
  } finally {
    for (const signal of signals.filter(() => !isTold)) process.off(signal, onSignal);
  }
}
