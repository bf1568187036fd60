import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commandsIn, Folder, runIdIn, writeDocs } from "./terminal.ts";

const QUESTION = "When was the old pear tree planted?";

function gardens(): Folder {
  const folder = new Folder();
  writeDocs(folder);
  return folder;
}

test("on a pipe a demo says what answers, cites lines that were read, parks for the report, and exits 3", async () => {
  const folder = gardens();
  const { code, out } = await folder.pawl("demo", QUESTION, "--docs", "docs");
  assert.equal(code, 3, out);
  const lines = out.split("\n");
  assert.match(
    lines[0] ?? "",
    /^offline\/extractive: no language model, quotes only; set ANTHROPIC_API_KEY for a real one$/,
  );
  assert.match(out, /^→ search_docs /m);
  assert.match(out, /^← search_docs: \d+ passages?/m);
  assert.match(out, /planted in 1887.*\(orchard\.md:3\)/);
  assert.match(out, /✓ 1 citation, every line was read/);
  assert.match(out, /\d+ tokens? · \$0 · \d+ ms/);
  assert.ok(!out.includes("\u001B"), "no colours on a pipe");
  assert.equal(readdirSync(folder.path).includes("reports"), false, "nothing is saved before somebody says so");
});

test("the commands that a parked run prints work when pasted, one after the other", async () => {
  const folder = gardens();
  const parked = await folder.pawl("demo", QUESTION, "--docs", "docs");
  const [approve = "", resume = ""] = commandsIn(parked.out);
  assert.match(approve, / approve /);
  assert.match(resume, / resume /);
  const approved = await folder.paste(approve);
  assert.equal(approved.code, 0, approved.err);
  const [again = ""] = commandsIn(approved.out);
  assert.match(again, / resume /);
  const resumed = await folder.paste(again);
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /recovered from seq \d+: \d+ steps reused, 0 repeated, 0 unknown/);
  const [report = ""] = readdirSync(join(folder.path, "reports"));
  assert.match(folder.read(`reports/${report}`), /planted in 1887.*orchard\.md:3/);
  const [show = ""] = commandsIn(resumed.out);
  const shown = await folder.paste(show);
  assert.equal(shown.code, 0);
  assert.match(shown.out, /tool save_report/);
  const decided = await folder.paste(approve);
  assert.equal(decided.code, 1, "a decision is made once");
  assert.match(decided.err, /^APPROVAL_DECIDED: .*approve by ada/);
});

test("--yes approves the report, --no-save does not ask for one", async () => {
  const folder = gardens();
  const yes = await folder.pawl("demo", QUESTION, "--docs", "docs", "--yes");
  assert.equal(yes.code, 0, yes.err);
  assert.match(yes.out, /approve by ada \(--yes\)/);
  assert.equal(readdirSync(join(folder.path, "reports")).length, 1);
  const unasked = await folder.pawl("demo", QUESTION, "--docs", "docs", "--no-save");
  assert.equal(unasked.code, 0, unasked.err);
  assert.doesNotMatch(unasked.out, /save_report/);
  assert.equal(readdirSync(join(folder.path, "reports")).length, 1);
});

test("a rejected report is not written, and the run still ends with its answer", async () => {
  const folder = gardens();
  const parked = await folder.pawl("demo", QUESTION, "--docs", "docs");
  const runId = runIdIn(parked.out);
  const [approve = ""] = commandsIn(parked.out);
  const approvalId = approve.split(" approve ")[1]?.split(" ")[0] ?? "";
  assert.equal((await folder.pawl("reject", approvalId, "--reason", "not now")).code, 0);
  const resumed = await folder.pawl("resume", runId);
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /APPROVAL_REJECTED[\s\S]*not now/);
  assert.match(resumed.out, /1887/);
  assert.equal(readdirSync(folder.path).includes("reports"), false);
});

test("edited arguments are checked by the tool, and what was edited is what is written", async () => {
  const folder = gardens();
  const parked = await folder.pawl("demo", QUESTION, "--docs", "docs");
  const runId = runIdIn(parked.out);
  const approvalId = (commandsIn(parked.out)[0] ?? "").split(" approve ")[1]?.split(" ")[0] ?? "";
  const wrong = await folder.pawl("approve", approvalId, "--edit", `{"title": "T"}`);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /^ANSWER_INVALID: .*content/);
  const right = await folder.pawl(
    "approve",
    approvalId,
    "--edit",
    `{"title": "Pears", "content": "It was 1887 (orchard.md:3)."}`,
  );
  assert.equal(right.code, 0, right.err);
  assert.equal((await folder.pawl("resume", runId)).code, 0);
  const [report = ""] = readdirSync(join(folder.path, "reports"));
  assert.equal(folder.read(`reports/${report}`), "# Pears\n\nIt was 1887 (orchard.md:3).\n");
});

test("--json prints one event a line and nothing else; what is said to people goes to standard error", async () => {
  const folder = gardens();
  const { code, out, err } = await folder.pawl("demo", QUESTION, "--docs", "docs", "--no-save", "--json");
  assert.equal(code, 0, err);
  const events = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; seq: number; runId: string });
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, i) => i + 1),
  );
  assert.equal(events[0]?.type, "run.started");
  assert.equal(events.at(-1)?.type, "run.ended");
  assert.match(err, /^offline\/extractive/);
});

test("a question that the documents do not answer gets no invented one", async () => {
  const folder = gardens();
  const { code, out } = await folder.pawl("demo", "Which wavelength does the submarine's sonar use?", "--docs", "docs");
  assert.equal(code, 0, "there is nothing to save, so nobody is asked");
  assert.match(out, /hold no answer/);
});

test("binary and huge files are skipped, and it is said which", async () => {
  const folder = gardens();
  folder.write("docs/photo.png", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1, 2, 3]));
  folder.write("docs/dump.txt", "x".repeat(1_100_000));
  const { code, out } = await folder.pawl("demo", QUESTION, "--docs", "docs", "--no-save");
  assert.equal(code, 0);
  assert.match(out, /2 documents.*skipped: .*dump\.txt \(1\.0 MB: over 1\.0 MB for one file\)/);
  assert.match(out, /photo\.png \(/);
});

test("two terminals on one folder work at once, each on its own run, and a third one sees both", async () => {
  const folder = gardens();
  writeDocs(folder, "other");
  const both = await Promise.all([
    folder.pawl("demo", QUESTION, "--docs", "docs"),
    folder.pawl("demo", QUESTION, "--docs", "other", "--no-save"),
  ]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [3, 0],
    both.map(({ err }) => err).join(),
  );
  const runs = await folder.pawl("runs", "--json");
  const heads = runs.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { runId: string; status: string });
  assert.deepEqual(
    new Map(heads.map(({ runId, status }) => [runId, status])),
    new Map([
      [runIdIn(both[0].out), "awaiting_approval"],
      [runIdIn(both[1].out), "completed"],
    ]),
  );
});

test("the same run id with the same question is the same run, with another question or folder it is refused", async () => {
  const folder = gardens();
  writeDocs(folder, "other");
  const first = await folder.pawl("demo", QUESTION, "--docs", "docs", "--run-id", "r1", "--no-save");
  assert.equal(first.code, 0);
  const again = await folder.pawl("demo", QUESTION, "--docs", "docs", "--run-id", "r1", "--no-save");
  assert.equal(again.code, 0, again.err);
  assert.match(again.out, /run r1 exists/);
  assert.match(again.out, /1887/);
  assert.doesNotMatch(again.out, /→ search_docs/, "nothing runs again");
  const other = await folder.pawl("demo", "What else?", "--docs", "docs", "--run-id", "r1");
  assert.equal(other.code, 1);
  assert.match(other.err, /^RUN_EXISTS_DIFFERENT: /);
  const folders = await folder.pawl("demo", QUESTION, "--docs", "other", "--run-id", "r1");
  assert.equal(folders.code, 1);
  assert.match(folders.err, /^RUN_EXISTS_DIFFERENT: .*searches /);
});

test("a database with a space in its name is named in the commands so that the shell understands", async () => {
  const folder = gardens();
  const parked = await folder.pawl("demo", QUESTION, "--docs", "docs", "--db", "my runs.db");
  assert.equal(parked.code, 3, parked.err);
  for (const command of commandsIn(parked.out)) {
    assert.match(command, / --db 'my runs\.db'/);
    const pasted = await folder.paste(command);
    assert.equal(pasted.code, 0, pasted.err);
  }
});
