import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { limits } from "../../src/core/limits.ts";
import { integrityOf, sqlite } from "../../src/sqlite.ts";
import { readAll } from "../../src/testing/suite-runs.ts";
import { skipWithout } from "../run/system-packages.ts";
import { freshFolder } from "./folders.ts";
import { Spawned, type SpawnOptions } from "./spawned.ts";

interface Place {
  readonly path: string;
  readonly spawn: (runId: string, more?: Partial<SpawnOptions>) => Spawned;
}

/** A folder for one test; its processes are gone before it is. */
function place(t: TestContext): Place {
  const folder = freshFolder();
  const spawned: Spawned[] = [];
  t.after(async () => {
    await Promise.all(spawned.map((one) => one.kill()));
    folder.remove();
  });
  const path = join(folder.path, "pawl.db");
  return {
    path,
    spawn: (runId, more = {}) => {
      const one = new Spawned({ path, runId, ...more });
      spawned.push(one);
      return one;
    },
  };
}

/** Opens the database here and checks that a run is sound and holds at least what was acknowledged. */
async function assertKept(path: string, runId: string, acknowledged: number): Promise<number> {
  const store = sqlite(path, { thread: "never" });
  await store.open();
  try {
    const head = await store.readHead({ tenant: "acme", runId });
    assert.ok(
      head !== null && head.seq >= acknowledged,
      `run ${runId}: ${acknowledged} acknowledged, ${head?.seq} kept`,
    );
    assert.equal((await readAll(store, head)).length, head.seq);
    assert.deepEqual((await integrityOf(store))?.problems, []);
    return head.seq;
  } finally {
    await store.close();
  }
}

test("two processes append to one database at once, one through the other", async (t) => {
  const { path, spawn } = place(t);
  const first = spawn("run-1");
  await first.until(({ acknowledged }) => acknowledged > 5);
  const second = spawn("run-2");
  await second.until(({ acknowledged }) => acknowledged > 30);
  const before = first.acknowledged;
  await first.until(({ acknowledged }) => acknowledged > before + 10);
  assert.deepEqual([first.role, second.role], ["holder", "client"]);
  await Promise.all([first.stop(), second.stop()]);
  await assertKept(path, "run-1", first.acknowledged);
  await assertKept(path, "run-2", second.acknowledged);
});

for (const thread of ["never", "always"] as const) {
  test(`when the holder is killed, its clients go on and nothing acknowledged is lost (thread: ${thread})`, async (t) => {
    const { path, spawn } = place(t);
    const holder = spawn("run-0", { store: { thread } });
    await holder.until(({ acknowledged }) => acknowledged > 5);
    const clients = [spawn("run-1", { store: { thread } }), spawn("run-2", { store: { thread } })];
    await Promise.all(clients.map((one) => one.until(({ acknowledged }) => acknowledged > 10)));
    await holder.kill();
    const reached = clients.map(({ acknowledged }) => acknowledged);
    await Promise.all(clients.map((one, i) => one.until(({ acknowledged }) => acknowledged > (reached[i] ?? 0) + 20)));
    assert.ok(clients.some(({ role }) => role === "holder"));
    await Promise.all(clients.map((one) => one.stop()));
    for (const [i, one] of [holder, ...clients].entries()) await assertKept(path, `run-${i}`, one.acknowledged);
  });
}

test("a holder that ends cleanly leaves the database to its client", async (t) => {
  const { path, spawn } = place(t);
  const holder = spawn("run-1");
  await holder.until(({ acknowledged }) => acknowledged > 5);
  const client = spawn("run-2");
  await client.until(({ acknowledged }) => acknowledged > 5);
  await holder.stop();
  const reached = client.acknowledged;
  await client.until(({ acknowledged }) => acknowledged > reached + 20);
  await client.stop();
  await assertKept(path, "run-1", holder.acknowledged);
  await assertKept(path, "run-2", client.acknowledged);
});

for (const thread of ["never", "always"] as const) {
  test(`a process that is killed again and again loses nothing it acknowledged (thread: ${thread})`, async (t) => {
    const { path, spawn } = place(t);
    let kept = 0;
    for (let round = 1; round <= 6; round++) {
      const one = spawn("run-1", { store: { thread } });
      await one.until(({ acknowledged }) => acknowledged >= kept + round * 7);
      await one.kill();
      assert.ok(one.acknowledged > kept);
      kept = await assertKept(path, "run-1", one.acknowledged);
    }
  });
}

test("a read that a holder took with it when it ended is asked again of the next", async (t) => {
  const { path } = place(t);
  const [holder, client] = [sqlite(path, { thread: "never" }), sqlite(path, { thread: "never" })];
  await holder.open();
  await client.open();
  const reads = Array.from({ length: 20 }, () => client.readHead({ tenant: "acme", runId: "none" }));
  const ended = holder.close();
  assert.deepEqual(new Set(await Promise.all(reads)), new Set([null]));
  await ended;
  await client.close();
});

test("the session of a killed process is dead at once, that of a living one is not", async (t) => {
  const { path, spawn } = place(t);
  const store = sqlite(path, { thread: "never" });
  await store.open();
  t.after(() => store.close());
  const client = spawn("run-1");
  await client.until(({ acknowledged }) => acknowledged > 1);
  const session = `session-${client.child.pid}`;
  assert.equal(await store.kill(session, 0), "alive");
  await client.kill();
  assert.equal((await store.session(session))?.dead, true);
  assert.equal(await store.kill(session, 0), "dead");
  assert.equal(await store.beat(session, 1), "dead");
});

test("a session outlives the process that held the database, and its beats are heard by the next", async (t) => {
  const { path, spawn } = place(t);
  const holder = spawn("run-1");
  await holder.until(({ acknowledged }) => acknowledged > 1);
  const store = sqlite(path, { thread: "never" });
  await store.open();
  t.after(() => store.close());
  await store.openSession("mine", "worker-1");
  assert.equal(await store.beat("mine", 1), "ok");
  await holder.kill();
  assert.equal(await store.beat("mine", 2).catch(() => store.beat("mine", 2)), "ok");
  assert.equal((await store.session("mine"))?.dead, false);
  assert.equal(await store.kill(`session-${holder.child.pid}`, 0), "dead");
});

test("a reader sees what a living holder has committed, and may not write", async (t) => {
  const { path, spawn } = place(t);
  const holder = spawn("run-1");
  await holder.until(({ acknowledged }) => acknowledged > 10);
  const reader = sqlite(path, { readOnly: true });
  await reader.open();
  t.after(() => reader.close());
  const seen = holder.acknowledged;
  const head = await reader.readHead({ tenant: "acme", runId: "run-1" });
  assert.ok(head !== null && head.seq >= seen);
  assert.ok((await reader.readEvents(head, 0, limits.readBytes)).length >= head.seq);
  await assert.rejects(reader.mark(head, { indexedSeq: 1 }), { code: "STORE_READ_ONLY" });
  assert.equal((await integrityOf(reader))?.role, "reader");
  await holder.until(({ acknowledged }) => acknowledged > seen + 10);
  await holder.stop();
});

/** The disk's answer to one system call of SQLite, and what the caller must hear. */
const diskFaults = [
  { call: "fsync", error: "EIO", when: "40", heard: "STORE_UNREACHABLE" },
  { call: "fsync", error: "EIO", when: "40..44", heard: "STORE_UNREACHABLE" },
  { call: "pwrite64", error: "EIO", when: "300", heard: "STORE_UNREACHABLE" },
  { call: "pwrite64", error: "ENOSPC", when: "300..320", heard: "STORE_FULL" },
] as const;

for (const { call, error, when, heard } of diskFaults) {
  test(
    `a ${call} that fails with ${error} (${when}) is told to its callers, and the process goes on`,
    { skip: skipWithout("strace") },
    async (t) => {
      const { path, spawn } = place(t);
      const inject = `inject=${call}:error=${error}:when=${when}`;
      const under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
      const one = spawn("run-1", { under, store: { thread: "never" }, appendsMax: 120 });
      const { code, errors } = await one.ended();
      assert.equal(code, 0, errors);
      const failedAt = one.lines.indexOf(`error ${heard}`);
      assert.ok(failedAt > 0, `${heard} is heard: ${one.lines.filter((line) => !line.startsWith("ok")).join(" ")}`);
      assert.ok(
        one.lines.slice(failedAt).some((line) => line.startsWith("ok ")),
        "appends go on after it",
      );
      assert.equal(await assertKept(path, "run-1", one.acknowledged), 121);
    },
  );
}
