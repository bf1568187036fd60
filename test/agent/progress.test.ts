import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, durable, tool } from "pawl";
import type { Script } from "../../src/testing/scripted-model.ts";
import { assess } from "../../src/agent/progress.ts";
import { ofType, onStage, type Played } from "../engine/stage.ts";

let polls = 0;
const look = tool({
  name: "look",
  version: "1",
  description: "Looks.",
  effect: "pure",
  inputSchema: z.object({ at: z.string() }),
  execute: ({ at }) => `saw ${at}`,
});
const poll = tool({
  name: "poll",
  version: "1",
  description: "Changes.",
  effect: "pure",
  inputSchema: z.object({}),
  execute: () => `state ${++polls}`,
});
const fail = tool({
  name: "fail",
  version: "1",
  description: "Fails.",
  effect: "pure",
  attempts: 1,
  inputSchema: z.object({ n: z.number() }),
  execute: () => {
    throw new Error("no such table");
  },
});

/** A model that always does what `call` says for its turn. */
function always(call: (turn: number) => { readonly tool: string; readonly input: never }): Script {
  return (_, { turn }) => ({ toolCalls: [call(turn)] });
}

function played(script: Script, see: (play: Played) => void, turns = 40): Promise<void> {
  const looper = agent({
    name: "looper",
    model: "scripted",
    instructions: "Loop.",
    tools: [look, poll, fail],
    limits: { turns, tokens: 100_000_000 },
  });
  return onStage({ agents: [looper], script, replay: false }, async (stage) => see(await stage.play()));
}

const flags = (play: Played): readonly string[] =>
  ofType(play.events, "guard.flagged").map((event) => `${event.rule} ${event.action}`);

test("the same call again and again: a hint, then the call is forbidden, then the run stops with the reason", () =>
  played(
    always(() => ({ tool: "look", input: { at: "door" } as never })),
    (play) => {
      assert.equal(play.result.status, "stopped");
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "no_progress");
      assert.deepEqual([...new Set(flags(play))], ["repeat hint", "repeat forbid", "repeat stop"]);
      assert.equal(ofType(play.events, "tool.returned").length, 4);
      assert.ok(ofType(play.events, "tool.refused").length > 0);
    },
  ));

test("two calls in turn that teach nothing are found", () =>
  played(
    always((turn) => ({ tool: "look", input: { at: turn % 2 === 0 ? "door" : "window" } as never })),
    (play) => {
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "no_progress");
      assert.ok(flags(play).includes("ping-pong hint"));
    },
  ));

test("the same error with ever other arguments is found", () =>
  played(
    always((turn) => ({ tool: "fail", input: { n: turn } as never })),
    (play) => {
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "no_progress");
      assert.ok(flags(play).some((flag) => flag.startsWith("same-error")));
    },
  ));

test("calls in a circle of three that bring nothing new are found", () =>
  played(
    always((turn) => ({ tool: "look", input: { at: `place ${turn % 3}` } as never })),
    (play) => {
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "no_progress");
      assert.ok(flags(play).some((flag) => flag.startsWith("nothing-new")));
    },
  ));

test("a poll whose answer changes is no loop: the turn limit ends it", () =>
  played(
    always(() => ({ tool: "poll", input: {} as never })),
    (play) => {
      assert.equal(play.result.status === "stopped" && play.result.stopReason, "max_turns");
      assert.deepEqual(flags(play), []);
    },
  ));

test("without a stated limit an agent stops after 20 model calls", async () => {
  const plain = agent({
    name: "plain",
    model: "scripted",
    instructions: "Loop.",
    tools: [poll],
    limits: { tokens: 100_000_000 },
  });
  await onStage(
    { agents: [plain], script: always(() => ({ tool: "poll", input: {} as never })), replay: false },
    async (stage) => {
      const { result, events } = await stage.play();
      assert.equal(result.status === "stopped" && result.stopReason, "max_turns");
      assert.equal(ofType(events, "model.answered").length, 20);
    },
  );
});

test("the hint reaches the model with its next request", () =>
  onStage(
    {
      agents: [agent({ name: "looper", model: "scripted", instructions: "Loop.", tools: [look] })],
      script: (_, { turn }) =>
        turn < 3 ? { toolCalls: [{ tool: "look", input: { at: "door" } }] } : { text: "I stop." },
    },
    async (stage) => {
      const { result } = await stage.play();
      assert.equal(result.status, "completed");
      assert.match(JSON.stringify(stage.prompts.at(-1)), /You called look 3 times with the same arguments/);
    },
  ));

test("loop detection looks at the journal, so that a resume does not forget", () => {
  const call = (turn: number, digest = "d") =>
    ({ turn, tool: "look", argsHash: "x", pure: true, outcome: "ok", digest }) as const;
  const calls = (count: number) => Array.from({ length: count }, (_, turn) => call(turn));
  assert.equal(assess(calls(2)).level, "none");
  assert.equal(assess(calls(3)).level, "hint");
  assert.equal(assess([...calls(3), call(3, "other")]).level, "none");
  assert.equal(assess(calls(6)).level, "stop");
});

test("the same child with the same input again and again is a repeat like any other call", async () => {
  const levels = new Map<string, string[]>();
  const asker = (name: string, inputOf: (turn: number) => number) =>
    durable({
      name,
      uses: [helper],
      run: async (ctx) => {
        const turn = Number(ctx.loopState ?? 0);
        const seen = levels.get(name) ?? [];
        seen[turn] = assess(ctx.state.recent).level;
        levels.set(name, seen);
        if (turn === 6) return turn;
        await ctx.callRun(helper, inputOf(turn)).catch(() => null);
        return ctx.loop(turn + 1);
      },
    });
  const helper = durable({
    name: "helper",
    run: async (_, input) => (input === 7 ? Promise.reject(new Error("no")) : 0),
  });
  const same = asker("same", () => 3);
  const failing = asker("failing", () => 7);
  const other = asker("other", (turn) => turn);
  for (const one of [same, failing, other])
    await onStage({ agents: [one, helper], replay: false }, async (stage) => {
      await stage.play(null);
    });
  assert.deepEqual(levels.get("same"), ["none", "none", "none", "hint", "forbid", "forbid", "stop"]);
  assert.deepEqual(levels.get("failing"), ["none", "none", "none", "hint", "forbid", "forbid", "stop"]);
  assert.deepEqual(new Set(levels.get("other")), new Set(["none"]));
});
