import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "pawl";
import { askUser, type AskUserOptions } from "pawl/tools";
import type { Script } from "../../src/testing/scripted-model.ts";
import { onStage, type Stage } from "../engine/stage.ts";

const question = { question: "Which\u202E city?\u001B[2J", options: ["Bonn", "Köln"] };

function asking(
  see: (stage: Stage) => Promise<void>,
  calls: readonly object[] = [question],
  options: AskUserOptions = {},
) {
  const clerk = agent({ name: "clerk", model: "scripted", instructions: "Ask.", tools: [askUser(options)] });
  const script: Script = ({ messages }) => {
    const last = messages.at(-1);
    return last?.role === "tool"
      ? { text: JSON.stringify(last.content) }
      : { toolCalls: calls.map((input) => ({ tool: "ask_user", input: input as never })) };
  };
  return onStage({ agents: [clerk], script }, see);
}

/** Starts, waits for the question, decides, and gives what the model was shown. */
async function shownAfter(
  stage: Stage,
  decide: (approvalId: string, shownHash: string) => Promise<unknown>,
): Promise<string> {
  const { run, result } = await stage.play("Go.");
  assert.equal(result.status, "awaiting_approval");
  const [approvalId = ""] = result.status === "awaiting_approval" ? result.approvals : [];
  const { actionHash } = await stage.app.approvals.get(approvalId);
  await decide(approvalId, actionHash);
  const ended = await stage.clock.until(run.result());
  assert.ok(ended.status === "completed" && typeof ended.output === "string");
  return ended.output;
}

test("a question waits in the store, and what the person says is what the model reads", () =>
  asking(async (stage) => {
    const { approvals } = stage.app;
    const shown = await shownAfter(stage, async (id, shownHash) => {
      const { question: seen, schema } = await approvals.get(id);
      assert.equal(seen, "Which city?");
      assert.deepEqual(schema, { type: "string", enum: ["Bonn", "Köln"] });
      await assert.rejects(approvals.answer(id, { by: "ada", shownHash, answer: "Rome" }), { code: "ANSWER_INVALID" });
      await approvals.answer(id, { by: "ada", shownHash, answer: "Bonn" });
    });
    assert.match(shown, /"answer":"Bonn","by":"ada"/);
  }));

test("who does not answer says why, and the agent goes on", () =>
  asking(async (stage) => {
    const shown = await shownAfter(stage, (id, shownHash) =>
      stage.app.approvals.reject(id, { by: "ada", shownHash, reason: "ask Bob" }),
    );
    assert.match(shown, /ada does not answer: ask Bob/);
  }));

test("a question that nobody answers in time ends, and the agent goes on", () =>
  asking(
    async (stage) => {
      const shown = await shownAfter(stage, () => stage.clock.pass(60_001));
      assert.match(shown, /Nobody answered in time/);
    },
    [{ question: "Anyone?" }],
    { expiresMs: 60_000 },
  ));

test("what a person says is trusted: it may steer what comes next", () => {
  assert.equal(askUser().trust, "trusted");
  assert.throws(() => askUser({ whoMay: { principals: [] } }), { code: "OPTION_INVALID" });
});

test("a question that is none is refused to the model", () =>
  asking(
    async (stage) => {
      const { result } = await stage.play("Go.");
      assert.match(JSON.stringify(result), /do not fit its schema/);
    },
    [{ question: " " }],
  ));
