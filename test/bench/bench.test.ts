import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { median, short, slope, table } from "../../bench/table.ts";
import { runProcess } from "../run/process.ts";

const TIME_LIMIT_MS = 120_000;

/** Runs a bench in its smallest form. What it measures then says nothing; that it measures at all is the claim. */
async function bench(
  ...args: readonly string[]
): Promise<{ readonly exitCode: number | null; readonly output: string }> {
  const file = join(import.meta.dirname, "../../bench/run.ts");
  return runProcess({
    command: process.execPath,
    args: ["--conditions=pawl-source", file, ...args],
    timeLimitMs: TIME_LIMIT_MS,
  });
}

function assertShows(output: string, ...parts: readonly RegExp[]): void {
  for (const part of parts) assert.match(output, part);
}

test("bench without a name lists the benches, and refuses one that does not exist", async () => {
  const listed = await bench();
  assert.equal(listed.exitCode, 0);
  assertShows(listed.output, /overhead/, /resume/, /parks/, /offline/);
  const refused = await bench("speed");
  assert.equal(refused.exitCode, 2);
  assertShows(refused.output, /no bench "speed"\. There is: overhead/);
});

test("bench overhead compares durable steps with bare ones in both modes, and weighs the database", async () => {
  const { exitCode, output } = await bench(
    "overhead",
    "--small",
    "--rounds",
    "1",
    "--steps",
    "4,12",
    "--at-once",
    "1,2",
  );
  assert.equal(exitCode, 0, output);
  assertShows(
    output,
    /raw rounds/,
    /unstreamed, N=4, 1 at once {2}CPU ms\/step {2}bare +[\d.]+/,
    /streamed, N=12, 2 at once {2}steps\/s {2}pawl +[\d.]+/,
    /(reached +|NOT REACHED) {2}CPU of a durable step beside a bare one, streamed, N=12, 2 at once: [\d.]+×/,
    /N=12 +\d+ +\d+ +[\d.]+×/,
  );
});

test("bench counting counts hostile texts and says the longest block", async () => {
  const { exitCode, output } = await bench("counting", "--kb", "16", "--rounds", "1");
  assert.equal(exitCode, 0, output);
  assertShows(output, /raw rounds/, /base64 +[\d.]+ +[\d.]+/, /longest block of the event loop: [\d.]+ ms/);
});

test("bench resume claims a long run and short ones of both kinds", async () => {
  const { exitCode, output } = await bench("resume", "--events", "40", "--rounds", "2");
  assert.equal(exitCode, 0, output);
  assertShows(
    output,
    /counter, 10 events +[\d.]+ +[\d.]+/,
    /reader, \d\d events +[\d.]+ +[\d.]+/,
    /counter, 40 events +0 +[\d.]+ +[\d.]+×/,
    /counter of 40 events beside one of 10: [\d.]+×/,
  );
});

test("bench parks parks runs, and parks them again", async () => {
  const { exitCode, output } = await bench("parks", "--runs", "50", "--parks", "200", "--idle-s", "0.1");
  assert.equal(exitCode, 0, output);
  assertShows(
    output,
    /idle CPU, ms in each second( +[\d.]+){4}/,
    /after parks +20 +40/,
    /rise of the heap over 200 parks/,
  );
});

test("bench traces indexes, lists, shows windows and exports", async () => {
  const { exitCode, output } = await bench(
    "traces",
    "--runs",
    "200",
    "--spans",
    "100",
    "--journals",
    "5",
    "--rounds",
    "2",
  );
  assert.equal(exitCode, 0, output);
  assertShows(
    output,
    /indexing 5 runs of 10 turns with 1 KB results: [\d.]+ spans\/s/,
    /CPU of one exported span, receiver not counted: [\d.]+ µs/,
    /reached +list of 200 runs, p95 over all filters/,
    /Chinese word +50/,
    /reached +first window of 101 spans/,
  );
});

test("the arithmetic of the benches is right", () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(
    slope([
      [1, 5],
      [2, 7],
      [3, 9],
    ]),
    2,
  );
  assert.deepEqual([1234.5, 12.34, 1.234, 0.1234, 0].map(short), ["1235", "12.3", "1.23", "0.123", "0"]);
  assert.equal(
    table(
      ["a", "b"],
      [
        ["one", "1"],
        ["x", "22"],
      ],
    ),
    "a     b\n---  --\none   1\nx    22",
  );
});

test("bench fault-run says what a pool makes of storms and of an endpoint that dies", async () => {
  const { exitCode, output } = await bench("fault-run", "--rounds", "1", "--minutes", "2");
  assert.equal(exitCode, 0, output);
  assertShows(
    output,
    /raw rounds/,
    /(reached +|NOT REACHED) {2}calls that succeed in storms: [\d.]+ %/,
    /(reached +|NOT REACHED) {2}attempts a call: [\d.]+/,
    /seconds to shed an endpoint that is silent: [\d.]+/,
  );
});

test("bench fetch weighs a request over kept connections beside the global fetch", async () => {
  const { exitCode, output } = await bench("fetch", "--rounds", "1", "--requests", "20", "--at-once", "2");
  assert.equal(exitCode, 0, output);
  assertShows(
    output,
    /one document, pooled +[\d.]+/,
    /stream of 100, global +[\d.]+/,
    /[\d.]+× the CPU of the pooled one/,
  );
});

test("bench gateway compares both routes with bare ones, and counts what readers of one run cost", async () => {
  const args = ["--requests", "20", "--at-once", "4", "--rounds", "1", "--readers", "20", "--events", "3"];
  const { exitCode, output } = await bench("gateway", ...args);
  assert.equal(exitCode, 0, output);
  assertShows(output, /start pawl +[\d.]+/, /get pawl\/bare +[\d.]+×/, /^20 +[\d.]+ +[\d.]+ +-?[\d.]+$/m);
});

test("bench sandbox runs each kind of code in each engine that is here, beside a bare child process", async () => {
  const { exitCode, output } = await bench("sandbox", "--rounds", "1");
  assert.equal(exitCode, 0, output);
  assertShows(output, /javascript, a bare child process +[\d.]+/, /javascript, quickjs-wasi +[\d.]+/);
});
