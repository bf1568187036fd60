import assert from "node:assert/strict";
import { z } from "zod";
import { durable } from "../../src/engine/durable-function.ts";
import type { SimulationOptions } from "../../src/testing/simulator.ts";
import { tool } from "../../src/tools/tool.ts";

/** What became of the approvals of some seeds. */
export type RaceCounts = Record<"approve" | "reject" | "expired" | "none", number>;

const input = z.object({ quorum: z.number(), expiresMs: z.number(), byTime: z.enum(["approve", "reject"]) });

const pay = tool({
  name: "pay",
  version: "1",
  description: "Pays once.",
  effect: "once",
  inputSchema: z.object({ usd: z.number() }),
  timeLimitMs: 2_000,
  execute: ({ usd }) => usd,
});

const paying = durable({
  name: "paying",
  tools: [pay],
  run: async (ctx, given) => {
    const { quorum, expiresMs, byTime } = input.parse(given);
    const outcome = await ctx.tool({
      tool: pay,
      args: { usd: 80 },
      verdict: { decision: "ask", rules: ["race"] },
      ask: { question: "Pay?", quorum, expiresMs, default: byTime },
      show: ({ value }) => ({ value }),
    });
    return outcome.status;
  },
});

/**
 * Eight people decide the same at once, some cancel, dates jump, and the time to decide runs out in the middle: one
 * decision, one end, and an effect exactly where it was to approve, or nobody knows and a person says so.
 */
export function reviewRaces(counts: RaceCounts): SimulationOptions {
  return {
    runnables: [paying],
    deciders: 8,
    steps: 60,
    rates: { "clock-jump": 0.05, "approval-claimed": 0.01, fork: 0, outsider: 0.01 },
    starts: (random) => [
      {
        runnable: paying,
        input: {
          quorum: random() < 0.2 ? 2 : 1,
          expiresMs: random() < 0.5 ? Math.ceil(random() * 3_000) : 60_000,
          byTime: random() < 0.5 ? "approve" : "reject",
        },
      },
    ],
    check: ({ runs, effects }) => {
      for (const { events } of runs) {
        const decided = events.flatMap(({ event }) => (event.type === "approval.decided" ? [event] : []));
        assert.ok(decided.length <= 1, "an approval is decided once");
        assert.equal(events.filter(({ event }) => event.type === "run.ended").length, 1, "a run ends once");
        const [one] = decided;
        const acted = effects.filter(({ name }) => name === "pay").reduce((sum, effect) => sum + effect.acted, 0);
        assert.ok(acted <= 1, "the effect happens once at most");
        if (one?.decision !== "approve") assert.equal(acted, 0, "nothing happens that nobody approved");
        counts[
          one === undefined
            ? "none"
            : one.expired === true
              ? "expired"
              : one.decision === "approve"
                ? "approve"
                : "reject"
        ]++;
      }
    },
  };
}
