import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sleep } from "../../src/core/clock.ts";
import { callsOf, killPointsOf, spread, unflushedAcknowledgements } from "./kill-points.ts";
import { SkippingClock } from "./skipping-clock.ts";

test("kill points are numbered for each syscall, over the database's files alone", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-crash-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const log = join(folder, "log");
  const lines = [
    '7 pwrite64(25</x/pawl.db-wal>, ""..., 24, 32) = 24',
    '7 pwrite64(9</x/other>, ""..., 24, 32) = 24',
    "8 pwrite64(25</x/pawl.db-wal>,  <unfinished ...>",
    '8 <... pwrite64 resumed>""..., 24, 32) = 24',
    "7 fsync(25</x/pawl.db-wal>) = 0",
    '7 unlink("/x/pawl.db-journal") = 0',
    '7 write(3<socket:[42]>, ""..., 97) = 97',
    "7 +++ exited with 0 +++",
  ];
  writeFileSync(log, lines.join("\n"));
  assert.deepEqual(killPointsOf(callsOf(log), "/x/pawl.db"), [
    { syscall: "pwrite64", nth: 1, file: "pawl.db-wal" },
    { syscall: "pwrite64", nth: 2, file: "pawl.db-wal" },
    { syscall: "fsync", nth: 1, file: "pawl.db-wal" },
    { syscall: "unlink", nth: 1, file: "pawl.db-journal" },
  ]);
  assert.equal(unflushedAcknowledgements(callsOf(log), "/x/pawl.db"), 0);
});

test("an acknowledgement before the flush is counted", () => {
  const calls = [
    { syscall: "pwrite64", path: "/x/pawl.db-wal" },
    { syscall: "write", path: "socket:[42]" },
    { syscall: "fsync", path: "/x/pawl.db-wal" },
    { syscall: "write", path: "socket:[42]" },
  ];
  assert.equal(unflushedAcknowledgements(calls, "/x/pawl.db"), 1);
});

test("a spread has the first and the last, and as many as wanted", () => {
  const items = Array.from({ length: 100 }, (_, n) => n);
  assert.deepEqual(spread(items, 4), [0, 33, 66, 99]);
  assert.deepEqual(spread(items, Infinity), items);
  assert.deepEqual(spread(items, 1), [0]);
});

test("idle time is left out, in order, and time under a call is not", async () => {
  const clock = new SkippingClock(0);
  const began = { clock: clock.nowMs(), machine: Date.now() };
  const woken: string[] = [];
  await Promise.all([
    sleep(clock, 7_200_000).then(() => woken.push("later")),
    sleep(clock, 3_600_000).then(() => woken.push("sooner")),
  ]);
  assert.deepEqual(woken, ["sooner", "later"]);
  // a date and a monotonic clock round apart
  assert.ok(clock.nowMs() - began.clock >= 7_199_000);
  assert.ok(Date.now() - began.machine < 7_200_000);
  const skipped = clock.skippedMs;
  const answered = Promise.withResolvers<void>();
  const call = clock.during(answered.promise);
  const timer = sleep(clock, 3_600_000);
  for (let turn = 0; turn < 100; turn++) await clock.drain();
  assert.equal(clock.skippedMs, skipped);
  answered.resolve();
  await Promise.all([call, timer]);
  assert.ok(clock.skippedMs > skipped);
});
