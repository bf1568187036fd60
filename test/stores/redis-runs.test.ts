import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { durable, pawl, tool } from "pawl";
import { redisStore, type RedisStoreOptions } from "pawl/redis";
import { z } from "zod";
import { rejectsWith } from "../../src/testing/suite-runs.ts";
import { RedisServer, skipWithoutRedis } from "./redis-server.ts";

const skip = { skip: skipWithoutRedis };
let server: RedisServer;

before(async () => {
  if (skipWithoutRedis === false) server = await RedisServer.start({ appendonly: "yes", appendfsync: "everysec" });
});
after(async () => {
  if (skipWithoutRedis === false) await server.remove();
});

const charges: string[] = [];
const charge = tool({
  name: "charge",
  version: "1",
  description: "Charge a card.",
  inputSchema: z.object({ card: z.string() }),
  effect: "once",
  execute: ({ card }) => {
    charges.push(card);
    return `charged ${card}`;
  },
});
const sell = durable({
  name: "sell",
  tools: [charge],
  run: async (ctx, input: { card: string }) => {
    const answer = await ctx.call(charge, input);
    const shipped = await ctx.waitForSignal("shipped");
    return { answer, shipped: shipped.received && shipped.value };
  },
});

const accepted: RedisStoreOptions = { accept: "acknowledged writes may be lost" };

test("on a server that may lose a second, tools that must not repeat need the operator's word", skip, async () => {
  const unsafe = pawl({ store: redisStore(server.url), agents: [sell] });
  await rejectsWith("STORE_DURABILITY", unsafe.open());
  await unsafe.close();
  const safe = pawl({ store: redisStore(server.url, accepted), agents: [sell] });
  await safe.open();
  await safe.close();
});

test("one process starts runs, another executes them, a third signals: all by one Redis", skip, async () => {
  const apps = [false, { name: "worker-1" }, false].map((worker) =>
    pawl({ store: redisStore(server.url, accepted), agents: [sell], worker }),
  );
  const [front, back, other] = apps;
  assert.ok(front && back && other);
  try {
    await back.open();
    const runs = await Promise.all(
      Array.from({ length: 10 }, (_, i) => front.start(sell, { runId: `sale-${i}`, input: { card: `card-${i}` } })),
    );
    for (const run of runs) await other.signal(run.id, "shipped", "by ada");
    for (const [i, run] of runs.entries()) {
      const result = await run.result();
      assert.ok(result.status === "completed", result.status);
      assert.deepEqual(result.output, { answer: `charged card-${i}`, shipped: "by ada" });
    }
    assert.deepEqual(
      charges.toSorted(),
      Array.from({ length: 10 }, (_, i) => `card-${i}`),
    );
  } finally {
    await Promise.all(apps.map((app) => app.close()));
  }
});
