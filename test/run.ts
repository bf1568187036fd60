/** `./pawl test [--fast] [--install] [PATTERN ...]`: everything that must hold, in stages. Ends with the one line of totals. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { optionsOf } from "./run/options.ts";
import { killAll, runProcess } from "./run/process.ts";
import { installClients } from "./run/client-packages.ts";
import { installMissing } from "./run/system-packages.ts";
import { addUp, failure, nothing, seconds, type Tally, totalLine } from "./run/tally.ts";
import { runEach, runTogether } from "./run/test-files.ts";

interface Stage {
  readonly name: string;
  readonly run: () => Promise<Tally>;
}

/** Tests with real processes, stores, packages: a process for each file. Everything else under test/ is a unit test. */
/** Their tests need other people's clients and servers. */
const CLIENT_FOLDERS = ["test/gateway", "test/mcp", "test/stores", "test/dispatch"];

const SLOW_FOLDERS = [
  "test/simulation",
  "test/crash",
  "test/stores",
  "test/dispatch",
  "test/package",
  "test/cli",
  "test/examples",
  "test/bench",
  "test/gateway",
  "test/mcp",
  "test/traces",
  "test/sandbox",
  "test/security",
  "test/console",
];

const STATIC_TIME_LIMIT_MS = 180_000;
const UNIT = { timeLimitMs: 900_000, testTimeLimitMs: 30_000, concurrency: 2 };
const SLOW = { timeLimitMs: 900_000, testTimeLimitMs: 300_000, concurrency: 2 };

const root = join(import.meta.dirname, "..");

/** A program of node_modules that fails or not: it counts as one test. */
function staticStage(name: string, program: string, ...args: string[]): Stage {
  const run = async (): Promise<Tally> => {
    const outcome = await runProcess({
      command: process.execPath,
      args: [join(root, "node_modules/.bin", program), ...args],
      timeLimitMs: STATIC_TIME_LIMIT_MS,
    });
    if (outcome.exitCode === 0) return { ...nothing, passed: 1 };
    const why = outcome.timedOut
      ? `did not end within ${seconds(STATIC_TIME_LIMIT_MS)}`
      : `exit code ${outcome.exitCode ?? "none"}`;
    return failure(`${name} (${[program, ...args].join(" ")})`, `${why}\n${outcome.output.trim()}`);
  };
  return { name, run };
}

const STATIC_STAGES: readonly Stage[] = [
  staticStage("types", "tsc", "--noEmit"),
  staticStage("console types", "tsc", "-p", "console"),
  staticStage("lint", "oxlint", "--format=unix", "--report-unused-disable-directives-severity=error"),
  staticStage("format", "oxfmt", "--list-different"),
  staticStage("unused", "knip", "--no-progress"),
];

function stagesFor(patterns: readonly string[], isFast: boolean): Stage[] {
  const files = globSync("test/**/*.test.ts", { cwd: root, exclude: ["**/node_modules/**"] })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .toSorted();
  const slow = SLOW_FOLDERS.map((folder) => ({ folder, files: files.filter((path) => path.startsWith(`${folder}/`)) }));
  const unit = files.filter((path) => !slow.some((stage) => stage.files.includes(path)));
  if (files.length === 0)
    return [
      { name: "unit", run: async () => failure("unit", `no test file has ${patterns.join(" or ")} in its path`) },
    ];
  return [
    ...(patterns.length === 0 ? STATIC_STAGES : []),
    ...(unit.length === 0 ? [] : [{ name: "unit", run: () => runTogether(unit, UNIT) }]),
    ...slow
      .filter((stage) => stage.files.length > 0 && !isFast)
      .map((stage) => ({ name: stage.folder, run: () => runEach(stage.files, SLOW) })),
  ];
}

async function runStage({ name, run }: Stage): Promise<Tally> {
  process.stdout.write(`${name} ... `);
  const startedAt = performance.now();
  const tally = await run();
  const { passed, failures, skips } = tally;
  const counts = [
    `${passed} passed`,
    ...(failures.length > 0 ? [`${failures.length} FAILED`] : []),
    ...(skips.length > 0 ? [`${skips.length} skipped`] : []),
  ];
  console.log(`${counts.join(", ")}, ${seconds(performance.now() - startedAt)}`);
  for (const note of tally.notes) console.log(`  ${note}`);
  for (const { place, reason } of skips) console.log(`  skipped: ${place}: ${reason}`);
  for (const { place, detail } of failures) console.log(`  FAILED: ${place}\n${detail.replace(/^/gm, "    ")}`);
  return tally;
}

const USAGE = `./pawl test [--fast] [--install] [PATTERN...]
  PATTERN    only test files whose path has it
  --fast     types, lint, format and unit tests; not the stages that start servers, browsers and processes
  --install  fetches what is missing of system packages (as in CI); otherwise their tests are skipped, and said`;

async function main(): Promise<void> {
  process.chdir(root);
  const { values, positionals } = optionsOf(USAGE, {
    options: { fast: { type: "boolean", default: false }, install: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const stages = stagesFor(positionals, values.fast);
  const folders = stages.map(({ name }) => name);
  for (const line of await installMissing(folders, values.install)) console.log(line);
  if (CLIENT_FOLDERS.some((folder) => folders.includes(folder)))
    for (const line of await installClients(values.install)) console.log(line);
  const tallies: Tally[] = [];
  for (const stage of stages) tallies.push(await runStage(stage));
  const total = addUp(tallies);
  if (total.failures.length > 0)
    console.log(`\nfailed:\n${total.failures.map(({ place }) => `  ${place}`).join("\n")}`);
  console.log(`\n${totalLine(total)}`);
  process.exitCode = total.failures.length > 0 ? 1 : 0;
}

for (const [signal, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(exitCode);
  });
}

await main();
