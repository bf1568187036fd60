import assert from "node:assert/strict";
import { after, before, beforeEach, test, type TestContext } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import type { RunHead } from "../../src/core/run-head.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { redisStore } from "../../src/redis.ts";
import { lane, nextOf, noon, noted, startRun } from "../../src/testing/suite-journal.ts";
import { readAll, rejectsWith } from "../../src/testing/suite-runs.ts";
import { RedisCluster, skipWithoutRedis } from "./redis-server.ts";

const skip = { skip: skipWithoutRedis };
const tenant = "acme";
let cluster: RedisCluster;

before(async () => {
  if (skipWithoutRedis === false) {
    cluster = await RedisCluster.start({
      appendonly: "yes",
      "enable-debug-command": "local",
      "cluster-require-full-coverage": "no",
    });
  }
});
beforeEach(async () => {
  if (skipWithoutRedis === false) await cluster.flush();
});
after(async () => {
  if (skipWithoutRedis === false) await cluster.remove();
});

async function opened(t: TestContext): Promise<Store> {
  const store = redisStore(cluster.url);
  t.after(() => store.close());
  await store.open();
  return store;
}

/** Repeats the same append until its outcome is known, as a worker does. */
async function insisted(store: Store, head: RunHead, text: string): Promise<RunHead> {
  const append = nextOf(head, [noted(text)]);
  let tries = 0;
  const answer = await patiently(() => {
    tries++;
    return store.append(head, append);
  });
  assert.ok(answer.type === "ok" || (answer.type === "mine" && tries > 1), `append answered ${answer.type}`);
  return append.head;
}

const slotOf = async (partition: number): Promise<number> =>
  Number(await cluster.nodes[0]?.ask("CLUSTER", "KEYSLOT", `{p${String(partition).padStart(2, "0")}}`));

test("data is on every node, and each script in one slot", skip, async (t) => {
  const store = await opened(t);
  for (let i = 0; i < 60; i++) await startRun(store, { tenant, runId: `run-${i}` });
  const sizes = await Promise.all(cluster.nodes.map((node) => node.ask("DBSIZE")));
  assert.ok(
    sizes.every((size) => Number(size) > 60),
    `keys on the nodes: ${sizes.join(", ")}`,
  );
  assert.equal((await store.due({ lanes: [lane], nowMs: noon, limit: 100 })).length, 60);
});

test("runs go on while slots move to another node and back: nothing is lost or doubled", skip, async (t) => {
  const store = await opened(t);
  const heads = await Promise.all(Array.from({ length: 24 }, (_, i) => startRun(store, { tenant, runId: `run-${i}` })));
  let isMoving = true;
  const appending = heads.map(async (first) => {
    let head = first;
    for (let i = 1; isMoving || i <= 20; i++) head = await insisted(store, head, `note ${i}`);
    return head;
  });
  const moves = Array.from({ length: 64 }, async (_, partition) => {
    const slot = await slotOf(partition);
    const home = await cluster.ownerOf(slot);
    const away = cluster.nodes.find((node) => node !== home) ?? home;
    return async (): Promise<void> => {
      await cluster.moveSlot(slot, home, away);
      await cluster.moveSlot(slot, away, home);
    };
  });
  for (const move of (await Promise.all(moves)).filter((_, partition) => partition % 16 === 0)) await move();
  isMoving = false;
  for (const head of await Promise.all(appending)) assert.equal((await readAll(store, head)).length, head.seq);
});

test("a subscription follows its channel to another node", skip, async (t) => {
  const store = await opened(t);
  const heard = new Set<string>();
  const channels = Array.from({ length: 40 }, (_, i) => `channel-${i}`);
  for (const channel of channels) store.subscribe(channel, () => heard.add(channel));
  const allHear = async (when: string): Promise<void> => {
    heard.clear();
    for (let tries = 0; heard.size < channels.length && tries < 3_000; tries++) {
      for (const channel of channels) if (!heard.has(channel)) store.publish(channel, "probe");
      await store.readHead({ tenant, runId: "any" });
    }
    assert.deepEqual(
      channels.filter((channel) => !heard.has(channel)),
      [],
      when,
    );
  };
  await allHear("at first");
  for (let partition = 0; partition < 64; partition += 4) {
    const slot = await slotOf(partition);
    const home = await cluster.ownerOf(slot);
    await cluster.moveSlot(slot, home, cluster.nodes.find((node) => node !== home) ?? home);
  }
  await allHear("after slots moved");
});

/** Asks again while the answer is that nobody answers. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!PawlError.is(error, "STORE_UNREACHABLE") || tries > 100) throw error;
    }
  }
}

test("while a node is down the others serve, and when it is back its runs go on", skip, async (t) => {
  const store = await opened(t);
  const heads = await Promise.all(Array.from({ length: 24 }, (_, i) => startRun(store, { tenant, runId: `run-${i}` })));
  await cluster.nodes[1]?.kill();
  const served = async (): Promise<number> => {
    const answers = await Promise.allSettled(
      heads.map((head) => store.append(head, nextOf(head, [noted("one down")]))),
    );
    for (const answer of answers) {
      if (answer.status === "rejected")
        assert.ok(PawlError.is(answer.reason, "STORE_UNREACHABLE"), String(answer.reason));
    }
    return answers.filter(({ status }) => status === "fulfilled").length;
  };
  const others = await served();
  assert.ok(others >= 8, `${others} of ${heads.length} runs are served`);
  // behind a new connection all partitions are looked at, but for those of the node that is down
  await cluster.nodes[0]?.ask("CLIENT", "KILL", "TYPE", "normal");
  for (let tries = 1; (await served()) < others; tries++) assert.ok(tries < 100, "the others serve again");
  await cluster.nodes[1]?.boot();
  for (const { runId } of heads) {
    const head = await patiently(() => store.readHead({ tenant, runId }));
    assert.ok(head !== null);
    await insisted(store, head, "all up");
  }
});

test(
  "one node that was emptied makes the whole store refused, by those who had it open and by those who come",
  skip,
  async (t) => {
    const store = await opened(t);
    await startRun(store, { tenant, runId: "run-1" });
    await cluster.nodes[1]?.ask("FLUSHALL");
    const digests = (): Promise<readonly unknown[]> =>
      Promise.all(cluster.nodes.map((node) => node.ask("DEBUG", "DIGEST")));
    const before = await digests();
    const isRefused = async (runId: string): Promise<boolean> =>
      startRun(store, { tenant, runId }).then(
        () => false,
        (error: unknown) => PawlError.is(error, "STORE_REPLACED"),
      );
    // the first that meets the empty node tells; then nothing is written to any of them
    await rejectsWith("STORE_REPLACED", store.due({ lanes: [lane], nowMs: noon, limit: 10 }));
    for (let i = 0; i < 20; i++) assert.ok(await isRefused(`run-${i}`));
    const late = redisStore(cluster.url);
    await rejectsWith("STORE_REGRESSED", late.open());
    assert.deepEqual(await digests(), before);
  },
);
