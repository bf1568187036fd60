import assert from "node:assert/strict";
import { limits } from "../core/limits.ts";
import type { Store } from "../core/store-contract.ts";
import { appendTo, asked, claimedBy, lane, noon, startRun, turnEnded } from "./suite-journal.ts";
import { rejectsWith } from "./suite-runs.ts";
import type { Claims } from "./store-claims.ts";

const tenant = "acme";
const thread = "thread:thread-1";
const alone = "run:alone";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function blobText(store: Store, scope: string, hash: string): Promise<string | null> {
  const bytes = await store.getBlob(tenant, scope, hash);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

const keeping: Claims = {
  "a blob comes back byte for byte, and a missing one is null": async ({ store }) => {
    const bytes = new Uint8Array(300_000).map((_, i) => (i * 7) % 256);
    await store.putBlob(tenant, "scope-1", "hash-1", bytes);
    const back = await store.getBlob(tenant, "scope-1", "hash-1");
    assert.ok(back !== null && Buffer.compare(back, bytes) === 0);
    await store.putBlob(tenant, "scope-1", "empty", new Uint8Array(0));
    assert.equal((await store.getBlob(tenant, "scope-1", "empty"))?.byteLength, 0);
    assert.equal(await store.getBlob(tenant, "scope-1", "hash-2"), null);
    assert.equal(await store.getBlob(tenant, "scope-2", "hash-1"), null);
  },
  "a blob that is put twice, or by many at once, is there once": async ({ store }) => {
    await Promise.all(Array.from({ length: 20 }, () => store.putBlob(tenant, "scope-1", "hash-1", bytesOf("same"))));
    await store.putBlob(tenant, "scope-1", "hash-1", bytesOf("same"));
    assert.equal(await blobText(store, "scope-1", "hash-1"), "same");
  },
  "a blob does not change with the buffer it was put from or read into": async ({ store }) => {
    const bytes = bytesOf("first");
    const put = store.putBlob(tenant, "scope-1", "hash-1", bytes);
    await put;
    bytes.fill(0);
    (await store.getBlob(tenant, "scope-1", "hash-1"))?.fill(0);
    assert.equal(await blobText(store, "scope-1", "hash-1"), "first");
  },
  "a blob over its limit is refused": async ({ store }) => {
    const tooLarge = new Uint8Array(limits.blobBytes + 1);
    await rejectsWith("EVENT_TOO_LARGE", store.putBlob(tenant, "scope-1", "hash-1", tooLarge));
    assert.equal(await store.getBlob(tenant, "scope-1", "hash-1"), null);
  },
};

/** A thread of two runs, one of them with a child that shares its blobs, and a run that stands alone. */
async function twoScopes(store: Store): Promise<void> {
  const inThread = { threadId: "thread-1", blobScope: thread };
  await startRun(store, { tenant, runId: "run-1" }, inThread);
  const owned = await startRun(store, { tenant, runId: "run-2" }, inThread);
  await appendTo(store, owned, [claimedBy(owned, "s1"), asked("a1")]);
  const parent = { runId: "run-2", callId: "c", depth: 1 };
  await startRun(store, { tenant, runId: "run-2~0000000000000001" }, { blobScope: thread, parent });
  const single = await startRun(store, { tenant, runId: "alone" });
  await appendTo(store, single, [claimedBy(single, "s1"), asked("a2")]);
  await startRun(store, { tenant, runId: "alone~0000000000000001" }, { parent: { ...parent, runId: "alone" } });
  await startRun(store, { tenant: "other", runId: "run-1" }, inThread);
  for (const scope of [thread, alone]) await store.putBlob(tenant, scope, "hash-1", bytesOf(scope));
  await store.putBlob("other", thread, "hash-1", bytesOf("other"));
}

async function idsOf(refs: Promise<readonly { readonly runId: string }[]>): Promise<readonly string[]> {
  return (await refs).map(({ runId }) => runId).toSorted();
}

const deleting: Claims = {
  "a deleted thread leaves nothing: no run, event, index entry or blob": async ({ store }) => {
    await twoScopes(store);
    await store.deleteScope(tenant, thread);
    for (const runId of ["run-1", "run-2", "run-2~0000000000000001"]) {
      assert.equal(await store.readHead({ tenant, runId }), null);
      assert.deepEqual(await store.readEvents({ tenant, runId }, 0, limits.readBytes), []);
    }
    assert.equal(await blobText(store, thread, "hash-1"), null);
    assert.deepEqual(await idsOf(store.ofSession("s1", 10)), ["alone"]);
    assert.deepEqual(await idsOf(store.due({ lanes: [lane], nowMs: noon, limit: 10 })), [
      "alone~0000000000000001",
      "run-1",
    ]);
    assert.deepEqual(await idsOf(store.dirty(10)), ["alone", "alone~0000000000000001", "run-1"]);
    assert.deepEqual(await idsOf(store.openApprovals(tenant, null, 10).then(({ items }) => items)), ["alone"]);
    const left = store.list(tenant, { children: true }, null, 10).then(({ items }) => items);
    assert.deepEqual(await idsOf(left), ["alone", "alone~0000000000000001"]);
  },
  "a deleted scope takes nothing of other scopes or tenants with it": async ({ store }) => {
    await twoScopes(store);
    await store.deleteScope(tenant, alone);
    assert.equal(await store.readHead({ tenant, runId: "alone" }), null);
    assert.equal(await store.readHead({ tenant, runId: "alone~0000000000000001" }), null);
    assert.equal(await blobText(store, alone, "hash-1"), null);
    assert.equal(await blobText(store, thread, "hash-1"), thread);
    assert.equal((await store.readHead({ tenant, runId: "run-2" }))?.seq, 3);
    assert.equal((await store.readEvents({ tenant: "other", runId: "run-1" }, 0, limits.readBytes)).length, 1);
    assert.notEqual(await store.getBlob("other", thread, "hash-1"), null);
  },
  "a run of a deleted scope takes no more events, not even from who appended to it last": async ({ store }) => {
    const head = await startRun(store, { tenant, runId: "alone" });
    const last = await appendTo(store, head, [claimedBy(head, "s1")]);
    await store.deleteScope(tenant, alone);
    await rejectsWith("RUN_UNKNOWN", appendTo(store, last, [asked("a1")]));
  },
  "a deletion may be repeated, and a scope that was never there may be deleted": async ({ store }) => {
    await twoScopes(store);
    await Promise.all([store.deleteScope(tenant, thread), store.deleteScope(tenant, thread)]);
    await store.deleteScope(tenant, thread);
    for (const never of ["thread:never", "run:never", "run:thread-1", "thread:alone", "thread-1", ""]) {
      await store.deleteScope(tenant, never);
    }
    assert.equal((await store.list(tenant, { children: true }, null, 10)).items.length, 2);
  },
  "a scope of many runs and long journals is deleted whole": async ({ store }) => {
    for (let i = 0; i < 40; i++) {
      let head = await startRun(store, { tenant, runId: `run-${i}` }, { threadId: "thread-1" });
      for (let turn = 1; turn <= 15; turn++) head = await appendTo(store, head, [turnEnded(turn)]);
      await store.putBlob(tenant, thread, `hash-${i}`, bytesOf(`blob ${i}`));
    }
    await store.deleteScope(tenant, thread);
    assert.deepEqual(await store.list(tenant, {}, null, 10), { items: [], cursor: null });
    for (let i = 0; i < 40; i++) {
      assert.deepEqual(await store.readEvents({ tenant, runId: `run-${i}` }, 0, limits.readBytes), []);
      assert.equal(await blobText(store, thread, `hash-${i}`), null);
    }
  },
};

export const blobClaims: Claims = { ...keeping, ...deleting };
