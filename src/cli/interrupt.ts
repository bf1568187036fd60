import { exitCodes } from "./exit-codes.ts";

export type Leaving = "interrupted" | "terminated";

export interface Interrupt {
  /** Aborted, with a `Leaving` as its reason, when this process should give the run up. */
  readonly leave: AbortSignal;
  stop(): void;
}

/**
 * The first Ctrl-C calls `park` and then leaves; the second one ends the process at once, and the next worker recovers
 * what it was doing. SIGTERM and a closed terminal leave without parking: the run goes on elsewhere.
 */
export function onInterrupt(park: () => Promise<void>): Interrupt {
  const leave = new AbortController();
  let isLeaving = false;
  const go = (reason: Leaving): void => leave.abort(reason);
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isLeaving) process.exit(signal === "SIGINT" ? exitCodes.interrupted : exitCodes.terminated);
    isLeaving = true;
    if (signal !== "SIGINT") go("terminated");
    else
      void park().then(
        () => go("interrupted"),
        () => go("terminated"),
      );
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    leave: leave.signal,
    stop: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
