import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";
import { type ProcessOutcome, runProcess } from "./process.ts";

/** A checkout with only the launcher, in front of a made-up `npm` and, if asked for, an old `node` and `uname`. */
interface Checkout {
  readonly root: string;
  readonly run: (cwd: string, ...args: string[]) => Promise<ProcessOutcome>;
}

const launcher = join(import.meta.dirname, "../../pawl");

/** `npm pack` hands out fetched.tgz, `npm ci` takes a moment and leaves a line in installs.log. */
const NPM = `#!/bin/sh
case $1 in
  pack) cp "$CHECKOUT/fetched.tgz" "$5/package.tgz" ;;
  ci) sleep 0.3; mkdir -p node_modules; echo installed >> "$CHECKOUT/installs.log" ;;
esac
`;
const OLD_NODE = `#!/bin/sh
if [ "$1" = -v ]; then echo v20.20.2; else exec "${process.execPath}" "$@"; fi
`;
const FETCHED_NODE = `#!/bin/sh
if [ "$1" = -v ]; then echo v24.21.0; else exec "${process.execPath}" "$@"; fi
`;
const MAIN = "console.log(JSON.stringify({ cwd: process.cwd(), args: process.argv.slice(2) }));\n";

function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

function makeCheckout(t: TestContext, options: { readonly node: "new" | "old"; readonly machine?: string }): Checkout {
  const root = mkdtempSync(join(tmpdir(), "pawl-launcher-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ["bin", "src/cli", "elsewhere"]) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(launcher, join(root, "pawl"));
  writeFileSync(join(root, "package-lock.json"), "{}");
  writeFileSync(join(root, "src/cli/main.ts"), MAIN);
  writeProgram(join(root, "bin/npm"), NPM);
  writeProgram(
    join(root, "bin/uname"),
    `#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo ${options.machine ?? "x86_64"}\n`,
  );
  if (options.node === "old") writeProgram(join(root, "bin/node"), OLD_NODE);
  else symlinkSync(process.execPath, join(root, "bin/node"));
  const env = { ...process.env, CHECKOUT: root, PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"]}` };
  const run = (cwd: string, ...args: string[]): Promise<ProcessOutcome> =>
    runProcess({
      command: "sh",
      args: ["-c", `cd "$0" && exec "$@"`, cwd, join(root, "pawl"), ...args],
      timeLimitMs: 20_000,
      env,
    });
  return { root, run };
}

/** A package of Node as npm would hand it out; the launcher is made to trust it, or a file that differs. */
async function publishNode(root: string, isTrusted: boolean): Promise<void> {
  mkdirSync(join(root, "package/bin"), { recursive: true });
  writeProgram(join(root, "package/bin/node"), FETCHED_NODE);
  await runProcess({
    command: "tar",
    args: ["-czf", join(root, "fetched.tgz"), "-C", root, "package"],
    timeLimitMs: 10_000,
  });
  if (!isTrusted) return;
  const sha512 = createHash("sha512")
    .update(readFileSync(join(root, "fetched.tgz")))
    .digest("base64");
  const text = readFileSync(join(root, "pawl"), "utf8");
  writeProgram(join(root, "pawl"), text.replaceAll(/sha512=\S+==/g, `sha512=${sha512}`));
}

const installs = (root: string): number => readFileSync(join(root, "installs.log"), "utf8").split("\n").length - 1;

test("the command runs in the caller's folder with its arguments untouched", async (t) => {
  const { root, run } = makeCheckout(t, { node: "new" });
  const elsewhere = join(root, "elsewhere");
  await run(elsewhere, "up");
  const { output } = await run(elsewhere, "run", "--docs", "./two words", "$HOME");
  assert.deepEqual(JSON.parse(output), { cwd: elsewhere, args: ["run", "--docs", "./two words", "$HOME"] });
});

test("dependencies are installed once, and again when the lock file changed", async (t) => {
  const { root, run } = makeCheckout(t, { node: "new" });
  assert.match((await run(root)).output, /^pawl: installing dependencies/);
  assert.doesNotMatch((await run(root)).output, /installing/);
  assert.equal(installs(root), 1);
  writeFileSync(join(root, "package-lock.json"), "{ }");
  await run(root);
  assert.equal(installs(root), 2);
});

test("two launchers at once install once, and both run", async (t) => {
  const { root, run } = makeCheckout(t, { node: "new" });
  const outcomes = await Promise.all([run(root, "one"), run(root, "two")]);
  assert.deepEqual(
    outcomes.map(({ exitCode }) => exitCode),
    [0, 0],
  );
  assert.equal(installs(root), 1);
  assert.equal(existsSync(join(root, ".toolchain/lock")), false);
});

test("the lock of a launcher that died does not stop the next", async (t) => {
  const { root, run } = makeCheckout(t, { node: "new" });
  const died = await runProcess({ command: "sh", args: ["-c", "echo $$"], timeLimitMs: 5_000 });
  mkdirSync(join(root, ".toolchain"));
  symlinkSync(died.output.trim(), join(root, ".toolchain/lock"));
  assert.equal((await run(root)).exitCode, 0);
  assert.equal(installs(root), 1);
});

test("an old Node is replaced by a fetched one, once", async (t) => {
  const { root, run } = makeCheckout(t, { node: "old" });
  await publishNode(root, true);
  assert.match((await run(root)).output, /^pawl: fetching Node 24\.21\.0 .*\npawl: installing/);
  assert.match((await run(root)).output, /^\{"cwd"/);
});

test("a fetched Node with another checksum is refused and nothing of it stays", async (t) => {
  const { root, run } = makeCheckout(t, { node: "old" });
  await publishNode(root, false);
  const { exitCode, output } = await run(root);
  assert.equal(exitCode, 1);
  assert.match(output, /not the file this launcher trusts/);
  assert.equal(existsSync(join(root, ".toolchain/bin")), false);
  assert.equal(existsSync(join(root, ".toolchain/lock")), false);
});

test("a machine without a known package is told what to do", async (t) => {
  const { root, run } = makeCheckout(t, { node: "old", machine: "mips" });
  const { exitCode, output } = await run(root);
  assert.equal(exitCode, 1);
  assert.match(output, /no Node package is known for Linux mips\. Install Node >= 24\.15/);
});

test("a command that this checkout does not have is one clear line", async (t) => {
  const { root, run } = makeCheckout(t, { node: "new" });
  await run(root);
  assert.equal(
    (await run(root, "sweep")).output,
    "pawl: this checkout has no test/crash/sweep.ts, so it does not have that command.\n",
  );
});
