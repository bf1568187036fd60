import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool, type AgentOptions, type Grounding } from "pawl";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, type Played, type Stage } from "../engine/stage.ts";

const look = tool({
  name: "look",
  version: "1",
  description: "Looks.",
  effect: "pure",
  inputSchema: z.object({ at: z.string() }),
  execute: ({ at }) => `saw ${at} ${"x".repeat(2_000)}`,
});

function played(
  script: Script,
  see: (play: Played, stage: Stage) => void | Promise<void>,
  options: Partial<AgentOptions> = {},
): Promise<void> {
  const writer = agent({ name: "writer", model: "scripted", instructions: "Write.", ...options });
  return onStage({ agents: [writer], script }, async (stage) => see(await stage.play("Say it."), stage));
}

test("an empty answer is never a success: it is asked again, and fails in the end", () =>
  played([{ text: "" }, { text: "  " }, { text: "" }], (play) => {
    assert.equal(play.result.status === "failed" && play.result.error.code, "MODEL_EMPTY");
  }));

test("an empty answer that is followed by a good one costs a turn and nothing else", () =>
  played(
    (request) => ({ text: JSON.stringify(request.messages).includes("Your answer was empty") ? "Here it is." : "" }),
    (play) => assert.equal(play.result.status === "completed" && play.result.output, "Here it is."),
  ));

test("calls of an answer that was cut by its length limit never run", () =>
  played(
    [{ toolCalls: [{ tool: "look", input: { at: "door" } }], finish: "length" }, { text: "Short." }],
    (play) => {
      assert.equal(ofType(play.events, "tool.called").length, 0);
      assert.equal(play.result.status === "completed" && play.result.output, "Short.");
    },
    { tools: [look] },
  ));

test("answers that are cut again and again end as a failure with the reason", () =>
  played(
    () => ({ text: "and so on", finish: "length" }),
    (play) => {
      assert.equal(play.result.status === "failed" && play.result.error.code, "MODEL_TRUNCATED");
    },
  ));

test("an answer that the provider's filter took away is a stop with its own reason", () =>
  played([{ text: "", finish: "content-filter" }], (play) => {
    assert.equal(play.result.status === "stopped" && play.result.stopReason, "refused");
  }));

const city = z.object({ city: z.string(), inhabitants: z.number() });

test("a typed answer is parsed, also out of a code fence", () =>
  played(
    [{ text: 'Sure:\n```json\n{"city":"Bern","inhabitants":134000}\n```' }],
    (play) => {
      assert.deepEqual(play.result.status === "completed" && play.result.output, {
        city: "Bern",
        inhabitants: 134_000,
      });
    },
    { output: city },
  ));

test("a typed answer that does not fit is sent back with what is wrong, and repaired", () =>
  played(
    [{ text: '{"city":"Bern"}' }, { text: '{"city":"Bern","inhabitants":134000}' }],
    (play, stage) => {
      assert.equal(play.result.status, "completed");
      assert.match(JSON.stringify(stage.prompts.at(-1)), /inhabitants: .*expected number/);
    },
    { output: city },
  ));

test("a typed answer that never fits fails after three repairs", () =>
  played(
    () => ({ text: "no JSON here" }),
    (play) => {
      assert.equal(play.result.status === "failed" && play.result.error.code, "MODEL_OUTPUT_INVALID");
      assert.equal(ofType(play.events, "model.answered").length, 4);
    },
    { output: city },
  ));

test("a plan is data in the journal", () =>
  played(
    [
      {
        toolCalls: [
          {
            tool: "plan",
            input: {
              items: [
                { text: "look", status: "active" },
                { text: "write", status: "open" },
              ],
            },
          },
        ],
      },
      { text: "Planned." },
    ],
    (play) => {
      assert.deepEqual(ofType(play.events, "plan.updated")[0]?.items, [
        { id: "1", text: "look", status: "active" },
        { id: "2", text: "write", status: "open" },
      ]);
    },
    { planning: true },
  ));

const grounding: Grounding = {
  collect: (memo, { args }) => [...((memo as readonly string[] | null) ?? []), (args as { at: string }).at],
  check: (text, memo) => {
    const ok = ((memo as readonly string[] | null) ?? []).some((seen) => text.includes(seen));
    return { ok, feedback: "You never looked there.", text: ok ? text : `${text} ✗` };
  },
};

test("an answer that says what nobody showed is sent back once, then marked", () =>
  played(
    [{ text: "The roof is red." }, { text: "The roof is red, I swear." }],
    (play, stage) => {
      assert.equal(play.result.status === "completed" && play.result.output, "The roof is red, I swear. ✗");
      assert.equal(stage.prompts.length, 2);
      assert.match(JSON.stringify(stage.prompts.at(-1)), /You never looked there/);
    },
    { tools: [look], grounding },
  ));

test("an answer that rests on what a tool returned passes", () =>
  played(
    [{ toolCalls: [{ tool: "look", input: { at: "door" } }] }, { text: "The door is open." }],
    (play) => {
      assert.equal(play.result.status === "completed" && play.result.output, "The door is open.");
    },
    { tools: [look], grounding },
  ));

test("a conversation that outgrows its window is compacted: goal and plan stay, no call loses its result", () =>
  played(
    (request, { turn }) => {
      if (request.tools.length === 0) return { text: "SUMMARY: doors were looked at." };
      if (turn === 0 && !JSON.stringify(request.messages).includes("SUMMARY")) {
        return { toolCalls: [{ tool: "plan", input: { items: [{ text: "look everywhere", status: "active" }] } }] };
      }
      return JSON.stringify(request.messages).includes("door 19")
        ? { text: "All seen." }
        : { toolCalls: [{ tool: "look", input: { at: `door ${request.messages.length}` } }] };
    },
    (play, stage) => {
      const compacted = ofType(play.events, "context.compacted");
      assert.ok(compacted.length > 0, "it was compacted");
      const last = JSON.stringify(stage.prompts.at(-1));
      assert.match(last, /Goal: Say it\./);
      assert.match(last, /\[active\] look everywhere/);
      assert.match(last, /SUMMARY: doors were looked at\./);
    },
    { tools: [look], planning: true, contextTokens: 4_000, limits: { turns: 15, tokens: 10_000_000 } },
  ));

test("a provider that finds the prompt too long gets a compacted one, and the run goes on", () =>
  played(
    (request, { turn }) => {
      const length = JSON.stringify(request.messages).length;
      if (request.tools.length === 0) return { text: "short summary" };
      if (length > 7_000) return { error: { code: "MODEL_CONTEXT_OVERFLOW", message: "too long" } };
      return JSON.stringify(request.messages).includes("short summary")
        ? { text: "Done." }
        : { toolCalls: [{ tool: "look", input: { at: `door ${turn}` } }] };
    },
    (play) => {
      assert.equal(play.result.status === "completed" && play.result.output, "Done.");
      assert.equal(ofType(play.events, "context.compacted").length, 1);
    },
    { tools: [look], limits: { tokens: 10_000_000 } },
  ));

test("a provider that finds also the compacted prompt too long stops the run with the reason", () => {
  let refused = 0;
  return played(
    (request, { turn }) => {
      if (request.tools.length === 0) return { text: "short summary" };
      if (turn < 3 && refused === 0) return { toolCalls: [{ tool: "look", input: { at: `door ${turn}` } }] };
      refused++;
      return { error: { code: "MODEL_CONTEXT_OVERFLOW", message: "too long" } };
    },
    (play) => {
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "context_overflow");
      assert.equal(refused, 2);
      assert.equal(ofType(play.events, "context.compacted").length, 1);
    },
    { tools: [look], limits: { tokens: 10_000_000 } },
  );
});

test("a message to a running agent is read at its next turn", async () => {
  const writer = agent({ name: "writer", model: "scripted", instructions: "Write.", tools: [look] });
  await onStage(
    {
      agents: [writer],
      script: (_, { turn }) =>
        turn < 1 ? { toolCalls: [{ tool: "look", input: { at: "door" } }], delayMs: 5_000 } : { text: "Heard." },
    },
    async (stage) => {
      const run = await stage.start("Say it.");
      await stage.clock.pass(1_000);
      await stage.clock.until(stage.app.message(run.id, "Be brief."));
      const { result } = await stage.played(run);
      assert.equal(result.status, "completed");
      assert.match(JSON.stringify(stage.prompts.at(-1)), /Be brief\./);
    },
  );
});

test("a run without a stated budget has 100,000 tokens; out of budget it waits with its work, and goes on after a top-up", async () => {
  const writer = agent({
    name: "writer",
    model: "scripted",
    instructions: "Write.",
    tools: [look],
    limits: { tokens: 9_000, turns: 50 },
  });
  await onStage(
    {
      agents: [writer],
      script: (_, { turn }) =>
        turn < 6 ? { toolCalls: [{ tool: "look", input: { at: `door ${turn}` } }] } : { text: "Finished." },
    },
    async (stage) => {
      const run = await stage.start("Say it.");
      const first = await stage.clock.until(run.result());
      assert.equal(first.status, "awaiting_budget");
      const before = (await stage.events(run)).filter((event) => event.type === "tool.returned").length;
      assert.ok(before > 0);
      await stage.clock.until(stage.app.raiseBudget(run.id, "tokens", 100_000));
      await stage.clock.pass(100);
      const { result } = await stage.played(run);
      assert.equal(result.status === "completed" && result.output, "Finished.");
    },
  );
});

test("with onBudget finish a run that is out of budget ends with its best answer so far", async () => {
  const writer = agent({
    name: "writer",
    model: "scripted",
    instructions: "Write.",
    tools: [look],
    limits: { tokens: 9_000, onBudget: "finish" },
  });
  await onStage(
    {
      agents: [writer],
      script: (_, { turn }) => ({
        text: `draft ${turn}`,
        toolCalls: [{ tool: "look", input: { at: `door ${turn}` } }],
      }),
    },
    async (stage) => {
      const { result } = await stage.play();
      assert.equal(result.status === "stopped" && result.stopReason, "budget");
      assert.match(JSON.stringify(result.status === "stopped" && result.output), /^"draft \d+"$/);
    },
  );
});

// ---- answers that are none

test("calls of an answer that the filter took, or that broke off, never run either", async () => {
  const call = { tool: "look", input: { at: "door" } };
  for (const finish of ["content-filter", "error"] as const) {
    await played(
      [{ toolCalls: [call], finish }, { text: "Whole." }],
      (play) => {
        assert.equal(ofType(play.events, "tool.called").length, 0, finish);
        assert.equal(play.result.status, finish === "error" ? "completed" : "stopped");
      },
      { tools: [look] },
    );
  }
});

test("an answer that breaks off again and again is a failure with its reason", () =>
  played(
    () => ({ text: "and so", finish: "error" }),
    (play) => assert.equal(play.result.status === "failed" && play.result.error.code, "MODEL_BAD_RESPONSE"),
  ));

test("reasoning alone is an empty answer, and text beside it is an answer", () =>
  played([{ reasoning: "I think." }, { reasoning: "I think.", text: "So." }], (play) => {
    assert.equal(play.result.status === "completed" && play.result.output, "So.");
    assert.equal(ofType(play.events, "model.answered").length, 2);
  }));

test("an unknown finish reason with a whole answer is an answer", () =>
  played([{ text: "Fine.", finish: "other" }], (play) => assert.equal(play.result.status, "completed")));

test("empty, cut and good answers in turn are each counted anew: only those in a row end the run", () => {
  const turns = ["", "", "call", "", "", "call", "cut", "cut", "cut", "call", "cut", "end"];
  return played(
    (request) => {
      const kind =
        turns[
          request.messages.filter(({ role }) => role === "user").length -
            1 +
            request.messages.filter(({ role }) => role === "tool").length
        ] ?? "end";
      if (kind === "call") return { toolCalls: [{ tool: "look", input: { at: `${request.messages.length}` } }] };
      return kind === "cut" ? { text: "and so on", finish: "length" } : { text: kind };
    },
    (play) => assert.equal(play.result.status === "completed" && play.result.output, "end"),
    { tools: [look] },
  );
});

// ---- typed answers

test("a typed answer is what its schema makes of it: defaults are filled in, unknown members left out", () =>
  played(
    [{ text: '{"city":"Bern","extra":1}' }],
    (play) =>
      assert.deepEqual(play.result.status === "completed" && play.result.output, { city: "Bern", inhabitants: 0 }),
    { output: z.object({ city: z.string(), inhabitants: z.number().default(0) }) },
  ));

test("null, a list and a bare text can be typed answers too", async () => {
  for (const [text, output, value] of [
    ["null", z.null(), null],
    ["Here: [1, 2]", z.array(z.number()), [1, 2]],
    ['"yes"', z.enum(["yes", "no"]), "yes"],
  ] as const) {
    await played(
      [{ text }],
      (play) => assert.deepEqual(play.result.status === "completed" && play.result.output, value),
      { output },
    );
  }
});

test("JSON nested 100,000 deep is no typed answer, and harms nothing", () =>
  played(
    [{ text: "[".repeat(100_000) + "]".repeat(100_000) }, { text: "[]" }],
    (play) => assert.deepEqual(play.result.status === "completed" && play.result.output, []),
    { output: z.array(z.unknown()) },
  ));

test("a typed answer is held to what the tools showed, like any other", () =>
  played(
    [
      { text: '{"city":"Bern","inhabitants":1}' },
      { toolCalls: [{ tool: "look", input: { at: "Bern" } }] },
      { text: '{"city":"Bern","inhabitants":2}' },
    ],
    (play, stage) => {
      assert.deepEqual(play.result.status === "completed" && play.result.output, { city: "Bern", inhabitants: 2 });
      assert.match(JSON.stringify(stage.prompts[1]), /You never looked there/);
    },
    { output: city, tools: [look], grounding },
  ));

test("what a call really was counts as evidence: the tool's own name and the arguments that were meant", () => {
  const seen: unknown[] = [];
  const watching: Grounding = {
    collect: (memo, { tool: name, args }) => (seen.push([name, args]), memo),
    check: (text) => ({ ok: true, feedback: "", text }),
  };
  return played(
    [
      {
        toolCalls: [
          { tool: " LOOK ", input: '{"at":"door"}' },
          { tool: "nope", input: {} },
        ],
      },
      { text: "End." },
    ],
    () => assert.deepEqual(seen, [["look", { at: "door" }]]),
    { tools: [look], grounding: watching },
  );
});

// ---- plans

test("a plan that is none is told what a plan is, and changes nothing", () =>
  played(
    [{ toolCalls: [{ tool: "plan", input: { items: [{ text: "x", status: "someday" }] } }] }, { text: "End." }],
    (play, stage) => {
      assert.equal(ofType(play.events, "plan.updated").length, 0);
      assert.match(
        JSON.stringify(stage.prompts.at(-1)),
        /expected 1 to 30 items of \{text, status\}, status one of open, active, done, dropped/,
      );
    },
    { planning: true },
  ));

// ---- stops

test("a run that is stopped gives its newest text as its best answer, and says why it was stopped", () =>
  played(
    (_, { turn }) => ({ text: `draft ${turn}`, toolCalls: [{ tool: "look", input: { at: `${turn}` } }] }),
    (play) => {
      assert.deepEqual(
        play.result.status === "stopped" && [play.result.stopReason, play.result.output, play.result.detail],
        ["max_turns", "draft 2", "no final answer within 3 turns"],
      );
    },
    { tools: [look], limits: { turns: 3, tokens: 10_000_000 } },
  ));

test("what a turn stores for the next does not grow with what the model writes", () =>
  played(
    (_, { turn }) =>
      turn < 10
        ? { text: "thought ".repeat(400), toolCalls: [{ tool: "look", input: { at: `${turn}` } }] }
        : { text: "End." },
    (play) => {
      for (const event of ofType(play.events, "turn.ended")) assert.ok(JSON.stringify(event).length < 200);
    },
    { tools: [look], limits: { tokens: 10_000_000 } },
  ));

test("a hint is said once, and stays where it was said", () =>
  played(
    (_, { turn }) =>
      turn === 0
        ? { reasoning: "hm" }
        : turn < 4
          ? { toolCalls: [{ tool: "look", input: { at: `${turn}` } }] }
          : { text: "End." },
    (play, stage) => {
      assert.equal(play.result.status, "completed");
      assert.equal(JSON.stringify(stage.prompts.at(-1)).split("Your answer was empty").length - 1, 1);
    },
    { tools: [look] },
  ));
