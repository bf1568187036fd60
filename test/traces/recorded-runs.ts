import { decodeBatches } from "../../src/core/journal-codec.ts";
import type { Batch } from "../../src/core/journal-event.ts";
import type { RunRef } from "../../src/core/id.ts";
import type { RunHead } from "../../src/core/run-head.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { simulateSeed } from "../../src/testing/simulator.ts";
import { scenarioOf } from "../simulation/scenario.ts";

/** A run that went through crashes, takeovers, forks, lost answers and people, with the store that it is in. */
export interface RecordedRun {
  readonly seed: number;
  readonly ref: RunRef;
  readonly head: RunHead;
  readonly batches: readonly Batch[];
  readonly store: Store;
}

/** Every run of these seeds of the simulation. A run that the simulation left unfinished is among them as it is. */
export async function recordedRuns(from: number, seeds: number): Promise<readonly RecordedRun[]> {
  const all: RecordedRun[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const scenario = scenarioOf(seed);
    await simulateSeed(
      {
        ...scenario,
        check: ({ runs, store }) => {
          for (const { ref, head, lines } of runs) {
            const { batches } = decodeBatches(lines, { seq: 0, hash: "" });
            all.push({ seed, ref, head, batches, store });
          }
        },
      },
      seed,
    );
  }
  return all;
}
