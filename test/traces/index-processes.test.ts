import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WrittenRun } from "../../bench/traces/journals.ts";
import { seededRandom } from "../../src/core/clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { sqlite } from "../../src/sqlite.ts";
import { traceIndex } from "../../src/traces.ts";
import { indexStage } from "./index-stage.ts";

const tenant = "acme";
const RUNS = 120;
const KILLS = 6;

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** @returns true when it was killed before it was done */
async function indexAndKill(database: string, path: string, afterMs: number): Promise<boolean> {
  const child = spawn(
    process.execPath,
    [
      "--conditions=pawl-source",
      "--disable-warning=ExperimentalWarning",
      join(import.meta.dirname, "index-process.ts"),
      database,
      path,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += String(chunk);
    if (said.startsWith("begun")) setTimeout(() => child.kill("SIGKILL"), afterMs).unref();
  });
  await once(child, "close");
  return !said.includes("done");
}

test("an indexer that is killed at any moment is gone on from: nothing is missing, nothing is there twice", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-traces-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const database = join(folder, "pawl.db");
  const store = sqlite(database);
  await store.open();
  for (let i = 0; i < RUNS; i++) {
    const run = await new WrittenRun(store, { tenant, runId: `r${i}` }).start();
    for (let turn = 1; turn <= 4; turn++)
      await run.turn(turn, `words of ${i}`, [{ tool: "look", output: "x ".repeat(500) }]);
    await run.end();
  }
  await store.close();
  const path = join(folder, "pawl.traces.db");
  const random = seededRandom(7);
  let killed = 0;
  for (let i = 0; i < KILLS; i++) if (await indexAndKill(database, path, Math.floor(random() * 60))) killed++;
  assert.ok(killed > 0, "no process was killed before it was done");
  await store.open();
  const index = traceIndex({ store, path });
  await index.open();
  const whole = traceIndex({ store, path: join(folder, "whole.db") });
  await whole.open();
  t.after(async () => {
    await index.close();
    await whole.close();
    await store.close();
  });
  await index.catchUp();
  await whole.catchUp();
  assert.equal((await index.size()).behind, 0);
  const all = async (of: typeof index) => {
    const { items } = await of.list(tenant, {}, null, 200);
    return items.toSorted((a, b) => (a.runId < b.runId ? -1 : 1));
  };
  assert.equal((await all(index)).length, RUNS);
  assert.deepEqual(await all(index), await all(whole));
  assert.deepEqual(await index.costs(tenant, { by: "day" }), await whole.costs(tenant, { by: "day" }));
  assert.equal((await index.list(tenant, { text: '"words of 119"' }, null, 10)).items.length, 1);
});

test("following reads new events by itself, one process at a time; a second goes on when the first ends", async (t) => {
  const stage = await indexStage(t, memoryStore());
  const second = traceIndex({ store: stage.store, path: stage.path, onFailure: (error) => stage.failures.push(error) });
  await second.open();
  t.after(() => second.close());
  const stop = new AbortController();
  const stopSecond = new AbortController();
  const following = stage.index.follow(stop.signal);
  const followingSecond = second.follow(stopSecond.signal);
  const run = await stage.run("one");
  for (let turn = 1; (await stage.found({ text: `word${turn - 1}x` })).length === 0 || turn < 4; turn++) {
    await run.turn(turn, `word${turn}x`);
    while ((await stage.found({ text: `word${turn}x` })).length === 0) await turnOfTheLoop();
  }
  assert.deepEqual(stage.failures, []);
  stop.abort();
  await following;
  stopSecond.abort();
  await followingSecond;
});

test("without marks, on a database that is only read, every journal is read once and the reading ends", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-traces-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const database = join(folder, "pawl.db");
  const writing = sqlite(database);
  await writing.open();
  for (let i = 0; i < 300; i++) await new WrittenRun(writing, { tenant, runId: `r${i}` }).start();
  await writing.close();
  const store = sqlite(database, { readOnly: true });
  await store.open();
  const index = traceIndex({ store, path: join(folder, "pawl.traces.db") });
  await index.open();
  t.after(async () => {
    await index.close();
    await store.close();
  });
  assert.equal((await index.catchUp()).spans, 300);
  assert.equal((await index.catchUp()).spans, 0);
  assert.equal((await index.size()).runs, 300);
});
