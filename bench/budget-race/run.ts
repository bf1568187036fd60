/** `./pawl bench budget-race`: 200 calls at once want the last unit of a budget, from four processes on one ledger. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sqlite } from "pawl/sqlite";
import { Peer } from "../peer.ts";
import { machine } from "../table.ts";
import type { RaceQuestion } from "./racer.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "1000" },
    calls: { type: "string", default: "200" },
    processes: { type: "string", default: "4" },
  },
});
const [rounds, calls, processes] = [Number(values.rounds), Number(values.calls), Number(values.processes)];
const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
const path = join(folder, "pawl.db");
const store = sqlite(path);
const racers = Array.from({ length: processes }, () => new Peer(join(import.meta.dirname, "racer.ts")));
let tooMany = 0;
let none = 0;
try {
  console.log(`${machine()}\n`);
  await store.open();
  const startedAt = performance.now();
  for (let round = 0; round < rounds; round++) {
    await store.setCap("default", { scope: `race:${round}`, window: "all", unit: "calls" }, 1);
    const started = await Promise.all(
      racers.map((racer, i) => {
        const question: RaceQuestion = { path, round, racer: i, calls: calls / processes };
        return racer.ask<number>(question);
      }),
    );
    const sum = started.reduce((a, b) => a + b, 0);
    tooMany += Math.max(0, sum - 1);
    if (sum === 0) none++;
  }
  const perS = Math.round((1_000 * rounds * calls) / (performance.now() - startedAt));
  console.log(`${perS.toLocaleString("en-US")} reservations a second; rounds in which none got the last unit: ${none}`);
  console.log(
    `${rounds} rounds of ${calls} calls at once from ${processes} processes at one unit left: ${tooMany} calls started that did not fit`,
  );
} finally {
  await Promise.all(racers.map((racer) => racer.stop()));
  await store.close();
  rmSync(folder, { recursive: true });
}
process.exitCode = tooMany + none === 0 ? 0 : 1;
