import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { project } from "./projects.ts";
import { writeDocs, type Ended, type Folder } from "./terminal.ts";

const GOOD = "The old pear tree was planted in 1887 (orchard.md:3).";
const BAD = "The old pear tree was planted in 1887 (orchard.md:99).";

/** The built-in agent with a model that says these things after it has searched. */
async function demo(
  turns: readonly object[],
  ...options: string[]
): Promise<{ readonly folder: Folder; readonly ended: Ended }> {
  const search = { toolCalls: [{ tool: "search_docs", input: { query: "pear tree" } }] };
  const folder = project(`const models = scriptedModel(${JSON.stringify([search, ...turns])});`, "agents: [], models");
  writeDocs(folder);
  const words = ["demo", "When was the tree planted?", "--docs", "docs", "--model", "scripted/one", ...options];
  return { folder, ended: await folder.pawl(...words) };
}

const saving = (content: string) => ({
  text: content,
  toolCalls: [{ tool: "save_report", input: { title: "Pears", content } }],
});

test("a report that cites lines which were never read is sent back before anybody is asked to save it", async () => {
  const { folder, ended } = await demo([saving(BAD), saving(GOOD), { text: GOOD }], "--yes");
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /← save_report: TOOL_REFUSED\n[\s\S]*✗ .*never read: orchard\.md:99/);
  assert.equal(ended.out.match(/approve by ada/g)?.length, 1, "asked once, for the report that holds");
  assert.match(ended.out, /✓ 1 citation, every line was read/);
  const [name = ""] = readdirSync(join(folder.path, "reports"));
  assert.match(folder.read(`reports/${name}`), /orchard\.md:3/);
});

test("an answer that cites what was never read is sent back once, then marked where it is wrong", async () => {
  const { ended } = await demo([{ text: BAD }, { text: BAD }], "--no-save");
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /✗ .*These citations were never read: orchard\.md:99/);
  assert.match(ended.out, /\(orchard\.md:99 ✗\)/);
  assert.match(ended.out, /✗ 1 of 1 citation never read \(orchard\.md:99\)/);
});

test("a claim without a source is sent back, and the answer that has one stands", async () => {
  const { ended } = await demo([{ text: "The old pear tree was planted in 1887." }, { text: GOOD }], "--no-save");
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /✗ .*no citation/);
  assert.match(ended.out, /✓ 1 citation, every line was read/);
});
