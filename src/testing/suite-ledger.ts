import assert from "node:assert/strict";
import { seededRandom } from "../core/clock.ts";
import type { LedgerAmount, LedgerReading, LedgerScope, Store } from "../core/store-contract.ts";
import { ledgerFollowsModel, type LedgerStep } from "./ledger-model.ts";
import { rejectsWith } from "./suite-runs.ts";
import type { Claims } from "./store-claims.ts";

const tenant = "acme";
const user: LedgerScope = { scope: "user:ada", window: "day:2026-11-22", unit: "tokens" };
const team: LedgerScope = { scope: "tenant", window: "all", unit: "nanoUsd" };
const ofUser = (amount: number): LedgerAmount => ({ ...user, amount });
const ofTeam = (amount: number): LedgerAmount => ({ ...team, amount });

async function readingOf(
  store: Store,
  scope: LedgerScope,
  owner = tenant,
): Promise<Omit<LedgerReading, keyof LedgerScope>> {
  const { cap, spent, reserved, ...rest } = await store.readLedger(owner, scope);
  assert.deepEqual(rest, scope);
  return { cap, spent, reserved };
}

function reservation(id: string, amounts: readonly LedgerAmount[], runId = "run-1") {
  return { id, runId, amounts };
}

const reserving: Claims = {
  "what is reserved fits the cap, and what does not fit is refused with what is left": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    assert.deepEqual(await store.reserve(tenant, reservation("r1", [ofUser(60)])), { type: "ok" });
    const refused = { type: "refused", scope: user, left: 40 };
    assert.deepEqual(await store.reserve(tenant, reservation("r2", [ofUser(41)])), refused);
    assert.deepEqual(await store.reserve(tenant, reservation("r3", [ofUser(40)])), { type: "ok" });
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 100 });
    const full = { type: "refused", scope: user, left: 0 };
    assert.deepEqual(await store.reserve(tenant, reservation("r4", [ofUser(1)])), full);
    assert.deepEqual(await store.reserve(tenant, reservation("r5", [ofUser(0)])), { type: "ok" });
  },
  "all scopes of a reservation fit, or none is taken": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.setCap(tenant, team, 50);
    const refused = await store.reserve(tenant, reservation("r1", [ofUser(10), ofTeam(51)]));
    assert.deepEqual(refused, { type: "refused", scope: team, left: 50 });
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 0 });
    assert.deepEqual(await store.reserve(tenant, reservation("r2", [ofUser(10), ofTeam(50)])), { type: "ok" });
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 10 });
    assert.deepEqual(await readingOf(store, team), { cap: 50, spent: 0, reserved: 50 });
  },
  "one scope that is named twice in a reservation must fit as a sum": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    const twice = await store.reserve(tenant, reservation("r1", [ofUser(60), ofUser(60)]));
    assert.deepEqual(twice, { type: "refused", scope: user, left: 100 });
    assert.deepEqual(await store.reserve(tenant, reservation("r2", [ofUser(50), ofUser(50)])), { type: "ok" });
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 100 });
  },
  "a scope without a cap takes everything and counts nothing": async ({ store }) => {
    assert.deepEqual(await store.reserve(tenant, reservation("r1", [ofUser(1e12)])), { type: "ok" });
    assert.deepEqual(await readingOf(store, user), { cap: null, spent: 0, reserved: 0 });
    await store.setCap(tenant, user, 10);
    await store.setCap(tenant, user, null);
    assert.deepEqual(await store.reserve(tenant, reservation("r2", [ofUser(11)])), { type: "ok" });
    assert.deepEqual(await readingOf(store, user), { cap: null, spent: 0, reserved: 0 });
  },
  "scopes differ by name, window and unit": async ({ store }) => {
    await store.setCap(tenant, user, 10);
    const others = [{ scope: "user:bob" }, { window: "day:2026-11-23" }, { unit: "calls" as const }];
    for (const [i, other] of others.entries()) {
      const amount = { ...ofUser(11), ...other };
      assert.deepEqual(await store.reserve(tenant, reservation(`r${i}`, [amount])), { type: "ok" });
    }
    assert.equal((await store.reserve(tenant, reservation("r9", [ofUser(11)]))).type, "refused");
  },
  "a cap may be lowered below what is taken, and raised again": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.reserve(tenant, reservation("r1", [ofUser(80)]));
    await store.setCap(tenant, user, 50);
    const refused = { type: "refused", scope: user, left: -30 };
    assert.deepEqual(await store.reserve(tenant, reservation("r2", [ofUser(1)])), refused);
    await store.setCap(tenant, user, 81);
    assert.deepEqual(await store.reserve(tenant, reservation("r3", [ofUser(1)])), { type: "ok" });
  },
  "an amount or cap that is no whole number from 0 is refused": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    for (const wrong of [-1, 0.5, NaN, Infinity]) {
      await rejectsWith("OPTION_INVALID", store.reserve(tenant, reservation("r1", [ofUser(wrong)])));
      await rejectsWith("OPTION_INVALID", store.setCap(tenant, user, wrong));
    }
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 0 });
  },
};

const settling: Claims = {
  "settling replaces a reservation by what was used, less or more": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.setCap(tenant, team, 100);
    await store.reserve(tenant, reservation("r1", [ofUser(60), ofTeam(60)]));
    await store.settle(tenant, "r1", [ofUser(15)]);
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 15, reserved: 0 });
    assert.deepEqual(await readingOf(store, team), { cap: 100, spent: 0, reserved: 0 });
    await store.reserve(tenant, reservation("r2", [ofUser(85)]));
    await store.settle(tenant, "r2", [ofUser(100)]);
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 115, reserved: 0 });
  },
  "settling again, or an id that was never reserved, changes nothing": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.settle(tenant, "never", [ofUser(30)]);
    await store.reserve(tenant, reservation("r1", [ofUser(60)]));
    await Promise.all([1, 2, 3].map(() => store.settle(tenant, "r1", [ofUser(20)])));
    await store.settle(tenant, "r1", [ofUser(50)]);
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 20, reserved: 0 });
  },
  "the same id gives the same answer and reserves once": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    const again = (): Promise<unknown> => store.reserve(tenant, reservation("r1", [ofUser(60)]));
    assert.deepEqual(
      await Promise.all([again(), again(), again()]),
      Array.from({ length: 3 }, () => ({ type: "ok" })),
    );
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 60 });
    await store.settle(tenant, "r1", [ofUser(60)]);
    assert.deepEqual(await again(), { type: "ok" }, "a late repeat after it was settled");
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 60, reserved: 0 });
  },
  "a released reservation leaves nothing, and its id may be reserved again": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.reserve(tenant, reservation("r1", [ofUser(60)]));
    await store.settle(tenant, "r1", []);
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 0 });
    assert.deepEqual(await store.reserve(tenant, reservation("r1", [ofUser(70)])), { type: "ok" });
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 70 });
  },
  "a reservation that was made under a cap is settled after the cap is gone": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.reserve(tenant, reservation("r1", [ofUser(60)]));
    await store.setCap(tenant, user, null);
    await store.settle(tenant, "r1", [ofUser(50)]);
    assert.deepEqual(await readingOf(store, user), { cap: null, spent: 50, reserved: 0 });
  },
};

const pruning: Claims = {
  "windows that are past go, of every tenant and a few at a time; what is reserved, and a kind's cap, stay": async ({
    store,
  }) => {
    const of = (window: string): LedgerScope => ({ scope: "user:ada", window, unit: "tokens" });
    const spend = async (owner: string, window: string): Promise<void> => {
      await store.reserve(owner, { id: window, runId: "run-1", amounts: [{ ...of(window), amount: 9 }] });
      await store.settle(owner, window, [{ ...of(window), amount: 7 }]);
    };
    for (const owner of [tenant, "other"]) {
      for (const kind of ["day", "month", "dayly"]) await store.setCap(owner, of(kind), 100);
      for (const window of ["day:2026-01-01", "day:2026-01-02", "day:2026-03-01", "month:2026-01", "dayly:2026-01-01"])
        await spend(owner, window);
    }
    await store.setCap(tenant, of("day:2026-01-03"), 5);
    await store.reserve(tenant, { id: "open", runId: "run-1", amounts: [{ ...of("day:2026-01-04"), amount: 9 }] });
    assert.equal(await store.pruneLedger("day:2026-03-01", 3), 3);
    assert.equal(await store.pruneLedger("day:2026-03-01", 3), 2);
    assert.equal(await store.pruneLedger("day:2026-03-01", 3), 0);
    for (const owner of [tenant, "other"]) {
      for (const window of ["day:2026-01-01", "day:2026-01-02"])
        assert.deepEqual(await readingOf(store, of(window), owner), { cap: 100, spent: 0, reserved: 0 });
      for (const window of ["day:2026-03-01", "month:2026-01", "dayly:2026-01-01"])
        assert.deepEqual(await readingOf(store, of(window), owner), { cap: 100, spent: 7, reserved: 0 });
    }
    assert.equal((await readingOf(store, of("day:2026-01-03"))).cap, 100);
    await store.settle(tenant, "open", [{ ...of("day:2026-01-04"), amount: 8 }]);
    assert.deepEqual(await readingOf(store, of("day:2026-01-04")), { cap: 100, spent: 8, reserved: 0 });
    assert.equal(await store.pruneLedger("day:2026-03-01", 3), 1);
  },
};

const finding: Claims = {
  "open reservations are found by run and by age until they are settled": async ({ store, passTime }) => {
    await store.setCap(tenant, user, 1_000);
    await store.reserve(tenant, reservation("r1", [ofUser(1), ofTeam(7)]));
    await passTime(50);
    await store.reserve(tenant, reservation("r2", [ofUser(2)], "run-2"));
    await passTime(50);
    await store.reserve(tenant, reservation("r3", [ofUser(3)]));
    const ofRun = await store.openReservationsOf(tenant, "run-1");
    assert.deepEqual(ofRun.map(({ id }) => id).toSorted(), ["r1", "r3"]);
    const first = ofRun.find(({ id }) => id === "r1");
    const third = ofRun.find(({ id }) => id === "r3");
    assert.ok(first !== undefined && third !== undefined && first.at < third.at);
    assert.deepEqual(first, { id: "r1", runId: "run-1", tenant, at: first.at, amounts: [ofUser(1), ofTeam(7)] });
    const before = async (at: number, limit = 10) =>
      (await store.openReservationsBefore(at, limit)).map(({ id }) => id);
    assert.deepEqual(await before(first.at), []);
    assert.deepEqual(await before(third.at), ["r1", "r2"]);
    assert.deepEqual(await before(third.at + 1), ["r1", "r2", "r3"]);
    assert.deepEqual(await before(third.at + 1, 2), ["r1", "r2"]);
    await store.settle(tenant, "r1", [ofUser(1)]);
    await store.settle(tenant, "r2", []);
    assert.deepEqual(await before(third.at + 1), ["r3"]);
    assert.deepEqual(await store.openReservationsOf(tenant, "run-2"), []);
  },
};

/** Steps of a seed: reservations, settlements and releases on two scopes, ids repeated now and then. */
function stepsOf(seed: number): readonly LedgerStep[] {
  const random = seededRandom(seed);
  const upTo = (max: number): number => Math.floor(random() * (max + 1));
  return Array.from({ length: 60 }, () => ({
    kind: random() < 0.6 ? "reserve" : "settle",
    id: `r${upTo(25)}`,
    amounts: [upTo(40), upTo(40)],
  }));
}

const counting: Claims = {
  "of 200 reservations at once with one unit left exactly one starts": async ({ store }) => {
    await store.setCap(tenant, user, 1);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => store.reserve(tenant, reservation(`r${i}`, [ofUser(1)]))),
    );
    assert.equal(answers.filter(({ type }) => type === "ok").length, 1);
    assert.deepEqual(await readingOf(store, user), { cap: 1, spent: 0, reserved: 1 });
    assert.equal((await store.openReservationsOf(tenant, "run-1")).length, 1);
  },
  "whatever is reserved and settled, the sums are right and no cap is passed": async ({ store }) => {
    for (let seed = 1; seed <= 5; seed++) await ledgerFollowsModel(store, `tenant-${seed}`, stepsOf(seed));
  },
  "whatever is reserved and settled at once, no cap is passed": async ({ store }) => {
    await store.setCap(tenant, user, 100);
    await store.setCap(tenant, team, 80);
    const both = ([a, b]: readonly [number, number]) => [ofUser(a), ofTeam(b)];
    const checks = Array.from({ length: 10 }, async () => {
      const [onUser, onTeam] = await Promise.all([readingOf(store, user), readingOf(store, team)]);
      assert.ok(onUser.spent + onUser.reserved <= 100 && onTeam.spent + onTeam.reserved <= 80);
    });
    const steps = stepsOf(11).map(({ id, kind, amounts }) =>
      kind === "reserve" ? store.reserve(tenant, reservation(id, both(amounts))) : store.settle(tenant, id, []),
    );
    await Promise.all([...steps, ...checks]);
    for (const { id } of await store.openReservationsOf(tenant, "run-1")) await store.settle(tenant, id, []);
    assert.deepEqual(await readingOf(store, user), { cap: 100, spent: 0, reserved: 0 });
    assert.deepEqual(await readingOf(store, team), { cap: 80, spent: 0, reserved: 0 });
  },
};

const ofDay = (day: string): LedgerScope => ({ ...user, window: `day:${day}` });
const eachDay: LedgerScope = { ...user, window: "day" };

const windows: Claims = {
  "a cap on a kind of window holds for each such window, and a new one begins unspent under it": async ({ store }) => {
    await store.setCap(tenant, eachDay, 100);
    for (const day of ["2026-11-22", "2026-11-23"]) {
      const scope = ofDay(day);
      assert.deepEqual(await readingOf(store, scope), { cap: 100, spent: 0, reserved: 0 });
      const taken = await store.reserve(tenant, reservation(`${day} a`, [{ ...scope, amount: 70 }]));
      assert.deepEqual(taken, { type: "ok" });
      const refused = await store.reserve(tenant, reservation(`${day} b`, [{ ...scope, amount: 31 }]));
      assert.deepEqual(refused, { type: "refused", scope, left: 30 });
      await store.settle(tenant, `${day} a`, [{ ...scope, amount: 60 }]);
      assert.deepEqual(await readingOf(store, scope), { cap: 100, spent: 60, reserved: 0 });
    }
    const hour = { ...user, window: "hour:2026-11-22T10" };
    assert.deepEqual(await store.reserve(tenant, reservation("hour", [{ ...hour, amount: 1e9 }])), { type: "ok" });
    assert.deepEqual(await readingOf(store, hour), { cap: null, spent: 0, reserved: 0 });
    assert.deepEqual(
      (await store.readLedger("other", ofDay("2026-11-22"))).cap,
      null,
      "another tenant's days are free",
    );
  },
  "a window's own cap goes before its kind's, and its removal brings that back": async ({ store }) => {
    await store.setCap(tenant, eachDay, 100);
    const today = ofDay("2026-11-22");
    await store.reserve(tenant, reservation("r1", [{ ...today, amount: 100 }]));
    await store.setCap(tenant, today, 150);
    assert.deepEqual(await store.reserve(tenant, reservation("r2", [{ ...today, amount: 50 }])), { type: "ok" });
    assert.deepEqual(await readingOf(store, today), { cap: 150, spent: 0, reserved: 150 });
    assert.equal((await readingOf(store, ofDay("2026-11-23"))).cap, 100);
    await store.setCap(tenant, today, null);
    assert.deepEqual(await readingOf(store, today), { cap: 100, spent: 0, reserved: 150 });
    await store.setCap(tenant, eachDay, null);
    assert.deepEqual(await readingOf(store, today), { cap: null, spent: 0, reserved: 150 });
    await store.settle(tenant, "r1", [{ ...today, amount: 40 }]);
    assert.deepEqual(await readingOf(store, today), { cap: null, spent: 40, reserved: 50 });
  },
  "of 200 reservations at once on a new window of a capped kind with one unit, exactly one starts": async ({
    store,
  }) => {
    await store.setCap(tenant, eachDay, 1);
    const today = ofDay("2026-11-24");
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => store.reserve(tenant, reservation(`r${i}`, [{ ...today, amount: 1 }]))),
    );
    assert.equal(answers.filter(({ type }) => type === "ok").length, 1);
    assert.deepEqual(await readingOf(store, today), { cap: 1, spent: 0, reserved: 1 });
  },
};

export const ledgerClaims: Claims = { ...reserving, ...settling, ...finding, ...counting, ...windows, ...pruning };
