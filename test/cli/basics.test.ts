import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { project } from "./projects.ts";
import { Folder } from "./terminal.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
  version: string;
};

test("the program alone shows five tasks, and help shows every command in groups", async () => {
  const folder = new Folder();
  const alone = await folder.pawl();
  assert.equal(alone.code, 0);
  assert.equal(alone.out.split("\n").filter((line) => /^ {2}\S.* (up|demo|run|init) /.test(line)).length, 5);
  const help = await folder.pawl("help");
  assert.equal(help.code, 0);
  for (const command of [
    "up",
    "keys",
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

test("models lists endpoints and routes of a pool with what is wrong with them, and asks each when told to", async () => {
  const folder = project(
    `import { offlineEndpoint, pool } from "pawl/models";
const models = pool({
  endpoints: [offlineEndpoint(), { name: "gpt", provider: "openai", model: "gpt-6.1-sol", requestsPerMinute: 500, at: { key: { env: "NO_SUCH_KEY" } } }],
  routes: { smart: { endpoints: ["gpt"], fallbacks: ["offline/extractive"] } },
});`,
    "agents: [], models",
  );
  const listed = await folder.pawl("models");
  assert.equal(listed.code, 1, "an endpoint that cannot be used is a finding");
  assert.match(listed.out, /offline\/extractive .*not asked yet/);
  assert.match(listed.out, /gpt +openai\/gpt-6.1-sol +weight 1 +500 requests\/min/);
  assert.match(listed.out, /smart {2}→ {2}gpt, then offline\/extractive/);
  const asked = await folder.pawl("models", "--ask", "--json");
  const told = JSON.parse(asked.out) as {
    readonly endpoints: readonly { readonly name: string; readonly problem: string | null }[];
    readonly checks: { readonly [name: string]: { readonly error: unknown } };
  };
  assert.match(told.endpoints.find(({ name }) => name === "gpt")?.problem ?? "", /NO_SUCH_KEY/);
  assert.deepEqual(Object.keys(told.checks), ["offline/extractive"]);
  assert.equal(told.checks["offline/extractive"]?.error, null);
});

test("models without a configuration lists what would be asked", async () => {
  const { code, out } = await new Folder().pawl("models");
  assert.equal(code, 0);
  assert.match(out, /offline\/extractive/);
});
