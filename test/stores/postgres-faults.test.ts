import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as settled } from "node:timers/promises";
import { z } from "zod";
import { durable } from "../../src/engine/durable-function.ts";
import { limits } from "../../src/core/limits.ts";
import { pawl, type Pawl, type RunResult } from "../../src/index.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { PawlError } from "../../src/core/errors.ts";
import { firstOf, nextOf, noted, startRun, turnEnded } from "../../src/testing/suite-journal.ts";
import { readAll, rejectsWith } from "../../src/testing/suite-runs.ts";
import { tool } from "../../src/tools/tool.ts";
import { handClock } from "./manual-clock.ts";
import { type Pooler, skipWithoutPooler, startPooler } from "./postgres-pooler.ts";
import { PostgresServer, serverOfFile, skipWithoutPostgres } from "./postgres-server.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const ref = { tenant: "acme", runId: "run-1" };
const options = { skip: skipWithoutPostgres };
const own = serverOfFile();
const { freshSchema, openStore } = own;

/** Asks until the store answers. */
async function again<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!PawlError.is(error, "STORE_UNREACHABLE")) throw error;
    }
  }
}

test("an append or a creation whose answer was lost is found when it is repeated", options, async (t) => {
  const proxy = await TcpProxy.start(own.server.port);
  t.after(() => proxy.stop());
  const store = await openStore(own.server.urlOf({ port: proxy.port }), { notify: false });
  const first = firstOf(ref);
  proxy.loseAnswer();
  await rejectsWith("STORE_UNREACHABLE", store.createRun(ref, first));
  assert.deepEqual(await store.createRun(ref, first), { type: "exists", head: first.head });
  const append = nextOf(first.head, [turnEnded(1)]);
  proxy.loseAnswer();
  await rejectsWith("STORE_UNREACHABLE", store.append(ref, append));
  assert.deepEqual(await store.append(ref, append), { type: "mine" });
  assert.equal((await readAll(store, append.head)).length, 2);
});

test("a read or a reservation whose answer was lost is asked again, and reserves once", options, async (t) => {
  const proxy = await TcpProxy.start(own.server.port);
  t.after(() => proxy.stop());
  const store = await openStore(own.server.urlOf({ port: proxy.port }), { notify: false });
  const cap = { scope: "user:ada", window: "all", unit: "tokens" } as const;
  await store.setCap("acme", cap, 100);
  const amounts = [{ ...cap, amount: 60 }];
  proxy.loseAnswer();
  assert.deepEqual(await store.reserve("acme", { id: "r1", runId: "run-1", amounts }), { type: "ok" });
  proxy.loseAnswer();
  assert.equal((await store.readLedger("acme", cap)).reserved, 60);
});

test("reservations and settlements that meet in the middle are done one after the other", options, async () => {
  const schema = freshSchema();
  const store = await openStore(own.server.url, { schema, poolMax: 5, notify: false });
  const today = { scope: "user:ada", window: "day:2026-11-22", unit: "tokens" } as const;
  await store.setCap("acme", today, 1);
  /** Holds up what writes to a table until all have come as far as they can. */
  const meeting = async <T>(table: string, calls: readonly (() => Promise<T>)[]): Promise<readonly T[]> => {
    const holder = await own.server.connect();
    await holder.query(`BEGIN; LOCK TABLE ${schema}.${table} IN SHARE MODE`);
    const all = Promise.all(calls.map((call) => call()));
    await own.server.stuck(schema, calls.length);
    await holder.query("ROLLBACK");
    await holder.end();
    return all;
  };
  const amounts = [{ ...today, amount: 1 }];
  const reserves = [1, 2, 3, 4, 5].map((i) => () => store.reserve("acme", { id: `r${i}`, runId: "run-1", amounts }));
  const answers = await meeting("reservation", reserves);
  assert.equal(answers.filter(({ type }) => type === "ok").length, 1);
  const [open] = await store.openReservationsOf("acme", "run-1");
  const id = open?.id ?? assert.fail("nothing is reserved");
  await meeting(
    "account",
    [1, 2, 3].map(() => () => store.settle("acme", id, amounts)),
  );
  assert.deepEqual(await store.readLedger("acme", today), { ...today, cap: 1, spent: 1, reserved: 0 });
});

test(
  "nothing acknowledged is lost when the server's connections are ended and it crashes, again and again",
  options,
  async (t) => {
    const crashing = await PostgresServer.start(["fsync=on", "restart_after_crash=off"]);
    t.after(() => crashing.remove());
    const store = await openStore(crashing.url);
    let acknowledged = await startRun(store, ref);
    let isDone = false;
    const appending = (async () => {
      while (!isDone) {
        const append = nextOf(acknowledged, [noted(`after ${acknowledged.seq}`)]);
        const { type } = await again(() => store.append(ref, append));
        assert.ok(["ok", "mine"].includes(type), type);
        acknowledged = append.head;
      }
    })();
    const further = async (): Promise<void> => {
      const from = acknowledged.seq;
      while (acknowledged.seq < from + 5) await settled();
    };
    for (let round = 1; round <= 4; round++) {
      await further();
      await crashing.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pawl'");
      await further();
      await crashing.halt(round % 2 === 0 ? "SIGINT" : "SIGKILL");
      await crashing.boot();
    }
    await further();
    isDone = true;
    await appending;
    const lines = await readAll(store, acknowledged);
    assert.equal(lines.length, acknowledged.seq);
    assert.equal((await store.readHead(ref))?.seq, acknowledged.seq);
  },
);

test("a server that has gone silent does not hold up the end of a process", options, async (t) => {
  const proxy = await TcpProxy.start(own.server.port);
  t.after(() => proxy.stop());
  const clock = { ...handClock(), setTimer: (_ms: number, fire: () => void) => (setImmediate(fire), () => {}) };
  const store = await openStore(own.server.urlOf({ port: proxy.port }), { clock });
  await startRun(store, ref);
  proxy.freeze();
  await store.close();
  await rejectsWith("STORE_CLOSED", store.readHead(ref));
});

test("hints reach other processes, long ones whole, and again after the connection broke", options, async () => {
  const schema = freshSchema();
  const [one, other] = [await openStore(own.server.url, { schema }), await openStore(own.server.url, { schema })];
  const foreign = await openStore();
  assert.equal(one.capabilities.hintsReachOthers, true);
  const heard: string[] = [];
  let wake = (): void => {};
  other.subscribe("channel-1", (message) => {
    if (message === "probe" && heard.includes("probe")) return;
    heard.push(message);
    wake();
  });
  foreign.subscribe("channel-1", () => assert.fail("another schema hears it"));
  const reaches = async (): Promise<void> => {
    heard.length = 0;
    while (heard.length === 0) {
      one.publish("channel-1", "probe");
      await one.readHead(ref).catch(() => null);
    }
  };
  await reaches();
  const long = "ä𝄞".repeat(limits.notifyBytes / 6).padEnd(limits.notifyBytes / 6, "y");
  one.publish("channel-1", long);
  one.publish("channel-1", "last");
  while (!heard.includes("last")) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  assert.deepEqual(heard, ["probe", long, "last"]);
  await own.server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pawl'");
  await reaches();
});

test("behind a pooler hints stay in the process, and the store says so", { skip: skipWithoutPooler }, async (t) => {
  const pooler: Pooler = await startPooler(own.server);
  t.after(() => pooler.stop());
  const store = await openStore(own.server.urlOf({ port: pooler.port }));
  assert.equal(store.capabilities.hintsReachOthers, false);
});

test("what the server does with a commit is said as durability", options, async () => {
  const durabilityOf = async (database: string, setting: string): Promise<string> => {
    await own.server.ask(`CREATE DATABASE ${database}`);
    await own.server.ask(`ALTER DATABASE ${database} SET ${setting}`);
    const store = await openStore(own.server.urlOf({ database }));
    return store.capabilities.durability;
  };
  assert.equal(await durabilityOf("waits", "synchronous_commit = on"), "process");
  assert.equal(await durabilityOf("hurries", "synchronous_commit = off"), "window");
});

/** An app whose one function pays an invoice. */
function paying(store: Store, effect: "once" | "idempotent", paid: string[] = []): Pawl {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect,
    inputSchema: z.object({ invoice: z.string() }),
    execute: ({ invoice }) => {
      paid.push(invoice);
      return "paid";
    },
  });
  const run = durable<string>({ name: "paying", tools: [pay], run: (ctx, invoice) => ctx.call(pay, { invoice }) });
  return pawl({ store, agents: [run] });
}

test("a store that may lose its last second takes no tool that must not repeat", options, async () => {
  await own.server.ask("CREATE DATABASE careless");
  await own.server.ask("ALTER DATABASE careless SET synchronous_commit = off");
  const url = own.server.urlOf({ database: "careless" });
  const app = paying(own.storeOf(url), "once");
  await rejectsWith("STORE_DURABILITY", app.open());
  await app.close();
  const accepting = paying(own.storeOf(url, { accept: "acknowledged writes may be lost" }), "once");
  await accepting.open();
  await accepting.close();
});

test("two workers carry out every run while the server is restarted and killed", options, async (t) => {
  const crashing = await PostgresServer.start();
  t.after(() => crashing.remove());
  const paid: string[] = [];
  const apps = [1, 2].map(() => paying(own.storeOf(crashing.url), "idempotent", paid));
  for (const app of apps) await app.open();
  const invoices = Array.from({ length: 30 }, (_, i) => `invoice-${i}`);
  const results: Promise<RunResult>[] = [];
  for (const [i, invoice] of invoices.entries()) {
    const app = apps[i % 2] ?? assert.fail();
    const run = await again(() => app.start("paying", { runId: `run-${i}`, input: invoice }));
    results.push(again(() => run.result()));
    if (i !== 9 && i !== 19) continue;
    await crashing.halt(i === 9 ? "SIGINT" : "SIGKILL");
    await crashing.boot();
  }
  for (const result of results) assert.equal((await result).status, "completed");
  assert.deepEqual([...new Set(paid)].toSorted(), invoices.toSorted());
  for (const app of apps) await app.close();
});
