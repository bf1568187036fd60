import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { skipWithout } from "../run/system-packages.ts";
import { Folder, type Started, writeDocs } from "./terminal.ts";

const skip = skipWithout("script");
const ASK = /\[a\]pprove \[e\]dit \[r\]eject > /;

/** A demo at a terminal, up to its question. */
async function asked(env: NodeJS.ProcessEnv = {}): Promise<{ readonly folder: Folder; readonly demo: Started }> {
  const folder = new Folder();
  writeDocs(folder);
  const demo = folder.startAtTerminal(["demo", "When was the old pear tree planted?", "--docs", "docs"], env);
  await demo.says(ASK);
  return { folder, demo };
}

function report(folder: Folder): string {
  const [name = "none"] = readdirSync(join(folder.path, "reports"));
  return folder.read(`reports/${name}`);
}

test("a person at a terminal approves with one letter, and the run ends in the same command", { skip }, async () => {
  const { folder, demo } = await asked();
  demo.child.stdin.write("a\r");
  const { code, out } = await demo.ended;
  assert.equal(code, 0, out);
  assert.match(out, /approve by ada/);
  assert.match(report(folder), /1887/);
});

test("a person edits the report in an editor, and what is written is what the editor left", { skip }, async () => {
  const { folder, demo } = await asked({ EDITOR: "sed -i s/1887/1787/" });
  demo.child.stdin.write("e\r");
  const { code, out } = await demo.ended;
  assert.equal(code, 0, out);
  assert.match(report(folder), /planted in 1787/);
});

test(
  "without an editor the short fields are asked one by one, and nothing changed is asked again",
  { skip },
  async () => {
    const { folder, demo } = await asked();
    demo.child.stdin.write("e\r");
    await demo.says(/title \[.*\]: /);
    demo.child.stdin.write("\r");
    await demo.says(/nothing was changed/);
    demo.child.stdin.write("e\r");
    await demo.says(/title \[[\s\S]*title \[.*\]: /);
    demo.child.stdin.write("Pears\r");
    assert.equal((await demo.ended).code, 0);
    assert.match(report(folder), /^# Pears\n/);
  },
);

test("a person rejects with a reason that the agent reads", { skip }, async () => {
  const { folder, demo } = await asked();
  demo.child.stdin.write("r\r");
  await demo.says(/why /);
  demo.child.stdin.write("too short\r");
  const { code, out } = await demo.ended;
  assert.equal(code, 0, out);
  assert.match(out, /reject by ada \(too short\)[\s\S]*APPROVAL_REJECTED[\s\S]*too short/);
  assert.equal(readdirSync(folder.path).includes("reports"), false);
});

test("Ctrl-C at the question leaves it open, says how to answer it later, and exits 3", { skip }, async () => {
  const { folder, demo } = await asked();
  demo.child.stdin.write("\u0003");
  const { code, out } = await demo.ended;
  assert.equal(code, 3, out);
  assert.match(out, / approve .* resume /s);
  assert.match((await folder.pawl("runs")).out, /awaiting_approval/);
});

test("a terminal has colours unless NO_COLOR is set", { skip }, async () => {
  const plain = await asked();
  const coloured = await asked({ NO_COLOR: undefined });
  for (const { demo } of [plain, coloured]) demo.child.stdin.write("a\r");
  const colour = "\u001B[36m";
  assert.ok(!(await plain.demo.ended).out.includes(colour));
  assert.ok((await coloured.demo.ended).out.includes(colour));
});
