import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { calibrate, gatedCalls, judgeCall, type GatedCall } from "../../src/engine/calibration.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { tool } from "../../src/tools/tool.ts";
import { onStage, rejectsWith } from "./stage.ts";

const inputSchema = z.object({ score: z.number(), fails: z.boolean().optional() });
const act = tool({
  name: "act",
  version: "1",
  description: "Acts.",
  effect: "once",
  inputSchema,
  confidence: ({ score }) => score,
  execute: ({ fails }) => {
    if (fails === true) throw new Error("no");
    return "done";
  },
});
type Input = z.infer<typeof inputSchema>;
const acting = durable({
  name: "acting",
  tools: [act],
  run: (ctx, input) => ctx.call(act, input as Input).catch((error: unknown) => String(error)),
});

test("the outcome of each measured call is kept: approved, rejected, edited, expired, returned, and what a person says later", () =>
  onStage({ agents: [acting] }, async ({ app, clock }) => {
    const scores = [0.7, 0.1, 0.2, 0.3, 0.95, 0.85];
    for (const [i, score] of scores.entries())
      await clock.until((await app.start(acting, { runId: `r${i}`, input: { score } })).result());
    await app.approvals.approve("r0:t0-1", { by: "ada" });
    await app.approvals.reject("r1:t0-1", { by: "ada" });
    await app.approvals.approve("r2:t0-1", { by: "ada", edit: { score: 0.9 } });
    await clock.settle();
    const calls = async () =>
      Object.fromEntries(
        (await gatedCalls(app.store, "default", 100)).map(({ runId, decision, outcome }) => [
          runId,
          [decision, outcome],
        ]),
      );
    const before = {
      r0: ["asked", "right"],
      r1: ["asked", "wrong"],
      r2: ["asked", "wrong"],
      r3: ["asked", "open"],
      r4: ["auto_approved", "right"],
      r5: ["auto_approved", "right"],
    };
    assert.deepEqual(await calls(), before);
    const call = { tenant: "default", runId: "r5", callId: "t0-1" };
    await judgeCall(app.store, call, { outcome: "wrong", by: "ada", at: clock.nowMs() });
    assert.deepEqual((await calls())["r5"], ["auto_approved", "wrong"]);
    await rejectsWith(
      "OPTION_INVALID",
      judgeCall(app.store, { ...call, callId: "t0-9" }, { outcome: "wrong", by: "ada", at: 0 }),
    );
    assert.equal((await gatedCalls(app.store, "default", 2)).length, 2);
  }));

const call = (score: number | null, outcome: GatedCall["outcome"]): GatedCall => ({
  by: "tool",
  score,
  threshold: 0.8,
  decision: "asked",
  reason: "",
  runId: "r",
  callId: "t0-1",
  tool: "act",
  outcome,
});

test("calibration: shares of wrong calls that pass and right ones that are asked, and the lowest threshold that is safe", () => {
  const right = Array.from({ length: 40 }, (_, i) => call(0.5 + i / 80, "right"));
  const wrong = Array.from({ length: 20 }, (_, i) => call(i / 40 + 0.1, "wrong"));
  const [found] = calibrate([...right, ...wrong, call(null, "wrong"), call(0.9, "open")]);
  assert.ok(found !== undefined);
  assert.deepEqual([found.right, found.wrong, found.open], [40, 20, 2]);
  const at = (threshold: number) => found.rates.find((rates) => rates.threshold === threshold);
  assert.deepEqual(at(0.35), { threshold: 0.35, falseAllow: 0.5, falseAsk: 0 });
  assert.deepEqual(at(0.75), { threshold: 0.75, falseAllow: 0, falseAsk: 0.5 });
  // 0.55 lets 2 of 20 pass, 0.6 none
  assert.equal(found.suggested, 0.6);
  assert.equal(calibrate(right)[0]?.suggested, null);
  assert.equal(calibrate([...right.slice(0, 10), ...wrong.slice(0, 9)])[0]?.suggested, null);
  assert.equal(calibrate(right)[0]?.rates[0]?.falseAllow, null);
});
