import assert from "node:assert/strict";
import { limits } from "../core/limits.ts";
import type { LedgerScope, Store } from "../core/store-contract.ts";
import { appendTo, asked, claimedBy, nextOf, startRun, turnEnded } from "./suite-journal.ts";
import { rejectsWith } from "./suite-runs.ts";
import type { Claims } from "./store-claims.ts";

const capped: LedgerScope = { scope: "user:ada", window: "all", unit: "tokens" };

/** Everything a tenant can have, under ids that another tenant may use too. */
async function furnish(store: Store, tenant: string): Promise<void> {
  const first = await startRun(store, { tenant, runId: "run-1" }, { threadId: "thread-1", title: tenant });
  await appendTo(store, first, [claimedBy(first, "s1"), asked("a1")]);
  await store.mark(first, { indexedSeq: 1 });
  await store.putBlob(tenant, "thread:thread-1", "hash-1", new TextEncoder().encode(tenant));
  await store.putRecord(tenant, "key-1", tenant, {});
  await store.setCap(tenant, capped, 100);
  await store.reserve(tenant, { id: "r1", runId: "run-1", amounts: [{ ...capped, amount: 30 }] });
}

/** What a tenant can see, without what a store chooses itself. */
async function viewOf(store: Store, tenant: string) {
  const ref = { tenant, runId: "run-1" };
  return {
    head: await store.readHead(ref),
    events: await store.readEvents(ref, 0, limits.readBytes),
    list: (await store.list(tenant, { children: true }, null, 10)).items,
    ofThread: (await store.list(tenant, { threadId: "thread-1" }, null, 10)).items,
    asks: (await store.openApprovals(tenant, null, 10)).items,
    blob: await store.getBlob(tenant, "thread:thread-1", "hash-1"),
    record: (await store.getRecord(tenant, "key-1"))?.value ?? null,
    records: (await store.listRecords(tenant, "", null, 10)).items.map(({ key, value }) => ({ key, value })),
    ledger: await store.readLedger(tenant, capped),
    reservations: (await store.openReservationsOf(tenant, "run-1")).map(({ id, amounts }) => ({ id, amounts })),
  };
}

const nothing = {
  head: null,
  events: [],
  list: [],
  ofThread: [],
  asks: [],
  blob: null,
  record: null,
  records: [],
  ledger: { ...capped, cap: null, spent: 0, reserved: 0 },
  reservations: [],
};

/** Names that a careless key would mix up with "acme". */
const neighbours = ["acme2", "acm", "ACME", "acme/run-1", "acme:run-1", "%", "acme%", ""];

export const tenantClaims: Claims = {
  "a tenant sees nothing of another, by any method": async ({ store }) => {
    await furnish(store, "acme");
    for (const tenant of neighbours) assert.deepEqual(await viewOf(store, tenant), nothing, `tenant "${tenant}"`);
  },
  "two tenants use the same ids without touching each other": async ({ store }) => {
    await furnish(store, "acme");
    const before = await viewOf(store, "acme");
    await furnish(store, "other");
    assert.deepEqual(await viewOf(store, "acme"), before);
    const after = await viewOf(store, "other");
    assert.equal(after.head?.title, "other");
    assert.deepEqual(after.record, "other");
    assert.deepEqual(after.ledger, { ...capped, cap: 100, spent: 0, reserved: 30 });
  },
  "nothing that a tenant writes or deletes changes another's data": async ({ store }) => {
    await furnish(store, "acme");
    const before = await viewOf(store, "acme");
    const head = before.head;
    assert.ok(head !== null);
    const foreign = { ...head, tenant: "other" };
    await rejectsWith("RUN_UNKNOWN", store.append(foreign, nextOf(foreign, [turnEnded(1)])));
    await store.mark(foreign, { indexedSeq: 2, outboxAckedSeq: 2 });
    await store.deleteScope("other", "thread:thread-1");
    await store.deleteScope("other", "run:run-1");
    await store.deleteRecord("other", "key-1");
    await store.putRecord("other", "key-1", "changed", {});
    await store.putBlob("other", "thread:thread-1", "hash-1", new Uint8Array(3));
    await store.setCap("other", capped, 1);
    await store.settle("other", "r1", []);
    assert.deepEqual(await viewOf(store, "acme"), before);
  },
};
