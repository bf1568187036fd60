import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep } from "../../src/core/clock.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";

test("timers fire in the order of their times, each at its own time", async () => {
  const clock = manualClock(0);
  const fired: string[] = [];
  for (const delayMs of [30, 10, 20, 10]) clock.setTimer(delayMs, () => fired.push(`${delayMs} at ${clock.nowMs()}`));
  await clock.pass(25);
  assert.deepEqual(fired, ["10 at 10", "10 at 10", "20 at 20"]);
  assert.equal(clock.nowMs(), 25);
  await clock.pass(5);
  assert.deepEqual(fired.at(-1), "30 at 30");
});

test("a cancelled timer does not fire, and none is left", async () => {
  const clock = manualClock();
  const cancel = clock.setTimer(5, () => assert.fail("it fired"));
  assert.equal(clock.timers, 1);
  cancel();
  cancel();
  assert.equal(clock.timers, 0);
  await clock.pass(10);
});

test("what waits for a timer runs before the next timer fires", async () => {
  const clock = manualClock(0);
  const story: string[] = [];
  const walk = async (): Promise<void> => {
    await sleep(clock, 10);
    await clock.drain();
    await Promise.resolve();
    story.push(`walked at ${clock.nowMs()}`);
  };
  const walking = walk();
  clock.setTimer(11, () => story.push("bell"));
  await clock.pass(11);
  await walking;
  assert.deepEqual(story, ["walked at 10", "bell"]);
});

test("until moves time no further than what is awaited needs", async () => {
  const clock = manualClock(0);
  const ring = sleep(clock, 3_000).then(() => "rang");
  clock.setTimer(9_000, () => assert.fail("too far"))();
  assert.equal(await clock.until(ring), "rang");
  assert.equal(clock.nowMs(), 3_000);
});

test("until gives the rejection of what is awaited", async () => {
  const clock = manualClock();
  await assert.rejects(clock.until(Promise.reject(new Error("no"))), /no/);
});

test("until says so when nothing could ever settle what is awaited, or not in time", async () => {
  const clock = manualClock();
  const never = new Promise<void>(() => {});
  await assert.rejects(clock.until(never), /never settles/);
  clock.setTimer(5_000, () => undefined);
  await assert.rejects(clock.until(never, 4_000), /has not settled within 4000 ms/);
});

test("after a jump all that was due meanwhile fires, late and in order", async () => {
  const clock = manualClock(0);
  const fired: number[] = [];
  clock.setTimer(2_000, () => fired.push(clock.nowMs()));
  clock.setTimer(1_000, () => fired.push(-1));
  await clock.jump(50_000);
  assert.deepEqual(fired, [-1, 50_000]);
});

test("a timer that sets itself again without delay is an error and not a hang", async () => {
  const clock = manualClock();
  let isOver = false;
  const again = (): void => {
    if (!isOver) clock.setTimer(0, again);
  };
  again();
  await assert.rejects(clock.pass(1), /timers without delay/);
  isOver = true;
});
