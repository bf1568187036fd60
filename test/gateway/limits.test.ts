import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/core/clock.ts";
import { limits } from "../../src/core/limits.ts";
import type { RunHead } from "../../src/core/run-head.ts";
import type { Page, RunStore, Store } from "../../src/core/store-contract.ts";
import { Backlog } from "../../src/gateway/admission.ts";
import { ConcurrentRuns } from "../../src/gateway/concurrent-runs.ts";
import { Limits } from "../../src/gateway/gateway-limits.ts";
import { SpendQuota } from "../../src/gateway/spend-quota.ts";
import { StartQuota } from "../../src/gateway/start-quota.ts";
import { TokenBuckets } from "../../src/gateway/token-buckets.ts";
import { memoryStore } from "../../src/testing.ts";

// The parts of rate limits and admission, under a clock of their own. "Two processes" are two of them on one store.

/** Time that only the test moves; the date apart from it. */
class HandClock implements Clock {
  ms = 1_000_000;
  dateShiftMs = 0;
  readonly #timers = new Map<symbol, { readonly at: number; readonly fire: () => void }>();

  nowMs(): number {
    return this.ms + this.dateShiftMs;
  }

  monotonicMs(): number {
    return this.ms;
  }

  setTimer(delayMs: number, fire: () => void): () => void {
    const id = Symbol("timer");
    this.#timers.set(id, { at: this.ms + delayMs, fire });
    return () => this.#timers.delete(id);
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  /** Timers that are due fire at the end: late, as on a machine that is busy. */
  pass(ms: number): void {
    this.ms += ms;
    for (const [id, { at, fire }] of this.#timers) {
      if (at > this.ms) continue;
      this.#timers.delete(id);
      fire();
    }
  }
}

const MINUTE = 60_000;
const DAY = 86_400_000;

async function takeAll(quota: StartQuota, perMinute: number, tries: number): Promise<number> {
  let taken = 0;
  for (let i = 0; i < tries; i++) if ((await quota.take("t", perMinute)) === 0) taken++;
  return taken;
}

test("E.3-42: a bucket lets a burst through, then the sustained rate, whatever happens to the date", () => {
  const clock = new HandClock();
  const buckets = new TokenBuckets(clock);
  const burst = Array.from({ length: 100 }, () => buckets.take("k", 10)).filter(({ ok }) => ok).length;
  assert.equal(burst, 40);
  const refused = buckets.take("k", 10);
  assert.deepEqual([refused.ok, refused.retryAfterMs], [false, 100]);
  clock.dateShiftMs += DAY;
  assert.equal(buckets.take("k", 10).ok, false, "a date set forward fills nothing");
  clock.pass(1_000);
  const later = Array.from({ length: 100 }, () => buckets.take("k", 10)).filter(({ ok }) => ok).length;
  assert.equal(later, 10);
  assert.equal(buckets.take("other", 10).ok, true, "each has its own");
});

test("buckets are bounded: a flood of keys and addresses takes no more memory", () => {
  const buckets = new TokenBuckets(new HandClock());
  for (let i = 0; i < limits.bucketsKept + 5_000; i++) buckets.take(`k${i}`, 1);
  assert.equal(buckets.size, limits.bucketsKept);
});

test("E.3-42: starts a minute hold over two processes and a restart", async () => {
  const [clock, store] = [new HandClock(), memoryStore()];
  const processes = [new StartQuota(store, clock), new StartQuota(store, clock)];
  const taken = await Promise.all(processes.map((one) => takeAll(one, 60, 100)));
  const inAll = taken[0]! + taken[1]!;
  assert.ok(inAll <= 60 && inAll >= 54, `${inAll} of 60`);
  const restarted = new StartQuota(store, clock);
  assert.ok((await takeAll(restarted, 60, 50)) <= 60 - inAll, "a restart fills nothing");
  clock.pass(MINUTE / 2);
  const again = await takeAll(new StartQuota(store, clock), 60, 100);
  assert.ok(again >= 30 && again <= 36, `half a minute later: ${again}`);
});

test("E.3-42: 1,000 starts at once share few writes, and the date set forth and back gives nothing away", async () => {
  const [clock, store] = [new HandClock(), memoryStore()];
  let puts = 0;
  const counted: Pick<Store, "getRecord" | "putRecord"> = {
    getRecord: (...args) => store.getRecord(...args),
    putRecord: (...args) => {
      puts++;
      return store.putRecord(...args);
    },
  };
  const quota = new StartQuota(counted as Store, clock);
  const waits = await Promise.all(Array.from({ length: 1_000 }, () => quota.take("t", 600)));
  assert.equal(waits.filter((wait) => wait === 0).length, 600);
  assert.ok(
    waits.every((wait) => wait === 0 || wait <= 200),
    "and the others are told when",
  );
  assert.ok(puts <= 25, `${puts} writes for 600 starts`);
  for (const shift of [10 * MINUTE, -20 * MINUTE, 10 * MINUTE]) {
    clock.dateShiftMs += shift;
    clock.pass(300);
    await takeAll(quota, 600, 700);
  }
  const free = await takeAll(quota, 600, 700);
  assert.ok(free <= 10, `after three jumps of the date ${free} more`);
  clock.pass(MINUTE);
  assert.ok((await takeAll(quota, 600, 700)) >= 570, "no jump of the date stops starts for longer than a minute");
});

/** Busy runs of a tenant, as a store would list them. */
function busyRuns(principals: string[]): RunStore {
  const list = async (): Promise<Page<RunHead>> => ({
    items: principals.map((principal) => ({ principal }) as RunHead),
    cursor: null,
  });
  return { list } as unknown as RunStore;
}

test("E.3-42: concurrent runs are counted in the store, and starts under way count before the store knows", async () => {
  const clock = new HandClock();
  const principals = ["ada", "ada", "bob"];
  const runs = new ConcurrentRuns(busyRuns(principals), clock);
  const caps = { tenant: 10, principal: 6 };
  const places = await Promise.all(Array.from({ length: 20 }, () => runs.take("acme", "ada", caps)));
  assert.equal(places.filter(({ type }) => type === "taken").length, 4, "2 in the store and 4 here are 6");
  assert.deepEqual(places.at(-1), { type: "full", whose: "key" });
  const others = await Promise.all(Array.from({ length: 20 }, () => runs.take("acme", "bob", caps)));
  assert.equal(others.filter(({ type }) => type === "taken").length, 3, "10 in all");
  clock.pass(5_000);
  const still = await runs.take("acme", "carl", caps);
  assert.deepEqual(still, { type: "full", whose: "tenant" }, "what is under way counts in a new count too");
  for (const place of [...places, ...others]) if (place.type === "taken") place.release();
  clock.pass(5_000);
  assert.equal((await runs.take("acme", "carl", caps)).type, "taken", "none of them came to be: the store says so");
  principals.push(...Array.from({ length: 10 }, () => "dora"));
  clock.pass(5_000);
  assert.equal(
    (await new ConcurrentRuns(busyRuns(principals), clock).take("acme", "carl", caps)).type,
    "full",
    "a restart",
  );
});

test("E.3-42: tokens and cost of a day hold over processes, and a new day gives a day's worth, whoever is there", async () => {
  const [clock, store] = [new HandClock(), memoryStore()];
  const all = new Limits({ tenant: { tokensPerDay: 1_000 }, key: { costUsdPerDay: 1 } });
  const scope = { scope: "quota:tenant", unit: "tokens" } as const;
  const spend = async (id: string, amount: number): Promise<boolean> => {
    const window = `day:${new Date(clock.nowMs()).toISOString().slice(0, 10)}`;
    const amounts = [{ ...scope, window, amount }];
    const reserved = await store.reserve("acme", { id, runId: "r", amounts });
    if (reserved.type === "ok") await store.settle("acme", id, amounts);
    return reserved.type === "ok";
  };
  const one = new SpendQuota(store, clock, all);
  await one.admit("acme", "ada");
  assert.ok(await spend("a", 600));
  assert.ok(!(await spend("b", 600)), "a call that does not fit does not start");
  assert.ok(await spend("c", 400));
  const other = new SpendQuota(store, clock, all);
  await assert.rejects(other.admit("acme", "bob"), /tokens a day of this tenant/, "another process knows");
  await other.admit("globex", "ada");
  clock.dateShiftMs += DAY;
  assert.ok(await spend("d", 1_000), "before any gateway saw the new day");
  assert.ok(!(await spend("e", 1)));
  await assert.rejects(one.admit("acme", "ada"), /tokens a day of this tenant/);
});

test("past a bounded backlog, and when the process is late, no start is taken; it passes by itself", async () => {
  const clock = new HandClock();
  let due = 0;
  const store = {
    due: async ({ limit }: { readonly limit: number }) =>
      Array.from({ length: Math.min(limit, due) }, () => ({ tenant: "t", runId: "r" })),
  } as unknown as RunStore;
  const backlog = new Backlog(store, clock, ["lane"]);
  await backlog.check();
  for (let i = 0; i <= limits.queuedRunsDue; i++) backlog.add();
  await assert.rejects(backlog.check(), /runs wait for a worker/, "what was let in since counts too");
  due = limits.queuedRunsDue + 50;
  clock.pass(1_000);
  await assert.rejects(backlog.check(), /runs wait for a worker/);
  due = 3;
  clock.pass(1_000);
  await backlog.check();
  backlog.watch();
  clock.pass(500 + limits.eventLoopLagMs + 1);
  await assert.rejects(backlog.check(), /ms late/);
  clock.pass(500);
  await backlog.check();
  backlog.stop();
});

test("a limit that is no number above 0 is refused, null takes a limit away", () => {
  for (const value of [0, -1, Number.NaN, Infinity])
    assert.throws(() => new Limits({ key: { requestsPerS: value } }), /requestsPerS/);
  assert.equal(new Limits({ tenant: { startsPerMinute: null } }).ofTenant("t").startsPerMinute, null);
  const own = new Limits({ tenant: { concurrentRuns: 5 }, tenants: { big: { concurrentRuns: 50 } } });
  assert.deepEqual([own.ofTenant("big").concurrentRuns, own.ofTenant("small").concurrentRuns], [50, 5]);
  assert.equal(own.ofTenant("__proto__").concurrentRuns, 5);
});
