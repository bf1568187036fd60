import { setTimeout as wait } from "node:timers/promises";
import { durable, pawl, type JsonValue, type Pawl, type Runnable, type WorkerEvent } from "pawl";
import { sqlite } from "pawl/sqlite";

const MB = 1e6;

/** Waits for a signal in each turn. */
const waiter: Runnable = durable({
  name: "waiter",
  run: async (ctx, input: JsonValue) => {
    await ctx.waitForSignal("go");
    return ctx.loop(input);
  },
});

export const WAITER: string = waiter.name;

export function waiterApp(path: string, onWorkerEvent: (event: WorkerEvent) => void): Pawl {
  return pawl({ store: sqlite(path), agents: [waiter], onWorkerEvent });
}

/** What an app that does nothing takes. */
export interface Idle {
  /** Heap and external memory after a collection. */
  readonly heapMb: number;
  readonly rssMb: number;
  readonly cpuMsPerS: number;
}

export async function idle(seconds: number): Promise<Idle> {
  const { heapMb, rssMb } = memory();
  const before = process.cpuUsage();
  await wait(seconds * 1_000);
  const { user, system } = process.cpuUsage(before);
  return { heapMb, rssMb, cpuMsPerS: (user + system) / 1_000 / seconds };
}

export function memory(): Pick<Idle, "heapMb" | "rssMb"> {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapMb: (heapUsed + external) / MB, rssMb: rss / MB };
}
