import assert from "node:assert/strict";
import { test } from "node:test";
import { project, slowSteps } from "./projects.ts";
import { commandsIn } from "./terminal.ts";

const start = ["run", "slow", "--run-id", "r", "--input", "null"];

test("kill -9 in the middle: resume goes on, and says what was reused and what was repeated", async () => {
  const folder = project(slowSteps);
  const running = folder.start(start);
  await folder.hasLines("world.log", 2);
  running.child.kill("SIGKILL");
  assert.equal((await running.ended).signal, "SIGKILL");
  const resumed = await folder.pawl("resume", "r");
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /^recovered from seq \d+: 1 step reused, 1 repeated \(same key\), 0 unknown$/m);
  assert.match(resumed.out, /all three/);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "2", "2", "3"]);
});

test("Ctrl-C parks after what runs now, prints the command that goes on, and nothing is done twice", async () => {
  const folder = project(slowSteps);
  const running = folder.start(start);
  await folder.hasLines("world.log", 2);
  running.child.kill("SIGINT");
  const parked = await running.ended;
  assert.equal(parked.code, 3, parked.err);
  assert.match(parked.out, /parking r/);
  assert.match((await folder.pawl("runs")).out, /^r +paused /m);
  const resumed = await folder.paste(commandsIn(parked.out)[0] ?? "");
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /recovered from seq \d+: 2 steps reused, 0 repeated, 0 unknown/);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "2", "3"]);
});

test("a second Ctrl-C leaves at once, and the next worker repeats what was in flight", async () => {
  const folder = project(slowSteps.replace("wait(400)", "wait(i === 2 ? 20_000 : 1)"));
  const running = folder.start(start);
  await folder.hasLines("world.log", 2);
  running.child.kill("SIGINT");
  await running.says(/parking r/);
  running.child.kill("SIGINT");
  assert.equal((await running.ended).code, 130);
  folder.write("pawl.config.ts", folder.read("pawl.config.ts").replace("20_000", "1"));
  const resumed = await folder.pawl("resume", "r");
  assert.equal(resumed.code, 0, resumed.err);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "2", "2", "3"]);
});

test("SIGTERM gives the run back without parking it: another process goes on with it", async () => {
  const folder = project(slowSteps);
  const running = folder.start(start);
  await folder.hasLines("world.log", 2);
  running.child.kill("SIGTERM");
  const ended = await running.ended;
  assert.equal(ended.code, 143, ended.err);
  assert.match((await folder.pawl("runs")).out, /^r +queued /m);
  const resumed = await folder.pawl("resume", "r");
  assert.equal(resumed.code, 0, resumed.err);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "2", "3"]);
});

test("a reader that goes away ends the command quietly, and the run is not lost", async () => {
  const folder = project(slowSteps);
  const running = folder.start(start);
  await folder.hasLines("world.log", 1);
  running.child.stdout.destroy();
  const ended = await running.ended;
  assert.equal(ended.err, "");
  const resumed = await folder.pawl("resume", "r");
  assert.equal(resumed.code, 0, resumed.err);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "2", "3"]);
});

test("an exception that nothing catches blocks its run, and the process ends with 1", async () => {
  const folder = project(`
const careless = durable({
  name: "careless",
  run: (ctx) => ctx.step("step", { effect: "idempotent" }, async () => {
    if (process.env.CAREFUL === undefined) setTimeout(() => { throw new Error("nobody catches this"); }, 10);
    await wait(200);
    return "done";
  }),
});
const agents = [careless];`);
  const ended = await folder.pawl("run", "careless", "--run-id", "r", "--input", "null");
  assert.equal(ended.code, 1);
  assert.match(ended.err, /^UNCAUGHT: code of run "r" threw.*nobody catches this.*pawl unblock r retry/m);
  assert.doesNotMatch(ended.err, /^ +at /m, "no stack");
  const shown = await folder.pawl("show", "r");
  assert.match(shown.out, /blocked/);
  assert.match(shown.out, /UNCAUGHT/);
  assert.equal((await folder.pawl("unblock", "r", "retry")).code, 0);
  const resumed = await folder.start(["resume", "r"], { CAREFUL: "1" }).ended;
  assert.equal(resumed.code, 0, resumed.err);
});

test("a foreground command leaves other runs of the folder alone", async () => {
  const folder = project(slowSteps);
  const first = folder.start(start);
  await folder.hasLines("world.log", 1);
  first.child.kill("SIGKILL");
  await first.ended;
  const second = await folder.pawl("run", "slow", "--run-id", "other", "--input", "null");
  assert.equal(second.code, 0, second.err);
  assert.match((await folder.pawl("runs")).out, /^r +running /m);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "1", "2", "3"]);
});
