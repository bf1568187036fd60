import assert from "node:assert/strict";
import { test } from "node:test";
import { flushLeftOut, mutants } from "./mutants.ts";
import { killPlans, plansOf, sizeOf } from "./plans.ts";
import { failureOf, openSweep, runTrials, takeCensus, type PlannedTrial, type Sweep } from "./sweep-run.ts";
import { tableOf } from "./table.ts";
import { skipWithoutTracing } from "./tracer.ts";
import type { TrialResult } from "./trial.ts";

const skip = skipWithoutTracing();
const AT_ONCE = 2;

async function withSweep(edits: Parameters<typeof openSweep>[0], use: (sweep: Sweep) => Promise<void>): Promise<void> {
  const sweep = await openSweep(edits);
  try {
    await use(sweep);
  } finally {
    await sweep.close();
  }
}

test("a killed run ends as the unharmed one does, whatever write or flush it was killed at", { skip }, async (t) => {
  await withSweep([], async (sweep) => {
    const rows = new Map<string, string>();
    const trials: PlannedTrial[] = [];
    for (const form of ["function", "agent", "crowd"] as const) {
      const census = await takeCensus(sweep, form);
      assert.ok(census.points.length > 200, `only ${census.points.length} kill points in ${form}`);
      assert.equal(census.unflushed, 0, `acknowledged before the disk had it: ${form}`);
      for (const { row, plans } of plansOf(census, sizeOf("short", census))) {
        for (const plan of plans) trials.push({ plan, census });
        for (const { name } of plans) rows.set(name, row);
      }
    }
    const results: TrialResult[] = [];
    const onResult = (result: TrialResult): "go on" => {
      results.push(result);
      return "go on";
    };
    await runTrials(sweep, trials, { atOnce: AT_ONCE, onResult });
    for (const line of tableOf(results.map((result) => [rows.get(result.plan.name) ?? "", result]))) t.diagnostic(line);
    const faulty = results.filter(({ faults }) => faults.length > 0);
    if (faulty.length > 0) assert.fail(["", ...faulty.map(failureOf)].join("\n"));
    const kills = results.reduce((sum, { hits }) => sum + hits, 0);
    assert.ok(kills > trials.length * 0.9, `only ${kills} of ${trials.length} trials were hit`);
  });
});

for (const { name, edits, found } of mutants) {
  test(`the sweep finds a deliberate bug: ${name}`, { skip }, async (t) => {
    await withSweep(edits, async (sweep) => {
      const census = await takeCensus(sweep, "agent");
      // from the end: the first flushes are of a database that holds no run yet
      const groups = killPlans(census, { writes: 40, flushes: Infinity });
      const plans = groups.flatMap((group) => group.plans.toReversed());
      const faulty: TrialResult[] = [];
      let count = 0;
      await runTrials(
        sweep,
        plans.map((plan) => ({ plan, census })),
        {
          atOnce: AT_ONCE,
          onResult: (result) => {
            count++;
            if (!result.faults.some(({ kind }) => kind === found)) return "go on";
            faulty.push(result);
            return "stop";
          },
        },
      );
      t.diagnostic(`${name}: ${found} after ${count} kills`);
      assert.notEqual(faulty.length, 0, `no kill of ${count} made it visible`);
    });
  });
}

test("the sweep finds a deliberate bug: the flush left out", { skip }, async () => {
  await withSweep(flushLeftOut, async (sweep) => {
    assert.ok((await takeCensus(sweep, "agent")).unflushed > 0);
  });
});
