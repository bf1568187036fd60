import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { agent } from "../../src/agent/agent.ts";
import { deletionNotes } from "../../src/core/deletion-note.ts";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { encrypted } from "../../src/stores/encrypted.ts";
import { SqliteScopes } from "../../src/stores/sqlite-scopes.ts";
import { sqlite } from "../../src/stores/sqlite-store.ts";
import { Database } from "../../src/stores/sqlite.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { onStage, rejectsWith, Stage } from "./stage.ts";

const DAY_MS = 86_400_000;
/** Larger than what stands in an event: it is a blob. */
const large = "x".repeat(limits.inlineBytes * 2);
const child = durable({ name: "child", run: async () => large });
const parent = durable({ name: "parent", uses: [child], run: async (ctx) => ctx.callRun(child, large) });
const wait = durable({ name: "wait", run: async (ctx) => ctx.waitForSignal("go") });
const chat = agent({ name: "chat", model: "m", instructions: "Talk." });
const agents = [parent, child, wait, chat];
const script = () => ({ text: "Answer." });

/** All that a store has of the tenant: runs, records, notes, and whether blobs of the scopes are there. */
async function left(store: Store, tenant = "default"): Promise<readonly string[]> {
  const runs = await store.list(tenant, { children: true }, null, 100);
  const records = await store.listRecords(tenant, "", null, 100);
  const notes = await store.listRecords(deletionNotes, "", null, 100);
  return [...runs.items.map(({ runId }) => runId), ...[...records.items, ...notes.items].map(({ key }) => key)];
}

function withOwn(store: Store, own: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(own, name) ?? Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

/** Every value that the runs of a scope put into blobs. */
function blobsOf(store: Store): { readonly store: Store; readonly there: () => Promise<number> } {
  const put: [string, string, string][] = [];
  const noting = withOwn(store, {
    putBlob: async (tenant: string, scope: string, hash: string, bytes: Uint8Array) => {
      put.push([tenant, scope, hash]);
      await store.putBlob(tenant, scope, hash, bytes);
    },
  });
  const there = async () => {
    const found = await Promise.all(put.map((place) => store.getBlob(...place)));
    return found.filter((bytes) => bytes !== null).length;
  };
  return { store: noting, there };
}

test("a run is deleted with its children and blobs once all have ended, and other runs stay as they are", async () => {
  const clock = manualClock();
  const blobs = blobsOf(memoryStore({ clock }));
  await onStage({ agents, script, store: blobs.store, clock }, async (stage) => {
    const { run } = await stage.play("a");
    const kept = await stage.play("b");
    await clock.pass(10_000);
    const [, childId = ""] = (await left(blobs.store)).filter((id) => id.startsWith(run.id)).toSorted();
    const before = await blobs.there();
    await rejectsWith("OPTION_INVALID", stage.app.deleteRun(childId));
    await rejectsWith("RUN_UNKNOWN", stage.app.deleteRun(run.id, "acme"));
    assert.deepEqual(await stage.app.deleteRun(run.id), { runs: 2 });
    assert.deepEqual(
      (await left(blobs.store)).map((id) => id.split("~")[0]),
      [kept.run.id, kept.run.id],
    );
    assert.equal(await blobs.there(), before / 2);
    await rejectsWith("RUN_UNKNOWN", stage.app.deleteRun(run.id));
    await rejectsWith("RUN_UNKNOWN", run.result());
  });
});

test("a run that has not ended, or has a child that has not, is not deleted and goes on", async () => {
  const parentOfWait = durable({ name: "waits", uses: [wait], run: async (ctx) => ctx.callRun(wait, null) });
  await onStage({ agents: [parentOfWait, wait], script }, async (stage) => {
    const run = await stage.start("a");
    await clock(stage);
    await rejectsWith("RUN_NOT_ENDED", stage.app.deleteRun(run.id));
    assert.deepEqual((await stage.app.store.listRecords(deletionNotes, "", null, 10)).items, []);
    await stage.app.cancel(run.id, "enough");
    // its child is not told yet
    await rejectsWith("RUN_NOT_ENDED", stage.app.deleteRun(run.id));
    await stage.clock.pass(60_000);
    assert.deepEqual(await stage.app.deleteRun(run.id), { runs: 2 });
  });
});

test("a run whose end its parent or its budgets were not told of yet is not deleted", async () => {
  const time = manualClock();
  const inner = memoryStore({ clock: time });
  await onStage({ agents, script, store: inner, clock: time }, async (stage) => {
    const { run } = await stage.play("a");
    await clock(stage);
    const untold = withOwn(inner, {
      readHead: async (ref) => {
        const head = await inner.readHead(ref);
        return head && { ...head, marks: { ...head.marks, outboxAckedSeq: 0 } };
      },
    });
    const { app } = new Stage({ agents, store: untold, clock: time, worker: false });
    await rejectsWith("RUN_NOT_ENDED", app.deleteRun(run.id));
  });
});

const clock = (stage: Stage): Promise<void> => stage.clock.pass(5_000);

test("a thread is deleted whole, not while a run has its turn there, and begins anew without its past", async () => {
  await onStage({ agents: [chat, wait], script }, async (stage) => {
    await stage.play("q1", { threadId: "t" });
    const { run } = await stage.play("q2", { threadId: "t" });
    await rejectsWith("OPTION_INVALID", stage.app.deleteRun(run.id));
    const waiting = await stage.app.start("wait", { input: null, threadId: "t", runId: "waiting" });
    await clock(stage);
    await rejectsWith("RUN_NOT_ENDED", stage.app.deleteThread("t"));
    await stage.app.signal("waiting", "go", 1);
    await stage.played(waiting);
    await clock(stage);
    assert.deepEqual(await stage.app.deleteThread("t"), { runs: 3 });
    assert.deepEqual(await left(stage.app.store), []);
    await rejectsWith("THREAD_UNKNOWN", stage.app.deleteThread("t"));
    await stage.play("q3", { threadId: "t" });
    assert.equal(stage.prompts.at(-1)?.length, 1);
  });
});

test("a start in a thread that is being deleted is refused, and taken after it", async () => {
  const time = manualClock();
  const inner = memoryStore({ clock: time });
  const gate = Promise.withResolvers<void>();
  const slow = withOwn(inner, {
    deleteScope: async (...scope: [string, string]) => {
      await gate.promise;
      await inner.deleteScope(...scope);
    },
  });
  await onStage({ agents: [chat], script, store: slow, clock: time }, async (stage) => {
    await stage.play("q1", { threadId: "t" });
    await clock(stage);
    const deleting = stage.app.deleteThread("t");
    await time.settle();
    await rejectsWith("THREAD_BUSY", stage.start("q2", { threadId: "t" }));
    gate.resolve();
    await deleting;
    await stage.play("q3", { threadId: "t" });
  });
});

test("retention deletes what ended long ago, of every tenant, and a thread only when its last run is old", async () => {
  const retention = { days: 30 };
  await onStage({ agents, script, retention }, async (stage) => {
    await stage.play("old");
    await stage.played(await stage.start("old", { tenant: "acme" }));
    const talk = async (threadId: string) =>
      stage.played(
        await stage.app.start("chat", { input: "q", threadId, runId: `${threadId}-${stage.clock.nowMs()}` }),
      );
    await talk("stale");
    await talk("alive");
    const waiting = await stage.app.start("wait", { input: null, runId: "waiting" });
    await stage.clock.pass(60_000);
    await stage.clock.jump(20 * DAY_MS);
    await talk("alive");
    const young = await stage.play("young");
    await stage.clock.jump(15 * DAY_MS);
    await stage.clock.pass(limits.retentionRestMs + 3 * limits.retentionSweepMs);
    const found = await left(stage.app.store);
    assert.deepEqual(
      found.filter((id) => !id.startsWith("alive-")).map((id) => id.split("~")[0]),
      [young.run.id, young.run.id, "waiting", "thread/alive"],
    );
    assert.equal(found.filter((id) => id.startsWith("alive-")).length, 2);
    assert.deepEqual(await left(stage.app.store, "acme"), []);
    assert.equal((await waiting.head()).status, "awaiting_signal");
  });
});

test("a retention that keeps nothing, or is no number of days, is refused", () => {
  for (const days of [0, -1, 1.5, Number.NaN, 1e9])
    assert.throws(
      () => new Stage({ agents, retention: { days } }),
      (error) => PawlError.is(error, "OPTION_INVALID"),
    );
});

test("a deletion whose process dies at any of its writes is finished by a worker", async () => {
  let writes = Infinity;
  for (let diesAt = 1; diesAt <= writes; diesAt++) {
    const time = manualClock();
    const blobs = blobsOf(memoryStore({ clock: time }));
    const { store } = blobs;
    await onStage({ agents, script, store, clock: time }, async (stage) => {
      await stage.played(await stage.app.start("chat", { input: "q", threadId: "t", runId: "talk" }));
      await stage.play(large);
      await clock(stage);
      for (const root of ["talk", "run-1"]) await store.putRecord("default", `unknown/${root}/pay/1`, {}, {});
    });
    const dying = mortal(store, diesAt);
    const app = new Stage({ agents, store: dying.store, clock: time, worker: false });
    const deleting = [app.app.deleteThread("t"), app.app.deleteRun("run-1")];
    const outcomes = await Promise.allSettled(deleting);
    writes = dying.writes() < diesAt ? 0 : writes;
    const isNoted = (await store.listRecords(deletionNotes, "", null, 1)).items.length > 0;
    assert.ok(isNoted || outcomes.some(({ status }) => status === "fulfilled") || dying.done() === 0);
    await onStage({ agents, script, store, clock: time, replay: false }, async (stage) => {
      await stage.app.open();
      await time.pass(limits.deletionMs + 2 * limits.retentionSweepMs);
      const rest = await left(store);
      // before its note a deletion has not begun
      const begun = rest.filter((key) => !["talk", "thread/t", "unknown/talk/pay/1"].includes(key));
      if (rest.includes("talk")) assert.ok(rest.includes("thread/t"));
      if (rest.some((key) => key.startsWith("run-1"))) assert.equal(begun.length, 3);
      else assert.deepEqual(begun, []);
      if (rest.length === 0) assert.equal(await blobs.there(), 0);
      if (dying.done() > 1) assert.deepEqual(rest, []);
    });
  }
});

/** A connection of a process that dies at a write: that one and all after it are never done. */
function mortal(store: Store, diesAt: number) {
  let [writes, done] = [0, 0];
  const writing = new Set(["putRecord", "deleteRecord", "deleteScope"]);
  const dying = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        if (writing.has(String(name)) && ++writes >= diesAt)
          return Promise.reject(new PawlError("STORE_CLOSED", "the process died."));
        if (writing.has(String(name))) done++;
        return Reflect.apply(member, target, args) as unknown;
      };
    },
  });
  return { store: dying, writes: () => writes, done: () => done };
}

test("what a kill left half deleted in a file, after any of its transactions, is gone after the next start", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-retention-"));
  try {
    let isDone = false;
    for (let steps = 0; !isDone; steps++) {
      const path = join(folder, `${steps}.db`);
      const time = manualClock();
      const store = sqlite(path, { thread: "never" });
      const stage = new Stage({ agents, script, store, clock: time });
      await stage.played(await stage.app.start("parent", { input: large, runId: "gone" }));
      await stage.close();
      await store.open();
      const endedBy = time.nowMs();
      await store.putRecord(
        deletionNotes,
        "default/run:gone",
        { tenant: "default", scope: "run:gone", endedBy, at: 0 },
        {},
      );
      await store.close();
      isDone = killedAfter(path, steps);
      const again = sqlite(path, { thread: "never" });
      const next = new Stage({ agents, script, store: again, clock: time });
      await next.app.open();
      await time.pass(2 * limits.retentionSweepMs);
      assert.deepEqual(await left(again), []);
      await next.close();
      assert.deepEqual(rowsOf(path), [0, 0, 0], `after ${steps} transactions`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function killedAfter(path: string, steps: number): boolean {
  const db = new Database(path, { busyMs: 1_000 });
  const scopes = new SqliteScopes(db);
  let isDone = false;
  for (let step = 0; step < steps; step++) isDone = scopes.deleteStep("default", "run:gone");
  db.close();
  return isDone;
}

function rowsOf(path: string): readonly unknown[] {
  const db = new Database(path, { busyMs: 1_000, readOnly: true });
  const counts = ["run", "batch", "blob"].map((table) => db.value(`SELECT count(*) FROM ${table}`));
  db.close();
  return counts;
}

test("a shredded tenant whose runs were half deleted is finished too, though nobody can read them any more", async () => {
  const time = manualClock();
  const blobs = blobsOf(memoryStore({ clock: time }));
  const key = new Uint8Array(32).fill(7);
  const keys = { current: "k", get: () => key };
  await onStage({ agents, script, store: encrypted(blobs.store, { keys }), clock: time }, async (stage) => {
    await stage.play(large, { tenant: "acme" });
    await stage.played(await stage.app.start("chat", { input: large, threadId: "t", runId: "talk", tenant: "acme" }));
    await clock(stage);
  });
  // the key is gone and both notes are written
  const dying = mortal(blobs.store, 4);
  await assert.rejects(encrypted(dying.store, { keys }).shred("acme"));
  assert.notEqual(await blobs.there(), 0);
  await onStage(
    { agents, script, store: encrypted(blobs.store, { keys }), clock: time, replay: false },
    async (stage) => {
      await stage.app.open();
      await time.pass(2 * limits.retentionSweepMs);
      assert.equal(await blobs.there(), 0);
      assert.deepEqual(await left(blobs.store, "acme"), []);
    },
  );
});
