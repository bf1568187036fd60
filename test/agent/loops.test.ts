import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool, type Tool } from "pawl";
import type { RecentCall } from "../../src/core/run-state.ts";
import { assess } from "../../src/agent/progress.ts";
import { breakerOf } from "../../src/agent/breaker.ts";
import { limits } from "../../src/core/limits.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, Stage, type Played } from "../engine/stage.ts";

const look = tool({
  name: "look",
  version: "1",
  description: "Looks.",
  effect: "pure",
  inputSchema: z.object({ at: z.string() }),
  execute: ({ at }) => `saw ${at}`,
});
const find = tool({
  name: "find",
  version: "1",
  description: "Finds.",
  effect: "pure",
  inputSchema: z.object({ word: z.string() }),
  execute: () => "nothing found",
});
const save = tool({
  name: "save",
  trust: "trusted",
  version: "1",
  description: "Saves.",
  effect: "idempotent",
  inputSchema: z.object({ text: z.string() }),
  execute: () => "saved",
});
const fail = tool({
  name: "fail",
  version: "1",
  description: "Fails.",
  effect: "pure",
  attempts: 1,
  inputSchema: z.object({ n: z.number() }),
  execute: ({ n }) => {
    throw new Error(`request ${1000 + n} timed out after ${n * 7} ms`);
  },
});

function played(
  script: Script,
  see: (play: Played) => void,
  tools: readonly Tool[] = [look, find, save, fail],
): Promise<void> {
  const looper = agent({
    name: "looper",
    model: "scripted",
    instructions: "Loop.",
    tools,
    limits: { turns: 40, tokens: 100_000_000 },
  });
  return onStage({ agents: [looper], script }, async (stage) => see(await stage.play()));
}

const flags = ({ events }: Played): readonly string[] =>
  ofType(events, "guard.flagged").map((event) => `${event.rule} ${event.action}`);
const reason = ({ result }: Played): unknown => result.status === "stopped" && [result.stopReason, result.detail];

// ---- calls that a model makes at once say one thing

test("twenty calls at once that fail in one way get the model a turn to change something", () =>
  played(
    (_, { turn }) =>
      turn === 0
        ? { toolCalls: Array.from({ length: 20 }, (_item, n) => ({ tool: "fail", input: { n } })) }
        : { text: "I give up on that." },
    (play) => {
      assert.equal(play.result.status, "completed");
      assert.deepEqual(flags(play), []);
    },
  ));

test("the same call ten times in one answer is not yet a loop", () =>
  played(
    (_, { turn }) =>
      turn === 0
        ? { toolCalls: Array.from({ length: 10 }, () => ({ tool: "look", input: { at: "door" } })) }
        : { text: "Door." },
    (play) => assert.equal(play.result.status, "completed"),
  ));

test("the same two calls in every answer are one, with both forbidden", () =>
  played(
    () => ({
      toolCalls: [
        { tool: "look", input: { at: "a" } },
        { tool: "look", input: { at: "b" } },
      ],
    }),
    (play) => {
      assert.deepEqual([...new Set(flags(play))], ["repeat hint", "repeat forbid", "repeat stop"]);
      assert.equal(ofType(play.events, "tool.refused").length, 4);
    },
  ));

test("a repeated call beside one that brings something new is no loop", () =>
  played(
    (_, { turn }) =>
      turn < 12
        ? {
            toolCalls: [
              { tool: "look", input: { at: "clock" } },
              { tool: "look", input: { at: `room ${turn}` } },
            ],
          }
        : { text: "All rooms." },
    (play) => {
      assert.equal(play.result.status, "completed");
      assert.deepEqual(flags(play), []);
    },
  ));

// ---- rules

test("ever other arguments that give ever the same nothing are found, later", () =>
  played(
    (_, { turn }) => ({ toolCalls: [{ tool: "find", input: { word: `word ${turn}` } }] }),
    (play) => {
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "no_progress");
      assert.deepEqual([...new Set(flags(play))], ["same-result hint", "same-result stop"]);
      assert.equal(ofType(play.events, "tool.returned").length, 17);
    },
  ));

test("what acts outside gets on with each call, however alike the answers are", () =>
  played(
    (_, { turn }) =>
      turn < 30 ? { toolCalls: [{ tool: "save", input: { text: `part ${turn}` } }] } : { text: "Saved." },
    (play) => {
      assert.equal(play.result.status, "completed");
      assert.deepEqual(flags(play), []);
    },
  ));

test("errors that differ in numbers only are the same error", () =>
  played(
    (_, { turn }) => ({ toolCalls: [{ tool: "fail", input: { n: turn } }] }),
    (play) => {
      assert.deepEqual([...new Set(flags(play))], ["same-error hint", "same-error stop"]);
      assert.match(JSON.stringify(reason(play)), /no_progress.*fail failed 6 times in the same way/);
    },
  ));

test("a result that breaks its schema again and again is the same error too", () => {
  const broken = tool({
    name: "broken",
    version: "1",
    description: "Breaks.",
    effect: "pure",
    inputSchema: z.object({ n: z.number() }),
    outputSchema: z.object({ total: z.number() }),
    execute: () => ({}) as never,
  });
  return played(
    (_, { turn }) => ({ toolCalls: [{ tool: "broken", input: { n: turn } }] }),
    (play) => assert.ok(flags(play).includes("same-error stop")),
    [broken],
  );
});

test("a tool that does not exist is asked for at most four times in a row, whatever it is called", () =>
  played(
    (_, { turn }) => ({ text: `try ${turn}`, toolCalls: [{ tool: `tool_${"x".repeat(turn * 3)}`, input: {} }] }),
    (play) => {
      assert.equal(ofType(play.events, "tool.refused").length, limits.repairAttempts + 1);
      assert.match(
        JSON.stringify(reason(play)),
        /no_progress.*4 times in a row for tools that do not exist, or with arguments that do not fit/,
      );
      assert.equal(play.result.status === "stopped" && play.result.output, "try 3");
    },
  ));

test("wrong arguments, malformed arguments and wrong names add up, and a good call sets them back", () => {
  const bad = [
    { tool: "nope", input: {} },
    { tool: "look", input: { at: 5 } },
    { tool: "look", malformed: "{" },
  ];
  return played(
    (_, { turn }) =>
      turn < 8
        ? {
            toolCalls: [
              turn % 4 === 3
                ? { tool: "look", input: { at: `${turn}` } }
                : (bad[turn % 4] ?? bad[0] ?? { tool: "x", input: {} }),
            ],
          }
        : { text: "End." },
    (play) => {
      assert.equal(play.result.status, "completed");
      assert.equal(ofType(play.events, "tool.refused").length, 6);
    },
  );
});

test("each wrong call is told what would be right, so that a repair has what it needs", () =>
  played(
    [
      { toolCalls: [{ tool: "LOOKS", input: { at: "x" } }] },
      { toolCalls: [{ tool: "look", input: { where: 1 } }] },
      { toolCalls: [{ tool: "look", malformed: '{"at": "door' }] },
      { toolCalls: [{ tool: "look", input: { at: "door" } }] },
      { text: "End." },
    ],
    (play) => {
      const told = ofType(play.events, "tool.refused").map(({ output }) => JSON.stringify(output));
      assert.match(
        told[0] ?? "",
        /There is no tool \\"LOOKS\\"\. There is: look, find, save, fail\. Did you mean \\"look\\"\?/,
      );
      assert.match(told[1] ?? "", /at: .*expected string.*found nothing/);
      assert.match(told[2] ?? "", /not JSON: \{\\"at\\": \\"door.*one JSON object with at/);
      assert.equal(play.result.status, "completed");
    },
  ));

test("detection goes on under another worker, also by snapshot", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const looper = agent({
    name: "looper",
    model: "scripted",
    instructions: "Loop.",
    tools: [look],
    limits: { turns: 40, tokens: 10_000_000 },
  });
  const script: Script = () => ({ toolCalls: [{ tool: "look", input: { at: "door" } }] });
  let last: Played | null = null;
  let calls = 0;
  for (let worker = 0; worker < 5; worker++) {
    const stage = new Stage({ agents: [looper], script, clock, store, hooks: { snapshotEveryEvents: 5 } });
    const run = await stage.start("x", { runId: "run-1" });
    while (stage.models.requests.length < 2 && (await run.head()).status !== "stopped") await clock.settle();
    await stage.close();
    calls += stage.models.requests.length;
    if ((await run.head()).status === "stopped")
      last = { run, result: await run.result(), events: await stage.events(run) };
  }
  assert.ok(last !== null);
  assert.ok(calls <= 7);
  assert.deepEqual([...new Set(flags(last))], ["repeat hint", "repeat forbid", "repeat stop"]);
  assert.equal(ofType(last.events, "tool.returned").length, 4);
});

// ---- the breaker

const call = (turn: number, outcome: RecentCall["outcome"], digest = `${turn}`): RecentCall => ({
  turn,
  tool: "t",
  argsHash: `${turn}`,
  pure: true,
  outcome,
  digest,
});

test("a tool rests for two turns after five failures over several turns, then one call may try", () => {
  const failures = [0, 1, 2, 3, 4].map((turn) => call(turn, "error"));
  assert.deepEqual(
    [5, 6, 7, 8].map((turn) => breakerOf(failures, "t", turn)),
    ["resting", "resting", "trying", "trying"],
  );
  assert.equal(breakerOf(failures, "other", 5), "closed");
  assert.equal(breakerOf(failures.slice(1), "t", 5), "closed");
  assert.equal(breakerOf([...failures, call(7, "error")], "t", 8), "resting");
  assert.equal(breakerOf([...failures, call(7, "ok")], "t", 8), "closed");
});

test("a burst of failures at once does not open the breaker, a second one does", () => {
  const burst = (turn: number): readonly RecentCall[] => Array.from({ length: 8 }, () => call(turn, "error"));
  assert.equal(breakerOf(burst(0), "t", 1), "closed");
  assert.equal(breakerOf([...burst(0), call(1, "error")], "t", 2), "resting");
});

test("refusals are no tries: they neither open the breaker nor close it", () => {
  const failures = [0, 1, 2, 3, 4].map((turn) => call(turn, "error"));
  const refused = [5, 6].map((turn) => call(turn, "refused", "TOOL_BREAKER_OPEN"));
  assert.equal(breakerOf([...failures, ...refused], "t", 7), "trying");
  assert.equal(
    breakerOf(
      Array.from({ length: 9 }, (_, turn) => call(turn, "refused")),
      "t",
      9,
    ),
    "closed",
  );
});

test("of several calls at once to a tool that may try again, one is let through", () => {
  const flaky = tool({
    name: "flaky",
    version: "1",
    description: "Down.",
    effect: "pure",
    attempts: 1,
    inputSchema: z.object({ n: z.number() }),
    execute: ({ n }) => {
      if (n < 10) throw new Error(`down ${"x".repeat(n)}`);
      return "up";
    },
  });
  const calls = (from: number, count: number) => ({
    toolCalls: Array.from({ length: count }, (_, i) => ({ tool: "flaky", input: { n: from + i } })),
  });
  return played(
    (_, { turn }) =>
      turn < 7 ? calls(turn, 1) : turn === 7 ? calls(10, 4) : turn === 8 ? calls(20, 4) : { text: "End." },
    (play) => {
      assert.equal(play.result.status, "completed");
      assert.equal(ofType(play.events, "tool.failed").length, 5);
      assert.equal(
        ofType(play.events, "tool.refused").filter(({ code }) => code === "TOOL_BREAKER_OPEN").length,
        2 + 3,
      );
      assert.equal(ofType(play.events, "tool.returned").length, 1 + 4);
    },
    [flaky],
  );
});

test("nothing is judged before there is anything to judge", () => {
  assert.deepEqual(assess([]), { level: "none", rule: "", detail: "", forbidden: [] });
});
