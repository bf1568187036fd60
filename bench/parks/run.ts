/** `./pawl bench parks`: what it costs to wait: memory and CPU of parked runs, memory after many parks. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Pawl, WorkerEvent } from "pawl";
import { Peer } from "../peer.ts";
import { bar, machine, short, slope, table } from "../table.ts";
import type { NewcomerQuestion } from "./newcomer.ts";
import { idle, memory, WAITER, waiterApp, type Idle } from "./waiter.ts";

const HELP = `./pawl bench parks [OPTIONS]
  --runs N     parked runs (20000)
  --parks N    parks of runs that go on and park again (100000)
  --idle-s N   seconds of which the CPU is measured (10)`;

interface Plan {
  readonly runs: number;
  readonly parks: number;
  readonly idleS: number;
}

const WARM_UP_RUNS = 1_000;
const STARTED_AT_ONCE = 200;
/** Runs that share the parks among them. */
const LOOPING_RUNS = 500;
const SAMPLES = 10;

/** Counts parks as they happen. */
class Parks {
  count = 0;
  /** What to do with a run that has parked. */
  onPark: (runId: string) => void = () => undefined;
  #wanted = Infinity;
  #reached: () => void = () => undefined;

  told(event: WorkerEvent): void {
    if (event.type === "failed") console.error(event.error);
    if (event.type !== "finished") return;
    if (event.how !== "parked") throw new Error(`run "${event.ref.runId}" is ${event.how}`);
    this.count++;
    this.onPark(event.ref.runId);
    if (this.count >= this.#wanted) this.#reached();
  }

  /** Resolves when so many parks have been counted. */
  async until(count: number): Promise<void> {
    if (this.count >= count) return;
    await new Promise<void>((resolve) => {
      this.#wanted = count;
      this.#reached = resolve;
    });
  }
}

interface Bench {
  readonly app: Pawl;
  readonly parks: Parks;
}

function openBench(path: string): Bench {
  const parks = new Parks();
  return { app: waiterApp(path, (event) => parks.told(event)), parks };
}

/** Starts runs, some at a time, and waits until all of them have parked. */
async function parkRuns({ app, parks }: Bench, prefix: string, count: number): Promise<void> {
  const before = parks.count;
  for (let i = 0; i < count; i += STARTED_AT_ONCE) {
    const size = Math.min(STARTED_AT_ONCE, count - i);
    await Promise.all(
      Array.from({ length: size }, (_, k) => app.start(WAITER, { runId: `${prefix}-${i + k}`, input: null })),
    );
    await parks.until(before + i + size);
  }
}

/** What a process takes that starts on this database. */
async function newcomer(path: string, seconds: number): Promise<Idle> {
  const peer = new Peer(join(import.meta.dirname, "newcomer.ts"));
  try {
    const question: NewcomerQuestion = { path, seconds };
    return await peer.ask<Idle>(question);
  } finally {
    await peer.stop();
  }
}

async function parkedRuns(folder: string, { runs, idleS }: Plan): Promise<string> {
  const path = join(folder, "parked.db");
  const bench = openBench(path);
  await bench.app.open();
  await parkRuns(bench, "warm-up", WARM_UP_RUNS);
  const few = await idle(idleS);
  const startedAt = performance.now();
  await parkRuns(bench, "parked", runs);
  const perS = (1_000 * runs) / (performance.now() - startedAt);
  const many = await idle(idleS);
  await bench.app.close();
  const empty = await newcomer(join(folder, "empty.db"), idleS);
  const beside = await newcomer(path, idleS);
  const row = (name: string, of: (one: Idle) => number): readonly string[] => [
    name,
    ...[few, many, empty, beside].map((one) => short(of(one))),
  ];
  const head = ["process that parked them: before", "after", "process that starts: no runs", "all of them parked"];
  console.log(
    table(
      [`${runs} parked runs`, ...head],
      [
        row("heap and external after gc, MB", (one) => one.heapMb),
        row("resident set, MB", (one) => one.rssMb),
        row("idle CPU, ms in each second", (one) => one.cpuMsPerS),
      ],
    ),
  );
  const bytes = statSync(path).size / (runs + WARM_UP_RUNS);
  console.log(`\n${short(perS)} runs were started and parked in a second; ${short(bytes)} bytes on disk for each\n`);
  console.log(bar(`heap that ${runs} parked runs hold`, many.heapMb - few.heapMb, 40, " MB"));
  console.log(bar("memory that they take in a process that starts", beside.rssMb - empty.rssMb, 40, " MB"));
  const idlePercent = Math.max(many.cpuMsPerS, beside.cpuMsPerS) / 10;
  console.log(bar("idle CPU with them", idlePercent, 1, " % of a core"));
  const heldMb = Math.max(many.heapMb - few.heapMb, beside.rssMb - empty.rssMb);
  return `${runs} parked runs hold ${short(Math.max(0, heldMb))} MB and ${short(idlePercent)} % of a core`;
}

type Sample = ReturnType<typeof memory> & { readonly parks: number };

/** The same runs go on and park again and again. */
async function sampledParks({ app, parks }: Bench, total: number): Promise<readonly Sample[]> {
  const runs = Math.min(LOOPING_RUNS, total);
  await parkRuns({ app, parks }, "looping", runs);
  const waiting: string[] = Array.from({ length: runs }, (_, i) => `looping-${i}`);
  parks.onPark = (runId) => waiting.push(runId);
  const first = parks.count;
  const every = Math.ceil(total / SAMPLES);
  const samples: Sample[] = [];
  for (let sample = 1; sample <= SAMPLES; sample++) {
    for (let done = parks.count - first; done < every * sample; done = parks.count - first) {
      const batch = waiting.splice(0, every * sample - done);
      const parked = parks.until(parks.count + batch.length);
      await Promise.all(batch.map((runId) => app.signal(runId, "go", null)));
      await parked;
    }
    samples.push({ parks: parks.count - first, ...memory() });
  }
  return samples;
}

async function manyParks(folder: string, total: number): Promise<string> {
  const bench = openBench(join(folder, "looping.db"));
  await bench.app.open();
  const startedAt = performance.now();
  const samples = await sampledParks(bench, total);
  const perS = (1_000 * total) / (performance.now() - startedAt);
  await bench.app.close();
  const row = (name: string, of: (one: Sample) => number): readonly string[] => [
    name,
    ...samples.map((one) => short(of(one))),
  ];
  const head = samples.map((one) => `${one.parks}`);
  console.log("");
  console.log(
    table(
      ["after parks", ...head],
      [row("heap and external after gc, MB", (one) => one.heapMb), row("resident set, MB", (one) => one.rssMb)],
    ),
  );
  // at first code is compiled and caches are filled
  const late = samples.slice(SAMPLES / 5);
  const riseMb = total * slope(late.map((one) => [one.parks, one.heapMb]));
  console.log(`\n${short(perS)} parks in a second\n`);
  console.log(bar(`rise of the heap over ${total} parks`, riseMb, 2, " MB"));
  return `${total} parks let the heap rise by ${short(Math.max(0, riseMb))} MB`;
}

function planOf(args: readonly string[]): Plan | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: "string", default: "20000" },
      parks: { type: "string", default: "100000" },
      "idle-s": { type: "string", default: "10" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  return { runs: Number(values.runs), parks: Number(values.parks), idleS: Number(values["idle-s"]) };
}

const plan = planOf(process.argv.slice(2));
if (plan === null) console.log(HELP);
else {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  try {
    console.log(`${machine()}\n`);
    const held = await parkedRuns(folder, plan);
    const rise = await manyParks(folder, plan.parks);
    console.log(`\n${held}; ${rise}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
