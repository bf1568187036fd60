import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "pawl";
import { nextSteps } from "../../src/cli/follow-run.ts";
import { onStage } from "../engine/stage.ts";

test("a run that a shared budget refused is offered the budget's cap, one that its own refused is offered more for itself", async () => {
  const poor = agent({ name: "poor", model: "r", instructions: "x" });
  const budgets = [{ name: "team", scope: "user", window: "day", tokens: 10 }] as const;
  await onStage({ agents: [poor], script: [{ text: "Hi." }], budgets }, async (stage) => {
    const { run } = await stage.play("Go.", { limits: { tokens: 100_000 } });
    assert.match(nextSteps({}, await run.head())[0] ?? "", / budgets set team --tokens 1000000$/);
  });
  await onStage({ agents: [poor], script: [{ text: "Hi." }] }, async (stage) => {
    const { run } = await stage.play("Go.", { limits: { tokens: 10 } });
    assert.match(nextSteps({}, await run.head())[0] ?? "", / raise run-1 --tokens/);
  });
});
