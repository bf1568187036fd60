import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actsSeen } from "./acts.ts";
import { copyCheckout, type Edit } from "./checkout-copy.ts";
import { CounterProcess } from "./counter-process.ts";
import { answerOf } from "./judge.ts";
import { callsOf, FLUSHES, killPointsOf, unflushedAcknowledgements, WRITES, type Census } from "./kill-points.ts";
import { isAttachRefused } from "./tracer.ts";
import { runTrial, type Bench, type TrialPlan, type TrialResult } from "./trial.ts";
import { runVictim } from "./victim-process.ts";
import type { Form } from "./workload.ts";

/** An open sweep: a copy of the sources, a counter, a folder; all gone when it is closed. */
export interface Sweep extends Bench {
  close(): Promise<void>;
}

/** @param edits deliberate bugs of the copy that is tested */
export async function openSweep(edits: readonly Edit[] = []): Promise<Sweep> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-sweep-"));
  let counter: CounterProcess | null = null;
  const close = async (): Promise<void> => {
    await counter?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const root = copyCheckout(join(folder, "checkout"), edits);
    counter = await CounterProcess.start(folder);
    const bench = { root, folder, counter };
    return { ...bench, close, how: await tracingOf(bench) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Attaching is faster, but a system may allow it to parents alone. */
async function tracingOf(bench: Omit<Bench, "how">): Promise<Bench["how"]> {
  try {
    await unharmed({ ...bench, how: "attach" }, "agent", "probe");
    return "attach";
  } catch (error) {
    if (!isAttachRefused(error)) throw error;
    return "launch";
  }
}

/** @throws when even the unharmed run is not right */
export async function takeCensus(bench: Bench, form: Form): Promise<Census> {
  return unharmed(bench, form, `unharmed-${form}`);
}

async function unharmed(bench: Bench, form: Form, name: string): Promise<Census> {
  const folder = join(bench.folder, name);
  mkdirSync(folder);
  const [database, log] = [join(folder, "pawl.db"), join(folder, "strace.log")];
  const outcome = await runVictim({
    root: bench.root,
    timeLimitMs: 60_000,
    tracing: { how: bench.how, files: [], syscalls: [...WRITES, ...FLUSHES], inject: null, log },
    options: {
      database,
      counterPort: bench.counter.port,
      trial: name,
      form,
      role: "worker and person",
      clock: "skipping",
      skippedMs: 0,
      thread: "never",
    },
  });
  const answer = answerOf(outcome.reports);
  if (outcome.how !== "ended" || answer === null) {
    const said = JSON.stringify(outcome.reports.filter(({ type }) => type === "note" || type === "stuck"));
    throw new Error(`the unharmed ${form} ${outcome.how}: ${said} ${outcome.output}`);
  }
  const calls = callsOf(log);
  rmSync(folder, { recursive: true });
  return {
    form,
    expected: { answer, acts: actsSeen(bench.counter.acts(name)) },
    points: killPointsOf(calls, database),
    unflushed: unflushedAcknowledgements(calls, database),
  };
}

export interface PlannedTrial {
  readonly plan: TrialPlan;
  readonly census: Census;
}

/** Runs all trials, some at once, and tells each result as it comes: "stop" starts no more. */
export async function runTrials(
  bench: Bench,
  trials: readonly PlannedTrial[],
  options: { readonly atOnce: number; readonly onResult: (result: TrialResult) => "go on" | "stop" },
): Promise<void> {
  const queue = [...trials];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const result = await runTrial(bench, next.plan, next.census.expected);
      if (options.onResult(result) === "stop") queue.length = 0;
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
}

/** A failed trial with what its processes said, and the command that repeats it. */
export function failureOf({ plan, faults, outcomes, reports }: TrialResult): string {
  const notes = reports.flatMap((report) => (report.type === "note" ? [`  said: ${report.text.slice(0, 300)}`] : []));
  return [
    `FAULT ${plan.name} (${outcomes.map(({ how }) => how).join(", ")}): ./pawl sweep --only ${plan.name}`,
    ...faults.slice(0, 12).map(({ kind, detail }) => `  ${kind}: ${detail}`),
    ...notes.slice(-4),
  ].join("\n");
}
