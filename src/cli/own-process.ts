import { fork } from "node:child_process";
import { once } from "node:events";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { WorkerOptions } from "../engine/worker.ts";
import { complain } from "./complain.ts";
import { exitCodes } from "./exit-codes.ts";
import { builtinOf } from "./foreground.ts";
import { openApp, type Place } from "./place.ts";

/** By then a run that can be executed here is claimed: its dead owner's session was silent for long enough before. */
const CLAIM_MS = 2 * limits.sessionDeadMs;
const CLAIMED = "claimed";

/** The words of a command line that name this place. */
export function placeWords({ db, config, tenant }: Place): readonly string[] {
  const named = Object.entries({ "--db": db, "--config": config, "--tenant": tenant });
  return named.flatMap(([word, value]) => (value === undefined ? [] : [word, value]));
}

/** A run that killed its workers executes in a copy of this program, which nobody needs but that run. */
export function inOwnProcess(place: Place): NonNullable<WorkerOptions["isolate"]> {
  return async ({ tenant, runId }, ending) => {
    const words = ["suspect-worker", runId, ...placeWords({ ...place, tenant })];
    const child = fork(process.argv[1] ?? "", words, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    let isClaimed = false;
    child.once("message", (message) => {
      isClaimed = message === CLAIMED;
    });
    const stop = (): void => void child.kill("SIGTERM");
    ending.addEventListener("abort", stop, { once: true });
    try {
      await once(child, "exit");
      return isClaimed;
    } finally {
      ending.removeEventListener("abort", stop);
    }
  };
}

/** Hidden: executes one suspect run until it parks, ends or kills this process. */
export async function suspectWorker(runId: string, place: Place): Promise<number> {
  const done = Promise.withResolvers<void>();
  const isIt = (ref: RunRef): boolean => ref.runId === runId;
  const { app } = await openApp(place, {
    mustExist: true,
    worker: { name: `pawl process ${process.pid}, for ${runId} alone`, only: isIt },
    builtin: (at) => builtinOf({ tenant: at.tenant, runId }, at),
    onWorkerEvent: (event) => {
      if (event.type === "claimed") {
        clearTimeout(unclaimed);
        process.send?.(CLAIMED);
      } else if (event.type === "failed") complain(event.error);
      else done.resolve();
    },
  });
  const unclaimed = setTimeout(done.resolve, CLAIM_MS);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, done.resolve);
  process.once("disconnect", done.resolve);
  await done.promise;
  clearTimeout(unclaimed);
  await app.close();
  if (process.connected) process.disconnect();
  return exitCodes.ok;
}
