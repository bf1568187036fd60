/**
 * The process under test: opens the database, starts or resumes the run, is the person beside it, and ends when
 * everything has ended. `node victim.ts '{"database":…}'`; reports on file 3, begins at the first line of its input.
 */
import { once } from "node:events";
import { pawl, type Pawl, type Runnable } from "pawl";
import { sqlite } from "pawl/sqlite";
import { systemClock } from "../../src/engine/system-clock.ts";
import { counterOf } from "./counter-client.ts";
import { attend, Stuck, type Attendance } from "./person.ts";
import { report } from "./reports.ts";
import { sweepModel } from "./script.ts";
import { SkippingClock } from "./skipping-clock.ts";
import { watchedStore } from "./watched-store.ts";
import { exitCodes, type VictimOptions } from "./victim-options.ts";
import { runIdsOf, workloadOf } from "./workload.ts";

/** The longest from a start to the end of everything, by the victim's clock: grace periods, one sleep, some polls. */
const BOUND_MS = 300_000;
/** While the person is another process, the skipping clock runs far ahead of it. */
const BOUND_BESIDE_MS = 100 * BOUND_MS;
/** Small, so that runs of some dozen events are resumed from a stored fold too. */
const SNAPSHOT_EVENTS = 16;

async function main(options: VictimOptions): Promise<number> {
  const skipping = options.clock === "skipping" ? new SkippingClock(options.skippedMs) : null;
  const clock = skipping ?? systemClock;
  const during = skipping?.during ?? (<T>(call: Promise<T>) => call);
  const counter = counterOf(options.counterPort, options.trial, during);
  const agents = workloadOf(options.form, counter);
  const app = pawl({
    store: watchedStore(sqlite(options.database, { clock, thread: options.thread }), during),
    agents,
    models: sweepModel(),
    clock,
    worker: options.role !== "person",
    hooks: { snapshotEveryEvents: SNAPSHOT_EVENTS },
    onWorkerEvent: (event) => {
      if (event.type === "failed") report({ type: "note", text: `worker: ${String(event.error)}` });
      if (event.type === "session-died") report({ type: "note", text: "worker: its session died" });
    },
  });
  report({ type: "ready", pid: process.pid });
  await once(process.stdin, "data");
  const told = new AbortController();
  const drained = drainOnTerm(app, told);
  const onLook = (): void => {
    if (skipping !== null) report({ type: "clock", skippedMs: skipping.skippedMs });
  };
  const worked = work(options, agents[0], { app, clock, counter, onLook }).catch((error: unknown) => {
    // what is cut off by an end in order fails, and nobody minds
    if (told.signal.aborted) return drained;
    throw error;
  });
  return Promise.race([drained, worked]);
}

/** Starts the runs, or finds them there, and stays until they are over. */
async function work(
  { role, form }: VictimOptions,
  runnable: Runnable,
  on: Pick<Attendance, "app" | "clock" | "counter" | "onLook">,
): Promise<number> {
  const { app } = on;
  const runIds = role === "person" ? [] : runIdsOf(form);
  await Promise.all(runIds.map((runId) => app.start(runnable, { runId, input: runId })));
  const heads = await attend({
    ...on,
    decides: role !== "worker",
    lookEveryMs: role === "person" ? 20 : 500,
    boundMs: role === "worker and person" ? BOUND_MS : BOUND_BESIDE_MS,
  });
  const answers = await Promise.all(heads.map(({ runId }) => answerOf(app, runId)));
  report({ type: "ended", answer: answers.toSorted() });
  await app.close();
  return exitCodes.ended;
}

async function answerOf(app: Pawl, runId: string): Promise<string> {
  const { totals } = await app.run(runId).head();
  const result = await app.run(runId).result();
  return `${runId} ${totals.toolCalls} calls ${result.status} ${JSON.stringify("output" in result ? result.output : result)}`;
}

/** Ends in order when told to. */
async function drainOnTerm(app: Pawl, told: AbortController): Promise<number> {
  await once(process, "SIGTERM");
  told.abort();
  await app.close();
  return exitCodes.drained;
}

let exitCode: number = exitCodes.died;
try {
  exitCode = await main(JSON.parse(process.argv[2] ?? "{}") as VictimOptions);
} catch (error) {
  if (error instanceof Stuck) report({ type: "stuck", detail: error.message });
  else report({ type: "note", text: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  if (error instanceof Stuck) exitCode = exitCodes.stuck;
}
process.exit(exitCode);
