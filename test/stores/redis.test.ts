import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { redisStore } from "../../src/redis.ts";
import type { StoreUnderTest } from "../../src/testing/store-claims.ts";
import { lane, noon, startRun } from "../../src/testing/suite-journal.ts";
import { storeClaims, storeSuite } from "../../src/testing/store-suite.ts";
import { handClock } from "./manual-clock.ts";
import { RedisCluster, RedisServer, skipWithoutRedis } from "./redis-server.ts";

let server: RedisServer;
let cluster: RedisCluster;

before(async () => {
  if (skipWithoutRedis === false) [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
});
after(async () => {
  if (skipWithoutRedis === false) await Promise.all([server.remove(), cluster.remove()]);
});

async function openStore(url: string): Promise<StoreUnderTest> {
  const clock = handClock();
  const store = redisStore(url, { clock });
  await store.open();
  return { store, passTime: async (ms) => clock.pass(ms), dispose: () => store.close() };
}

const skip: { readonly [claim: string]: string } =
  skipWithoutRedis === false
    ? {}
    : Object.fromEntries(Object.keys(storeClaims).map((claim) => [claim, String(skipWithoutRedis)]));

storeSuite({
  name: "redis",
  make: async () => {
    await server.ask("FLUSHALL");
    return openStore(server.url);
  },
  skip,
});
storeSuite({
  name: "redis cluster",
  make: async () => {
    await cluster.flush();
    return openStore(cluster.url);
  },
  skip,
});

for (const kind of ["one server", "a cluster"] as const) {
  test(
    `runs of one tree share a partition, and all of them are found: ${kind}`,
    { skip: skipWithoutRedis },
    async (t) => {
      await (kind === "one server" ? server.ask("FLUSHALL") : cluster.flush());
      const { store, dispose } = await openStore(kind === "one server" ? server.url : cluster.url);
      t.after(dispose);
      const tree = Array.from({ length: 30 }, (_, i) => `root~${String(i).padStart(16, "0")}`);
      for (const [i, runId] of tree.entries()) await startRun(store, { tenant: "acme", runId }, {}, noon + 2 * i);
      await startRun(store, { tenant: "acme", runId: "elsewhere" }, {}, noon + 21);
      const due = await store.due({ lanes: [lane], nowMs: noon + 99, limit: 25 });
      const inTime = [...tree.slice(0, 11), "elsewhere", ...tree.slice(11)];
      assert.deepEqual(
        due.map(({ runId }) => runId),
        inTime.slice(0, 25),
      );
      const listed = await store.list("acme", {}, null, 25);
      assert.deepEqual(
        listed.items.map(({ runId }) => runId),
        ["elsewhere", ...tree.toReversed()].slice(0, 25),
      );
      assert.equal((await store.dirty(31)).length, 31);
    },
  );
}
