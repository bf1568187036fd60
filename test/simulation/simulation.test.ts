import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { faultKinds, noFaults, addFaults } from "../../src/testing/simulation/faults.ts";
import { simulateSeed, type SimulationReport } from "../../src/testing/simulator.ts";
import { mutantCopy, mutants, mutated } from "./mutants.ts";
import { scenarioOf } from "./scenario.ts";

const SEEDS = 2_000;
const MUTANT_SEEDS = 500;
const root = join(import.meta.dirname, "../..");

/** The simulation in a process of its own, of this checkout or of a copy of it. */
async function simulation(folder: string, from: number, seeds: number): Promise<SimulationReport> {
  const program = join(folder, "test/simulation/simulate.ts");
  const args = ["-C", "pawl-source", program, "--json", "--from", String(from), "--seeds", String(seeds)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  return JSON.parse(text) as SimulationReport;
}

function commandOf(seed: number): string {
  return `./pawl simulate --seed ${seed} --trace`;
}

test(`every claim holds in ${SEEDS} seeds`, async (t: TestContext) => {
  const half = SEEDS / 2;
  const [a, b] = await Promise.all([simulation(root, 1, half), simulation(root, half + 1, SEEDS - half)]);
  const faults = [a, b].reduce((sum, one) => addFaults(sum, one.faults), noFaults);
  const hashes = new Set([...a.hashes, ...b.hashes]);
  t.diagnostic(`${a.hashes.length + b.hashes.length} seeds, ${hashes.size} distinct interleavings`);
  t.diagnostic(`faults that hit a live run: ${faultKinds.map((kind) => `${kind} ${faults[kind].live}`).join(", ")}`);
  for (const { seed, claim, log } of [...a.failures, ...b.failures])
    assert.fail(`seed ${seed} broke a claim: ${claim}\n${log.join("\n")}\n${commandOf(seed)}`);
  for (const kind of faultKinds) assert.ok(faults[kind].live > 0, `no ${kind} hit a live run`);
  assert.ok(hashes.size > SEEDS * 0.99, "hardly two seeds tell the same story");
  const again = await simulateSeed(scenarioOf(7), 7);
  assert.equal(again.hash, a.hashes[6], "a seed tells the same story in every process");
});

test("the same seed tells the same story, line by line", async () => {
  for (const seed of [3, 11, 42]) {
    const first = await simulateSeed(scenarioOf(seed), seed, Number.POSITIVE_INFINITY);
    const second = await simulateSeed(scenarioOf(seed), seed, Number.POSITIVE_INFINITY);
    assert.ok(first.log.length > 100);
    assert.deepEqual(second.log, first.log);
  }
});

test("each mutant's place is in the sources exactly once", () => {
  for (const mutant of mutants) {
    const text = readFileSync(join(root, mutant.file), "utf8");
    assert.notEqual(mutated(mutant, text), text);
    assert.throws(() => mutated(mutant, `${text}\n${text}`), /not once/);
  }
});

for (const mutant of mutants) {
  test(`the deliberate bug "${mutant.name}" is found within ${MUTANT_SEEDS} seeds`, async (t) => {
    const { folder, remove } = mutantCopy(mutant);
    try {
      const [failure] = (await simulation(folder, 1, MUTANT_SEEDS)).failures;
      assert.ok(failure !== undefined, `${MUTANT_SEEDS} seeds did not find it`);
      t.diagnostic(`seed ${failure.seed}: ${failure.claim.slice(0, 200)}`);
    } finally {
      remove();
    }
  });
}
