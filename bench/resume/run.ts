/** `./pawl bench resume`: from the claim of a run to its first request, for a long run beside a short one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pawl, type Pawl, type RunHead } from "pawl";
import { modelSource } from "pawl/models";
import { sqlite } from "pawl/sqlite";
import { bar, machine, median, short, table } from "../table.ts";
import { FUNCTION, longAgent, longFunction, READER, stubEndpoint } from "./long-runs.ts";
import { Stopwatch } from "./stopwatch.ts";

const HELP = `./pawl bench resume [OPTIONS]
  --events N   events of the long run (10000)
  --rounds N   claims of each run, in turn (41)`;

const SHORT_EVENTS = 10;
const WARM_UP_ROUNDS = 5;
/** Events of an agent's run from the request in which it is paused to its park. */
const PAUSE_EVENTS = 8;

interface Bench {
  /** Says things to runs and executes none. */
  readonly front: Pawl;
  /** Executes runs. */
  readonly back: Pawl;
  readonly watch: Stopwatch;
}

/** How a parked run is made to go on; after its first request it parks again. */
interface Kind {
  readonly runnable: string;
  wake(front: Pawl, runId: string): Promise<void>;
}

const kinds: readonly Kind[] = [
  { runnable: FUNCTION, wake: (front, runId) => front.signal(runId, "go", null) },
  { runnable: READER, wake: (front, runId) => front.resume(runId) },
];

function openBench(path: string): Bench {
  const store = sqlite(path);
  const watch = new Stopwatch(store);
  const agents = [longFunction((runId) => watch.requested(runId)), longAgent()];
  const endpoint = stubEndpoint(async (runId) => {
    watch.requested(runId);
    const { seq, title } = await front.run(runId).head();
    if (seq >= Number(title) - PAUSE_EVENTS) await front.pause(runId, "long enough");
  });
  const models = modelSource({ endpoints: [endpoint] });
  const front = pawl({ store, agents, models, worker: false });
  const onWorkerEvent = watch.told.bind(watch);
  const back = pawl({ store: watch.store, agents, models, hooks: { streams: false }, onWorkerEvent });
  return { front, back, watch };
}

/** A parked run that has so many events. */
async function grown({ front, watch }: Bench, kind: Kind, wanted: { name: string; events: number }): Promise<RunHead> {
  const runId = `${kind.runnable}-${wanted.name}`;
  const parked = watch.parked(runId);
  const run = await front.start(kind.runnable, { runId, input: String(wanted.events) });
  await parked;
  return run.head();
}

/** Milliseconds from its claim to its first request. */
async function claimed({ front, watch }: Bench, kind: Kind, runId: string): Promise<number> {
  const parked = watch.parked(runId);
  const timed = watch.time(runId);
  await kind.wake(front, runId);
  const ms = await timed;
  await parked;
  return ms;
}

interface Plan {
  /** Of the long run. */
  readonly events: number;
  readonly rounds: number;
}

interface Compared {
  readonly longEvents: number;
  readonly shortEvents: number;
  readonly longMs: readonly number[];
  readonly shortMs: readonly number[];
}

/** The long run is claimed again and again; the short ones are new each time, since a claim adds events. */
async function compared(bench: Bench, kind: Kind, { events, rounds }: Plan): Promise<Compared> {
  const long = await grown(bench, kind, { name: "long", events });
  const ms: { readonly long: number[]; readonly short: number[] } = { long: [], short: [] };
  let shortEvents = 0;
  for (let round = 0; round < rounds + WARM_UP_ROUNDS; round++) {
    const little = await grown(bench, kind, { name: `${round}`, events: SHORT_EVENTS });
    shortEvents = little.seq;
    ms.short.push(await claimed(bench, kind, little.runId));
    ms.long.push(await claimed(bench, kind, long.runId));
  }
  const [longMs, shortMs] = [ms.long.slice(WARM_UP_ROUNDS), ms.short.slice(WARM_UP_ROUNDS)];
  return { longEvents: long.seq, shortEvents, longMs, shortMs };
}

function print(found: ReadonlyMap<string, Compared>): void {
  const raw = [...found].flatMap(([name, { shortEvents, longEvents, shortMs, longMs }]) => [
    [`${name}, ${shortEvents} events`, ...shortMs.map(short)],
    [`${name}, ${longEvents} events`, ...longMs.map(short)],
  ]);
  console.log(table(["raw rounds, ms", ...(raw[0] ?? []).slice(1).map((_, i) => `${i + 1}`)], raw));
  console.log("");
  const rows = [...found].map(([name, { shortMs, longMs }]) => {
    const [few, many] = [median(shortMs), median(longMs)];
    return [name, short(few), short(many), `${short(many / few)}×`];
  });
  console.log(table(["claim to first request, medians", "short run ms", "long run ms", "ratio"], rows));
  console.log("");
  for (const [name, { longEvents, shortMs, longMs }] of found)
    console.log(bar(`${name} of ${longEvents} events beside a short one`, median(longMs) / median(shortMs), 2, "×"));
  const said = [...found].map(
    ([name, { longEvents, shortMs, longMs }]) =>
      `${name} of ${longEvents} events ${short(median(longMs))} ms, of ${SHORT_EVENTS} ${short(median(shortMs))} ms`,
  );
  console.log(`\nclaim to first request: ${said.join("; ")}`);
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: "string", default: "10000" },
      rounds: { type: "string", default: "41" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const plan = { events: Number(values.events), rounds: Number(values.rounds) };
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  const bench = openBench(join(folder, "bench.db"));
  try {
    await bench.back.open();
    console.log(`${machine()}\n`);
    const found = new Map<string, Compared>();
    for (const kind of kinds) found.set(kind.runnable, await compared(bench, kind, plan));
    print(found);
  } finally {
    await bench.back.close();
    rmSync(folder, { recursive: true });
  }
}

await main(process.argv.slice(2));
