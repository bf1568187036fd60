import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type ProcessOutcome, runProcess } from "./process.ts";
import type { ReportLine } from "./reporter.ts";
import { addUp, failure, nothing, seconds, type Tally } from "./tally.ts";

export interface TestFilesOptions {
  /** For all files together; a file that has not ended by then is killed and counts as failed. */
  readonly timeLimitMs: number;
  readonly testTimeLimitMs: number;
  /** Files at the same time. */
  readonly concurrency: number;
}

interface Reported {
  readonly outcome: ProcessOutcome;
  readonly lines: readonly ReportLine[];
}

const DETAIL_CHARS_MAX = 6_000;

const reporter = join(import.meta.dirname, "reporter.ts");

/** Many files in a process, as many processes as may run at the same time: fast. */
export async function runTogether(files: readonly string[], options: TestFilesOptions): Promise<Tally> {
  const groups = Array.from({ length: options.concurrency }, (_, i) =>
    files.filter((_file, at) => at % options.concurrency === i),
  );
  return addUp(await Promise.all(groups.map((group) => runGroup(group, { ...options, concurrency: 1 }))));
}

/** If the process dies, nobody knows where: then each file gets its own. */
async function runGroup(files: readonly string[], options: TestFilesOptions): Promise<Tally> {
  if (files.length === 0) return nothing;
  const startedAt = performance.now();
  const reported = await runNode(["--test", "--test-isolation=none"], files, options.timeLimitMs / 2, options);
  const tally = tallyOf(reported.lines);
  const silent = files.filter((file) =>
    reported.lines.some((line) => line.type === "pass" && isFileItself(line, file)),
  );
  const isWhole = reported.lines.some(({ type }) => type === "end");
  if (isWhole && silent.length === 0 && (reported.outcome.exitCode === 0 || tally.failures.length > 0)) return tally;
  return runEach(files, { ...options, timeLimitMs: options.timeLimitMs - (performance.now() - startedAt) });
}

/** A process for each file. */
export async function runEach(files: readonly string[], options: TestFilesOptions): Promise<Tally> {
  const deadline = performance.now() + options.timeLimitMs;
  const queue = [...files];
  const tallies: Tally[] = [];
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const leftMs = deadline - performance.now();
      tallies.push(
        leftMs > 0
          ? await runOne(file, leftMs, options)
          : failure(placeOf(file), "not started: the stage was out of time"),
      );
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, work));
  return addUp(tallies);
}

async function runOne(file: string, timeLimitMs: number, options: TestFilesOptions): Promise<Tally> {
  const { outcome, lines } = await runNode([], [file], timeLimitMs, options);
  const tally = tallyOf(lines);
  const problem = processProblem(outcome, lines, tally, timeLimitMs);
  if (problem === undefined && tally.failures.length === 0) return tally;
  const output = outcome.output.trim().slice(-DETAIL_CHARS_MAX);
  return addUp([tally, problem === undefined ? nothing : failure(placeOf(file), `${problem}\n${output}`)]);
}

function processProblem(
  outcome: ProcessOutcome,
  lines: readonly ReportLine[],
  tally: Tally,
  timeLimitMs: number,
): string | undefined {
  if (outcome.timedOut) return `did not end within ${seconds(timeLimitMs)} and was killed`;
  if (!lines.some(({ type }) => type === "end"))
    return `ended before its tests did (exit code ${outcome.exitCode ?? "none"}), or has none`;
  if (tally.passed + tally.failures.length + tally.skips.length === 0) return "has no test";
  if (outcome.exitCode !== 0 && tally.failures.length === 0)
    return `exit code ${outcome.exitCode ?? "none"} though no test failed`;
  return undefined;
}

async function runNode(
  args: readonly string[],
  files: readonly string[],
  timeLimitMs: number,
  options: TestFilesOptions,
): Promise<Reported> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-test-"));
  const destination = join(folder, "report.ndjson");
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const outcome = await runProcess({
    command: process.execPath,
    args: [
      "--conditions=pawl-source",
      "--disable-warning=ExperimentalWarning",
      ...args,
      `--test-timeout=${options.testTimeLimitMs}`,
      `--test-reporter=${reporter}`,
      `--test-reporter-destination=${destination}`,
      ...files,
    ],
    timeLimitMs,
    env,
  });
  const lines = readReport(destination);
  rmSync(folder, { recursive: true, force: true });
  return { outcome, lines };
}

/** A killed process may leave no report or half a line. */
function readReport(path: string): ReportLine[] {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ReportLine);
}

const placeOf = (file: string): string => relative(process.cwd(), file);

/** The runner reports a file without tests as one test with the file's name. */
const isFileItself = (line: ReportLine, file: string): boolean =>
  "name" in line && file.endsWith(line.name) && line.name.endsWith(".ts");

function tallyOf(lines: readonly ReportLine[]): Tally {
  return addUp(
    lines.map((line) => {
      if (line.type === "end") return nothing;
      if (line.type === "note") return { ...nothing, notes: [line.text] };
      const place = `${placeOf(line.file)} > ${line.name}`;
      if (line.type === "pass") return { ...nothing, passed: 1 };
      if (line.type === "skip") return { ...nothing, skips: [{ place, reason: line.detail }] };
      return failure(place, line.detail.slice(0, DETAIL_CHARS_MAX));
    }),
  );
}
