import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { runProcess } from "../run/process.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "pawl-init-"));
const elsewhere = join(folder, "elsewhere");
const app = join(folder, "my-app");
after(() => rmSync(folder, { recursive: true, force: true }));

// what the test runner and this checkout's launcher set is not there for a user
const { NODE_TEST_CONTEXT: _ownContext, PAWL_COMMAND: _launcher, ...outside } = process.env;
const env = { ...outside, NO_COLOR: "1", PATH: `${dirname(process.execPath)}${delimiter}${outside["PATH"]}` };
const npm = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];

async function run(cwd: string, ...command: readonly string[]): Promise<string> {
  const { exitCode, output } = await runProcess({
    command: "sh",
    args: ["-c", 'cd "$0" && exec "$@"', cwd, ...command],
    timeLimitMs: 240_000,
    env,
  });
  assert.equal(exitCode, 0, `${command.join(" ")}:\n${output}`);
  return output;
}

let tarball = "";
before(async () => {
  const checkout = join(folder, "checkout");
  const isLeftOut = (path: string): boolean =>
    dirname(path) === root && /^(node_modules|\..*|dist|.*\.tgz)$/.test(basename(path));
  cpSync(root, checkout, { recursive: true, filter: (path) => !isLeftOut(path) });
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  await run(checkout, "npm", "pack", "--loglevel=error", "--pack-destination", folder);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "none");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "package.json"), JSON.stringify({ name: "elsewhere", private: true }));
  await run(elsewhere, ...npm, tarball);
});

test("a new project from the packed package tests itself, and its agent answers without a key", async () => {
  const made = await run(elsewhere, "node_modules/.bin/pawl", "init", app);
  assert.match(made, /npm install\n +npm test/);
  // what was packed, not a version that a registry may not have
  await run(app, ...npm);
  const tested = await run(app, "npm", "test");
  assert.match(tested, /pass 1\b/);
  const answered = await run(app, "npx", "pawl", "run", "helper", "When is the office open?");
  assert.match(answered, /open from 8 to 18.*\(handbook\.md:3\)/);
  const shown = await run(app, "npx", "pawl", "runs");
  assert.match(shown, /helper-\w+ +completed/);
  assert.match(shown, /^npx pawl show helper-/m, "what is printed can be pasted");
  assert.match(await run(app, "npx", "pawl", "verify"), /✓ 1 run/);
});

test("the built-in agent and the crash demo work from the package too", async () => {
  mkdirSync(join(app, "papers"));
  writeFileSync(join(app, "papers/tea.md"), "# Tea\n\nGreen tea is steeped for three minutes.\n");
  const answered = await run(
    app,
    "npx",
    "pawl",
    "demo",
    "How long is green tea steeped?",
    "--docs",
    "papers",
    "--no-save",
  );
  assert.match(answered, /three minutes.*tea\.md:3/);
  const crashed = await run(app, "npx", "pawl", "demo", "crash");
  assert.match(crashed, /the counter agrees/);
});
