import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool } from "pawl";
import type { ReadEvent } from "../../src/engine/run-events.ts";
import { manualClock, type ManualClock } from "../../src/testing/manual-clock.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, Stage } from "./stage.ts";

interface Rates {
  readonly per?: "tenant" | "principal";
  readonly act?: (n: number) => unknown;
}

/** A tool that asks for a rate, how often it really did, and an agent that calls it once. */
function rates(clock: ManualClock, { per = "tenant", act = (n) => `rate ${n}` }: Rates = {}) {
  const asked: unknown[] = [];
  const rate = tool({
    name: "rate",
    version: "1",
    description: "Asks for a rate.",
    effect: "pure",
    attempts: 1,
    cache: { ttlMs: 60_000, per },
    inputSchema: z.object({ from: z.string(), to: z.string() }),
    execute: (input) =>
      new Promise((resolve, reject) => {
        const n = asked.push(input);
        clock.setTimer(50, () => {
          try {
            resolve(act(n));
          } catch (error) {
            reject(error as Error);
          }
        });
      }),
  });
  const script: Script = (request, { turn }) =>
    turn > 0
      ? { text: JSON.stringify(request.messages.at(-1)?.content) }
      : // the same call, its members in another order
        {
          toolCalls: [
            { tool: "rate", input: asked.length % 2 === 0 ? { from: "A", to: "B" } : { to: "B", from: "A" } },
          ],
        };
  return {
    asked,
    agents: [agent({ name: "teller", model: "scripted", instructions: "Tell.", tools: [rate] })],
    script,
  };
}

const returned = (events: readonly ReadEvent[]) => ofType(events, "tool.returned")[0];

test("an equal call of another run gets the recorded result, with its label, and says what it saved", async () => {
  const clock = manualClock();
  const { asked, ...options } = rates(clock);
  await onStage({ ...options, clock, replay: false }, async (stage) => {
    const first = returned((await stage.play()).events);
    const { result, events } = await stage.play();
    const second = returned(events);
    assert.equal(asked.length, 1);
    assert.match(JSON.stringify(result), /rate 1/);
    assert.deepEqual(second?.shownRef, first?.shownRef);
    assert.deepEqual([first?.via, second?.via], [undefined, "cache"]);
    assert.deepEqual(second?.saved, { ms: 50, costNanoUsd: 0 });
    await clock.pass(60_001);
    assert.equal(returned((await stage.play()).events)?.via, undefined);
    assert.equal(asked.length, 2, "after its time it is asked again");
  });
});

test("ten equal calls at once are one", async () => {
  const clock = manualClock();
  const { asked, ...options } = rates(clock);
  await onStage({ ...options, clock, replay: false }, async (stage) => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => stage.start()));
    const played = await Promise.all(runs.map((run) => stage.played(run)));
    assert.equal(asked.length, 1);
    assert.equal(played.filter(({ events }) => returned(events)?.via === "cache").length, 9);
  });
});

test("an error is never served: who waited for it asks himself", async () => {
  const clock = manualClock();
  const act = (n: number): string => {
    if (n === 1) throw new Error("down");
    return `rate ${n}`;
  };
  const { asked, ...options } = rates(clock, { act });
  await onStage({ ...options, clock, replay: false }, async (stage) => {
    const runs = await Promise.all([stage.start(), stage.start()]);
    const played = await Promise.all(runs.map((run) => stage.played(run)));
    assert.equal(asked.length, 2);
    assert.equal(played.filter(({ events }) => ofType(events, "tool.failed").length === 1).length, 1);
    assert.match(JSON.stringify(returned((await stage.play()).events)?.shownRef), /rate 2/);
  });
});

test("nobody gets another tenant's result, nor with per principal another person's", async () => {
  const clock = manualClock();
  for (const [per, calls] of [
    ["tenant", 2],
    ["principal", 3],
  ] as const) {
    const { asked, ...options } = rates(clock, { per });
    await onStage({ ...options, clock, replay: false }, async (stage) => {
      await stage.play("Go.", { principal: "ada" });
      await stage.play("Go.", { principal: "bob" });
      await stage.play("Go.", { principal: "ada" });
      await stage.play("Go.", { principal: "ada", tenant: "other" });
      assert.equal(asked.length, calls);
    });
  }
});

test("a hit is in the journal: another worker replays it though the kept result is gone", async () => {
  const clock = manualClock();
  const { asked, ...options } = rates(clock);
  const stage = new Stage({ ...options, clock });
  await stage.play();
  await stage.play();
  for (let slot = 0; slot < 4_096; slot++) await stage.app.store.deleteRecord("default", `result:rate:${slot}`);
  await stage.check();
  assert.equal(asked.length, 1);
  const fork = await stage.clock.until(stage.app.fork("run-2", { turn: 1, runId: "fork" }));
  const { events } = await stage.played(fork);
  assert.deepEqual([returned(events)?.via, returned(events)?.inherited], ["cache", true]);
  assert.equal(asked.length, 1);
  await stage.close();
});

test("what must happen each time is not cached, and a cache says for whom and how long", () => {
  const parts = {
    name: "pay",
    version: "1",
    description: "Pays.",
    inputSchema: z.object({}),
    execute: () => "paid",
  } as const;
  const cache = { ttlMs: 1_000, per: "tenant" } as const;
  assert.throws(() => tool({ ...parts, effect: "once", cache }), /"pay": cache .* once must happen each time/);
  assert.throws(() => tool({ ...parts, effect: "pure", cache: { ...cache, ttlMs: 0 } }), /1 to 2592000000 ms/);
});
