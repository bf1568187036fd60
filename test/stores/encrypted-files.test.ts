import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { agent, encrypted, envKeys, pawl, PawlError, tool, type EncryptedStore, type Pawl, type RunResult } from "pawl";
import { sqlite } from "pawl/sqlite";
import { memoryStore, scriptedModel } from "pawl/testing";
import { traceIndex } from "pawl/traces";
import { z } from "zod";
import { freshFolder } from "./folders.ts";

// E.3-57 of the attack tests: per-tenant encryption of stored data.

/** A word that is a run's input, a tool's argument and result, a model's answer, a thread's message and a signal. */
const word = (tenant: string): string => `heron${tenant}heron`;

const folder = freshFolder();
after(() => folder.remove());
const file = join(folder.path, "pawl.db");
const base64 = (byte: number): string => Buffer.alloc(32, byte).toString("base64");
const variable = "PAWL_TEST_MASTER_KEYS";

function masters(text: string): ReturnType<typeof envKeys> {
  process.env[variable] = text;
  return envKeys(variable);
}

const note = tool({
  name: "note",
  version: "1",
  description: "Write it down.",
  inputSchema: z.object({ text: z.string() }),
  effect: "pure",
  execute: ({ text }) => {
    if (text.includes("fail")) throw new Error(`cannot write ${text}`);
    return { noted: `${text} ${"long ".repeat(5_000)}${text}` };
  },
});

async function opened(t: TestContext, keys: string): Promise<{ readonly app: Pawl; readonly store: EncryptedStore }> {
  const store = encrypted(sqlite(file, { thread: "never" }), { keys: masters(keys) });
  const said = (tenant: string) => [
    { toolCalls: [{ tool: "note", input: { text: word(tenant) } }] },
    { toolCalls: [{ tool: "note", input: { text: `fail ${word(tenant)}` } }] },
    { text: `Noted ${word(tenant)}.` },
  ];
  const models = scriptedModel({ "test/acme": said("acme"), "test/globex": said("globex") });
  const agents = ["acme", "globex"].map((name) =>
    agent({ name, instructions: "Note it.", model: `test/${name}`, tools: [note] }),
  );
  const app = pawl({ store, agents, models });
  t.after(() => app.close());
  await app.open();
  return { app, store };
}

/** Every byte of every file of the folder. */
function bytesOnDisk(): string {
  return readdirSync(folder.path)
    .filter((name) => !name.endsWith(".sock"))
    .map((name) => readFileSync(join(folder.path, name), "latin1"))
    .join("\n");
}

function outputOf(result: RunResult): unknown {
  assert.equal(result.status, "completed");
  return result.output;
}

async function play(app: Pawl, tenant: string, runId: string): Promise<unknown> {
  const run = await app.start(tenant, { input: `Note ${word(tenant)}`, tenant, runId, threadId: "talk" });
  return outputOf(await run.result());
}

const unreadable = (error: unknown): boolean => {
  assert.ok(PawlError.is(error, "DATA_UNREADABLE"), String(error));
  return true;
};

test("E.3-57: what tenants say is nowhere on the disk, also not in the trace index", async (t) => {
  const { app, store } = await opened(t, `m1:${base64(1)}`);
  const index = traceIndex({ store, path: join(folder.path, "pawl.traces.db") });
  await index.open();
  for (const tenant of ["acme", "globex"]) {
    assert.equal(await play(app, tenant, "same"), `Noted ${word(tenant)}.`);
  }
  await index.catchUp();
  const [traced] = (await index.list("acme", {}, null, 10)).items.filter(({ runId }) => runId === "same");
  assert.equal(traced?.sums.toolCalls, 2);
  assert.equal((await index.list("acme", { text: word("acme") }, null, 10)).items.length, 0);
  await index.close();
  await app.close();
  const bytes = bytesOnDisk();
  for (const tenant of ["acme", "globex"]) {
    for (const hidden of [word(tenant), Buffer.from(word(tenant)).toString("base64").slice(0, 12)])
      assert.ok(!bytes.includes(hidden), `"${hidden}" is on the disk`);
  }
  assert.ok(bytes.includes("globex") && bytes.includes("talk"), "names stay plain");
});

test("E.3-57: another master key opens nothing and says so with one code; the right one still does", async (t) => {
  for (const wrong of [`m1:${base64(2)}`, `m2:${base64(1)}`]) {
    const { app } = await opened(t, wrong);
    await assert.rejects(app.run("same", "acme").result(), unreadable);
    await assert.rejects(app.start("acme", { input: "again", tenant: "acme", runId: "next" }), unreadable);
    await app.close();
  }
  const { app, store } = await opened(t, `m2:${base64(2)},m1:${base64(1)}`);
  assert.equal(outputOf(await app.run("same", "acme").result()), `Noted ${word("acme")}.`);
  assert.ok((await store.rewrap()) >= 2);
  assert.equal(await store.rewrap(), 0);
  await app.close();
  const rotated = await opened(t, `m2:${base64(2)}`);
  assert.equal(outputOf(await rotated.app.run("same", "globex").result()), `Noted ${word("globex")}.`);
  await rotated.app.close();
});

test("E.3-57: what one tenant's key sealed opens neither for another tenant nor at another place", async () => {
  const inner = sqlite(file, { thread: "never" });
  await inner.open();
  const store = encrypted(inner, { keys: masters(`m2:${base64(2)}`) });
  await store.putRecord("acme", "secret", "plan", {});
  const moved = (await inner.getRecord("acme", "secret"))?.value ?? null;
  await inner.putRecord("globex", "secret", moved, {});
  await inner.putRecord("acme", "other", moved, {});
  await assert.rejects(store.getRecord("globex", "secret"), unreadable);
  await assert.rejects(store.getRecord("acme", "other"), unreadable);
  assert.equal((await store.getRecord("acme", "secret"))?.value, "plan");
  for (const [tenant, key] of [
    ["globex", "secret"],
    ["acme", "other"],
    ["acme", "secret"],
  ] as const)
    await inner.deleteRecord(tenant, key);
  await inner.close();
});

test("E.3-57: a shredded tenant cannot be read any more, nor what a backup has of it; others are as they were", async (t) => {
  const { app, store } = await opened(t, `m2:${base64(2)}`);
  const line = (await sealedLines("acme"))[0];
  assert.ok(line !== undefined);
  await store.shred("acme");
  await assert.rejects(app.run("same", "acme").head(), (error) => PawlError.is(error, "RUN_UNKNOWN"));
  assert.deepEqual((await store.listRecords("acme", "", null, 10)).items, []);
  assert.equal(outputOf(await app.run("same", "globex").result()), `Noted ${word("globex")}.`);
  const ref = { tenant: "acme", runId: "same" };
  const restored = memoryStore();
  restored.readEvents = async () => [line];
  const backup = encrypted(restored, { keys: masters(`m2:${base64(2)}`) });
  await assert.rejects(backup.readEvents(ref, 0, 1_000), unreadable);
  // it may begin anew, with another key
  assert.equal(await play(app, "acme", "anew"), `Noted ${word("acme")}.`);
  await app.close();
});

/** Lines of the run as they are stored. */
async function sealedLines(tenant: string): Promise<readonly string[]> {
  const inner = sqlite(file, { readOnly: true });
  await inner.open();
  const lines = await inner.readEvents({ tenant, runId: "same" }, 0, 1_000_000);
  await inner.close();
  return lines;
}
