import assert from "node:assert/strict";
import type { JournalEvent } from "../core/journal-event.ts";
import type { RunHead } from "../core/run-head.ts";
import type { Store } from "../core/store-contract.ts";
import { appendTo, claimedBy, ended, lane, nextOf, noon, parkedUntil, startRun, turnEnded } from "./suite-journal.ts";
import type { Claims } from "./store-claims.ts";

const tenant = "acme";
const ref = { tenant, runId: "run-1" };
const far = noon + 1_000_000;

async function dueIds(store: Store, nowMs = far, lanes: readonly string[] = [lane], limit = 100): Promise<string[]> {
  return (await store.due({ lanes, nowMs, limit })).map(({ runId }) => runId);
}

const childCalled: JournalEvent = {
  type: "child.called",
  callId: "c1",
  childRunId: "run-1~0000000000000000",
  runnable: "work",
  inputRef: { inline: null },
  inputHash: "h",
};

const dueness: Claims = {
  "a new run is due at once in its own lane, and in no other": async ({ store }) => {
    await startRun(store, ref);
    assert.deepEqual(await dueIds(store, noon), ["run-1"]);
    assert.deepEqual(await dueIds(store, noon - 1), []);
    assert.deepEqual(await dueIds(store, noon, ["other@1"]), []);
    assert.deepEqual(await dueIds(store, noon, []), []);
  },
  "due runs of several lanes come longest due first, at most as many as asked for": async ({ store }) => {
    for (const [i, at] of [50, 10, 40, 20, 30].entries()) {
      await startRun(store, { tenant, runId: `run-${at}` }, { lane: i % 2 === 0 ? "a@1" : "b@1" }, noon + at);
    }
    const order = ["run-10", "run-20", "run-30", "run-40", "run-50"];
    assert.deepEqual(await dueIds(store, far, ["a@1", "b@1"]), order);
    assert.deepEqual(await dueIds(store, far, ["b@1", "a@1"], 3), order.slice(0, 3));
    assert.deepEqual(await dueIds(store, noon + 30, ["a@1", "b@1"]), order.slice(0, 3));
    assert.deepEqual(await dueIds(store, far, ["a@1"]), ["run-30", "run-40", "run-50"]);
  },
  "due runs of all tenants are found, each with its tenant": async ({ store }) => {
    await startRun(store, { tenant: "one", runId: "same" });
    await startRun(store, { tenant: "two", runId: "same" }, {}, noon + 1);
    assert.deepEqual(await store.due({ lanes: [lane], nowMs: far, limit: 10 }), [
      { tenant: "one", runId: "same" },
      { tenant: "two", runId: "same" },
    ]);
  },
  "a claimed run is not due, a parked one is due at its time, a released one at once": async ({ store }) => {
    let head = await startRun(store, ref);
    head = await appendTo(store, head, [claimedBy(head, "s1")]);
    assert.deepEqual(await dueIds(store), []);
    head = await appendTo(store, head, [turnEnded(1), parkedUntil(noon + 500)]);
    assert.deepEqual(await dueIds(store, noon + 499), []);
    assert.deepEqual(await dueIds(store, noon + 500), ["run-1"]);
    head = await appendTo(store, head, [claimedBy(head, "s1")]);
    head = await appendTo(store, head, [parkedUntil(null)]);
    assert.deepEqual(await dueIds(store), []);
    head = await appendTo(store, head, [claimedBy(head, "s1")]);
    await appendTo(store, head, [{ type: "run.released", reason: "drain" }], { at: noon + 7 });
    assert.deepEqual(await dueIds(store, noon + 7), ["run-1"]);
  },
  "a run that ended without duties is not due": async ({ store }) => {
    const head = await startRun(store, ref);
    await appendTo(store, head, [ended(head)]);
    assert.deepEqual(await dueIds(store), []);
  },
  "a run that ended with an outbox stays due until its duties are marked as done": async ({ store }) => {
    let head = await startRun(store, ref);
    head = await appendTo(store, head, [childCalled]);
    head = await appendTo(store, head, [ended(head)]);
    assert.deepEqual(await dueIds(store), ["run-1"]);
    await store.mark(ref, { outboxAckedSeq: head.outboxSeq - 1 });
    assert.deepEqual(await dueIds(store), ["run-1"]);
    await store.mark(ref, { outboxAckedSeq: head.outboxSeq });
    assert.deepEqual(await dueIds(store), []);
  },
};

async function marksOf(store: Store): Promise<RunHead["marks"] | undefined> {
  return (await store.readHead(ref))?.marks;
}

const marking: Claims = {
  "marks only rise, each by itself": async ({ store }) => {
    const head = await startRun(store, ref);
    await appendTo(store, head, [1, 2, 3, 4].map(turnEnded));
    const snapshot = { seq: 5, blob: "hash-5", foldVersion: 1 };
    await store.mark(ref, { outboxAckedSeq: 3 });
    await store.mark(ref, { indexedSeq: 4, snapshot });
    await store.mark(ref, { outboxAckedSeq: 2, indexedSeq: 1, snapshot: { ...snapshot, seq: 4 } });
    await store.mark(ref, {});
    assert.deepEqual(await marksOf(store), { outboxAckedSeq: 3, indexedSeq: 4, snapshot });
  },
  "no mark passes the run's seq": async ({ store }) => {
    await startRun(store, ref);
    await store.mark(ref, { outboxAckedSeq: 9, indexedSeq: 9, snapshot: { seq: 9, blob: "h", foldVersion: 1 } });
    assert.deepEqual(await marksOf(store), { outboxAckedSeq: 1, indexedSeq: 1, snapshot: null });
  },
  "an append changes no marks, whatever its head carries": async ({ store }) => {
    const head = await startRun(store, ref);
    const append = nextOf(head, [turnEnded(1)]);
    const marks = { outboxAckedSeq: 1, indexedSeq: 1, snapshot: { seq: 1, blob: "h", foldVersion: 1 } };
    await store.mark(ref, marks);
    assert.deepEqual(await store.append(ref, append), { type: "ok" });
    assert.deepEqual(await store.readHead(ref), { ...append.head, marks });
    const third = nextOf(append.head, [turnEnded(2)]);
    const invented = { outboxAckedSeq: 3, indexedSeq: 3, snapshot: { seq: 3, blob: "i", foldVersion: 1 } };
    assert.deepEqual(await store.append(ref, { ...third, head: { ...third.head, marks: invented } }), { type: "ok" });
    assert.deepEqual(await store.readHead(ref), { ...third.head, marks });
    assert.deepEqual(await store.dirty(10), [ref]);
  },
  "marks and appends at once lose nothing": async ({ store }) => {
    let head = await startRun(store, ref);
    const marking: Promise<void>[] = [];
    for (let turn = 1; turn <= 30; turn++) {
      for (const behind of [0, 2, 1]) marking.push(store.mark(ref, { indexedSeq: head.seq - behind }));
      head = await appendTo(store, head, [turnEnded(turn)]);
    }
    await Promise.all(marking);
    assert.deepEqual(await marksOf(store), { outboxAckedSeq: 0, indexedSeq: head.seq - 1, snapshot: null });
    assert.equal((await store.readHead(ref))?.seq, head.seq);
    assert.deepEqual(await store.dirty(10), [ref]);
  },
  "a run is dirty from each append until its index mark reaches its seq": async ({ store }) => {
    let head = await startRun(store, ref);
    assert.deepEqual(await store.dirty(10), [ref]);
    await store.mark(ref, { indexedSeq: 1 });
    assert.deepEqual(await store.dirty(10), []);
    head = await appendTo(store, head, [turnEnded(1), turnEnded(2)]);
    assert.deepEqual(await store.dirty(10), [ref]);
    await store.mark(ref, { indexedSeq: 2 });
    assert.deepEqual(await store.dirty(10), [ref]);
    await store.mark(ref, { indexedSeq: head.seq });
    assert.deepEqual(await store.dirty(10), []);
    await startRun(store, { tenant: "other", runId: "run-2" });
    await startRun(store, { tenant: "other", runId: "run-3" });
    assert.equal((await store.dirty(10)).length, 2);
  },
  "dirty runs that nobody indexes do not hide the others": async ({ store }) => {
    for (let i = 1; i <= 7; i++) await startRun(store, { tenant, runId: `run-${i}` });
    const offered = new Set<string>();
    for (let calls = 1; calls <= 20; calls++) {
      const some = await store.dirty(3);
      assert.ok(some.length > 0 && some.length <= 3);
      for (const { runId } of some) offered.add(runId);
    }
    assert.equal(offered.size, 7);
  },
};

async function ownedBy(store: Store, session: string, limit = 100): Promise<readonly string[]> {
  return (await store.ofSession(session, limit)).map(({ runId }) => runId).toSorted();
}

const owning: Claims = {
  "a session has the runs it claimed, until they are parked, ended or taken over": async ({ store }) => {
    const heads = new Map<string, RunHead>();
    for (const runId of ["run-1", "run-2", "run-3"]) {
      const head = await startRun(store, { tenant, runId });
      heads.set(runId, await appendTo(store, head, [claimedBy(head, "s1")]));
    }
    const headOf = (runId: string): RunHead => {
      const head = heads.get(runId);
      assert.ok(head !== undefined);
      return head;
    };
    assert.deepEqual(await ownedBy(store, "s1"), ["run-1", "run-2", "run-3"]);
    assert.equal((await ownedBy(store, "s1", 2)).length, 2);
    await appendTo(store, headOf("run-1"), [parkedUntil(null)]);
    await appendTo(store, headOf("run-2"), [ended(headOf("run-2"))]);
    assert.deepEqual(await ownedBy(store, "s1"), ["run-3"]);
    await appendTo(store, headOf("run-3"), [claimedBy(headOf("run-3"), "s2")]);
    assert.deepEqual(await ownedBy(store, "s1"), []);
    assert.deepEqual(await ownedBy(store, "s2"), ["run-3"]);
    assert.deepEqual(await ownedBy(store, "nobody"), []);
  },
};

export const indexClaims: Claims = { ...dueness, ...marking, ...owning };
