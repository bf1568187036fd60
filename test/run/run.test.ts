import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runProcess } from "./process.ts";
import { skipWithout } from "./system-packages.ts";
import { addUp, failure, nothing, totalLine } from "./tally.ts";
import { runEach, runTogether } from "./test-files.ts";

const options = { timeLimitMs: 20_000, testTimeLimitMs: 5_000, concurrency: 2 };
const imports = `import { describe, test } from "node:test";\n`;

const bodies = {
  passes: `${imports}test("a", () => {}); describe("group", () => { test("b", () => {}); });`,
  fails: `${imports}test("outer", async (t) => { await t.test("inner", () => { throw new Error("because"); }); }); test("c", () => {});`,
  skips: `${imports}test("d", { skip: "needs a printer" }, () => {}); test("e", (t) => t.diagnostic("seen"));`,
  dies: `${imports}test("f", () => {}); test("g", () => process.kill(process.pid, "SIGKILL"));`,
  exits: `${imports}test("h", () => {}); test("i", () => process.exit(0));`,
  throws: `throw new Error("while loading");`,
  empty: "export {};",
  hangs: `${imports}test("j", () => { for (;;); });`,
  neverEnds: `${imports}test("k", () => {}); setInterval(() => {}, 1000);`,
};

function writeTests(t: TestContext, ...names: (keyof typeof bodies)[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "pawl-run-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return names.map((name) => {
    const path = join(folder, `${name}.test.ts`);
    writeFileSync(path, bodies[name]);
    return path;
  });
}

for (const [how, run] of [
  ["together", runTogether],
  ["each in its process", runEach],
] as const) {
  test(`tests run ${how} are counted, skips with their reason, parents of failures once`, async (t) => {
    const tally = await run(writeTests(t, "passes", "fails", "skips"), options);
    assert.equal(totalLine(tally), "4 passed, 1 failed, 1 skipped");
    assert.match(tally.failures[0]?.place ?? "", /fails\.test\.ts > inner$/);
    assert.match(tally.failures[0]?.detail ?? "", /because/);
    assert.match(tally.skips[0]?.place ?? "", /skips\.test\.ts > d$/);
    assert.equal(tally.skips[0]?.reason, "needs a printer");
    assert.deepEqual(tally.notes, ["seen"]);
  });

  for (const [name, why] of [
    ["dies", /ended before its tests did \(exit code none\)/],
    ["exits", /ended before its tests did \(exit code 0\)/],
    ["throws", /while loading/],
    ["empty", /has none/],
  ] as const) {
    test(`a test file that ${name}, run ${how}, is one failure that names it, and the others still count`, async (t) => {
      const tally = await run(writeTests(t, "passes", name), options);
      assert.equal(tally.passed, 2, JSON.stringify(tally));
      assert.deepEqual(tally.failures.length, 1, JSON.stringify(tally));
      assert.match(tally.failures[0]?.place ?? "", new RegExp(`${name}\\.test\\.ts`));
      assert.match(tally.failures[0]?.detail ?? "", why);
    });
  }

  for (const name of ["hangs", "neverEnds"] as const) {
    test(`a test file that ${name}, run ${how}, is killed and fails`, async (t) => {
      const tally = await run(writeTests(t, name), { ...options, timeLimitMs: 1_000 });
      const failed = tally.failures.map(({ place, detail }) => `${place}: ${detail}`).join();
      assert.match(failed, new RegExp(`${name}\\.test\\.ts: did not end within .* and was killed`));
    });
  }
}

test("a file that the stage has no time for counts as failed", async (t) => {
  const tally = await runEach(writeTests(t, "passes"), { ...options, timeLimitMs: 0 });
  assert.match(tally.failures[0]?.detail ?? "", /not started/);
});

test("a process past its time limit is killed with its children", async () => {
  const startedAt = performance.now();
  const outcome = await runProcess({ command: "sh", args: ["-c", "sleep 60 & wait"], timeLimitMs: 300 });
  assert.equal(outcome.timedOut, true);
  assert.equal(outcome.exitCode, null);
  // The outcome waits for the pipes, which the child would hold for a minute if it were alive.
  assert.ok(performance.now() - startedAt < 30_000);
});

test("a process that cannot start is an outcome", async () => {
  const outcome = await runProcess({ command: "/nowhere/program", args: [], timeLimitMs: 1_000 });
  assert.equal(outcome.exitCode, null);
  assert.match(outcome.output, /ENOENT/);
});

test("tallies add up to one line", () => {
  const skipped = { ...nothing, skips: [{ place: "a", reason: "b" }] };
  assert.equal(
    totalLine(addUp([{ ...nothing, passed: 2 }, skipped, failure("c", "d")])),
    "2 passed, 1 failed, 1 skipped",
  );
});

test("a missing program is a reason to skip, in CI one to fail; a present one is neither", (t) => {
  const before = process.env["CI"];
  t.after(() => {
    if (before === undefined) delete process.env["CI"];
    else process.env["CI"] = before;
  });
  delete process.env["CI"];
  assert.equal(skipWithout("sh"), false);
  assert.match(String(skipWithout("no-such-program")), /needs no-such-program/);
  process.env["CI"] = "true";
  assert.equal(skipWithout("sh"), false);
  assert.throws(() => skipWithout("no-such-program"), /needs no-such-program.*In CI/);
});

test("in CI a console test without a Chromium fails", async () => {
  const browser = new URL("../console/browser.ts", import.meta.url).href;
  const run = (CI: string): ReturnType<typeof runProcess> =>
    runProcess({
      command: process.execPath,
      args: ["-C", "pawl-source", "--input-type=module", "-e", `await import(${JSON.stringify(browser)})`],
      timeLimitMs: 30_000,
      env: { PATH: "/nowhere", CI },
    });
  assert.equal((await run("")).exitCode, 0);
  const failed = await run("true");
  assert.notEqual(failed.exitCode, 0);
  assert.match(failed.output, /needs chromium/);
});
