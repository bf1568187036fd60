import assert from "node:assert/strict";
import { limits } from "../core/limits.ts";
import type { PutResult, Store } from "../core/store-contract.ts";
import { allPages } from "./suite-list.ts";
import type { Claims } from "./store-claims.ts";

const tenant = "acme";

async function keysOf(store: Store, prefix: string, limit = 2): Promise<readonly string[]> {
  const records = await allPages((cursor) => store.listRecords(tenant, prefix, cursor, limit), limit);
  return records.map(({ key }) => key);
}

function versionOf(answer: PutResult): number {
  assert.ok(answer.type === "ok", `put answered ${answer.type}`);
  return answer.version;
}

export const recordClaims: Claims = {
  "a record comes back with its value and version": async ({ store }) => {
    const value = { list: [1, "zwei", null, { deep: true }], text: "ä𝄞\n" };
    const version = versionOf(await store.putRecord(tenant, "key", value, {}));
    assert.deepEqual(await store.getRecord(tenant, "key"), { key: "key", value, version });
    for (const plain of [null, 0, "", false, []]) {
      await store.putRecord(tenant, "plain", plain, {});
      assert.deepEqual((await store.getRecord(tenant, "plain"))?.value, plain);
    }
    assert.equal(await store.getRecord(tenant, "no-key"), null);
  },
  "a record is created only if it is absent": async ({ store }) => {
    const version = versionOf(await store.putRecord(tenant, "key", "first", { ifAbsent: true }));
    assert.deepEqual(await store.putRecord(tenant, "key", "second", { ifAbsent: true }), {
      type: "conflict",
      current: { key: "key", value: "first", version },
    });
    await store.deleteRecord(tenant, "key");
    assert.equal((await store.putRecord(tenant, "key", "third", { ifAbsent: true })).type, "ok");
  },
  "a record is changed only at the version that was read": async ({ store }) => {
    const first = versionOf(await store.putRecord(tenant, "key", 1, {}));
    const second = versionOf(await store.putRecord(tenant, "key", 2, { ifVersion: first }));
    assert.notEqual(second, first);
    const current = { key: "key", value: 2, version: second };
    assert.deepEqual(await store.putRecord(tenant, "key", 3, { ifVersion: first }), { type: "conflict", current });
    assert.deepEqual(await store.putRecord(tenant, "none", 3, { ifVersion: 1 }), { type: "conflict", current: null });
    assert.deepEqual(await store.getRecord(tenant, "key"), current);
  },
  "a version is not used again after a record was deleted": async ({ store }) => {
    const seen = new Set<number>();
    for (let round = 1; round <= 4; round++) {
      const created = versionOf(await store.putRecord(tenant, "key", round, { ifAbsent: true }));
      const changed = versionOf(await store.putRecord(tenant, "key", round, { ifVersion: created }));
      assert.ok(!seen.has(created) && !seen.has(changed));
      seen.add(created).add(changed);
      await store.deleteRecord(tenant, "key");
    }
  },
  "of 100 changes of one version at once exactly one wins": async ({ store }) => {
    const version = versionOf(await store.putRecord(tenant, "key", "start", {}));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.putRecord(tenant, "key", i, { ifVersion: version })),
    );
    const winner = answers.findIndex(({ type }) => type === "ok");
    assert.equal(answers.filter(({ type }) => type === "ok").length, 1);
    assert.equal((await store.getRecord(tenant, "key"))?.value, winner);
    const created = await Promise.all(
      Array.from({ length: 100 }, (_, i) => store.putRecord(tenant, "new", i, { ifAbsent: true })),
    );
    assert.equal(created.filter(({ type }) => type === "ok").length, 1);
  },
  "a record with a time to live is gone after it": async ({ store, passTime }) => {
    await store.putRecord(tenant, "short", 1, {}, 1_000);
    await store.putRecord(tenant, "kept", 1, {});
    assert.equal((await store.getRecord(tenant, "short"))?.value, 1);
    await passTime(2_100);
    assert.equal(await store.getRecord(tenant, "short"), null);
    assert.deepEqual(await keysOf(store, ""), ["kept"]);
    assert.equal((await store.putRecord(tenant, "short", 2, { ifAbsent: true })).type, "ok");
    await passTime(2_100);
    assert.equal((await store.getRecord(tenant, "short"))?.value, 2);
  },
  "a deleted record is absent, and deleting is repeatable": async ({ store }) => {
    await store.putRecord(tenant, "key", 1, {});
    await store.deleteRecord(tenant, "key");
    await store.deleteRecord(tenant, "key");
    assert.equal(await store.getRecord(tenant, "key"), null);
  },
  "records are listed by prefix in order of their keys, page by page": async ({ store }) => {
    const keys = ["a/1", "a/2", "a/3", "a/%", "a/_x", "ab", "b/1", "a"];
    for (const key of keys) await store.putRecord(tenant, key, key, {});
    const ofA = ["a/%", "a/1", "a/2", "a/3", "a/_x"];
    for (const limit of [1, 2, 5, 100]) assert.deepEqual(await keysOf(store, "a/", limit), ofA);
    assert.deepEqual(await keysOf(store, ""), keys.toSorted());
    assert.deepEqual(await keysOf(store, "a/_"), ["a/_x"]);
    assert.deepEqual(await keysOf(store, "c"), []);
  },
};

interface Inbox {
  /** Without the probes. */
  readonly messages: string[];
  readonly receive: (message: string) => void;
  /** Resolves when this many have come. */
  received(count: number): Promise<void>;
  /** Resolves when the subscription is known to work. */
  joined(store: Store, channel: string): Promise<void>;
}

function inbox(): Inbox {
  const messages: string[] = [];
  let probes = 0;
  let wake = (): void => {};
  return {
    messages,
    receive: (message) => {
      if (message === "probe") probes++;
      else messages.push(message);
      wake();
    },
    received: async (count) => {
      while (messages.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    joined: async (store, channel) => {
      for (let tries = 0; probes === 0 && tries < 10_000; tries++) {
        store.publish(channel, "probe");
        await store.readHead({ tenant, runId: "any" });
      }
      assert.ok(probes > 0, "a subscription hears what is published");
    },
  };
}

export const notifyClaims: Claims = {
  "a subscriber hears its channel, and nothing of others or after it ended": async ({ store }) => {
    const [mine, also, other] = [inbox(), inbox(), inbox()];
    const end = store.subscribe("channel-1", mine.receive);
    store.subscribe("channel-1", also.receive);
    store.subscribe("channel-2", other.receive);
    await mine.joined(store, "channel-1");
    await also.joined(store, "channel-1");
    await other.joined(store, "channel-2");
    const longest = "y".repeat(limits.notifyBytes);
    store.publish("channel-1", "ü𝄞");
    store.publish("channel-1", longest);
    await Promise.all([mine.received(2), also.received(2)]);
    end();
    end();
    store.publish("channel-1", "three");
    store.publish("channel-2", "last");
    await Promise.all([also.received(3), other.received(1)]);
    assert.deepEqual(mine.messages, ["ü𝄞", longest]);
    assert.deepEqual(also.messages, ["ü𝄞", longest, "three"]);
    assert.deepEqual(other.messages, ["last"]);
  },
  "a hint over 8 KiB is refused": async ({ store }) => {
    assert.throws(() => store.publish("channel-1", "x".repeat(limits.notifyBytes + 1)), { code: "OPTION_INVALID" });
    assert.throws(() => store.publish("channel-1", "ü".repeat(limits.notifyBytes / 2 + 1)), { code: "OPTION_INVALID" });
  },
};
