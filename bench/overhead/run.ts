/** `./pawl bench overhead`: what a durable step costs beside bare AI SDK, in the same mode, against the same stub. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Peer } from "../peer.ts";
import { bar, machine, median, short, table } from "../table.ts";
import type { ClientQuestion } from "./client.ts";
import type { StubState } from "./stub.ts";
import type { Load, Measured, Mode, PawlSettings, Side } from "./workload.ts";

const HELP = `./pawl bench overhead [OPTIONS]
  --rounds N       rounds of each comparison, both sides in turn (5)
  --steps LIST     tool calls of one run (20,100,400)
  --at-once LIST   runs at a time (1,50)
  --modes LIST     unstreamed, streamed (both)
  --effect EFFECT  of the tool: pure, idempotent, once (pure: one append a step; the others take three)
  --thread WHERE   of SQLite: auto, always, never (auto)
  --small          a few calls without warm-up: shows that it works, measures nothing
  --no-disk        leaves out bytes on disk
  --profile DIR    a CPU profile of each client process`;

interface Plan {
  readonly rounds: number;
  readonly steps: readonly number[];
  readonly atOnce: readonly number[];
  readonly modes: readonly Mode[];
  readonly settings: PawlSettings;
  readonly sizes: Sizes;
  readonly disk: boolean;
  readonly profile: string | null;
}

interface Bench {
  readonly plan: Plan;
  readonly url: string;
  readonly stub: Peer;
  readonly clients: Readonly<Record<Side, Peer>>;
}

const sides: readonly Side[] = ["bare", "pawl"];
/** Tool calls of one measurement, at least: enough to say something, few enough to wait for. */
interface Sizes {
  readonly alone: number;
  readonly crowd: number;
  /** The more, the less the size of an empty database matters. */
  readonly disk: number;
  /** Runs of 20 before anything is measured: only warm code is. */
  readonly warmUpRuns: number;
}

const sizes: Sizes = { alone: 400, crowd: 2_000, disk: 2_000, warmUpRuns: 100 };
const smallSizes: Sizes = { alone: 1, crowd: 1, disk: 1, warmUpRuns: 1 };

function planOf(args: readonly string[]): Plan | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      steps: { type: "string", default: "20,100,400" },
      "at-once": { type: "string", default: "1,50" },
      modes: { type: "string", default: "unstreamed,streamed" },
      effect: { type: "string", default: "pure" },
      thread: { type: "string", default: "auto" },
      "no-disk": { type: "boolean", default: false },
      small: { type: "boolean", default: false },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  return {
    rounds: Number(values.rounds),
    steps: values.steps.split(",").map(Number),
    atOnce: values["at-once"].split(",").map(Number),
    modes: values.modes.split(",") as Mode[],
    settings: { effect: values.effect, thread: values.thread } as PawlSettings,
    sizes: values.small ? smallSizes : sizes,
    disk: !values["no-disk"],
    profile: values.profile ?? null,
  };
}

function loadOf({ alone, crowd }: Sizes, { mode, steps, atOnce }: Omit<Load, "runs">): Load {
  const enough = Math.ceil((atOnce === 1 ? alone : crowd) / steps);
  return { mode, steps, runs: Math.max(atOnce, enough), atOnce };
}

function measure({ clients, url, plan }: Bench, side: Side, load: Load): Promise<Measured> {
  const question: ClientQuestion = { type: "cost", url, load, settings: plan.settings };
  return clients[side].ask<Measured>(question);
}

async function warmUp(bench: Bench): Promise<void> {
  for (const mode of bench.plan.modes) {
    for (const side of sides)
      await measure(bench, side, { mode, steps: 20, runs: bench.plan.sizes.warmUpRuns, atOnce: 10 });
  }
}

type Rounds = Readonly<Record<Side, readonly Measured[]>>;

/** The sides take turns, and turns at being first. */
async function compared(bench: Bench, load: Load): Promise<Rounds> {
  const rounds: Record<Side, Measured[]> = { bare: [], pawl: [] };
  for (let round = 0; round < bench.plan.rounds; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed())
      rounds[side].push(await measure(bench, side, load));
  }
  return rounds;
}

const figures: readonly (readonly [name: string, of: (measured: Measured) => number])[] = [
  ["steps/s", (measured) => measured.stepsPerS],
  ["CPU ms/step", (measured) => measured.cpuMsPerStep],
  ["p99 lag ms", (measured) => measured.lagP99Ms],
];

function printRaw(name: string, rounds: Rounds): void {
  const rows = figures.flatMap(([figure, of]) =>
    sides.map((side) => [`${name}  ${figure}  ${side}`, ...rounds[side].map((one) => short(of(one)))]),
  );
  console.log(table(["raw rounds", ...rounds.bare.map((_, i) => `${i + 1}`)], rows));
  console.log("");
}

function summaryRow(load: Load, rounds: Rounds): readonly string[] {
  const cells = figures.flatMap(([, of]) => {
    const [bare, pawl] = sides.map((side) => median(rounds[side].map(of))) as [number, number];
    return [short(bare), short(pawl), `${short(pawl / bare)}×`];
  });
  return [`${load.mode}, N=${load.steps}, ${load.atOnce} at once`, ...cells];
}

interface Ratio {
  readonly load: Load;
  readonly name: string;
  readonly ratio: number;
}

/** CPU of a durable step beside a bare one, for each load. */
async function compareAll(bench: Bench): Promise<readonly Ratio[]> {
  const { plan } = bench;
  const rows: (readonly string[])[] = [];
  const ratios: Ratio[] = [];
  for (const mode of plan.modes)
    for (const atOnce of plan.atOnce)
      for (const steps of plan.steps) {
        const load = loadOf(plan.sizes, { mode, steps, atOnce });
        const rounds = await compared(bench, load);
        const [name = "", ...cells] = summaryRow(load, rounds);
        printRaw(name, rounds);
        rows.push([name, ...cells]);
        const [bare, pawl] = sides.map((side) => median(rounds[side].map((one) => one.cpuMsPerStep))) as [
          number,
          number,
        ];
        ratios.push({ load, name, ratio: pawl / bare });
      }
  const head = figures.flatMap(([figure]) => [`${figure}: bare`, "pawl", "ratio"]);
  console.log(table([`medians of ${plan.rounds}, tool ${plan.settings.effect}`, ...head], rows));
  console.log("");
  for (const { name, ratio } of ratios)
    console.log(bar(`CPU of a durable step beside a bare one, ${name}`, ratio, 1.5, "×"));
  return ratios;
}

/** The last line: all that a table of claims has room for. */
function inShort({ steps, modes, atOnce }: Plan, ratios: readonly Ratio[], disk: string): string {
  const groups = modes.flatMap((mode) =>
    atOnce.map((count) => {
      const own = ratios.filter(({ load }) => load.mode === mode && load.atOnce === count);
      return `${mode}, ${count} at once ${own.map(({ ratio }) => `${ratio.toFixed(2)}×`).join(" ")}`;
    }),
  );
  return `CPU beside bare at N=${steps.join(", ")}: ${groups.join("; ")}${disk}`;
}

async function bytesOnDisk(bench: Bench): Promise<string> {
  const { plan, clients, url } = bench;
  const ask = (steps: number, runs: number): Promise<number> => {
    const load: Load = { mode: "unstreamed", steps, runs, atOnce: 5 };
    const question: ClientQuestion = { type: "disk", url, load, settings: plan.settings };
    return clients.pawl.ask<number>(question);
  };
  const empty = await ask(1, 0);
  const perRun: number[] = [];
  for (const steps of plan.steps) {
    const runs = Math.ceil(plan.sizes.disk / steps);
    perRun.push(((await ask(steps, runs)) - empty) / runs);
  }
  const rows = plan.steps.map((steps, i) => {
    const bytes = perRun[i] ?? Number.NaN;
    return [`N=${steps}`, short(bytes), short(bytes / steps), `${short(bytes / (perRun[0] ?? Number.NaN))}×`];
  });
  console.log("");
  console.log(table(["database, checkpointed", "bytes/run", "bytes/step", `beside N=${plan.steps[0] ?? 0}`], rows));
  console.log("");
  const last = perRun.at(-1) ?? Number.NaN;
  const most = plan.steps.at(-1) ?? Number.NaN;
  const first = plan.steps[0] ?? Number.NaN;
  console.log(
    bar(`bytes of N=${most} beside N=${first}`, last / (perRun[0] ?? Number.NaN), (21 / 20) * (most / first), "×"),
  );
  console.log(bar(`bytes of a step at N=${most}`, last / most, 4_096, " B"));
  return `; ${(last / most).toFixed(0)} B a step, N=${most} ${short(last / (perRun[0] ?? Number.NaN))}× N=${first}`;
}

async function main(args: readonly string[]): Promise<void> {
  const plan = planOf(args);
  if (plan === null) {
    console.log(HELP);
    return;
  }
  const client = join(import.meta.dirname, "client.ts");
  const flags = plan.profile === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${plan.profile}`];
  const stub = new Peer(join(import.meta.dirname, "stub.ts"));
  const clients = { bare: new Peer(client, ["bare"], flags), pawl: new Peer(client, ["pawl"], flags) };
  try {
    const { url } = await stub.ask<StubState>({});
    const bench: Bench = { plan, url, stub, clients };
    console.log(`${machine()}\n`);
    await warmUp(bench);
    const ratios = await compareAll(bench);
    const disk = plan.disk ? await bytesOnDisk(bench) : "";
    const { requests, cpuMs } = await stub.ask<StubState>({});
    console.log(`\nstub model: ${requests} requests, ${short(cpuMs / requests)} ms of its own CPU each\n`);
    console.log(inShort(plan, ratios, disk));
  } finally {
    await Promise.all([stub, clients.bare, clients.pawl].map((peer) => peer.stop()));
  }
}

await main(process.argv.slice(2));
