/**
 * `./pawl sweep [--short] [--only TEXT] [--mutant NAME] [--at-once N]`: kills the process at every database write and
 * every flush, resumes, and compares with the unharmed run. Ends with a table; exit code 1 if anything is wrong.
 */
import { optionsOf } from "../run/options.ts";
import { mutants } from "./mutants.ts";
import { plansOf, sizeOf } from "./plans.ts";
import { failureOf, openSweep, runTrials, takeCensus, type PlannedTrial, type Sweep } from "./sweep-run.ts";
import { legend, tableOf } from "./table.ts";
import type { TrialResult } from "./trial.ts";
import { skipWithoutTracing } from "./tracer.ts";
import { killVictims } from "./victim-process.ts";
import type { Form } from "./workload.ts";

const FORMS: readonly Form[] = ["function", "agent", "crowd"];

const USAGE = `./pawl sweep [--short] [--only TEXT] [--mutant NAME] [--at-once N]
  --short        a part of the kill points, as in the tests
  --only TEXT    trials whose name has it
  --mutant NAME  with a deliberate bug, which must be found: ${mutants.map(({ name }) => name).join(", ")}
  --at-once N    trials at a time (2)`;

async function main(): Promise<number> {
  const { values } = optionsOf(USAGE, {
    options: {
      short: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      mutant: { type: "string" },
      "at-once": { type: "string", default: "2" },
    },
  });
  const missing = skipWithoutTracing();
  if (missing !== false) {
    console.log(`skipped: the kill sweep ${missing}. To install it: apt-get install --no-install-recommends strace`);
    return 0;
  }
  const mutant = mutants.find(({ name }) => name === values.mutant);
  if (values.mutant !== undefined && mutant === undefined) {
    console.log(`there is no mutant "${values.mutant}". There is: ${mutants.map(({ name }) => name).join(", ")}.`);
    return 2;
  }
  const atOnce = Number(values["at-once"]);
  if (!Number.isInteger(atOnce) || atOnce < 1) {
    console.log(`--at-once is ${values["at-once"]}. Give a whole number of at least 1.`);
    return 2;
  }
  const sweep = await openSweep(mutant?.edits);
  for (const [signal, exitCode] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
    process.once(signal, () => {
      killVictims();
      void sweep.close().finally(() => process.exit(exitCode));
    });
  }
  try {
    return await sweepAll(sweep, { length: values.short ? "short" : "full", only: values.only, atOnce });
  } finally {
    await sweep.close();
  }
}

interface Wanted {
  readonly length: "full" | "short";
  /** Part of a trial's name; "" = all. */
  readonly only: string;
  readonly atOnce: number;
}

async function sweepAll(sweep: Sweep, { length, only, atOnce }: Wanted): Promise<number> {
  const began = performance.now();
  const rows = new Map<string, string>();
  const trials: PlannedTrial[] = [];
  let unflushed = 0;
  for (const form of FORMS) {
    const census = await takeCensus(sweep, form);
    unflushed += census.unflushed;
    console.log(`${form}: ${counted(census.points.map(({ syscall, file }) => `${syscall} ${file}`))}`);
    for (const { row, plans } of plansOf(census, sizeOf(length, census))) {
      for (const plan of plans.filter(({ name }) => name.includes(only))) {
        rows.set(plan.name, row);
        trials.push({ plan, census });
      }
    }
  }
  if (trials.length === 0) {
    console.log(`no trial has "${only}" in its name. A trial is named as a failed one is printed: agent-pwrite64-17.`);
    return 2;
  }
  console.log(`${trials.length} trials, strace by ${sweep.how} ...`);
  const results: (readonly [string, TrialResult])[] = [];
  const onResult = (result: TrialResult): "go on" => {
    results.push([rows.get(result.plan.name) ?? "", result]);
    if (result.faults.length > 0) console.log(failureOf(result));
    else if (results.length % 100 === 0) console.log(`${results.length} of ${trials.length} ...`);
    return "go on";
  };
  await runTrials(sweep, trials, { atOnce, onResult });
  const faulty = results.filter(([, { faults }]) => faults.length > 0).length;
  console.log(["", ...tableOf(results), "", ...legend].join("\n"));
  console.log(`resolved by a person: ${resolvedOf(results.map(([, result]) => result))}`);
  console.log(`acknowledged before flushed in the unharmed runs: ${unflushed}`);
  console.log(`${results.length} trials, ${faulty} with faults, ${Math.round((performance.now() - began) / 1000)} s`);
  return faulty === 0 && unflushed === 0 ? 0 : 1;
}

/** Both happen, and nothing in the process tells them apart: so somebody has to look. */
function resolvedOf(results: readonly TrialResult[]): string {
  const resolved = results.flatMap(({ reports }) =>
    reports.flatMap((report) => (report.type === "person" && report.did === "resolved" ? [report.what] : [])),
  );
  const applied = resolved.filter((what) => what.endsWith(" applied")).length;
  return `${applied} had happened, ${resolved.length - applied} had not`;
}

function counted(names: readonly string[]): string {
  return [...Map.groupBy(names, (name) => name)].map(([name, all]) => `${all.length} ${name}`).join(", ");
}

process.exitCode = await main();
