import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "../../src/agent/agent.ts";
import { handoff } from "../../src/agent/handoff.ts";
import { asTool } from "../../src/agent/turn-tool.ts";
import { textOf } from "../../src/core/message.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import { isEnd } from "../../src/core/run-outcome.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { pipeline } from "../../src/team/pipeline.ts";
import { reviewerLoop, reviewSchema } from "../../src/team/reviewer-loop.ts";
import { faultyModel } from "../../src/testing/faulty-model.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { scriptedModel, type ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, type Stage } from "../engine/stage.ts";
import { crew, expert, plan, report } from "./scripts.ts";

const helper = agent({ name: "helper", model: "helper", instructions: "Help.", description: "Helps." });

function asked(stage: Stage, route: string): string {
  const seen = stage.models.requests.findLast((one) => one.route === route);
  return seen?.request.messages.map(textOf).join("\n") ?? "";
}

test("an agent as a tool is a child run, and its answer is the tool's result", () => {
  const boss = agent({ name: "boss", model: "boss", instructions: "Lead.", tools: [asTool(helper)] });
  const script = {
    boss: [{ toolCalls: [{ tool: "helper", input: { input: "What is it?" } }] }, { text: "It is 42." }],
    helper: [{ text: "42" }],
  };
  return onStage({ agents: [boss], script }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status === "completed" && result.output, "It is 42.");
    assert.equal(ofType(events, "tool.returned")[0]?.output, "42");
    assert.equal(ofType(events, "child.called").length, 1);
  });
});

test("an agent as a tool that fails is a refusal with its code; one that hands bad input is told the schema", () => {
  const boss = agent({ name: "boss", model: "boss", instructions: "Lead.", tools: [asTool(helper)] });
  const script = {
    boss: [
      { toolCalls: [{ tool: "helper", input: { input: "" } }] },
      { toolCalls: [{ tool: "helper", input: { input: "Go." } }] },
      { text: "No help." },
    ],
    helper: [{ text: "" }, { text: "" }, { text: "" }],
  };
  return onStage({ agents: [boss], script }, async (stage) => {
    const { events } = await stage.play();
    const codes = ofType(events, "tool.refused").map(({ code }) => code);
    assert.deepEqual(codes, ["TOOL_INPUT_INVALID", "MODEL_EMPTY"]);
  });
});

for (const [turn, first] of [
  ["first", []],
  ["second", [{ toolCalls: [{ tool: "plan", input: { items: [{ text: "x", status: "open" }] } }] }]],
] as const)
  test(`a handoff in the ${turn} turn moves control: the target sees what is kept, and its answer is the run's`, () => {
    const desk = agent({
      name: "desk",
      model: "desk",
      instructions: "Route.",
      planning: true,
      tools: [handoff(helper)],
    });
    const script = {
      desk: [
        ...first,
        { text: "secret thought", toolCalls: [{ tool: "hand_over_to_helper", input: { message: "Refund it." } }] },
      ],
      helper: [{ text: "Refunded." }],
    };
    return onStage({ agents: [desk], script }, async (stage) => {
      const { result } = await stage.play("I was charged twice.");
      assert.equal(result.status === "completed" && result.output, "Refunded.");
      assert.match(
        asked(stage, "helper"),
        /Task: Refund it\.\n\nFrom the conversation so far:\nuser: I was charged twice\./,
      );
      assert.doesNotMatch(asked(stage, "helper"), /secret thought|plan is recorded/);
    });
  });

test("a target that fails gives control back, with the reason", () => {
  const desk = agent({ name: "desk", model: "desk", instructions: "Route.", tools: [handoff(helper)] });
  const script = {
    desk: [{ toolCalls: [{ tool: "hand_over_to_helper", input: { message: "Go." } }] }, { text: "I do it myself." }],
    helper: [{ text: "" }, { text: "" }, { text: "" }],
  };
  return onStage({ agents: [desk], script }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status === "completed" && result.output, "I do it myself.");
    assert.equal(ofType(events, "tool.refused")[0]?.code, "MODEL_EMPTY");
  });
});

test("a pipeline hands each result on; the first that fails ends it with its code", () => {
  const count = durable({
    name: "count",
    run: (_ctx, input) => Promise.resolve({ words: JSON.stringify(input).split(" ").length }),
  });
  const line = pipeline({ name: "line", steps: [count, helper] });
  return onStage({ agents: [line], script: { helper: [{ text: "three words" }] } }, async (stage) => {
    const { result } = await stage.play("one two three");
    assert.equal(result.status === "completed" && result.output, "three words");
    assert.match(asked(stage, "helper"), /"words": 3/);
    assert.throws(() => pipeline({ name: "none", steps: [] }), /has no steps/);
  });
});

test("a reviewer loop revises what is doubted, and ends when every claim is supported", () => {
  const review = (verdict: string) => ({
    text: JSON.stringify({
      claims: [{ claim: "it is 42", source: "a.md:1", verdict }],
      quality: "fine",
      confidence: 0.5,
    }),
  });
  const writer = agent({ name: "writer", model: "writer", instructions: "Write." });
  const reviewer = agent({ name: "reviewer", model: "reviewer", instructions: "Review.", output: reviewSchema });
  const loop = reviewerLoop({ name: "loop", writer, reviewer, rounds: 2 });
  const drafts = (prompt: string): string => (prompt.includes("Doubted:") ? "second" : "first");
  const script = {
    writer: (request: ModelRequest) => ({ text: drafts(request.messages.map(textOf).join()) }),
    reviewer: (request: ModelRequest) =>
      review(request.messages.map(textOf).join().includes("second") ? "supported" : "unsupported"),
  };
  return onStage({ agents: [loop], script }, async (stage) => {
    const { result } = await stage.play("What is it?");
    assert.ok(result.status === "completed");
    assert.match(
      JSON.stringify(result.output),
      /"text":"second".*"rounds":2.*"isPassed":true|"isPassed":true.*"rounds":2/,
    );
    assert.match(asked(stage, "writer"), /Doubted:\n- unsupported: it is 42 \(a\.md:1\)/);
  });
});

test("a reviewer that gives no review fails the loop with a code; rounds are bounded", () => {
  const writer = agent({ name: "writer", model: "writer", instructions: "Write." });
  const loop = reviewerLoop({ name: "loop", writer, reviewer: helper });
  return onStage(
    { agents: [loop], script: { writer: [{ text: "draft" }], helper: [{ text: "nice" }] } },
    async (stage) => {
      const { result } = await stage.play("What is it?");
      assert.equal(result.status === "failed" && result.error.code, "MODEL_OUTPUT_INVALID");
      assert.throws(() => reviewerLoop({ name: "loop", writer, reviewer: helper, rounds: 0 }), /rounds is 0/);
    },
  );
});

test("models that fail in every way: every team ends with a stated outcome, every child with it", async () => {
  const names = ["alice", "bob", "carol"];
  const ends: string[] = [];
  for (let seed = 1; seed <= 12; seed++) {
    const clock = manualClock();
    const script = (
      _request: unknown,
      { route, turn }: { readonly route: string; readonly turn: number },
    ): ScriptedTurn => {
      if (route !== "lead") return report(route);
      return turn === 0
        ? plan(...names.map((name) => ({ id: name, specialist: name })))
        : { text: "alice, bob, carol" };
    };
    const models = faultyModel(scriptedModel(script), { profile: "badDay", seed, clock });
    await onStage({ agents: [crew(names.map((name) => expert(name)))], models, clock }, async (stage) => {
      const { result, run } = await stage.play("Go.");
      ends.push(result.status);
      await stage.clock.pass(1_000);
      const { items } = await stage.app.runs({ parentRunId: run.id });
      assert.ok(
        items.every(({ status }) => isEnd(status)),
        "no child outlives its team",
      );
    });
  }
  assert.ok(
    ends.every((status) => ["completed", "stopped", "failed"].includes(status)),
    ends.join(),
  );
  assert.ok(ends.filter((status) => status === "completed").length >= 6, ends.join());
});
