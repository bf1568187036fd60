import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { decodeBatches } from "../../src/core/journal-codec.ts";
import { limits } from "../../src/core/limits.ts";
import { redisStore } from "../../src/redis.ts";
import { RedisServer, skipWithoutRedis } from "./redis-server.ts";
import { Spawned } from "./spawned.ts";

const skip = { skip: skipWithoutRedis };

/** A server that flushes before it answers, and processes that append to it; all gone after the test. */
async function place(t: TestContext): Promise<{ server: RedisServer; spawn: (runId: string) => Spawned }> {
  const server = await RedisServer.start({ appendonly: "yes", appendfsync: "always" });
  const spawned: Spawned[] = [];
  t.after(async () => {
    await Promise.all(spawned.map((one) => one.kill()));
    await server.remove();
  });
  return {
    server,
    spawn: (runId) => {
      const one = new Spawned({ path: server.url, runId });
      spawned.push(one);
      return one;
    },
  };
}

/** The run's journal is sound and holds at least what was acknowledged; it may grow meanwhile. */
async function assertKept(server: RedisServer, runId: string, acknowledged: number): Promise<void> {
  const store = redisStore(server.url);
  await store.open();
  try {
    assert.equal(store.capabilities.durability, "power");
    const lines = await store.readEvents({ tenant: "acme", runId }, 0, limits.readBytes);
    const { batches } = decodeBatches(lines, { seq: 0, hash: "" });
    const seq = batches.at(-1)?.firstSeq ?? 0;
    assert.ok(seq >= acknowledged, `run ${runId}: ${acknowledged} acknowledged, ${seq} kept`);
  } finally {
    await store.close();
  }
}

test("processes that are killed while they append lose nothing that was acknowledged", skip, async (t) => {
  const { server, spawn } = await place(t);
  let acknowledged = 0;
  for (let round = 1; round <= 4; round++) {
    const appending = spawn("run-1");
    const enough = acknowledged + 7 * round;
    await appending.until((one) => one.acknowledged > enough);
    await appending.kill();
    acknowledged = appending.acknowledged;
    await assertKept(server, "run-1", acknowledged);
  }
});

test(
  "a server that is killed again and again under two processes loses nothing that it acknowledged",
  skip,
  async (t) => {
    const { server, spawn } = await place(t);
    const both = [spawn("run-1"), spawn("run-2")];
    for (let round = 1; round <= 4; round++) {
      for (const one of both) {
        const enough = one.acknowledged + 10;
        await one.until(({ acknowledged }) => acknowledged > enough);
      }
      await server.kill();
      const acknowledged = both.map((one) => one.acknowledged);
      await server.boot();
      for (const [i, count] of acknowledged.entries()) await assertKept(server, `run-${i + 1}`, count);
    }
    for (const one of both) await one.stop();
    for (const [i, one] of both.entries()) await assertKept(server, `run-${i + 1}`, one.acknowledged);
  },
);
