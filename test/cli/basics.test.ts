import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Folder } from "./terminal.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
  version: string;
};

test("the program alone shows five tasks, and help shows every command in groups", async () => {
  const folder = new Folder();
  const alone = await folder.pawl();
  assert.equal(alone.code, 0);
  assert.equal(alone.out.split("\n").filter((line) => /^ {2}\S.* (demo|run|runs|init) /.test(line)).length, 5);
  const help = await folder.pawl("help");
  assert.equal(help.code, 0);
  for (const command of [
    "run",
    "demo",
    "chat",
    "resume",
    "runs",
    "show",
    "effects",
    "verify",
    "approvals",
    "approve",
    "cancel",
    "init",
    "dev",
    "doctor",
    "models",
  ]) {
    assert.match(help.out, new RegExp(`^ {2}${command}\\b`, "m"));
  }
  assert.doesNotMatch(help.out, /crash-victim|dev-worker/);
});

test("the version is that of the package, and every command has help with the options that all share", async () => {
  const folder = new Folder();
  assert.equal((await folder.pawl("--version")).out.trim(), version);
  const help = await folder.pawl("help", "run");
  assert.equal(help.code, 0);
  assert.match(help.out, /--docs <dir>/);
  assert.match(help.out, /--db <file>/);
});

test("a command that only looks makes nothing in an empty folder, and says how to begin", async () => {
  const folder = new Folder();
  for (const words of [["runs"], ["show", "a-run"], ["effects"], ["verify"], ["approvals"], ["resume", "a-run"]]) {
    const { code, err } = await folder.pawl(...words);
    assert.equal(code, 2, words.join(" "));
    assert.match(err, /^FOLDER_UNUSABLE: there is no database ".pawl\/pawl.db" here.*pawl demo/, words.join(" "));
  }
  const doctor = await folder.pawl("doctor");
  assert.equal(doctor.code, 0);
  assert.match(doctor.out, /no pawl.config.ts here/);
  assert.throws(() => folder.read(".pawl/.gitignore"), /ENOENT/);
});

test("models check asks the model for one streamed tool call and tells latency, usage and cost", async () => {
  const folder = new Folder();
  const { code, out } = await folder.pawl("models", "check");
  assert.equal(code, 0);
  assert.match(out, /offline\/extractive: no language model/);
  assert.match(out, /latency .*to the first part/);
  assert.match(out, /usage +\d+ tokens? in/);
  assert.match(out, /cost +\$0/);
  const json = await folder.pawl("models", "check", "offline/extractive", "--json");
  assert.equal((JSON.parse(json.out) as { route: string }).route, "offline/extractive");
  const missing = await folder.pawl("models", "check", "anthropic/claude-sonnet-latest");
  assert.equal(missing.code, 1);
  assert.match(missing.out, /MODEL_KEY_MISSING.*ANTHROPIC_API_KEY/);
});
