import assert from "node:assert/strict";
import { statSync, truncateSync, globSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Store } from "../../src/core/store-contract.ts";
import { redisStore } from "../../src/redis.ts";
import { appendTo, nextOf, noted, startRun, turnEnded } from "../../src/testing/suite-journal.ts";
import { readAll, rejectsWith } from "../../src/testing/suite-runs.ts";
import { RedisServer, skipWithoutRedis, type RedisConfig } from "./redis-server.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const skip = { skip: skipWithoutRedis };
const ref = { tenant: "acme", runId: "run-1" };
const durable: RedisConfig = { appendonly: "yes", appendfsync: "always", "enable-debug-command": "local" };

async function started(t: TestContext, config: RedisConfig = durable): Promise<RedisServer> {
  const server = await RedisServer.start(config);
  t.after(() => server.remove());
  return server;
}

async function opened(t: TestContext, url: string): Promise<Store> {
  const store = redisStore(url);
  t.after(() => store.close());
  await store.open();
  return store;
}

/** Everything a server has, as one text. */
const digestOf = (server: RedisServer): Promise<unknown> => server.ask("DEBUG", "DIGEST");

test(
  "an append whose answer was lost is mine when it is repeated, and reads are asked again by themselves",
  skip,
  async (t) => {
    const server = await started(t);
    const proxy = await TcpProxy.start(server.port);
    t.after(() => proxy.stop());
    const store = await opened(t, `redis://127.0.0.1:${proxy.port}`);
    // the server learns the script: an append that it does not know is sent to it twice
    const head = await appendTo(store, await startRun(store, ref), [turnEnded(1)]);
    const append = nextOf(head, [turnEnded(2)]);
    proxy.loseAnswer();
    await rejectsWith("STORE_UNREACHABLE", store.append(ref, append));
    assert.deepEqual(await store.append(ref, append), { type: "mine" });
    assert.equal((await readAll(store, append.head)).length, 3);
    await store.setCap("acme", { scope: "tenant", window: "all", unit: "calls" }, 1);
    const reservation = {
      id: "r1",
      runId: "run-1",
      amounts: [{ scope: "tenant", window: "all", unit: "calls", amount: 1 }],
    } as const;
    proxy.loseAnswer();
    await rejectsWith("STORE_UNREACHABLE", store.reserve("acme", reservation));
    assert.deepEqual(await store.reserve("acme", reservation), { type: "ok" });
    assert.equal((await store.readLedger("acme", reservation.amounts[0])).reserved, 1);
  },
);

test("nothing that was under way is sent a second time by the driver", skip, async (t) => {
  const server = await started(t);
  const proxy = await TcpProxy.start(server.port);
  t.after(() => proxy.stop());
  const store = await opened(t, `redis://127.0.0.1:${proxy.port}`);
  await store.putRecord("acme", "key", 0, { ifAbsent: true });
  const record = await store.getRecord("acme", "key");
  assert.ok(record !== null);
  proxy.loseAnswer();
  // a driver that sends it again hears of a conflict with itself
  await rejectsWith("STORE_UNREACHABLE", store.putRecord("acme", "key", 1, { ifVersion: record.version }));
  assert.deepEqual(await store.getRecord("acme", "key"), { key: "key", value: 1, version: record.version + 1 });
});

test("a server that has gone silent does not hold up the end of a process", skip, async (t) => {
  const server = await started(t);
  const proxy = await TcpProxy.start(server.port);
  t.after(() => proxy.stop());
  const store = await opened(t, `redis://127.0.0.1:${proxy.port}`);
  proxy.freeze();
  const unanswered = rejectsWith("STORE_UNREACHABLE", store.beat("s1", 1));
  await store.close();
  await unanswered;
});

test("a server that was restarted with all it had acknowledged is gone on with, subscriptions too", skip, async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url);
  let head = await startRun(store, ref);
  let heard = 0;
  store.subscribe("channel-1", () => heard++);
  for (let round = 1; round <= 3; round++) {
    await server.kill();
    const back = server.boot();
    // what was not sent waits for the connection
    head = await appendTo(store, head, [noted(`round ${round}`)]);
    await back;
    heard = 0;
    for (let tries = 0; heard === 0 && tries < 10_000; tries++) {
      store.publish("channel-1", "probe");
      await store.readHead(ref);
    }
    assert.ok(heard > 0, `round ${round}: the subscription hears again`);
  }
  assert.equal((await readAll(store, head)).length, 4);
});

test("a server that was emptied is refused by every call, and nothing is written to it", skip, async (t) => {
  const server = await started(t);
  const store = await opened(t, server.url);
  const head = await startRun(store, ref);
  await server.ask("FLUSHALL");
  const before = await digestOf(server);
  await rejectsWith("STORE_REPLACED", appendTo(store, head, [turnEnded(1)]));
  await rejectsWith("STORE_REPLACED", startRun(store, { ...ref, runId: "run-2" }));
  await rejectsWith("STORE_REPLACED", store.putRecord("other", "key", 1, {}));
  await rejectsWith("STORE_REPLACED", store.openSession("s1", "worker"));
  await rejectsWith("STORE_REPLACED", store.putBlob("acme", "scope", "hash", new Uint8Array(3)));
  assert.equal(await digestOf(server), before);
  await opened(t, server.url);
  await rejectsWith("STORE_REPLACED", store.readHead(ref));
});

test(
  "a tail that was cut off is noticed by who wrote it: no part of the store is written to any more",
  skip,
  async (t) => {
    const server = await started(t);
    const store = await opened(t, server.url);
    const head = await startRun(store, ref);
    const other = await startRun(store, { ...ref, runId: "run-2" });
    const lost = await appendTo(store, head, [turnEnded(1)]);
    await server.kill();
    const file = globSync(join(server.folder, "appendonlydir/*.incr.aof"))[0] ?? "";
    truncateSync(file, statSync(file).size - 7);
    await server.boot();
    const before = await digestOf(server);
    await rejectsWith("STORE_REGRESSED", appendTo(store, other, [turnEnded(1)]));
    await rejectsWith("STORE_REGRESSED", appendTo(store, lost, [turnEnded(2)]));
    await rejectsWith("STORE_REGRESSED", store.readHead(ref));
    assert.equal(await digestOf(server), before);
    const restarted = await opened(t, server.url);
    assert.equal((await restarted.readHead(ref))?.seq, head.seq);
    await appendTo(restarted, head, [noted("another way")]);
  },
);

test("a replica that lagged and took over is refused until the newest data is back", skip, async (t) => {
  const primary = await started(t);
  const replica = await started(t);
  const store = await opened(t, primary.url);
  let head = await startRun(store, ref);
  await replica.ask("REPLICAOF", "127.0.0.1", primary.port);
  const has = async (key: string): Promise<boolean> => (await replica.ask("EXISTS", key)) === 1;
  while (!(await has("pawl:{p63}:meta"))) await store.readHead(ref);
  await replica.ask("REPLICAOF", "NO", "ONE");
  head = await appendTo(store, head, [turnEnded(1)]);
  await primary.kill();
  await replica.ask("CONFIG", "SET", "port", primary.port);
  const before = await primary.ask("DEBUG", "DIGEST");
  await rejectsWith("STORE_REGRESSED", appendTo(store, head, [turnEnded(2)]));
  await rejectsWith("STORE_REGRESSED", store.beat("s1", 1));
  assert.equal(await primary.ask("DEBUG", "DIGEST"), before);
  await replica.kill();
  await primary.boot();
  head = await appendTo(store, head, [turnEnded(2)]);
  assert.equal((await readAll(store, head)).length, 3);
});

test("a server that loads its file is waited for", skip, async (t) => {
  const server = await started(t, {});
  const store = await opened(t, server.url);
  const head = await startRun(store, ref);
  await server.ask("SAVE");
  await server.kill();
  const back = server.boot({ "key-load-delay": "3000", "loading-process-events-interval-bytes": "1024" });
  assert.equal((await store.readHead(ref))?.seq, head.seq);
  await back;
});
