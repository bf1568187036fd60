import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ErrorCode } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import { redisStore } from "../../src/redis.ts";
import { appendTo, noted, startRun } from "../../src/testing/suite-journal.ts";
import { rejectsWith } from "../../src/testing/suite-runs.ts";
import { freePort } from "./free-port.ts";
import { RedisCluster, RedisServer, skipWithoutRedis, type RedisConfig } from "./redis-server.ts";

const skip = { skip: skipWithoutRedis };
const ref = { tenant: "acme", runId: "run-1" };

/** A server for one test. */
async function withServer(config: RedisConfig, act: (server: RedisServer) => Promise<void>): Promise<void> {
  const server = await RedisServer.start(config);
  try {
    await act(server);
  } finally {
    await server.remove();
  }
}

/** Opening fails with this code; the message has all of `says`, and none of `hides`. */
async function refuses(
  url: string,
  code: ErrorCode,
  { says, hides = [], password }: { says: readonly string[]; hides?: readonly string[]; password?: string },
): Promise<void> {
  const store = redisStore(url, password === undefined ? {} : { password });
  await assert.rejects(store.open(), (error) => {
    assert.ok(PawlError.is(error, code), `${code} expected, got ${String(error)}`);
    for (const text of says) assert.ok(error.message.includes(text), `"${text}" in: ${error.message}`);
    for (const text of hides) assert.ok(!error.message.includes(text), `no "${text}" in: ${error.message}`);
    return true;
  });
  await store.close();
}

let plain: RedisServer;

before(async () => {
  if (skipWithoutRedis === false) plain = await RedisServer.start();
});
after(async () => {
  if (skipWithoutRedis === false) await plain.remove();
});

test("an address that names no Redis is refused with what is allowed, and shows no password", () => {
  for (const url of [
    "",
    "localhost",
    "http://host",
    "redis://",
    "redis://:secret@",
    "redis+sentinel://host",
    "redis://a:99999",
  ]) {
    assert.throws(
      () => redisStore(url),
      (error) =>
        PawlError.is(error, "OPTION_INVALID") &&
        error.message.includes("redis://host:6379") &&
        !error.message.includes("secret"),
      url,
    );
  }
  assert.throws(() => redisStore("redis://a:1,b:2"), { code: "OPTION_INVALID", message: /redis\+cluster:\/\// });
  assert.throws(() => redisStore("redis+cluster://a:1,b:2/3"), { code: "OPTION_INVALID", message: /database 0/ });
  assert.equal(redisStore("rediss+cluster://user:pass@[::1]:7000,host").capabilities.name, "redis cluster");
});

test("a server that does not answer is named, with what to look at", skip, async () => {
  const port = await freePort();
  await refuses(`redis://:secret@127.0.0.1:${port}`, "STORE_UNREACHABLE", {
    says: [`127.0.0.1:${port}`, "See that it runs"],
    hides: ["secret"],
  });
  await refuses(`redis+cluster://127.0.0.1:${port}`, "STORE_UNREACHABLE", { says: [`127.0.0.1:${port}`] });
});

test("a wrong or missing password, and a user without rights, are refused by name", skip, async () => {
  await withServer({ requirepass: "right" }, async (server) => {
    const says = ["password"];
    await refuses(server.url, "STORE_FORBIDDEN", { says });
    await refuses(server.url.replace("//", "//:wrong@"), "STORE_FORBIDDEN", { says, hides: ["wrong@"] });
    await refuses(server.url.replace("//", "//:right@"), "STORE_FORBIDDEN", { says, password: "wrong" });
    await server.ask("ACL", "SETUSER", "ada", "on", ">right", "~*", "&*", "+@all", "-evalsha", "-eval");
    await refuses(server.url.replace("//", "//ada:right@"), "STORE_FORBIDDEN", { says: ["run a command"] });
    const store = redisStore(server.url.replace("//", "//:wrong@"), { password: "right" });
    await store.open();
    await startRun(store, ref);
    await store.close();
  });
});

test("a user who may not read the configuration is enough, but its window is not trusted", skip, async () => {
  await withServer({ appendonly: "yes", appendfsync: "always" }, async (server) => {
    await server.ask("ACL", "SETUSER", "ada", "on", ">right", "~pawl:*", "&pawl:*", "+@all", "-@admin", "+info");
    const asAda = redisStore(server.url.replace("//", "//ada:right@"));
    const asDefault = redisStore(server.url);
    await asAda.open();
    await asDefault.open();
    assert.equal(asAda.capabilities.durability, "window");
    assert.equal(asDefault.capabilities.durability, "power");
    await startRun(asAda, ref);
    await asAda.close();
    await asDefault.close();
  });
});

test("every policy that evicts is refused, also on one node of a cluster, and nothing is written", skip, async () => {
  for (const policy of ["allkeys-lru", "volatile-ttl", "allkeys-random"]) {
    await plain.ask("CONFIG", "SET", "maxmemory-policy", policy);
    await refuses(plain.url, "STORE_EVICTS", { says: [policy, "CONFIG SET maxmemory-policy noeviction"] });
  }
  assert.equal(await plain.ask("DBSIZE"), 0);
  await plain.ask("CONFIG", "SET", "maxmemory-policy", "noeviction");
  const cluster = await RedisCluster.start();
  try {
    await cluster.nodes[1]?.ask("CONFIG", "SET", "maxmemory-policy", "volatile-lru");
    await refuses(cluster.url, "STORE_EVICTS", { says: ["volatile-lru"] });
    await refuses(cluster.nodes[0]?.url ?? "", "OPTION_INVALID", { says: ["redis+cluster://"] });
  } finally {
    await cluster.remove();
  }
});

test("a server that is no cluster is refused under a cluster's URL", skip, async () => {
  await refuses(plain.url.replace("redis:", "redis+cluster:"), "OPTION_INVALID", { says: ['"redis://"'] });
});

test("durability is what the server is set to", skip, async () => {
  const durabilityOf = async (): Promise<string> => {
    const store = redisStore(plain.url);
    assert.equal(store.capabilities.durability, "none", "before it is open nothing is promised");
    await store.open();
    await store.close();
    return store.capabilities.durability;
  };
  assert.equal(await durabilityOf(), "window");
  await plain.ask("CONFIG", "SET", "appendonly", "yes");
  assert.equal(await durabilityOf(), "window");
  await plain.ask("CONFIG", "SET", "appendfsync", "always");
  assert.equal(await durabilityOf(), "power");
  await plain.ask("CONFIG", "SET", "appendonly", "no");
});

test("a replica is refused at start, and when the server becomes one", skip, async () => {
  await withServer({}, async (server) => {
    const store = redisStore(server.url);
    await store.open();
    const head = await startRun(store, ref);
    await server.ask("REPLICAOF", "127.0.0.1", plain.port);
    await refuses(server.url, "STORE_READ_ONLY", { says: ["Name the primary"] });
    await rejectsWith("STORE_READ_ONLY", appendTo(store, head, [noted("late")]));
    await store.close();
  });
});

test("a newer format is refused and not changed", skip, async () => {
  await withServer({ "enable-debug-command": "local" }, async (server) => {
    const store = redisStore(server.url);
    await store.open();
    await store.close();
    await server.ask("HSET", "pawl:{p00}:meta", "format", "2");
    const before = await server.ask("DEBUG", "DIGEST");
    await refuses(server.url, "STORE_NEWER", { says: ["format 2", "newer Pawl"] });
    assert.equal(await server.ask("DEBUG", "DIGEST"), before);
  });
});

test("when memory is full writes are refused whole, reading goes on, deleting frees, beats live", skip, async () => {
  await withServer({}, async (server) => {
    const store = redisStore(server.url);
    try {
      await store.open();
      await store.openSession("s1", "worker-1");
      let head = await startRun(store, ref);
      for (let i = 0; i < 30; i++) head = await appendTo(store, head, [noted("x".repeat(60_000))]);
      const used = Number(/used_memory:(\d+)/.exec(String(await server.ask("INFO", "memory")))?.[1]);
      await server.ask("CONFIG", "SET", "maxmemory", used - 500_000);
      await rejectsWith("STORE_FULL", appendTo(store, head, [noted("more")]));
      await rejectsWith("STORE_FULL", startRun(store, { ...ref, runId: "run-2" }));
      assert.equal((await store.readHead(ref))?.seq, head.seq);
      assert.equal(await store.readHead({ ...ref, runId: "run-2" }), null);
      assert.equal(await store.beat("s1", 1), "ok");
      await store.deleteScope(ref.tenant, head.blobScope);
      // the server gives memory back in a thread of its own
      const isFull = (): Promise<boolean> =>
        startRun(store, ref).then(
          () => false,
          () => true,
        );
      for (let tries = 1; await isFull(); tries++) assert.ok(tries < 10_000, "what was deleted is free again");
    } finally {
      await store.close();
    }
  });
});

test("a store that is not open says so", skip, async () => {
  const store = redisStore(plain.url);
  await rejectsWith("STORE_CLOSED", store.readHead(ref));
  await store.open();
  await store.close();
  await rejectsWith("STORE_CLOSED", store.putRecord("acme", "key", 1, {}));
  await store.open();
  assert.equal(await store.readHead(ref), null);
  await store.close();
});
