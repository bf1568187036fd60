import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { freshFolder } from "../stores/folders.ts";
import { budgets, spender } from "./spender.ts";

test("what a process reserved holds in another, and is charged at its worst when it is killed: nothing stays reserved", async (t) => {
  const folder = freshFolder();
  const file = join(folder.path, "pawl.db");
  const program = join(import.meta.dirname, "spending-process.ts");
  const child = spawn(process.execPath, ["-C", "pawl-source", program, file], { stdio: ["ignore", "pipe", "inherit"] });
  const models = scriptedModel([{ text: "done" }]);
  const app = new Pawl({ store: sqlite(file), agents: [spender], models, budgets });
  t.after(async () => {
    child.kill("SIGKILL");
    await app.close();
    folder.remove();
  });
  await once(child.stdout, "data");
  const line = async () => (await app.budgets().list())[0];
  const second = await app.start(spender, { runId: "second", input: "x" });
  assert.equal((await second.result()).status, "awaiting_budget", "another process holds what it needs");
  const held = await line();
  assert.ok((held?.reserved ?? 0) > 1_000 && held?.used === 0, JSON.stringify(held));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal((await app.run("first").result()).status, "awaiting_budget", "its next attempt does not fit any more");
  const after = await line();
  assert.equal(after?.reserved, 0);
  assert.ok((after?.used ?? 0) > 1_000 && (after?.used ?? Infinity) <= (held?.reserved ?? 0), JSON.stringify(after));
  assert.equal(models.requests.length, 0, "no call started that did not fit");
});
