/** `./pawl bench traces`: indexing, listing 100,000 runs, windows of a 50,000-span run, export. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunStatus } from "../../src/core/run-outcome.ts";
import type { Span, TraceFilter, TraceIndex } from "../../src/core/trace-contract.ts";
import { spanIdOf, traceIdOf } from "../../src/core/trace-ids.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { openIndex, setComplete } from "../../src/traces/index-file.ts";
import { IndexWriter } from "../../src/traces/index-writer.ts";
import { machineEntropy } from "../../src/traces/machine.ts";
import type { RunDelta } from "../../src/traces/run-delta.ts";
import { traceIndex } from "../../src/traces/trace-index.ts";
import { Peer } from "../peer.ts";
import { bar, machine, short, table } from "../table.ts";
import type { ExportAnswer, ExportQuestion } from "./exporter.ts";
import { firstAt, WrittenRun } from "./journals.ts";

interface Plan {
  readonly runs: number;
  readonly spans: number;
  readonly journals: number;
  readonly rounds: number;
}

const tenant = "acme";
/** About 1 KB of result for each tool call. */
const page =
  "The quick brown fox looks at invoice after invoice and finds that most of them were paid in time. ".repeat(10);

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds of wall clock and of CPU. */
async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly ms: number; readonly cpu: number; readonly value: T }> {
  const [at, cpu] = [performance.now(), cpuMs()];
  const value = await work();
  return { ms: performance.now() - at, cpu: cpuMs() - cpu, value };
}

async function indexing(folder: string, { journals }: Plan): Promise<void> {
  const store = memoryStore();
  const path = join(folder, "journals.db");
  for (let i = 0; i < journals; i++) {
    const run = await new WrittenRun(store, { tenant, runId: `run-${i}` }, firstAt + i * 1_000).start();
    for (let turn = 1; turn <= 10; turn++)
      await run.turn(turn, "I look it up.", [{ tool: "look", input: { page: turn + i }, output: `${page}${i}` }]);
    await run.end();
  }
  const index = traceIndex({ store, path });
  await index.open();
  const { ms, cpu, value } = await timed(() => index.catchUp());
  const { bytes } = await index.size();
  console.log(
    `indexing ${value.runs} runs of 10 turns with 1 KB results: ${short((1_000 * value.spans) / ms)} spans/s, ${short((1_000 * cpu) / value.spans)} µs of CPU and ${short(bytes / value.spans)} bytes for each span`,
  );
  await exporting(folder, path, value.spans);
  await index.close();
}

async function exporting(folder: string, indexPath: string, spans: number): Promise<void> {
  const receiver = new Peer(join(import.meta.dirname, "receiver.ts"));
  const exporter = new Peer(join(import.meta.dirname, "exporter.ts"));
  const url = await receiver.ask<string>({});
  const measured: number[] = [];
  // all of it again and again: in the first rounds the code is compiled
  for (let round = 0; round < EXPORT_ROUNDS; round++) {
    const question: ExportQuestion = { indexPath, statePath: join(folder, `export-${round}.db`), url };
    const { sent, cpuMs: cpu, lastError } = await exporter.ask<ExportAnswer>(question);
    if (sent !== spans) throw new Error(`${sent} of ${spans} spans were sent: ${lastError}`);
    measured.push((1_000 * cpu) / sent);
  }
  await exporter.stop();
  await receiver.stop();
  console.log(`export of ${spans} spans, µs of CPU for each, round by round: ${measured.map(short).join(" ")}`);
  console.log(bar("CPU of one exported span, receiver not counted", Math.min(...measured.slice(2)), 10, " µs"));
}

const EXPORT_ROUNDS = 6;

// ---- many runs

const names = ["clerk", "scout", "coder", "judge", "porter"];
const statuses: readonly RunStatus[] = [
  "completed",
  "completed",
  "completed",
  "failed",
  "running",
  "stopped",
  "cancelled",
];

/** A run with four spans, as the reading of a journal gives it. Every choice is spread over the runs by another prime. */
function deltaOf(i: number): RunDelta {
  const ref = { tenant, runId: `run-${i}` };
  const status = statuses[(i * 5) % statuses.length] ?? "completed";
  const startedAt = firstAt + i * 1_000;
  const endedAt = status === "running" ? null : startedAt + ((i * 7_919) % 600_000);
  const agent = names[(i * 3) % names.length] ?? "clerk";
  const spanId = spanIdOf(ref, "run");
  const base = {
    traceId: traceIdOf(ref, undefined),
    runId: ref.runId,
    callId: null,
    error: null,
    bill: null,
    detail: {},
    seq: 1,
    endSeq: 9,
    startedAt,
    endedAt,
  };
  const usage = {
    inputTokens: 100 + ((i * 104_729) % 90_000),
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 50,
    reasoningTokens: 0,
  };
  const bill = { usage, costNanoUsd: usage.inputTokens * 3_000, priceSource: "p", assumed: false, inherited: false };
  const endpoint = i % 11 === 0 ? "openai/gpt-5" : "anthropic/claude-sonnet-4-5";
  const isFailing = status === "failed";
  const error = isFailing ? { code: `FAULT_${i % 37}`, message: "it broke" } : null;
  const spans: readonly Span[] = [
    { ...base, spanId, parentSpanId: null, kind: "run", name: agent, status: isFailing ? "error" : "ok", error },
    { ...base, spanId: spanIdOf(ref, "turn:1"), parentSpanId: spanId, kind: "turn", name: "turn 1", status: "ok" },
    {
      ...base,
      spanId: spanIdOf(ref, "call:m"),
      parentSpanId: spanIdOf(ref, "turn:1"),
      kind: "model",
      name: endpoint,
      status: "ok",
      bill,
      detail: { endpoint },
    },
    {
      ...base,
      spanId: spanIdOf(ref, "call:t"),
      parentSpanId: spanIdOf(ref, "turn:1"),
      kind: "tool",
      name: `tool-${i % 23}`,
      status: "ok",
    },
  ];
  const words = `refund of invoice ${i} for customer ${(i * 31) % 1_000}${i % 5_000 === 0 ? " sesquipedalian" : ""} 检查发票`;
  return {
    run: {
      tenant,
      runId: ref.runId,
      rootRunId: ref.runId,
      traceId: base.traceId,
      spanId,
      parent: null,
      remoteParentSpanId: null,
      runnable: agent,
      version: "1",
      principal: `user-${i % 400}`,
      threadId: i % 3 === 0 ? `thread-${i % 5_000}` : null,
      tags: [`team-${i % 7}`],
      title: `Look at invoice ${i}`,
      status,
      startedAt,
      endedAt,
      turns: 1,
      forkedFrom: null,
    },
    afterSeq: 0,
    seq: 9,
    spans,
    docs: [{ spanId, field: "input", text: words }],
    effects: [],
    error,
    at: endedAt ?? startedAt,
    saved: null,
  };
}

const filters: { readonly [what: string]: TraceFilter } = {
  nothing: {},
  agent: { runnable: "scout" },
  status: { statuses: ["failed", "stopped"] },
  "agent, status, tag": { runnable: "judge", statuses: ["failed"], tag: "team-3" },
  user: { principal: "user-17" },
  thread: { threadId: "thread-42" },
  tool: { tool: "tool-5" },
  "model by cost": { model: "openai/gpt-5", sort: "cost" },
  "cost above, newest": { minCostNanoUsd: 265_000_000 },
  "long, by duration": { minDurationMs: 590_000, sort: "duration" },
  "tokens, by tokens": { minTokens: 50_000, sort: "tokens" },
  "a day, failed": { statuses: ["failed"], startedFrom: firstAt + 3_600_000, startedTo: firstAt + 90_000_000 },
  "user and tool that never meet": { principal: "user-17", tool: "tool-999" },
  "rare word": { text: "sesquipedalian" },
  "common word": { text: "refund" },
  "two common words, failed": { text: "invoice customer", statuses: ["failed"] },
  "Chinese word": { text: "发票" },
  number: { text: "91234" },
};

async function listing(folder: string, { runs, rounds }: Plan): Promise<void> {
  const path = join(folder, "many.db");
  const db = openIndex(path, machineEntropy);
  const writer = new IndexWriter(db);
  const filled = await timed(async () => {
    for (let i = 0; i < runs; i += 100)
      db.transaction(() => {
        for (let k = i; k < Math.min(runs, i + 100); k++) writer.apply(deltaOf(k));
      });
  });
  setComplete(db);
  db.close();
  console.log(
    `\n${runs} runs of 4 spans written in ${short(filled.ms / 1_000)} s, ${short(statSync(path).size / 1_048_576)} MB`,
  );
  const index = traceIndex({ store: memoryStore(), path });
  await index.open();
  const rows: (readonly string[])[] = [];
  const all: number[] = [];
  for (const [what, filter] of Object.entries(filters)) {
    const times: number[] = [];
    let found = 0;
    for (let round = 0; round < rounds; round++) {
      const { ms, value } = await timed(() => index.list(tenant, filter, null, 50));
      times.push(ms);
      found = value.items.length;
    }
    all.push(...times);
    rows.push([what, String(found), short(percentile(times, 0.5)), short(percentile(times, 0.95))]);
  }
  console.log(table([`list by`, "found", "p50 ms", "p95 ms"], rows));
  console.log(bar(`list of ${runs} runs, p95 over all filters`, percentile(all, 0.95), 50, " ms"));
  const sums = [
    ["costs by day", await timed(() => index.costs(tenant, { by: "day" }))],
    ["costs by agent", await timed(() => index.costs(tenant, { by: "runnable" }))],
    ["error groups", await timed(() => index.errorGroups(tenant, {}, 20))],
  ] as const;
  console.log(sums.map(([what, { ms }]) => `${what} ${short(ms)} ms`).join(", "));
  await index.close();
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

// ---- one long run

async function windows(folder: string, { spans, rounds }: Plan): Promise<void> {
  const store = memoryStore();
  const ref = { tenant, runId: "long" };
  const run = await new WrittenRun(store, ref).start();
  const turns = Math.ceil((spans - 1) / 5);
  const tools = [1, 2, 3].map((n) => ({ tool: "look", input: { n }, output: "found" }));
  for (let turn = 1; turn <= turns; turn++) await run.turn(turn, "I look.", tools);
  const index = traceIndex({ store, path: join(folder, "long.db") });
  await index.open();
  await index.catchUp();
  const first = await timed(() => index.spans(ref, { from: 0, limit: 200 }));
  const later: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const from = Math.floor((i / rounds) * first.value.total);
    later.push((await timed(() => index.spans(ref, { from, limit: 200 }))).ms);
  }
  const grown = await grownWindow(index, run, turns);
  console.log(`\na run of ${first.value.total} spans, windows of 200`);
  console.log(
    table(
      ["", "ms"],
      [
        ["first window", short(first.ms)],
        ["a later window, p50", short(percentile(later, 0.5))],
        ["a later window, p95", short(percentile(later, 0.95))],
        ["a window after it grew by a turn, indexing included", short(grown)],
      ],
    ),
  );
  console.log(bar(`first window of ${first.value.total} spans`, first.ms, 1_000, " ms"));
  await index.close();
}

async function grownWindow(index: TraceIndex, run: WrittenRun, turns: number): Promise<number> {
  await run.turn(turns + 1, "And more.");
  return (await timed(() => index.spans(run.ref, { from: 0, limit: 200 }))).ms;
}

function planOf(args: readonly string[]): Plan | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: "string", default: "100000" },
      spans: { type: "string", default: "50000" },
      journals: { type: "string", default: "2000" },
      rounds: { type: "string", default: "40" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  return {
    runs: Number(values.runs),
    spans: Number(values.spans),
    journals: Number(values.journals),
    rounds: Number(values.rounds),
  };
}

const plan = planOf(process.argv.slice(2));
if (plan === null) {
  console.log("./pawl bench traces [--runs 100000] [--spans 50000] [--journals 2000] [--rounds 40]");
} else {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-traces-"));
  try {
    console.log(`${machine()}\n`);
    await indexing(folder, plan);
    await listing(folder, plan);
    await windows(folder, plan);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
