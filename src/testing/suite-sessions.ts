import assert from "node:assert/strict";
import { limits } from "../core/limits.ts";
import type { Claims } from "./store-claims.ts";

const long = limits.sessionDeadMs + 1_000;
const short = limits.sessionDeadMs / 2;

export const sessionClaims: Claims = {
  "a session that beats lives, and its counter is seen": async ({ store, passTime }) => {
    await store.openSession("s1", "worker-1");
    assert.deepEqual(await store.session("s1"), { id: "s1", worker: "worker-1", counter: 0, dead: false });
    for (let counter = 1; counter <= 3; counter++) {
      await passTime(short);
      assert.equal(await store.beat("s1", counter), "ok");
    }
    assert.deepEqual(await store.session("s1"), { id: "s1", worker: "worker-1", counter: 3, dead: false });
    assert.equal(await store.kill("s1", 3), "alive");
  },
  "a session that stopped beating long enough ago can be killed, and dead is for ever": async ({ store, passTime }) => {
    await store.openSession("s1", "worker-1");
    assert.equal(await store.beat("s1", 1), "ok");
    await passTime(long);
    assert.equal((await store.session("s1"))?.dead, true);
    assert.equal(await store.kill("s1", 1), "dead");
    assert.equal(await store.beat("s1", 2), "dead");
    await store.openSession("s1", "worker-1");
    assert.equal(await store.beat("s1", 3), "dead");
    assert.equal(await store.kill("s1", 99), "dead");
    assert.equal((await store.session("s1"))?.dead, true);
  },
  "a session is not killed before its time": async ({ store, passTime }) => {
    await store.openSession("s1", "worker-1");
    await store.beat("s1", 1);
    await passTime(short);
    assert.equal(await store.kill("s1", 1), "alive");
    assert.equal(await store.beat("s1", 2), "ok");
  },
  "a session is not killed by somebody who saw an older counter": async ({ store, passTime }) => {
    await store.openSession("s1", "worker-1");
    await store.beat("s1", 1);
    await store.beat("s1", 2);
    await passTime(long);
    assert.equal(await store.kill("s1", 1), "alive");
    assert.equal(await store.beat("s1", 3), "ok");
    await passTime(long);
    assert.equal(await store.kill("s1", 3), "dead");
  },
  "a silent session that nobody killed may come back": async ({ store, passTime }) => {
    await store.openSession("s1", "worker-1");
    await passTime(long);
    assert.equal((await store.session("s1"))?.dead, true);
    assert.equal(await store.beat("s1", 1), "ok");
    assert.equal((await store.session("s1"))?.dead, false);
    assert.equal(await store.kill("s1", 1), "alive");
  },
  "a session that was never opened is dead and cannot beat": async ({ store }) => {
    assert.equal(await store.session("nobody"), null);
    assert.equal(await store.kill("nobody", 0), "dead");
    assert.equal(await store.beat("nobody", 1), "dead");
    assert.equal(await store.session("nobody"), null);
  },
  "a closed session is dead at once": async ({ store }) => {
    await store.openSession("s1", "worker-1");
    await store.beat("s1", 1);
    await store.closeSession("s1");
    await store.closeSession("nobody");
    assert.equal(await store.beat("s1", 2), "dead");
    assert.equal(await store.kill("s1", 1), "dead");
  },
  "a dead session stays listed for ten minutes, so that its runs are found": async ({ store, passTime }) => {
    await store.openSession("s1", "worker-1");
    await store.closeSession("s1");
    await passTime(limits.sessionDeadMs);
    await store.openSession("s2", "worker-2");
    const dead = (await store.listSessions()).filter(({ id }) => id === "s1");
    assert.deepEqual(
      dead.map(({ id, worker, dead }) => ({ id, worker, dead })),
      [{ id: "s1", worker: "worker-1", dead: true }],
    );
  },
  "all sessions are listed": async ({ store }) => {
    await store.openSession("s1", "worker-1");
    await store.openSession("s2", "worker-2");
    await store.beat("s2", 4);
    const sessions = (await store.listSessions()).filter(({ dead }) => !dead);
    assert.deepEqual(
      sessions.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      [
        { id: "s1", worker: "worker-1", counter: 0, dead: false },
        { id: "s2", worker: "worker-2", counter: 4, dead: false },
      ],
    );
  },
};
