/** `./pawl simulate [--seeds N] [--from S] [--seed X [--trace]] [--mutant NAME]`: the engine under every fault. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { optionsOf } from "../run/options.ts";
import { simulate, simulateSeed, type SimulationReport } from "../../src/testing/simulator.ts";
import { mutantCopy, mutants } from "./mutants.ts";
import { reviewRaces } from "./review-races.ts";
import { scenarioOf as wholeOf } from "./scenario.ts";

const SEEDS = "2000";
const EVENT_CHARS = 240;

const USAGE = `./pawl simulate [--seeds N] [--from S] [--failures N] [--mutant NAME] [--json]
./pawl simulate --seed X [--trace]
./pawl simulate --races [--seeds N]
  --seeds N      how many (${SEEDS}), beginning with --from (1)
  --failures N   failing seeds to gather before it stops (1)
  --mutant NAME  with a deliberate bug, which must be found: ${mutants.map(({ name }) => name).join(", ")}
  --json         the report as JSON
  --races        eight people who decide each approval at once, cancels, and a clock that runs out
  --seed X       one seed; with --trace its whole story and the journals that it left`;

const { values: options } = optionsOf(USAGE, {
  options: {
    seeds: { type: "string", default: SEEDS },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    mutant: { type: "string" },
    /** Failing seeds to gather before it stops. */
    failures: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    races: { type: "boolean", default: false },
  },
});

const counts = { approve: 0, reject: 0, expired: 0, none: 0 };
const races = reviewRaces(counts);
const scenarioOf = (seed: number): ReturnType<typeof wholeOf> => (options.races ? races : wholeOf(seed));

function print({ hashes, steps, faults, failures }: SimulationReport, ms: number): void {
  const distinct = new Set(hashes).size;
  console.log(
    `${hashes.length} seeds, ${distinct} distinct interleavings, ${steps} steps, ${(ms / 1000).toFixed(1)} s`,
  );
  const struck = Object.entries(faults).map(([kind, { live }]) => `${kind} ${live}`);
  console.log(`faults that hit a live run: ${struck.join(", ")}`);
  for (const { seed, claim, log } of failures) {
    const mutant = options.mutant === undefined ? "" : ` --mutant ${options.mutant}`;
    console.log(`\nseed ${seed} broke a claim: ${claim}`);
    console.log(log.map((line) => `  ${line}`).join("\n"));
    console.log(`to see it again: ./pawl simulate --seed ${seed} --trace${mutant}`);
  }
  if (options.races) console.log(`approvals: ${JSON.stringify(counts)}`);
  if (failures.length === 0) console.log("every claim held");
}

/** The whole story of one seed, and the journals it left. */
async function trace(seed: number): Promise<number> {
  const report = await simulateSeed(scenarioOf(seed), seed, Number.POSITIVE_INFINITY);
  console.log(report.log.join("\n"));
  for (const { ref, head, events } of report.runs) {
    console.log(`\n${ref.runId}: ${head.status}`);
    for (const { seq, event } of events) console.log(`  ${seq} ${JSON.stringify(event).slice(0, EVENT_CHARS)}`);
  }
  console.log(`\nseed ${seed}: ${report.failure ?? "every claim held"} (interleaving ${report.hash})`);
  return report.failure === null ? 0 : 1;
}

/** The same command on a copy of the sources with a bug in it. */
async function simulateMutant(name: string): Promise<number> {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) {
    console.error(`no mutant "${name}". There is: ${mutants.map((one) => one.name).join(", ")}.`);
    return 2;
  }
  const { folder, remove } = mutantCopy(mutant);
  const passed = Object.entries(options).flatMap(([key, value]) => {
    if (key === "mutant" || value === false) return [];
    return value === true ? [`--${key}`] : [`--${key}`, value];
  });
  const program = join(folder, "test/simulation/simulate.ts");
  const child = spawn(process.execPath, ["-C", "pawl-source", program, ...passed], { stdio: "inherit" });
  const exitCode = await new Promise<number>((resolve) => {
    child.once("exit", (code) => resolve(code ?? 1));
  });
  remove();
  return exitCode;
}

async function main(): Promise<number> {
  const { seed, seeds, from, failures, mutant } = options;
  if (mutant !== undefined) return simulateMutant(mutant);
  if (seed !== undefined && options.trace) return trace(Number(seed));
  const startedAt = performance.now();
  const report = await simulate(scenarioOf, {
    from: Number(seed ?? from),
    seeds: seed === undefined ? Number(seeds) : 1,
    failuresMax: Number(failures),
  });
  if (options.json) console.log(JSON.stringify(report));
  else print(report, performance.now() - startedAt);
  return report.failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
