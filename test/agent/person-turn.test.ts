import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, durable, tool, type Runnable } from "pawl";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, rejectsWith, type Stage } from "../engine/stage.ts";

const pay = tool({
  name: "pay",
  version: "1",
  description: "Pays.",
  effect: "once",
  inputSchema: z.object({ usd: z.number() }),
  approval: "always",
  execute: ({ usd }) => `paid ${usd}`,
});
const clerk = agent({ name: "clerk", model: "m", instructions: "Pay.", tools: [pay] });
const script: Script = [{ toolCalls: [{ tool: "pay", input: { usd: 80 } }] }, { text: "The model's end." }];

/** A clerk that waits with its payment. */
function waiting(
  act: (stage: Stage) => Promise<void>,
  agents: readonly Runnable[] = [clerk],
  lines: Script = script,
): Promise<void> {
  return onStage({ agents, script: lines }, async (stage) => {
    const { result } = await stage.play("Pay.", { principal: "ria" });
    assert.equal(result.status, "awaiting_approval");
    await act(stage);
  });
}

test("a person answers in the agent's place for one turn: the model is not asked, and the record says who answered", () =>
  waiting(async (stage) => {
    await stage.app.answer("run-1", "It is paid, says Ada.", { by: "ada" });
    assert.equal((await stage.app.run("run-1").head()).answered, true);
    await stage.app.approvals.approve("run-1:t0-1", { by: "bob" });
    await stage.clock.settle();
    const { result, events } = await stage.played(stage.app.run("run-1"));
    assert.equal(result.status === "completed" ? result.output : null, "It is paid, says Ada.");
    assert.equal(stage.models.requests.length, 1, "the model was asked for its first turn alone");
    const [given] = ofType(events, "answer.given");
    const answered = ofType(events, "model.answered").at(-1);
    assert.deepEqual(answered?.person, { by: "ada", seq: given?.seq });
    assert.deepEqual([answered?.model, answered?.endpoint, answered?.costNanoUsd], ["person", "person", 0]);
    assert.deepEqual(answered?.messageRef.label, { source: "trusted", origin: "person" });
    assert.equal((await stage.app.run("run-1").head()).answered, undefined);
  }));

test("an answer that comes while the model gives its final one is the last word: the run goes on for it", async () => {
  const chat = agent({ name: "chat", model: "m", instructions: "Talk." });
  const told: Promise<void>[] = [];
  const whileAsked: Script = () => {
    told.push(stages[0]?.app.answer("run-1", "Ada's.", { by: "ada" }) ?? Promise.reject(new Error("no stage")));
    return { text: "Mine." };
  };
  const stages: Stage[] = [];
  await onStage({ agents: [chat], script: whileAsked }, async (stage) => {
    stages.push(stage);
    const { result, events } = await stage.play("Hello.");
    await Promise.all(told);
    assert.equal(told.length, 1, "the model was asked once");
    assert.deepEqual(
      ofType(events, "model.answered").map(({ model }) => model === "person"),
      [false, true],
    );
    assert.equal(result.status === "completed" ? result.output : null, "Ada's.");
  });
});

test("a request that no budget has room for is answered by a person, for nothing", async () => {
  const chat = agent({ name: "chat", model: "m", instructions: "Talk.", limits: { tokens: 1 } });
  await onStage({ agents: [chat], script: [{ text: "Mine." }] }, async (stage) => {
    const { run, result } = await stage.play("Hello.");
    assert.equal(result.status, "awaiting_budget");
    await stage.app.answer("run-1", "Ada's.", { by: "ada" });
    await stage.clock.settle();
    const played = await stage.played(run);
    assert.equal(played.result.status === "completed" ? played.result.output : null, "Ada's.");
    assert.deepEqual([stage.models.requests.length, played.result.costUsd], [0, 0]);
  });
});

test("a paused run takes the answer when it is resumed", () =>
  waiting(async (stage) => {
    await stage.app.pause("run-1", "let me");
    await stage.app.answer("run-1", "Ada's.", { by: "ada" });
    await stage.app.approvals.approve("run-1:t0-1", { by: "bob" });
    await stage.clock.settle();
    assert.equal((await stage.app.run("run-1").head()).status, "paused");
    await stage.app.resume("run-1");
    await stage.clock.settle();
    const { result } = await stage.played(stage.app.run("run-1"));
    assert.equal(result.status === "completed" ? result.output : null, "Ada's.");
  }));

test("one answer waits at a time, it fits what the agent must answer with, and only an agent's turn is taken", async () => {
  await waiting(async (stage) => {
    await stage.app.answer("run-1", "One.", { by: "ada", messageId: "m1" });
    await stage.app.answer("run-1", "One.", { by: "ada", messageId: "m1" });
    await rejectsWith("ANSWER_PENDING", stage.app.answer("run-1", "Two.", { by: "bob" }));
    await rejectsWith("RUN_UNKNOWN", stage.app.answer("run-1", "Two.", { by: "bob", tenant: "other" }));
    await stage.app.approvals.reject("run-1:t0-1", { by: "bob" });
    await stage.clock.settle();
    await stage.played(stage.app.run("run-1"));
    await rejectsWith("RUN_ENDED", stage.app.answer("run-1", "Two.", { by: "bob" }));
  });
  const typed = agent({
    name: "typed",
    model: "m",
    instructions: "Pay.",
    tools: [pay],
    output: z.object({ usd: z.number() }),
  });
  await waiting(
    async (stage) => {
      for (const wrong of ["no json", `{"usd":"80"}`])
        await rejectsWith("ANSWER_INVALID", stage.app.answer("run-1", wrong, { by: "ada" }));
      await stage.app.answer("run-1", `{"usd":80}`, { by: "ada" });
      await stage.app.approvals.approve("run-1:t0-1", { by: "bob" });
      await stage.clock.settle();
      const { result } = await stage.played(stage.app.run("run-1"));
      assert.deepEqual(result.status === "completed" ? result.output : null, { usd: 80 });
    },
    [typed],
  );
  const asking = durable({ name: "asking", run: async (ctx) => (await ctx.ask({ question: "?" })).answer });
  await waiting(
    (stage) => rejectsWith("ANSWER_INVALID", stage.app.answer("run-1", "Me.", { by: "ada" })),
    [asking],
    [],
  );
});
