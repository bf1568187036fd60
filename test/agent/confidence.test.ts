import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, durable, tool, type ApprovalRule, type ConfidenceRule } from "pawl";
import type { JsonValue } from "../../src/core/json.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, rejectsWith, type Played, type Stage } from "../engine/stage.ts";

const inputSchema = z.object({ usd: z.number() });
type Input = z.infer<typeof inputSchema>;
type Confidence = ConfidenceRule<Input>;

function payTool(confidence: Confidence, paid: number[], approval?: ApprovalRule<Input>) {
  return tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect: "once",
    inputSchema,
    confidence,
    ...(approval !== undefined && { approval }),
    execute: ({ usd }) => {
      paid.push(usd);
      return "paid";
    },
  });
}

const script: Script = [{ toolCalls: [{ tool: "pay", input: { usd: 9 } }] }, { text: "End." }];

async function onGate(
  confidence: Confidence,
  act: (played: Played, paid: readonly number[], stage: Stage) => Promise<void> | void,
  models: Script | { readonly [route: string]: Script } = script,
): Promise<void> {
  const paid: number[] = [];
  const clerk = agent({ name: "clerk", model: "m", instructions: "Pay.", tools: [payTool(confidence, paid)] });
  await onStage({ agents: [clerk], script: models }, async (stage) => act(await stage.play(), paid, stage));
}

const gateOf = ({ events }: Played) => ofType(events, "tool.called")[0]?.verdict.gate;

test("a call that is sure enough is recorded as auto_approved, with its score, the threshold and why", () =>
  onGate(
    () => ({ score: 0.93, reason: "same invoice" }),
    (played, paid) => {
      assert.equal(played.result.status, "completed");
      assert.deepEqual(paid, [9]);
      assert.deepEqual(gateOf(played), {
        by: "tool",
        score: 0.93,
        threshold: 0.8,
        decision: "auto_approved",
        reason: "confidence 0.93, the threshold is 0.8: same invoice",
      });
    },
  ));

test("a call below the threshold waits for a person, who is told the score, and may say yes", () =>
  onGate(
    () => 0.79,
    async (played, paid, stage) => {
      assert.equal(played.result.status, "awaiting_approval");
      assert.deepEqual(paid, []);
      assert.equal(gateOf(played)?.decision, "asked");
      const approval = await stage.app.approvals.get("run-1:t0-2");
      assert.match(approval.question, /confidence 0\.79, the threshold is 0\.8/);
      await stage.app.approvals.approve(approval.approvalId, { by: "ada" });
      await stage.clock.settle();
      await stage.played(stage.app.run("run-1"));
      assert.deepEqual(paid, [9]);
    },
  ));

const broken: readonly (readonly [string, Confidence])[] = [
  ["throws", () => Promise.reject(new Error("no database"))],
  ["is no number", () => "very" as never],
  ["is above 1", () => 80],
  ["is NaN", () => Number.NaN],
  [
    "is a circle",
    () =>
      Object.assign(
        { score: 1 },
        {
          get self(): unknown {
            return this;
          },
        },
      ) as never,
  ],
];
for (const [what, confidence] of broken)
  test(`a measurement that ${what} asks a person: a broken gate is closed`, () =>
    onGate(confidence, (played, paid) => {
      assert.equal(played.result.status, "awaiting_approval");
      assert.deepEqual([gateOf(played)?.score, paid], [null, []]);
    }));

test("what is measured once is recorded: other words of the tool on replay change nothing", async () => {
  let measured = 0;
  await onGate(
    () => (++measured === 1 ? 0.9 : 0.1),
    (played, paid) => {
      assert.deepEqual([played.result.status, gateOf(played)?.score, paid], ["completed", 0.9, [9]]);
    },
  );
  assert.equal(measured, 1);
});

test("agreement of samples: as many yes of so many answers, each a call that is billed", async () => {
  const confidence = { samples: 4, question: "Is this payment right?", route: "judge", threshold: 0.75 };
  const answers = (...texts: string[]) => ({ m: script, judge: () => ({ text: texts.shift() ?? "" }) });
  await onGate(
    confidence,
    (played) => {
      assert.deepEqual([gateOf(played)?.score, gateOf(played)?.decision], [0.75, "auto_approved"]);
      assert.equal(ofType(played.events, "model.called").length, 6);
    },
    answers("Yes.", "yes", "no", "YES"),
  );
  await onGate(
    confidence,
    (played, paid) => assert.deepEqual([gateOf(played)?.score, gateOf(played)?.decision, paid], [0.5, "asked", []]),
    answers("Yes.", "maybe yes", "no", "yes"),
  );
});

for (const [score, status] of [
  [0.9, "completed"],
  [0.2, "awaiting_approval"],
] as const)
  test(`a reviewer runnable that says ${score} is a child run, and the call is ${status}`, async () => {
    const seen: JsonValue[] = [];
    const reviewer = durable({
      name: "reviewer",
      run: async (_ctx, input) => {
        seen.push(input);
        return { score, reason: "looked" };
      },
    });
    await onGate({ reviewer }, (played) => {
      assert.equal(played.result.status, status);
      assert.equal(gateOf(played)?.by, "reviewer");
      assert.deepEqual(seen[0], { tool: "pay", version: "1", input: { usd: 9 }, goal: "Do it." });
    });
  });

test("where the tool's own rule asks, nothing is measured; code that calls a tool is held to the same gate", async () => {
  const paid: number[] = [];
  let measured = 0;
  const scenes: unknown[] = [];
  const pay = payTool(
    () => {
      measured++;
      return 0.1;
    },
    paid,
    ({ usd }, { principal, turn, isTainted }) => {
      scenes.push([principal, turn, isTainted]);
      return usd > 50;
    },
  );
  const settle = durable({
    name: "settle",
    tools: [pay],
    run: (ctx, input) => ctx.call(pay, input as { usd: number }),
  });
  await onStage({ agents: [settle] }, async (stage) => {
    assert.equal((await stage.play({ usd: 80 }, { principal: "ria" })).result.status, "awaiting_approval");
    assert.equal(measured, 0);
    const small = await stage.play({ usd: 8 }, { principal: "ria" });
    assert.deepEqual([small.result.status, measured, gateOf(small)?.score], ["awaiting_approval", 1, 0.1]);
    assert.deepEqual(scenes[0], ["ria", 0, false]);
  });
  assert.deepEqual(paid, []);
});

test("a gate that could not work is refused where it is stated", async () => {
  const wrong: readonly unknown[] = [
    { score: () => 1, threshold: 0 },
    { score: () => 1, threshold: 80 },
    { samples: 1, question: "?", route: "m" },
    { samples: 17, question: "?", route: "m" },
    { samples: 3, question: "", route: "m" },
    { reviewer: "someone" },
    {},
  ];
  for (const confidence of wrong)
    await rejectsWith(
      "OPTION_INVALID",
      Promise.try(() => payTool(confidence as Confidence, [])),
    );
});
