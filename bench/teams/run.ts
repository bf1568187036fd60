/** `./pawl bench teams`: a supervisor and k = 3, 5, 8 specialists on a scripted model. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pawl, specialist, team, type Pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel, type Script } from "pawl/testing";
import { setTimeout as sleep } from "node:timers/promises";
import { bar, least, machine, median, short, slope, table } from "../table.ts";

const HELP = `./pawl bench teams [OPTIONS]
  --rounds N   rounds of each measure (5)
  --runs N     runs of a round that counts CPU (20)
  --small      shows that it works, measures nothing`;

const KS = [3, 5, 8];
const SLOW_MS = 50;
const PLANS = 2;
const CPU_MAX_MS = 3;
const SPEED_UP_MIN = 0.8;

const report = { status: "done", result: "found", evidence: [], confidence: 1, openQuestions: [] };

interface Shape {
  readonly k: number;
  /** Plans one after the other, each of k tasks. */
  readonly plans: number;
  /** 1: one task after the other. */
  readonly breadth: number;
  readonly delayMs: number;
  readonly path: string;
}

function appOf({ k, plans, breadth, delayMs, path }: Shape): Pawl {
  const names = Array.from({ length: k }, (_, i) => `s${i + 1}`);
  const script: Script = async (_request, { route, turn }) => {
    if (delayMs > 0 && route !== "lead") await sleep(delayMs);
    if (route !== "lead") return { text: JSON.stringify(report) };
    if (turn >= plans) return { text: "done" };
    const tasks = names.map((name) => ({
      id: `t${turn}-${name}`,
      specialist: name,
      task: `part ${turn} of ${name}`,
    }));
    return { toolCalls: [{ tool: "delegate", input: { tasks } }] };
  };
  const lead = team({
    name: "crew",
    supervisor: { model: "lead", instructions: "Lead." },
    specialists: names.map((name) => specialist({ name, scope: `Only ${name}.`, instructions: "Do it.", model: name })),
    limits: { breadth, turns: plans + 1, tokens: 1_000_000_000 },
  });
  return pawl({ store: sqlite(path, { thread: "never" }), agents: [lead], models: scriptedModel(script) });
}

async function play(app: Pawl): Promise<void> {
  const result = await (await app.start("crew", { input: "Go." })).result();
  if (result.status !== "completed") throw new Error(`a team ended ${JSON.stringify(result)}`);
}

async function measured<T>(shape: Omit<Shape, "path">, measure: (app: Pawl, path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  const path = join(folder, "bench.db");
  const app = appOf({ ...shape, path });
  try {
    await app.open();
    return await measure(app, path);
  } finally {
    await app.close();
    rmSync(folder, { recursive: true });
  }
}

/** CPU of a run of two plans; the whole process counts, SQLite and the collector with it. */
function cpuMs(k: number, runs: number): Promise<number> {
  return measured({ k, plans: PLANS, breadth: k, delayMs: 0 }, async (app) => {
    await play(app);
    globalThis.gc?.();
    const before = process.cpuUsage();
    for (let i = 0; i < runs; i++) await play(app);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / runs;
  });
}

/** Wall time of one plan: all at once beside one after the other. */
async function speedUp(k: number): Promise<number> {
  const wallMs = (breadth: number): Promise<number> =>
    measured({ k, plans: 1, breadth, delayMs: SLOW_MS }, async (app) => {
      await play(app);
      const startedAt = performance.now();
      await play(app);
      return performance.now() - startedAt;
    });
  const alone = await wallMs(1);
  return alone / (await wallMs(k));
}

/** Bytes that one run adds to the database. */
async function bytesOf(k: number, plans: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  const path = join(folder, "bench.db");
  const app = appOf({ k, plans, breadth: k, delayMs: 0, path });
  await app.open();
  for (let i = 0; i < 5; i++) await play(app);
  await app.close();
  const { size } = statSync(path);
  rmSync(folder, { recursive: true });
  return size / 5;
}

async function times(n: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < n; i++) values.push(await measure());
  return median(values);
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    runs: { type: "string", default: "20" },
    small: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(HELP);
else await bench(values.small ? 1 : Number(values.rounds), values.small ? 1 : Number(values.runs));

async function bench(rounds: number, runs: number): Promise<void> {
  console.log(`${machine()}\n`);
  const rows: string[][] = [];
  const bars: string[] = [];
  // what a supervisor and its waiting cost is in it: each further child is what a delegation costs
  const one = await times(rounds, () => cpuMs(1, runs));
  for (const k of KS) {
    const cpu = ((await times(rounds, () => cpuMs(k, runs))) - one) / (PLANS * (k - 1));
    const faster = await times(rounds, () => speedUp(k));
    rows.push([String(k), short(cpu), faster.toFixed(2)]);
    bars.push(bar(`k = ${k}: CPU of a delegation`, cpu, CPU_MAX_MS, " ms"));
    bars.push(least(`k = ${k}: speed-up`, faster, Number((SPEED_UP_MIN * k).toFixed(1)), "×"));
  }
  console.log(table(["specialists", "CPU ms a delegation", `speed-up at ${SLOW_MS} ms`], rows));
  const points = await Promise.all([2, 4, 8, 16].map(async (plans) => [plans, await bytesOf(3, plans)] as const));
  const [early, late] = [slope(points.slice(0, 2)), slope(points.slice(2))];
  console.log(
    `\n${table(
      ["plans of 3", "kB a run"],
      points.map(([plans, bytes]) => [String(plans), short(bytes / 1_000)]),
    )}\n`,
  );
  bars.push(bar("bytes of a further plan, late beside early", late / early, 1.3, "×"));
  console.log(bars.join("\n"));
}
