import assert from "node:assert/strict";
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { saveReport } from "../../src/tools/builtin/save-report.ts";
import { tempFolder } from "./temp-folder.ts";
import { toolContext } from "./tool-context.ts";

const scene = {
  tenant: "t",
  principal: "p",
  runId: "r",
  rootRunId: "r",
  threadId: null,
  turn: 0,
  tags: [],
  isTainted: false,
};

const report = { title: "Loop detection", content: "It stops loops (a.md:3)." };
const save = (dir: string, input: object, idempotencyKey: string): Promise<unknown> =>
  saveReport({ dir }).execute(input, toolContext({ idempotencyKey }));

test("a report is written under its title, into a folder made for it, and nothing else is left there", async (t) => {
  const dir = join(tempFolder(t), "reports/new");
  const saved = (await save(dir, report, "run-1/7")) as { file: string };
  assert.match(saved.file, /^loop-detection-[0-9a-f]{12}\.md$/);
  assert.equal(readFileSync(join(dir, saved.file), "utf8"), "# Loop detection\n\nIt stops loops (a.md:3).\n");
  assert.deepEqual(readdirSync(dir), [saved.file]);
});

test("a repeat with the same key writes nothing new, whatever it says, and answers the same", async (t) => {
  const dir = tempFolder(t);
  const first = await save(dir, report, "key-1");
  assert.deepEqual(await save(dir, { title: "Another title", content: "Another text" }, "key-1"), first);
  assert.equal(readdirSync(dir).length, 1);
  assert.match(readFileSync(join(dir, readdirSync(dir)[0] ?? ""), "utf8"), /stops loops/);
});

test("another key is another report, also with the same title", async (t) => {
  const dir = tempFolder(t);
  await save(dir, report, "key-1");
  await save(dir, report, "key-2");
  assert.equal(readdirSync(dir).length, 2);
});

test("a title cannot lead out of the folder", async (t) => {
  const dir = tempFolder(t);
  const titles = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".hidden",
    "a\0b",
    "C:\\x",
    "🙂",
    "x".repeat(120),
    "Größe ≤ 3",
  ];
  for (const [i, title] of titles.entries()) await save(dir, { title, content: "c" }, `key-${i}`);
  const names = readdirSync(dir);
  assert.equal(names.length, titles.length);
  for (const name of names) assert.match(name, /^[\p{L}\p{N}-]{1,61}[0-9a-f]{12}\.md$/u);
});

test("a draft that a crash left behind is replaced, and a link in its place is not followed", async (t) => {
  const outside = tempFolder(t, { "victim.txt": "untouched" });
  const dir = tempFolder(t);
  const { file } = (await save(tempFolder(t), report, "key-1")) as { file: string };
  symlinkSync(join(outside, "victim.txt"), join(dir, `.${file}.${process.pid}.draft`));
  writeFileSync(join(dir, `.${file}.999999.draft`), "half");
  await save(dir, report, "key-1");
  assert.deepEqual(readdirSync(dir), [file]);
  assert.equal(readFileSync(join(outside, "victim.txt"), "utf8"), "untouched");
});

test("a person is asked before every report", () => {
  const made = saveReport({ dir: "reports" });
  assert.equal(made.approval(report, scene).decision, "ask");
  assert.equal(made.effect, "idempotent");
});

test("a folder that cannot be written is named", async (t) => {
  const root = tempFolder(t, { file: "x" });
  await assert.rejects(
    save(join(root, "file"), report, "k"),
    (error) => PawlError.is(error, "TOOL_FAILED") && /"[^"]*file"/.test(error.message),
  );
  assert.throws(
    () => saveReport({ dir: "" }),
    (error) => PawlError.is(error, "OPTION_INVALID"),
  );
});
