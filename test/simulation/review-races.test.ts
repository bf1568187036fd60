import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate, simulateSeed } from "../../src/testing/simulator.ts";
import { reviewRaces, type RaceCounts } from "./review-races.ts";

// `./pawl simulate --races --seeds 10000` does the same for longer
const SEEDS = 200;

test(`in ${SEEDS} races of eight deciders, cancels and moved clocks an approval is decided once, and its effect is`, async (t) => {
  const counts: RaceCounts = { approve: 0, reject: 0, expired: 0, none: 0 };
  const { failures, faults } = await simulate(reviewRaces(counts), { seeds: SEEDS });
  for (const { seed, claim, log } of failures) assert.fail(`seed ${seed}: ${claim}\n${log.join("\n")}`);
  t.diagnostic(JSON.stringify(counts));
  for (const [how, count] of Object.entries(counts)) assert.ok(count > SEEDS / 50, `${how}: ${count}`);
  for (const kind of ["crash", "clock-jump", "message-doubled"] as const) assert.ok(faults[kind].live > 0, kind);
});

test("what time decides of a cancelled run gives way to a person who was faster (seed 308)", async () => {
  const { failure } = await simulateSeed(reviewRaces({ approve: 0, reject: 0, expired: 0, none: 0 }), 308);
  assert.equal(failure, null);
});
