import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { sharedRates } from "../../src/models/shared-rates.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { freshFolder } from "../stores/folders.ts";

test("two workers on a store together stay within a minute's allowance, and it fills again with time", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const [one, two] = [sharedRates(store, clock), sharedRates(store, clock)].map((of) =>
    of([{ name: "a", requestsPerMinute: 60, tokensPerMinute: 6_000 }, { name: "free" }]),
  );
  assert.ok(one !== undefined && two !== undefined);
  const start = clock.monotonicMs();
  const drained = async (): Promise<number> => {
    let taken = 0;
    for (const rates of [one, two, one, two])
      while ((await rates.take("a", { tokens: 10 }, clock.monotonicMs())) === 0) taken++;
    return taken;
  };
  assert.equal(await drained(), 60);
  assert.ok(((await two.take("a", { tokens: 10 }, start)) as number) <= 1_000, "one more a second");
  await clock.pass(30_000);
  assert.equal(await drained(), 30);
  assert.equal(await one.take("free", { tokens: 1_000_000 }, start), 0);
});

test("what a call used more than was taken for it is paid before the next", async () => {
  const clock = manualClock();
  const rates = sharedRates(memoryStore({ clock }), clock)([{ name: "a", tokensPerMinute: 1_000 }]);
  assert.equal(await rates.take("a", { tokens: 100 }, 0), 0);
  rates.correct("a", 850, 0);
  const waitMs = (await rates.take("a", { tokens: 100 }, 0)) as number;
  assert.ok(waitMs >= 2_900 && waitMs <= 3_100, `${waitMs}`);
});

test("a stock that nobody used is given up, so that an idle worker holds nothing back for later", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const make = () => sharedRates(store, clock)([{ name: "a", requestsPerMinute: 100 }]);
  const [idle, busy] = [make(), make()];
  assert.equal(await idle.take("a", { tokens: 0 }, 0), 0);
  let taken = 0;
  while ((await busy.take("a", { tokens: 0 }, 0)) === 0) taken++;
  assert.equal(taken, 95);
  await clock.pass(5_000);
  while ((await idle.take("a", { tokens: 0 }, 0)) === 0) taken++;
  assert.ok(taken <= 100 + 8, `${taken} in the first five seconds`);
});

interface Taker {
  say(): void;
  line(): Promise<string>;
  over(): Promise<unknown>;
}

function taker(path: string): Taker {
  const program = join(import.meta.dirname, "rate-taking-process.ts");
  const child = spawn(process.execPath, [program, path, "400", "100000", "100"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    say: () => void child.stdin.write("on\n"),
    line: async () => String((await lines.next()).value),
    async over() {
      child.stdin.end("on\n");
      return once(child, "exit");
    },
  };
}

test("two processes on one SQLite file share one allowance, at a twentieth of a write for each call", async () => {
  const folder = freshFolder();
  try {
    const path = join(folder.path, "rates.db");
    const takers = [taker(path), taker(path)];
    for (const one of takers) assert.equal(await one.line(), "ready");
    for (const one of takers) one.say();
    const got = [];
    for (const one of takers) got.push(JSON.parse(await one.line()) as { taken: number; writes: number });
    for (const one of takers) await one.over();
    assert.equal(
      got.reduce((sum, { taken }) => sum + taken, 0),
      400,
    );
    assert.ok(got.reduce((sum, { writes }) => sum + writes, 0) <= 80, JSON.stringify(got));
  } finally {
    folder.remove();
  }
});
