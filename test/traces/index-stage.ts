import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { WrittenRun } from "../../bench/traces/journals.ts";
import type { Store } from "../../src/core/store-contract.ts";
import type { TraceFilter } from "../../src/core/trace-contract.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { traceIndex, type PricedTraceIndex } from "../../src/traces/trace-index.ts";

/** A store and an index beside it, in a folder that goes away with the test. */
export interface IndexStage {
  readonly store: Store;
  readonly path: string;
  readonly index: PricedTraceIndex;
  readonly failures: unknown[];
  /** A run that is started and claimed. */
  run(runId: string, more?: Parameters<WrittenRun["start"]>[0], tenant?: string): Promise<WrittenRun>;
  /** Ids of the runs that a filter finds, over all pages. */
  found(filter: TraceFilter, tenant?: string): Promise<readonly string[]>;
}

export const tenant = "acme";

export async function indexStage(t: TestContext, store: Store = memoryStore()): Promise<IndexStage> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-traces-"));
  const path = join(folder, "pawl.traces.db");
  const failures: unknown[] = [];
  const index = traceIndex({ store, path, onFailure: (error) => failures.push(error) });
  await store.open();
  await index.open();
  t.after(async () => {
    await index.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    store,
    path,
    index,
    failures,
    run: (runId, more, of = tenant) => new WrittenRun(store, { tenant: of, runId }).start(more),
    found: async (filter, of = tenant) => {
      const ids: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await index.list(of, filter, cursor, 50);
        ids.push(...page.items.map(({ runId }) => runId));
        cursor = page.cursor;
      } while (cursor !== null);
      return ids;
    },
  };
}
