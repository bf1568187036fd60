import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool, type Grounding } from "pawl";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, type Played } from "../engine/stage.ts";

const save = tool({
  name: "save",
  version: "1",
  description: "Saves a report.",
  effect: "idempotent",
  inputSchema: z.object({ content: z.string() }),
  execute: ({ content }) => `saved ${content}`,
});

/** An answer must say "proof". */
const proven: Grounding = {
  collect: (memo) => memo,
  check: (text) => ({
    ok: text.includes("proof"),
    feedback: "There is no proof in it.",
    text: text.includes("proof") ? text : `${text} ✗`,
  }),
  answerIn: ({ tool: name, args }) =>
    name === "save" &&
    typeof args === "object" &&
    args !== null &&
    "content" in args &&
    typeof args.content === "string"
      ? args.content
      : null,
};

function played(script: Script, see: (play: Played) => void): Promise<void> {
  const writer = agent({
    name: "writer",
    model: "scripted",
    instructions: "Write.",
    tools: [save],
    grounding: proven,
  });
  return onStage({ agents: [writer], script }, async (stage) => see(await stage.play("Say it.")));
}

const saving = (content: string) => ({ toolCalls: [{ tool: "save", input: { content } }] });

test("an answer that a call would carry out is judged before the call, and sent back with what is wrong", () =>
  played([saving("a claim"), saving("a claim with proof"), { text: "It has proof." }], ({ events, result }) => {
    const [refused] = ofType(events, "tool.refused");
    assert.deepEqual([refused?.code, refused?.output], ["TOOL_REFUSED", "There is no proof in it."]);
    assert.deepEqual(
      ofType(events, "tool.started").map(({ input }) => input),
      [{ content: "a claim with proof" }],
    );
    assert.equal(result.status === "completed" && result.output, "It has proof.");
  }));

test("it is sent back once: the second time the call is carried out, and the final answer is marked as it is", () =>
  played([saving("a claim"), saving("the same claim"), { text: "A claim." }], ({ events, result }) => {
    assert.equal(ofType(events, "tool.refused").length, 1);
    assert.equal(ofType(events, "tool.returned").length, 1);
    assert.equal(result.status === "completed" && result.output, "A claim. ✗");
  }));

test("arguments that were encoded twice are judged as what they mean", () =>
  played(
    [
      { toolCalls: [{ tool: "save", input: JSON.stringify({ content: "a claim" }) }] },
      saving("another claim"),
      { text: "A claim." },
    ],
    ({ events }) => {
      assert.equal(ofType(events, "tool.refused").length, 1);
      assert.equal(ofType(events, "tool.returned").length, 1);
    },
  ));
