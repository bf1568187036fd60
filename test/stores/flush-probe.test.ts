import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isFlushSlow } from "../../src/stores/sqlite-files.ts";

test("a disk is slow where almost every flush is, not where a busy machine delays most of them", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-probe-"));
  t.after(() => rmSync(folder, { recursive: true }));
  /** The clock is read before and after each flush. */
  const probed = (flushesMs: readonly number[]): boolean => {
    const readings = flushesMs.flatMap((ms) => [0, ms]);
    return isFlushSlow(join(folder, "runs.db"), 1, () => readings.shift() ?? assert.fail("more than 20 flushes"));
  };
  const delayed = [...Array<number>(15).fill(30), ...Array<number>(5).fill(0.3)];
  assert.equal(probed(delayed), false);
  assert.equal(probed([...delayed.slice(0, 15), 30, ...delayed.slice(16)]), true);
  assert.equal(probed(Array<number>(5).fill(0.3)), false);
  assert.deepEqual(readdirSync(folder), []);
});
