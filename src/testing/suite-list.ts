import assert from "node:assert/strict";
import type { Page, RunFilter, Store } from "../core/store-contract.ts";
import type { RunHead } from "../core/run-head.ts";
import { appendTo, asked, claimedBy, ended, noon, parkedUntil, startRun } from "./suite-journal.ts";
import { rejectsWith } from "./suite-runs.ts";
import type { Claims } from "./store-claims.ts";

const tenant = "acme";

/** Every item of a listing, page by page. Pages may be shorter than asked for, and end with a null cursor. */
export async function allPages<T>(
  readPage: (cursor: string | null, limit: number) => Promise<Page<T>>,
  limit = 2,
): Promise<readonly T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < 1_000; pages++) {
    const page: Page<T> = await readPage(cursor, limit);
    assert.ok(page.items.length <= limit, `a page of at most ${limit} has ${page.items.length} items`);
    items.push(...page.items);
    if (page.cursor === null) return items;
    cursor = page.cursor;
  }
  throw new Error("the listing does not end");
}

async function listed(store: Store, filter: RunFilter = {}, limit = 2): Promise<readonly string[]> {
  const heads = await allPages((cursor) => store.list(tenant, filter, cursor, limit), limit);
  return heads.map(({ runId }) => runId);
}

const childOf = (runId: string) => ({ parent: { runId, callId: "c", depth: 1 } });

async function family(store: Store): Promise<void> {
  const start = (runId: string, at: number, more: object = {}): Promise<RunHead> =>
    startRun(store, { tenant, runId }, more, noon + at);
  await start("plain", 1);
  await start("threaded-1", 2, { threadId: "thread-1" });
  await start("other-kind", 3, { runnable: "count", lane: "count@1" });
  await start("plain~0000000000000001", 4, childOf("plain"));
  await start("plain~0000000000000002", 5, childOf("plain"));
  await start("threaded-2", 6, { threadId: "thread-1" });
  const last = await start("done", 7);
  await appendTo(store, last, [ended(last)]);
}

const listing: Claims = {
  "runs are listed newest first, child runs only when asked for": async ({ store }) => {
    await family(store);
    const roots = ["done", "threaded-2", "other-kind", "threaded-1", "plain"];
    const children = ["plain~0000000000000002", "plain~0000000000000001"];
    assert.deepEqual(await listed(store), roots);
    assert.deepEqual(await listed(store, { children: true }), [...roots.slice(0, 2), ...children, ...roots.slice(2)]);
    assert.deepEqual(await listed(store, { parentRunId: "plain" }), children);
    assert.deepEqual(await listed(store, { parentRunId: "done" }), []);
  },
  "runs are listed by status, runnable and thread, and by all of them together": async ({ store }) => {
    await family(store);
    assert.deepEqual(await listed(store, { statuses: ["completed"] }), ["done"]);
    assert.deepEqual(await listed(store, { statuses: ["queued"] }), [
      "threaded-2",
      "other-kind",
      "threaded-1",
      "plain",
    ]);
    assert.equal((await listed(store, { statuses: ["queued", "completed"] })).length, 5);
    assert.deepEqual(await listed(store, { statuses: ["failed"] }), []);
    assert.deepEqual(await listed(store, { runnable: "count" }), ["other-kind"]);
    assert.deepEqual(await listed(store, { threadId: "thread-1" }), ["threaded-2", "threaded-1"]);
    assert.deepEqual(await listed(store, { threadId: "thread-1", runnable: "count" }), []);
    assert.deepEqual(await listed(store, { threadId: "thread-1", statuses: ["queued"], runnable: "work" }), [
      "threaded-2",
      "threaded-1",
    ]);
    assert.deepEqual(await listed(store, { parentRunId: "plain", statuses: ["completed"] }), []);
  },
  "a listing shows the head as it is now": async ({ store }) => {
    const first = await startRun(store, { tenant, runId: "run-1" });
    const second = await appendTo(store, first, [claimedBy(first, "s1")]);
    await store.mark(second, { indexedSeq: 1 });
    const page = await store.list(tenant, { statuses: ["running"] }, null, 10);
    assert.deepEqual(page, { items: [{ ...second, marks: { ...second.marks, indexedSeq: 1 } }], cursor: null });
    assert.deepEqual(await listed(store, { statuses: ["queued"] }), []);
  },
  "runs that start between two pages neither repeat nor hide what was there": async ({ store }) => {
    for (let i = 1; i <= 9; i++) await startRun(store, { tenant, runId: `run-${i}` }, {}, noon + i);
    let later = 10;
    const seen = await allPages(async (cursor) => {
      const page = await store.list(tenant, {}, cursor, 2);
      await startRun(store, { tenant, runId: `run-${later}` }, {}, noon + later);
      later++;
      return page;
    });
    assert.deepEqual(
      seen.map(({ runId }) => runId),
      [9, 8, 7, 6, 5, 4, 3, 2, 1].map((i) => `run-${i}`),
    );
  },
  "a cursor of another listing is refused": async ({ store }) => {
    for (let i = 1; i <= 3; i++) await startRun(store, { tenant, runId: `run-${i}` }, {}, noon + i);
    const { cursor } = await store.list(tenant, {}, null, 2);
    assert.ok(cursor !== null);
    await rejectsWith("CURSOR_INVALID", store.openApprovals(tenant, cursor, 2));
    await rejectsWith("CURSOR_INVALID", store.listRecords(tenant, "", cursor, 2));
    await rejectsWith("CURSOR_INVALID", store.list(tenant, {}, "no cursor", 2));
  },
};

async function asksOpen(store: Store, limit = 2): Promise<readonly string[]> {
  const asks = await allPages((cursor) => store.openApprovals(tenant, cursor, limit), limit);
  return asks.map(({ key }) => key);
}

const asking: Claims = {
  "open approvals and unknown effects are in the tenant's review queue until they are decided": async ({ store }) => {
    let head = await startRun(store, { tenant, runId: "run-1" });
    head = await appendTo(store, head, [claimedBy(head, "s1"), asked("a1", noon + 99)]);
    assert.deepEqual((await store.openApprovals(tenant, null, 10)).items, [
      { runId: "run-1", key: "a1", kind: "approval", seq: 3, expiresAt: noon + 99 },
    ]);
    head = await appendTo(store, head, [{ type: "effect.unknown", callId: "c9", attempt: 1, reason: "lost" }]);
    head = await appendTo(store, head, [parkedUntil(null, head.waits)]);
    assert.deepEqual(await asksOpen(store, 1), ["a1", "c9"]);
    const decided = {
      type: "approval.decided",
      approvalId: "a1",
      decision: "approve",
      argsHash: "h",
      by: "ada",
    } as const;
    head = await appendTo(store, head, [decided]);
    assert.deepEqual((await store.openApprovals(tenant, null, 10)).items, [
      { runId: "run-1", key: "c9", kind: "unknown", seq: 4, expiresAt: null },
    ]);
    await appendTo(store, head, [ended(head)]);
    assert.deepEqual(await asksOpen(store), []);
  },
  "waits that no person can decide are not in the review queue": async ({ store }) => {
    const head = await startRun(store, { tenant, runId: "run-1" });
    await appendTo(store, head, [
      parkedUntil(noon + 5, [
        { key: "t", kind: "timer", seq: 2 },
        { key: "c", kind: "child", seq: 2 },
        { key: "s", kind: "signal", seq: 2, name: "go" },
      ]),
    ]);
    assert.deepEqual(await asksOpen(store), []);
  },
  "a long review queue is read page by page, the oldest run first": async ({ store }) => {
    const keys: string[] = [];
    for (let i = 1; i <= 5; i++) {
      const head = await startRun(store, { tenant, runId: `run-${i}` });
      await appendTo(store, head, [asked(`a${i}`), asked(`b${i}`)]);
      keys.push(`a${i}`, `b${i}`);
    }
    for (const limit of [1, 2, 3, 100]) assert.deepEqual(await asksOpen(store, limit), keys);
  },
};

export const listClaims: Claims = { ...listing, ...asking };
