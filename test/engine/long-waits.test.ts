import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { durable, tool } from "pawl";
import { limits } from "../../src/core/limits.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { ofType, onStage, rejectsWith } from "./stage.ts";

const DAY_MS = 86_400_000;

test("a run that sleeps for 400 days is nobody's burden, and wakes once", () =>
  onStage(
    {
      agents: [
        durable({
          name: "sleeper",
          run: async (ctx) => {
            await ctx.sleep(400 * DAY_MS);
            return "awake";
          },
        }),
      ],
      replay: false,
    },
    async (stage) => {
      const run = await stage.start(null);
      await stage.clock.pass(1_000);
      const head = await run.head();
      assert.equal(head.status, "sleeping");
      assert.equal(head.session, null);
      await stage.clock.jump(399 * DAY_MS);
      await stage.clock.pass(2_000);
      assert.equal((await run.head()).status, "sleeping");
      await stage.clock.jump(DAY_MS);
      const { events, result } = await stage.played(run);
      assert.equal(result.status === "completed" && result.output, "awake");
      assert.equal(ofType(events, "wait.ended").length, 1);
    },
  ));

test("a timer that is longer than one setTimeout holds is chained", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let fired = 0;
  systemClock.setTimer(limits.timerChunkMs + 5_000, () => fired++);
  t.mock.timers.tick(limits.timerChunkMs);
  assert.equal(fired, 0);
  t.mock.timers.tick(5_000);
  assert.equal(fired, 1);
  const cancel = systemClock.setTimer(limits.timerChunkMs * 2, () => fired++);
  t.mock.timers.tick(limits.timerChunkMs);
  cancel();
  t.mock.timers.tick(limits.timerChunkMs * 3);
  assert.equal(fired, 1);
});

const refund = tool({
  name: "refund",
  version: "1",
  description: "Refunds.",
  effect: "idempotent",
  approval: true,
  inputSchema: z.object({ usd: z.number() }),
  execute: ({ usd }) => `refunded ${usd}`,
});
const desk = durable({
  name: "desk",
  tools: [refund],
  run: (ctx) => ctx.call(refund, { usd: 80 }).catch((error: unknown) => String(error)),
});

test("an approval that nobody answers expires after seven days, with its default: reject", () =>
  onStage({ agents: [desk] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(1_000);
    await stage.clock.jump(8 * DAY_MS);
    const { result, events } = await stage.played(run);
    assert.match(JSON.stringify(result.status === "completed" && result.output), /nobody answered in time/);
    assert.equal(ofType(events, "approval.decided")[0]?.expired, true);
    assert.equal(ofType(events, "tool.started").length, 0);
    await rejectsWith("APPROVAL_DECIDED", stage.clock.until(stage.app.approvals.approve("run-1:t0-0", { by: "ada" })));
  }));

test("of a hundred people who decide at once one decides, the others are told", () =>
  onStage({ agents: [desk] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(1_000);
    const votes = Array.from({ length: 100 }, (_, i) => {
      const { approvals } = stage.app;
      return i % 2 === 0
        ? approvals.approve("run-1:t0-0", { by: `p${i}` })
        : approvals.reject("run-1:t0-0", { by: `p${i}` });
    });
    const decided = await stage.clock.until(Promise.allSettled(votes));
    assert.equal(decided.filter((vote) => vote.status === "fulfilled").length, 1);
    const { events } = await stage.played(run);
    assert.equal(ofType(events, "approval.decided").length, 1);
  }));

test("an approval is bound to what was shown, and edited arguments are checked", () =>
  onStage({ agents: [desk] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(1_000);
    const { approvals } = stage.app;
    await rejectsWith(
      "APPROVAL_CHANGED",
      stage.clock.until(approvals.approve("run-1:t0-0", { by: "ada", shownHash: "something else" })),
    );
    await rejectsWith(
      "ANSWER_INVALID",
      stage.clock.until(approvals.approve("run-1:t0-0", { by: "ada", edit: { usd: "much" } })),
    );
    await rejectsWith("APPROVAL_UNKNOWN", stage.clock.until(approvals.approve("run-1:t9-9", { by: "ada" })));
    await stage.clock.until(approvals.approve("run-1:t0-0", { by: "ada", edit: { usd: 5 } }));
    const { result } = await stage.played(run);
    assert.equal(result.status === "completed" && result.output, "refunded 5");
  }));
