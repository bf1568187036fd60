import { after, before } from "node:test";
import { redisStore } from "../../src/redis.ts";
import type { StoreUnderTest } from "../../src/testing/store-claims.ts";
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
