import assert from "node:assert/strict";
import { test } from "node:test";
import { project, slowSteps } from "./projects.ts";

test("dev runs what is started elsewhere, starts again when the code changes, and runs in flight go on", async () => {
  const folder = project(slowSteps);
  const dev = folder.start(["dev"]);
  await dev.says(/worker ready: slow/);
  const started = await folder.pawl("run", "slow", "--run-id", "r", "--input", "null", "--detach");
  assert.equal(started.code, 0, started.err);
  await folder.hasLines("world.log", 2);
  folder.write("pawl.config.ts", `${folder.read("pawl.config.ts")}\n// changed\n`);
  await dev.says(/pawl\.config\.ts changed/);
  await dev.says(/r goes on from seq \d+/);
  await dev.says(/r completed/);
  assert.deepEqual(folder.read("world.log").trim().split("\n"), ["1", "2", "3"]);
  dev.child.kill("SIGTERM");
  assert.equal((await dev.ended).code, 0);
  assert.match((await folder.pawl("runs")).out, /^r +completed/m);
});

test("dev says what is wrong with the code and waits for a change", async () => {
  const folder = project(slowSteps);
  const good = folder.read("pawl.config.ts");
  folder.write("pawl.config.ts", "export default 1;\n");
  const dev = folder.start(["dev"]);
  await dev.says(/CONFIG_INVALID: .*exports number/);
  await dev.says(/waiting for a change/);
  folder.write("pawl.config.ts", good);
  await dev.says(/worker ready: slow/);
  dev.child.kill("SIGTERM");
  assert.equal((await dev.ended).code, 0);
});

test("a worker of dev that an exception ends is started again, and the run to blame is blocked", async () => {
  const folder = project(`
const careless = durable({
  name: "careless",
  run: (ctx) => ctx.step("step", { effect: "idempotent" }, async () => {
    setTimeout(() => { throw new Error("nobody catches this"); }, 10);
    await wait(200);
    return "done";
  }),
});
const agents = [careless];`);
  const dev = folder.start(["dev"]);
  await dev.says(/worker ready/);
  await folder.pawl("run", "careless", "--run-id", "r", "--input", "null", "--detach");
  await dev.says(/UNCAUGHT: code of run "r"/);
  await dev.says(/the worker ended \(1\): it starts again[\s\S]*worker ready/);
  dev.child.kill("SIGTERM");
  assert.equal((await dev.ended).code, 0);
  assert.match((await folder.pawl("runs")).out, /^r +blocked/m);
});
