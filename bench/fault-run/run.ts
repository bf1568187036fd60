/** `./pawl bench fault-run`: a pool of two endpoints, one of them in storms, and one that dies. On simulated time. */
import { parseArgs } from "node:util";
import { pool, type Pool } from "pawl/models";
import { manualClock, type ManualClock } from "pawl/testing";
import { seededRandom } from "../../src/core/clock.ts";
import { stormClock } from "../../src/testing/storms.ts";
import { bar, least, machine, median, short, table } from "../table.ts";
import { called, simulatedEndpoint, traffic, type Called, type Deed } from "./scene.ts";

const HELP = `./pawl bench fault-run [OPTIONS]
  --minutes N      simulated minutes of traffic in storms (30)
  --per-second N   calls a second (10)
  --rounds N       rounds, each with storms of its own (7)`;

/** Half of all requests fail in a storm; a storm lasts 90 s on average and fills a fifth of the time. */
const STORM_RATE = 0.5;
const STORM_SHARE = 0.2;
/** Outside of storms, and at the other endpoint. */
const CALM_RATE = 0.003;
const DEADLINES = { firstTokenMs: 10_000 };

interface Traffic {
  readonly seed: number;
  readonly minutes: number;
  readonly perSecond: number;
}

/** A first token after about half a second, now and then after several. */
function answering(random: () => number): Deed {
  return { type: "answers", afterMs: 200 + -Math.log(1 - random()) * 400 };
}

function failing(random: () => number): Deed {
  const code = random() < 0.5 ? "MODEL_RATE_LIMITED" : "MODEL_UNAVAILABLE";
  return { type: "refuses", afterMs: 20 + random() * 80, code };
}

function poolOf(clock: ManualClock, deeds: { readonly ill: () => Deed; readonly well: () => Deed }, seed: number) {
  const ill = simulatedEndpoint("ill", clock, deeds.ill);
  const well = simulatedEndpoint("well", clock, deeds.well);
  const source = pool({
    endpoints: [ill, well],
    routes: { smart: { endpoints: ["ill", "well"], deadlines: DEADLINES } },
    on: { clock, random: seededRandom(seed ^ 0x5eed) },
  });
  return { source, ill, well };
}

interface Storms {
  readonly calls: number;
  readonly answeredPercent: number;
  readonly amplification: number;
  readonly stormPercent: number;
  readonly p99Ms: number;
}

async function inStorms({ seed, minutes, perSecond }: Traffic): Promise<Storms> {
  const clock = manualClock();
  const random = seededRandom(seed);
  const isStorm = stormClock(STORM_SHARE, seededRandom(seed * 7));
  const rate = (at: number): number => (isStorm(at) ? STORM_RATE : CALM_RATE);
  const deed = (failureRate: number): Deed => (random() < failureRate ? failing(random) : answering(random));
  const { source } = poolOf(clock, { ill: () => deed(rate(clock.monotonicMs())), well: () => deed(CALM_RATE) }, seed);
  let asked = 0;
  let stormy = 0;
  const call = (): Promise<Called> => {
    asked++;
    if (isStorm(clock.monotonicMs())) stormy++;
    return called(source, "smart", { clock, random });
  };
  const calls = await traffic(call, { clock, random, perSecond, forMs: minutes * 60_000 });
  const attempts = calls.reduce((sum, one) => sum + one.attempts, 0);
  const sorted = calls.map((one) => one.ms).toSorted((a, b) => a - b);
  return {
    calls: calls.length,
    answeredPercent: (100 * calls.filter((one) => one.isAnswered).length) / calls.length,
    amplification: attempts / calls.length,
    stormPercent: (100 * stormy) / asked,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
  };
}

interface Death {
  readonly shedSeconds: number;
  readonly askedDead: number;
  readonly answeredPercent: number;
}

/** From the death of an endpoint to the moment when calls go past it, and what the calls of that minute came to. */
async function dying(way: "refuses" | "silent", { seed, perSecond }: Traffic): Promise<Death> {
  const clock = manualClock();
  const random = seededRandom(seed);
  let isDead = false;
  const dead = (): Deed =>
    way === "silent" ? { type: "silent" } : { type: "refuses", afterMs: 5, code: "MODEL_UNAVAILABLE" };
  const deeds = { ill: () => (isDead ? dead() : answering(random)), well: () => answering(random) };
  const { source, ill } = poolOf(clock, deeds, seed);
  const call = (): Promise<Called> => called(source, "smart", { clock, random });
  await traffic(call, { clock, random, perSecond, forMs: 60_000 });
  isDead = true;
  const diedMs = clock.monotonicMs();
  let shedMs: number | null = null;
  const watched = (): Promise<Called> => {
    if (shedMs === null && !isTaking(source)) shedMs = clock.monotonicMs() - diedMs;
    return call();
  };
  const calls = await traffic(watched, { clock, random, perSecond, forMs: 60_000 });
  const askedDead = ill.askedAt.filter((at) => at > diedMs).length;
  return {
    shedSeconds: shedMs === null ? Number.POSITIVE_INFINITY : shedMs / 1_000,
    askedDead,
    answeredPercent: (100 * calls.filter((one) => one.isAnswered).length) / calls.length,
  };
}

function isTaking(source: Pool): boolean {
  return source.status().endpoints[0]?.health === "closed";
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    "per-second": { type: "string", default: "10" },
    rounds: { type: "string", default: "7" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(HELP);
else await main(Number(values.minutes), Number(values["per-second"]), Number(values.rounds));

async function main(minutes: number, perSecond: number, rounds: number): Promise<void> {
  console.log(
    `${machine()}\ntwo endpoints, one in storms: half of its requests fail for 90 s on average, a fifth of the time`,
  );
  const storms: Storms[] = [];
  const refusing: Death[] = [];
  const silent: Death[] = [];
  for (let round = 1; round <= rounds; round++) {
    const on = { seed: round, minutes, perSecond };
    storms.push(await inStorms(on));
    refusing.push(await dying("refuses", on));
    silent.push(await dying("silent", on));
  }
  console.log("\nraw rounds");
  console.log(
    table(
      [
        "round",
        "calls",
        "in storm %",
        "answered %",
        "attempts/call",
        "p99 s",
        "shed refusing s",
        "shed silent s",
        "asked dead",
      ],
      storms.map((one, i) => [
        `${i + 1}`,
        `${one.calls}`,
        short(one.stormPercent),
        one.answeredPercent.toFixed(3),
        one.amplification.toFixed(3),
        short(one.p99Ms / 1_000),
        short(refusing[i]?.shedSeconds ?? Number.NaN),
        short(silent[i]?.shedSeconds ?? Number.NaN),
        `${refusing[i]?.askedDead ?? 0} + ${silent[i]?.askedDead ?? 0}`,
      ]),
    ),
  );
  const of = (list: readonly number[]): number => median(list);
  console.log();
  console.log(least("calls that succeed in storms", of(storms.map((one) => one.answeredPercent)), 99.9, " %"));
  console.log(bar("attempts a call", of(storms.map((one) => one.amplification)), 1.1, ""));
  console.log(
    least(
      "calls that succeed while one endpoint refuses all",
      of(refusing.map((one) => one.answeredPercent)),
      99.9,
      " %",
    ),
  );
  console.log(
    least("calls that succeed while one endpoint is silent", of(silent.map((one) => one.answeredPercent)), 99.9, " %"),
  );
  console.log(`seconds to shed an endpoint that refuses: ${short(of(refusing.map((one) => one.shedSeconds)))}`);
  console.log(
    `seconds to shed an endpoint that is silent: ${short(of(silent.map((one) => one.shedSeconds)))} (its deadline for a first token is ${DEADLINES.firstTokenMs / 1_000} s)`,
  );
}
