/** `./pawl bench front`: what the front adds to a call, beside a bare undici pipe and Portkey's gateway. */
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Pool } from "undici";
import { machine, median, short, table } from "../table.ts";

const HELP = `./pawl bench front [OPTIONS]
  --rounds N    rounds of all sides in turn (7)
  --seconds N   of each measurement (3)
  --only TEXT   only cases whose name holds it, e.g. "closed" or "60 ms"

Portkey's gateway is measured where it is installed: npm ci --prefix bench/peers`;

interface Side {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
}
interface Case {
  readonly name: string;
  readonly delayMs: 0 | 60;
  readonly bytes: number;
  /** Requests a second; null = as many as come back, 16 at once. */
  readonly rate: number | null;
  readonly isStream: boolean;
}
interface Measured {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** Of the side's process for each call, all its threads: tells the same on a busy machine, but for its caches. */
  readonly cpuMs: number;
  /** Of streams: between the provider's write of a chunk and its arrival. */
  readonly chunkMs: number;
}

const cases: readonly Case[] = [0, 60].flatMap((delay) =>
  [300, 100_000].flatMap((bytes) =>
    [100, 300, null].map((rate): Case => {
      const pace = rate === null ? "closed loop" : `${rate}/s`;
      return {
        name: `${delay} ms, ${bytes / 1000} kB, ${pace}`,
        delayMs: delay === 0 ? 0 : 60,
        bytes,
        rate,
        isStream: false,
      };
    }),
  ),
);
const streams: readonly Case[] = [50, null].map((rate): Case => {
  const pace = rate === null ? "closed loop" : `${rate}/s`;
  return { name: `stream, 0 ms, 0.3 kB, ${pace}`, delayMs: 0, bytes: 300, rate, isStream: true };
});

const AT_ONCE = 16;

/** A history of turns, which is what makes a body large. */
function bodyOf({ bytes, isStream }: Case): string {
  const turns = Math.max(1, Math.round(bytes / 2_000));
  const words = "the quick brown fox jumps over the lazy dog ".repeat(100).slice(0, Math.round(bytes / turns) - 60);
  const messages = Array.from({ length: turns }, (_, i) => ({
    role: i % 2 === turns % 2 ? "assistant" : "user",
    content: words,
  }));
  return JSON.stringify({ model: "m", messages, max_tokens: 200, ...(isStream && { stream: true }) });
}

/** @returns ms until the whole answer was there, of a stream until its first byte */
async function oneCall(
  client: Pool,
  side: Side,
  body: string,
): Promise<{ readonly ms: number; readonly chunks: readonly number[] }> {
  const startMs = performance.now();
  const { statusCode, body: answer } = await client.request({
    path: "/v1/chat/completions",
    method: "POST",
    headers: { "content-type": "application/json", ...side.headers },
    body,
  });
  let first: number | null = null;
  let text = "";
  const chunks: number[] = [];
  for await (const part of answer as AsyncIterable<Buffer>) {
    const now = performance.now();
    first ??= now - startMs;
    const piece = part.toString();
    text += piece;
    for (const [, at] of piece.matchAll(/"content":"(\d+\.\d+) /g))
      chunks.push(performance.timeOrigin + now - Number(at));
  }
  if (statusCode !== 200 || text.includes('"error"'))
    throw new Error(`${side.name}: ${statusCode} ${text.slice(0, 200)}`);
  return { ms: chunks.length > 0 ? (first ?? 0) : performance.now() - startMs, chunks };
}

async function measure(side: Side, one: Case, seconds: number): Promise<Measured> {
  const client = new Pool(side.url, { connections: 256 });
  const body = bodyOf(one);
  const times: number[] = [];
  const chunks: number[] = [];
  const ask = async (): Promise<void> => {
    const told = await oneCall(client, side, body);
    times.push(told.ms);
    chunks.push(...told.chunks);
  };
  const beganMs = performance.now();
  const beganCpuMs = cpuMsOf(side.pid);
  const endMs = beganMs + seconds * 1000;
  if (one.rate === null) {
    const loop = async (): Promise<void> => {
      while (performance.now() < endMs) await ask();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, loop));
  } else {
    const open: Promise<void>[] = [];
    for (let i = 0; performance.now() < endMs; i++) {
      open.push(ask());
      const waitMs = beganMs + ((i + 1) * 1000) / one.rate - performance.now();
      if (waitMs > 0) await sleep(waitMs);
    }
    await Promise.all(open);
  }
  const cpuMs = (cpuMsOf(side.pid) - beganCpuMs) / times.length;
  const perSecond = (times.length * 1000) / (performance.now() - beganMs);
  await client.close();
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), perSecond, cpuMs, chunkMs: median(chunks) };
}

/** User and system time so far, as Linux counts it in hundredths of a second; elsewhere it is not known. */
function cpuMsOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const fields = readFileSync(file, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

const children: ChildProcess[] = [];

async function started(...args: readonly string[]): Promise<Side & { readonly key: string }> {
  const child = fork(join(import.meta.dirname, "side.ts"), [...args], { execArgv: ["-C", "pawl-source"] });
  children.push(child);
  const [told] = (await once(child, "message")) as [{ readonly url: string; readonly key: string }];
  return { name: args[0] ?? "", pid: child.pid ?? 0, headers: {}, ...told };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function portkey(upstream: string): Promise<Side | null> {
  const file = join(import.meta.dirname, "../peers/node_modules/@portkey-ai/gateway/build/start-server.js");
  if (!existsSync(file)) return null;
  const port = await freePort();
  const env = { ...process.env, NODE_ENV: "production" };
  const child = spawn(process.execPath, [file, `--port=${port}`, "--headless"], { stdio: "ignore", env });
  children.push(child);
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isUp) break;
    await sleep(100);
  }
  const headers = {
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `${upstream}/v1`,
    authorization: "Bearer x",
  };
  return { name: "portkey", pid: child.pid ?? 0, url, headers };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    console.log(HELP);
    return;
  }
  const [rounds, seconds] = [Number(values.rounds ?? 7), Number(values.seconds ?? 3)];
  const wanted = [...cases, ...streams].filter(({ name }) => name.includes(values.only ?? ""));
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-front-"));
  console.log(machine());
  try {
    for (const one of wanted) await bench(one, { rounds, seconds, file: join(folder, `${wanted.indexOf(one)}.db`) });
  } finally {
    for (const child of children.splice(0)) child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function bench(
  one: Case,
  on: { readonly rounds: number; readonly seconds: number; readonly file: string },
): Promise<void> {
  const upstream = await started("mock", String(one.delayMs));
  const [pipe, own] = [await started("pipe", upstream.url), await started("pawl", upstream.url, on.file)];
  const peer = await portkey(upstream.url);
  const sides: readonly Side[] = [
    pipe,
    { ...own, headers: { authorization: `Bearer ${own.key}` } },
    ...(peer === null ? [] : [peer]),
  ];
  const all = new Map<string, Measured[]>(sides.map(({ name }) => [name, []]));
  for (const side of sides) await measure(side, one, Math.min(1, on.seconds));
  for (let round = 0; round < on.rounds; round++)
    for (const side of sides) all.get(side.name)?.push(await measure(side, one, on.seconds));
  const rows = sides.map(({ name }) => {
    const measured = all.get(name) ?? [];
    const of = (pick: (one: Measured) => number): string => short(median(measured.map(pick)));
    const raw = measured.map(({ p50, p99, perSecond }) => `${short(p50)}/${short(p99)}/${short(perSecond)}`).join(" ");
    const chunk = one.isStream ? of(({ chunkMs }) => chunkMs) : "";
    const figures = [of(({ p50 }) => p50), of(({ p99 }) => p99), of(({ perSecond }) => perSecond)];
    return [name, ...figures, of(({ cpuMs }) => cpuMs), chunk, raw];
  });
  console.log(`\n${one.name}${one.isStream ? ": first token" : ""}`);
  console.log(table(["side", "p50 ms", "p99 ms", "req/s", "cpu ms/call", "chunk ms", "rounds p50/p99/req/s"], rows));
  for (const child of children.splice(0)) child.kill();
}

await main();
