import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Pawl, PawlError } from "pawl";
import { modelSource } from "pawl/models";
import { memoryStore } from "pawl/testing";
import { bullmq } from "pawl/bullmq";
import { freePort } from "../stores/free-port.ts";
import { PostgresServer, skipWithoutPostgres } from "../stores/postgres-server.ts";
import { RedisServer, skipWithoutRedis } from "../stores/redis-server.ts";
import { checkLanes, checkQueue } from "./queue-checks.ts";

suite("bullmq on Redis", { skip: skipWithoutRedis }, () => {
  let server: RedisServer;
  before(async () => {
    server = await RedisServer.start();
  });
  after(() => server.remove());

  test("every run ends once with three workers, also those whose jobs were flushed", () =>
    checkQueue(
      () => bullmq(server.url),
      async () => {
        await server.ask("FLUSHALL");
      },
    ));

  test("a worker without a run's code leaves it for another", () => checkLanes(() => bullmq(server.url)));

  test("a runtime whose queue is gone starts runs, and closes", async () => {
    const gone = await RedisServer.start();
    const store = memoryStore();
    const app = new Pawl({ store, queue: bullmq(gone.url), agents: [], models: modelSource(), worker: false });
    await app.open();
    await gone.remove();
    app.deps.queue?.offer({ tenant: "default", runId: "r" }, { lane: "a@1", seq: 1, session: null, dueAt: 0 });
    await app.close();
  });
});

suite("bullmq on PostgreSQL", { skip: skipWithoutPostgres }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await PostgresServer.start();
  });
  after(() => server.remove());

  test("every run ends once with three workers, also those whose jobs were deleted", () =>
    checkQueue(
      () => bullmq(server.url),
      async () => {
        await server.ask("TRUNCATE pawl.job CASCADE");
      },
    ));
});

test("a queue that cannot be reached, and one of an unknown scheme, are said", async () => {
  const gone = bullmq(`redis://127.0.0.1:${await freePort()}`);
  await assert.rejects(gone.open(), (error) => PawlError.is(error, "QUEUE_UNREACHABLE"));
  await gone.close();
  assert.throws(() => bullmq("amqp://127.0.0.1"), /redis:\/\/, rediss:\/\/ or postgres:\/\//);
});
