/** `./pawl bench gateway`: start and get beside a bare Fastify route with the same validation, and 1,000 readers of one run. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine, median, short, table } from "../table.ts";

const HELP = `./pawl bench gateway [OPTIONS]
  --requests N   gets of a round (2000); a fifth as many starts of each kind, for at most 5,000 runs may wait for a worker
  --at-once N    requests at the same time (16)
  --rounds N     rounds of both sides in turn (5)
  --readers N    readers of one run (1000)
  --events N     events that are written for them, one after the other (30)`;

interface Side {
  readonly name: "pawl" | "bare";
  readonly child: ChildProcess;
  readonly url: string;
  readonly key: string;
}
type Kind = "start" | "keyed start" | "get";

async function sideOf(name: Side["name"], given: string): Promise<Side> {
  const child = fork(join(import.meta.dirname, "side.ts"), [name, given], { execArgv: ["-C", "pawl-source"] });
  const [told] = (await once(child, "message")) as [{ readonly url: string; readonly key: string }];
  return { name, child, ...told };
}

/** One request over kept connections. @returns status, and ms until the whole answer was there */
function ask(side: Side, kind: Kind, agent: Agent): Promise<{ readonly ms: number; readonly text: string }> {
  const startMs = performance.now();
  const isStart = kind !== "get";
  return new Promise((resolve, reject) => {
    const sent = request(`${side.url}/api/v1/runs${isStart ? "" : "/r"}`, {
      agent,
      method: isStart ? "POST" : "GET",
      headers: {
        authorization: `Bearer ${side.key}`,
        "content-type": "application/json",
        ...(kind === "keyed start" && { "idempotency-key": randomUUID() }),
      },
    });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => (text += part));
      answer.on("end", () => {
        const isFine = answer.statusCode === (isStart ? 201 : 200);
        if (isFine) resolve({ ms: performance.now() - startMs, text });
        else reject(new Error(`${side.name} ${kind}: ${answer.statusCode} ${text}`));
      });
    });
    sent.end(isStart ? JSON.stringify({ agent: "waiter", input: "x".repeat(200), tags: ["bench"] }) : undefined);
  });
}

interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

async function round(
  side: Side,
  kind: Kind,
  on: { readonly requests: number; readonly atOnce: number },
): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: on.atOnce });
  const ms: number[] = [];
  let left = on.requests;
  const startMs = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) ms.push((await ask(side, kind, agent)).ms);
  };
  await Promise.all(Array.from({ length: on.atOnce }, lane));
  const seconds = (performance.now() - startMs) / 1_000;
  agent.destroy();
  return { perSecond: on.requests / seconds, p50: atShare(ms, 0.5), p99: atShare(ms, 0.99) };
}

function atShare(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function compare(
  sides: readonly [Side, Side],
  on: { readonly requests: number; readonly atOnce: number; readonly rounds: number },
): Promise<void> {
  const rows: string[][] = [];
  for (const kind of ["get", "start", "keyed start"] as const) {
    const seen = new Map<string, Round[]>(sides.map(({ name }) => [name, []]));
    for (let n = 0; n <= on.rounds; n++) {
      for (const side of n % 2 === 0 ? sides : sides.toReversed()) {
        const requests = kind === "get" ? on.requests : Math.ceil(on.requests / 5);
        const measured = await round(side, kind, { requests, atOnce: on.atOnce });
        // the first round warms up
        if (n > 0) seen.get(side.name)?.push(measured);
      }
    }
    const middle = (name: string, of: (one: Round) => number): number => median((seen.get(name) ?? []).map(of));
    for (const { name } of sides) {
      rows.push([
        `${kind} ${name}`,
        short(middle(name, ({ perSecond }) => perSecond)),
        short(middle(name, ({ p50 }) => p50)),
        short(middle(name, ({ p99 }) => p99)),
      ]);
    }
    const ratio = (of: (one: Round) => number): string => `${short(middle("pawl", of) / middle("bare", of))}×`;
    rows.push([
      `${kind} pawl/bare`,
      ratio(({ perSecond }) => perSecond),
      ratio(({ p50 }) => p50),
      ratio(({ p99 }) => p99),
    ]);
  }
  console.log(table([`${on.atOnce} at once`, "requests/s", "p50 ms", "p99 ms"], rows));
}

/** Resident memory of a process, from the kernel; NaN where it does not tell. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, kib = ""] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kib === "" ? Number.NaN : Number(kib) * 1_024;
  } catch {
    return Number.NaN;
  }
}

interface Reader {
  readonly leave: () => void;
}

/** @param onEvent told of the n of each message, when its frame is there */
function readRun(side: Side, onEvent: (text: string) => void): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const sent = request(`${side.url}/api/v1/runs/r/events`, {
      agent: false,
      headers: { authorization: `Bearer ${side.key}`, accept: "text/event-stream" },
    });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      answer.setEncoding("utf8");
      answer.on("data", onEvent);
      answer.on("error", () => undefined);
      resolve({ leave: () => answer.destroy() });
    });
    sent.end();
  });
}

async function streams(side: Side, readersMax: number, events: number): Promise<void> {
  const rows: string[][] = [];
  for (const count of new Set([1, readersMax])) {
    const before = residentBytes(side.child.pid);
    let [missing, all] = [0, Promise.withResolvers<void>()];
    let marker = "-";
    const onEvent = (text: string): void => {
      if (text.includes(marker) && --missing === 0) all.resolve();
    };
    const readers = await Promise.all(Array.from({ length: count }, () => readRun(side, onEvent)));
    const held = residentBytes(side.child.pid);
    const ms: number[] = [];
    for (let n = 0; n < events; n++) {
      [missing, all, marker] = [count, Promise.withResolvers<void>(), `bench-${count}-${n}-`];
      const startMs = performance.now();
      side.child.send(marker);
      await all.promise;
      ms.push(performance.now() - startMs);
    }
    for (const reader of readers) reader.leave();
    rows.push([
      String(count),
      short(atShare(ms, 0.5)),
      short(atShare(ms, 0.99)),
      short((held - before) / count / 1_024),
    ]);
  }
  console.log(table(["readers of one run", "p50 ms until all have it", "p99 ms", "KiB of memory per reader"], rows));
}

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "2000" },
    "at-once": { type: "string", default: "16" },
    rounds: { type: "string", default: "5" },
    readers: { type: "string", default: "1000" },
    events: { type: "string", default: "30" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(HELP);
else await main();

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  const children: ChildProcess[] = [];
  try {
    const pawl = await sideOf("pawl", join(folder, "pawl.db"));
    children.push(pawl.child);
    const agent = new Agent();
    const summary: unknown = JSON.parse((await ask(pawl, "start", agent)).text);
    const detail: unknown = JSON.parse((await ask(pawl, "get", agent)).text);
    agent.destroy();
    const bare = await sideOf("bare", JSON.stringify({ summary, detail }));
    children.push(bare.child);
    console.log(`${machine()}\nbare: Fastify with the same schemas for request and answer; no key, no store.\n`);
    await compare([pawl, bare], {
      requests: Number(values.requests),
      atOnce: Number(values["at-once"]),
      rounds: Number(values.rounds),
    });
    console.log();
    await streams(pawl, Number(values.readers), Number(values.events));
  } finally {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
