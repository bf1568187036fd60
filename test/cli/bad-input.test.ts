import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { project, slowSteps } from "./projects.ts";
import { Folder, writeDocs, type Ended } from "./terminal.ts";

/** One mistake: what is typed, the code it gets, and what its message must name. */
interface Mistake {
  readonly title: string;
  readonly words: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly code: string;
  readonly exit: 1 | 2;
  readonly names: RegExp;
}

/** One message with its code, no stack, and an exit code that says failure. */
function refused(
  { code, out, err }: Ended,
  expected: { readonly code: string; readonly exit: number; readonly names: RegExp },
): void {
  const lines = err
    .trim()
    .split("\n")
    .filter((line) => /^[A-Z_]+: /.test(line));
  assert.deepEqual(
    lines.map((line) => line.split(":")[0]),
    [expected.code],
    out + err,
  );
  assert.match(lines[0] ?? "", expected.names);
  assert.doesNotMatch(out + err, /^ +at \S+ \(|node:internal/m, "a stack is for PAWL_DEBUG=1");
  assert.equal(code, expected.exit, err);
}

const inFolder: readonly Mistake[] = [
  { title: "an unknown command", words: ["rnus"], code: "OPTION_INVALID", exit: 2, names: /rnus.*runs.*help/ },
  {
    title: "an unknown option",
    words: ["runs", "--jsno"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /--jsno.*help runs/,
  },
  { title: "a missing argument", words: ["show"], code: "OPTION_INVALID", exit: 2, names: /run-id.*help show/ },
  {
    title: "an unknown agent",
    words: ["run", "reserach", "x"],
    code: "AGENT_UNKNOWN",
    exit: 2,
    names: /"reserach".*research.*Did you mean "research"/,
  },
  { title: "a run without a goal", words: ["run", "research"], code: "OPTION_INVALID", exit: 2, names: /no goal/ },
  {
    title: "an empty goal",
    words: ["run", "research", "", "--docs", "docs"],
    code: "INPUT_INVALID",
    exit: 2,
    names: /empty/,
  },
  {
    title: "an input that is not JSON",
    words: ["run", "research", "--input", "{a}"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /--input is not JSON/,
  },
  {
    title: "a way to be busy that there is not",
    words: ["run", "research", "x", "--on-busy", "wait"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /"wait".*enqueue, reject or interrupt/,
  },
  { title: "an unknown run", words: ["show", "nobody"], code: "RUN_UNKNOWN", exit: 1, names: /"nobody".*pawl runs/ },
  { title: "an unknown run to resume", words: ["resume", "nobody"], code: "RUN_UNKNOWN", exit: 1, names: /"nobody"/ },
  { title: "an unknown run to cancel", words: ["cancel", "nobody"], code: "RUN_UNKNOWN", exit: 1, names: /"nobody"/ },
  { title: "an unknown run to verify", words: ["verify", "nobody"], code: "RUN_UNKNOWN", exit: 1, names: /"nobody"/ },
  { title: "effects of an unknown run", words: ["effects", "nobody"], code: "RUN_UNKNOWN", exit: 1, names: /"nobody"/ },
  {
    title: "a run of another tenant",
    words: ["show", "r1", "--tenant", "other"],
    code: "RUN_UNKNOWN",
    exit: 1,
    names: /"r1" for tenant "other"/,
  },
  {
    title: "what is no run id",
    words: ["show", "a run"],
    code: "ID_INVALID",
    exit: 2,
    names: /"a run".*letters, digits/,
  },
  { title: "what is no tenant", words: ["runs", "--tenant", "../x"], code: "ID_INVALID", exit: 2, names: /tenant/ },
  {
    title: "what is no approval id",
    words: ["approve", "r1"],
    code: "APPROVAL_UNKNOWN",
    exit: 1,
    names: /"r1".*pawl approvals/,
  },
  { title: "an unknown approval", words: ["reject", "r1:t9-9"], code: "APPROVAL_UNKNOWN", exit: 1, names: /"r1:t9-9"/ },
  {
    title: "an edit that is not JSON",
    words: ["approve", "r1:t9-9", "--edit", "{"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /--edit is not JSON/,
  },
  {
    title: "a status that there is not",
    words: ["runs", "--status", "done"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /"done".*completed/,
  },
  {
    title: "a limit that is none",
    words: ["runs", "--limit", "0"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /"0".*1 to 500/,
  },
  { title: "a cursor of nowhere", words: ["runs", "--cursor", "abc"], code: "CURSOR_INVALID", exit: 2, names: /abc/ },
  {
    title: "the same id with another question",
    words: ["run", "research", "another", "--docs", "docs", "--run-id", "r1"],
    code: "RUN_EXISTS_DIFFERENT",
    exit: 1,
    names: /"r1"/,
  },
  { title: "an ended run", words: ["message", "r1", "hello"], code: "RUN_ENDED", exit: 1, names: /"r1" is completed/ },
  {
    title: "a run that is not blocked",
    words: ["unblock", "r2", "retry"],
    code: "RUN_NOT_BLOCKED",
    exit: 1,
    names: /"r2" is awaiting_approval/,
  },
  {
    title: "an action that there is not",
    words: ["unblock", "r2", "again"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /"again".*retry or fail/,
  },
  {
    title: "an outcome that there is not",
    words: ["resolve", "r2", "t0-0", "yes"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /"yes".*happened/,
  },
  {
    title: "a call that is not unknown",
    words: ["resolve", "r2", "t0-0", "happened"],
    code: "EFFECT_NOT_UNKNOWN",
    exit: 1,
    names: /t0-0/,
  },
  { title: "a budget without an amount", words: ["raise", "r2"], code: "OPTION_INVALID", exit: 2, names: /--tokens/ },
  {
    title: "a budget below nothing",
    words: ["raise", "r2", "--tokens", "-5"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /-5/,
  },
  {
    title: "no such folder",
    words: ["demo", "x", "--docs", "dcos"],
    code: "FOLDER_UNUSABLE",
    exit: 2,
    names: /dcos" does not exist/,
  },
  {
    title: "an empty folder",
    words: ["demo", "x", "--docs", "empty"],
    code: "FOLDER_UNUSABLE",
    exit: 2,
    names: /empty/,
  },
  {
    title: "a file in place of a folder",
    words: ["demo", "x", "--docs", "docs/bees.md"],
    code: "FOLDER_UNUSABLE",
    exit: 2,
    names: /is a file/,
  },
  {
    title: "an unknown model",
    words: ["demo", "x", "--docs", "docs", "--model", "anthropc/x"],
    code: "MODEL_UNKNOWN",
    exit: 2,
    names: /anthropc.*provider\/model/,
  },
  {
    title: "a model without a provider",
    words: ["demo", "x", "--docs", "docs", "--model", "gpt"],
    code: "MODEL_UNKNOWN",
    exit: 2,
    names: /provider\/model/,
  },
  {
    title: "a missing key",
    words: ["demo", "x", "--docs", "docs", "--model", "anthropic/claude-sonnet-latest"],
    code: "MODEL_KEY_MISSING",
    exit: 2,
    names: /ANTHROPIC_API_KEY/,
  },
  {
    title: "an unreadable key",
    words: ["demo", "x", "--docs", "docs"],
    env: { ANTHROPIC_API_KEY: "two words" },
    code: "MODEL_KEY_MISSING",
    exit: 2,
    names: /ANTHROPIC_API_KEY cannot be sent/,
  },
  {
    title: "a base URL that is none",
    words: ["demo", "x", "--docs", "docs", "--model", "openai-compatible/m"],
    env: { OPENAI_COMPATIBLE_BASE_URL: "localhost" },
    code: "OPTION_INVALID",
    exit: 2,
    names: /base URL/,
  },
  {
    title: "a configuration that is not there",
    words: ["run", "research", "x", "--config", "nope.ts"],
    code: "CONFIG_INVALID",
    exit: 2,
    names: /"nope.ts"/,
  },
  {
    title: "dev without a configuration",
    words: ["dev"],
    code: "CONFIG_INVALID",
    exit: 2,
    names: /pawl.config.ts.*pawl init/,
  },
  {
    title: "a new project where one is",
    words: ["init", "project"],
    code: "OPTION_INVALID",
    exit: 2,
    names: /package.json already/,
  },
  {
    title: "a database in a folder that is not there",
    words: ["demo", "x", "--db", "no/pawl.db"],
    code: "FOLDER_UNUSABLE",
    exit: 2,
    names: /no" of the database does not exist/,
  },
  {
    title: "a database that is a folder",
    words: ["demo", "x", "--db", "docs"],
    code: "FOLDER_UNUSABLE",
    exit: 2,
    names: /docs" is a folder/,
  },
  {
    title: "a database that is none",
    words: ["runs", "--db", "docs/orchard.md"],
    code: "STORE_CORRUPT",
    exit: 1,
    names: /not a SQLite database|damaged/,
  },
  {
    title: "a database of a newer version",
    words: ["runs", "--db", "newer.db"],
    code: "STORE_NEWER",
    exit: 1,
    names: /newer/,
  },
];

const folder = new Folder();
before(async () => {
  writeDocs(folder);
  folder.write("empty/.keep", "");
  folder.write("project/package.json", "{}");
  const question = "When was the old pear tree planted?";
  const first = await folder.pawl("demo", question, "--docs", "docs", "--run-id", "r1", "--no-save");
  assert.equal(first.code, 0, first.err);
  assert.equal((await folder.pawl("demo", question, "--docs", "docs", "--run-id", "r2")).code, 3);
  assert.equal((await folder.pawl("demo", question, "--docs", "docs", "--no-save", "--db", "newer.db")).code, 0);
  const db = new DatabaseSync(`${folder.path}/newer.db`);
  db.exec("PRAGMA user_version = 99");
  db.close();
});

for (const mistake of inFolder) {
  test(`${mistake.title}: one message, its code, and exit ${mistake.exit}`, async () => {
    refused(await folder.start(mistake.words, mistake.env ?? {}).ended, mistake);
  });
}

test("after all these mistakes the runs are as they were", async () => {
  const verified = await folder.pawl("verify");
  assert.equal(verified.code, 0, verified.out);
  assert.match((await folder.pawl("runs")).out, /^r2 +awaiting_approval[\s\S]*^r1 +completed/m);
});

const configurations: readonly (readonly [title: string, text: string, code: string, names: RegExp])[] = [
  ["that does not parse", "export default pawl({", "CONFIG_INVALID", /does not load.*SyntaxError/],
  ["without a default export", "export const x = 1;", "CONFIG_INVALID", /no default export.*export default pawl/],
  ["that exports something else", "export default 7;", "CONFIG_INVALID", /exports number/],
  ["that imports what is not there", `import "./nothing.ts";`, "CONFIG_INVALID", /nothing\.ts/],
  ["that throws", `throw new Error("out of order");`, "CONFIG_INVALID", /out of order/],
];
for (const [title, text, code, names] of configurations) {
  test(`a configuration ${title} is named, with the next step`, async () => {
    const own = new Folder().link();
    own.write("pawl.config.ts", text);
    refused(await own.pawl("runs"), { code, exit: 2, names });
  });
}

test("a configuration beside which the package is not installed says so", async () => {
  const own = new Folder();
  own.write("pawl.config.ts", `import { pawl } from "pawl";\nexport default pawl({});\n`);
  refused(await own.pawl("runs"), { code: "CONFIG_INVALID", exit: 2, names: /npm install pawl/ });
});

test("a bad schema and two tools of one name are found when the configuration is read", async () => {
  const common = `version: "1", description: "d", effect: "pure", execute: () => 1`;
  const schema = project(`const a = tool({ name: "a", ${common}, inputSchema: z.string() });\nconst agents = [];`);
  refused(await schema.pawl("run", "x", "y"), { code: "SCHEMA_INVALID", exit: 2, names: /tool "a".*z\.object/ });
  const twice = project(`
const a = tool({ name: "a", ${common}, inputSchema: z.object({}) });
const b = tool({ name: "a", ${common}, inputSchema: z.object({ x: z.string() }) });
const agents = [agent({ name: "n", model: "offline/extractive", instructions: "i", tools: [a, b] })];`);
  refused(await twice.pawl("run", "n", "y"), { code: "TOOL_DUPLICATE", exit: 2, names: /two tools named "a"/ });
});

test("options of the built-in agent are refused for another one", async () => {
  const own = project(slowSteps);
  refused(await own.pawl("run", "slow", "x", "--docs", "."), { code: "OPTION_INVALID", exit: 2, names: /--docs/ });
  refused(await own.pawl("chat", "slow", "--docs", "."), { code: "OPTION_INVALID", exit: 2, names: /--docs/ });
  refused(await own.pawl("run", "slow", "x", "--model", "offline/extractive"), {
    code: "OPTION_INVALID",
    exit: 2,
    names: /"slow" is a function/,
  });
});

test("a model that the provider does not have, and a provider that is not there, end the run with a message", async () => {
  const server = createServer((_request, response) => {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        error: { message: "model 'm' not found", type: "invalid_request_error", code: "model_not_found" },
      }),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  after(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const words = ["demo", "x", "--docs", "docs", "--model", "openai-compatible/m", "--no-save"];
  const missing = await folder.start(words, { OPENAI_COMPATIBLE_BASE_URL: base }).ended;
  assert.equal(missing.code, 1);
  assert.match(missing.out, /MODEL_NOT_FOUND: .*m/);
  const gone = await folder.start(words, { OPENAI_COMPATIBLE_BASE_URL: "http://127.0.0.1:9/v1" }).ended;
  assert.equal(gone.code, 1);
  assert.match(gone.out, /MODEL_UNAVAILABLE: /);
});

test("a database that another process holds without answering is named after some seconds", async () => {
  const own = new Folder();
  writeDocs(own);
  const lock = new DatabaseSync(`${own.path}/held.db.lock`);
  lock.exec("BEGIN EXCLUSIVE");
  const held = await own.pawl("demo", "x", "--docs", "docs", "--db", "held.db");
  refused(held, { code: "STORE_LOCKED", exit: 1, names: /held\.db/ });
  lock.close();
});

test("a database that is replaced under a running command ends it, and what was acknowledged is in the old file", async () => {
  const own = project(slowSteps);
  const running = own.start(["run", "slow", "--run-id", "r", "--input", "null"]);
  await own.hasLines("world.log", 2);
  renameSync(`${own.path}/pawl.db`, `${own.path}/moved.db`);
  const ended = await running.ended;
  refused(ended, { code: "STORE_REPLACED", exit: 1, names: /pawl\.db/ });
});

const isRoot = process.getuid?.() === 0;
const skipUnlessRoot = isRoot ? false : "needs root, to become somebody else and to mount a small disk";
const nobody = 65_534;
/**
 * One run and no more: its database has 262 KB (32 pages of 8,192, most of them the roots of empty tables), the log of what
 * was written 468 KB before it is copied, the rest 70 KB. With 350 KB the tables fit and the run does not.
 */
const smallDiskBytes = 1_200_000;

test("a folder that may not be written is named before anything is made in it", { skip: skipUnlessRoot }, async () => {
  const own = new Folder();
  writeDocs(own);
  chmodSync(own.path, 0o755);
  const ended = await own.start(
    ["demo", "x", "--docs", "docs"],
    { HOME: "/nonexistent", NODE_COMPILE_CACHE: "" },
    nobody,
  ).ended;
  refused(ended, { code: "STORE_READ_ONLY", exit: 1, names: /\.pawl" cannot be made/ });
});

test(
  "runs of a database that may only be read are shown, and nothing is started in it",
  { skip: skipUnlessRoot },
  async () => {
    const own = new Folder();
    writeDocs(own);
    assert.equal(
      (await own.pawl("demo", "x", "--docs", "docs", "--no-save", "--run-id", "r", "--db", "own.db")).code,
      0,
    );
    chmodSync(own.path, 0o755);
    chmodSync(`${own.path}/own.db`, 0o644);
    const env = { NODE_COMPILE_CACHE: "" };
    const ended = await own.start(["demo", "x", "--docs", "docs", "--db", "own.db"], env, nobody).ended;
    refused(ended, { code: "STORE_READ_ONLY", exit: 1, names: /cannot be written/ });
    const shown = await own.start(["runs", "--db", "own.db"], env, nobody).ended;
    assert.equal(shown.code, 0, shown.err);
    assert.match(shown.out, /^r +completed/m);
  },
);

test(
  "a full disk ends the command with a message; with room again the run goes on",
  { skip: skipUnlessMounting() },
  async () => {
    const own = new Folder();
    writeDocs(own);
    const small = smallDisk(own);
    try {
      writeFileSync(`${small}/filler`, new Uint8Array(smallDiskBytes - 350_000));
      const words = [
        "demo",
        "When was the old pear tree planted?",
        "--docs",
        "docs",
        "--no-save",
        "--db",
        "small/pawl.db",
        "--run-id",
        "r",
      ];
      const full = await own.pawl(...words);
      refused(full, { code: "STORE_FULL", exit: 1, names: /disk is full.*What was acknowledged is kept; make room/ });
      writeFileSync(`${small}/filler`, "");
      const again = await own.pawl(...words);
      assert.equal(again.code, 0, again.err);
      assert.match(again.out, /1887/);
      assert.equal((await own.pawl("verify", "--db", "small/pawl.db")).code, 0);
    } finally {
      execFileSync("umount", [small]);
    }
  },
);

function smallDisk(own: Folder): string {
  const path = `${own.path}/small`;
  mkdirSync(path);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${smallDiskBytes}`, "tmpfs", path]);
  return path;
}

function skipUnlessMounting(): false | string {
  if (!isRoot) return skipUnlessRoot;
  try {
    execFileSync("umount", [smallDisk(new Folder())]);
    return false;
  } catch {
    return "this machine does not let root mount a small disk";
  }
}

test("an agent of the configuration goes before the built-in one of its name", async () => {
  const own = project(`const agents = [durable({ name: "research", run: () => Promise.resolve("my own") })];`);
  const ended = await own.pawl("run", "research", "x");
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /my own/);
});
