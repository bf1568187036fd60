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
/** Its conversation is never compacted, and about as long as that of the long run is on average. */
const ALIKE_EVENTS = 60;
const lengths = [
  { name: "short", events: SHORT_EVENTS },
  { name: "alike", events: ALIKE_EVENTS },
] as const;
const WARM_UP_ROUNDS = 5;
/** Events of an agent's run from the request in which it is paused to its park. */
const PAUSE_EVENTS = 8;

interface Bench {
  /** Says things to runs and executes none. */
  readonly front: Pawl;
  /** Executes runs. */
  readonly back: Pawl;
  readonly watch: Stopwatch;
  /** Messages of the last request of each run. */
  readonly prompts: ReadonlyMap<string, number>;
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
  const prompts = new Map<string, number>();
  const endpoint = stubEndpoint(async (runId, messages) => {
    watch.requested(runId);
    prompts.set(runId, messages);
    const { seq, title } = await front.run(runId).head();
    if (seq >= Number(title) - PAUSE_EVENTS) await front.pause(runId, "long enough");
  });
  const models = modelSource({ endpoints: [endpoint] });
  const front = pawl({ store, agents, models, worker: false });
  const onWorkerEvent = watch.told.bind(watch);
  const back = pawl({ store: watch.store, agents, models, hooks: { streams: false }, onWorkerEvent });
  return { front, back, watch, prompts };
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

/** Runs of one length, and what their claims took. */
interface Group {
  readonly name: string;
  readonly events: number;
  readonly ms: number[];
  /** Of the conversation in each first request. */
  readonly messages: number[];
}

/** The long run is claimed again and again; the others are new each time, since a claim adds events. */
async function compared(bench: Bench, kind: Kind, { events, rounds }: Plan): Promise<readonly Group[]> {
  const long = await grown(bench, kind, { name: "long", events });
  const groups = lengths.map((length) => ({ ...length, ms: [], messages: [] }) as Group);
  groups.push({ name: "long", events: long.seq, ms: [], messages: [] });
  for (let round = 0; round < rounds + WARM_UP_ROUNDS; round++) {
    for (const { name, events: wanted, ms, messages } of groups) {
      const run = name === "long" ? long : await grown(bench, kind, { name: `${name}-${round}`, events: wanted });
      ms.push(await claimed(bench, kind, run.runId));
      messages.push(bench.prompts.get(run.runId) ?? 0);
    }
  }
  return groups.map((group) => ({
    ...group,
    ms: group.ms.slice(WARM_UP_ROUNDS),
    messages: group.messages.slice(WARM_UP_ROUNDS),
  }));
}

function print(found: ReadonlyMap<string, readonly Group[]>): void {
  const raw = [...found].flatMap(([name, groups]) =>
    groups.map(({ events, ms }) => [`${name}, ${events} events`, ...ms.map(short)]),
  );
  console.log(table(["raw rounds, ms", ...(raw[0] ?? []).slice(1).map((_, i) => `${i + 1}`)], raw));
  console.log("");
  const rows = [...found].flatMap(([name, groups]) =>
    groups.map(({ events, ms, messages }) => [
      `${name}, ${events} events`,
      short(median(messages)),
      short(median(ms)),
      `${short(median(ms) / median(groups[0]?.ms ?? []))}×`,
    ]),
  );
  console.log(table(["claim to first request, medians", "messages", "ms", "beside the shortest"], rows));
  console.log(
    "\nthe run in the middle has about as long a conversation as the longest: beside it, only the events differ\n",
  );
  const said = [...found].map(([name, groups]) => {
    const [few, alike, many] = groups.map(({ ms }) => median(ms)) as [number, number, number];
    const events = groups.at(-1)?.events ?? 0;
    console.log(bar(`${name} of ${events} events beside one of ${SHORT_EVENTS}`, many / few, 2, "×"));
    return `${name} of ${events} events ${short(many)} ms, of ${ALIKE_EVENTS} ${short(alike)} ms, of ${SHORT_EVENTS} ${short(few)} ms`;
  });
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
    const found = new Map<string, readonly Group[]>();
    for (const kind of kinds) found.set(kind.runnable, await compared(bench, kind, plan));
    print(found);
  } finally {
    await bench.back.close();
    rmSync(folder, { recursive: true });
  }
}

await main(process.argv.slice(2));
