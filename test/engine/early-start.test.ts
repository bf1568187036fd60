import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, durable, tool, type Tool } from "pawl";
import type { FunctionContext } from "../../src/engine/durable-function.ts";
import type { ReadEvent } from "../../src/engine/run-events.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, type Stage } from "./stage.ts";

// A pure call may run before its record is durable. What then comes between the two?

function look(execute: () => unknown, more: object = {}): Tool {
  const inputSchema = z.object({ n: z.number() });
  const parts = { name: "look", version: "1", description: "Looks.", effect: "pure", inputSchema } as const;
  return tool({ ...parts, execute: () => execute() as string, ...more });
}

const looker = (used: Tool) => agent({ name: "looker", model: "m", instructions: "x", tools: [used] });
const lookOnce: Script = [{ toolCalls: [{ tool: "look", input: { n: 1 } }] }, { text: "End." }];

/** A function whose first turn asks for one call and for nothing else. */
function looking(used: Tool) {
  return durable({
    name: "looking",
    tools: [used],
    run: async (ctx: FunctionContext) => {
      const outcome = await ctx.tool({
        tool: used,
        args: { n: 1 },
        verdict: { decision: "allow", rules: [] },
        show: ({ value }) => ({ value }),
      });
      return outcome.status === "returned" ? outcome.value : outcome.status;
    },
  });
}

const kinds = (events: readonly ReadEvent[]): readonly string[] => events.map(({ type }) => type);

test("what a pure tool returns at once is recorded with its call, and what comes after it too", async () => {
  await onStage({ agents: [looker(look(() => "seen"))], script: lookOnce }, async (stage) => {
    const { events } = await stage.play();
    const [called] = ofType(events, "tool.called");
    const [returned] = ofType(events, "tool.returned");
    const next = ofType(events, "model.called")[1];
    assert.ok(called !== undefined && returned !== undefined && next !== undefined);
    assert.deepEqual([returned.seq - called.seq, next.seq - returned.seq], [1, 2]);
  });
});

test("a pure call that was begun when a cancel came first leaves nothing behind: no call, no outcome", async () => {
  let begun = 0;
  const stages: Stage[] = [];
  const used = look(async () => {
    begun++;
    await stages[0]?.app.cancel("run-1", "enough");
    return "seen";
  });
  await onStage({ agents: [looker(used)], script: lookOnce }, async (stage) => {
    stages.push(stage);
    const { result, events } = await stage.play();
    assert.equal(result.status, "cancelled");
    assert.equal(begun, 1);
    assert.equal(ofType(events, "model.answered").length, 1, "the answer was paid for: it is kept");
    assert.deepEqual(
      kinds(events).filter((type) => type.startsWith("tool.")),
      [],
    );
  });
});

test("a pure call that was cut with its draft is made again, and its first outcome is not heard", async () => {
  let begun = 0;
  const stages: Stage[] = [];
  const used = look(async () => {
    const mine = ++begun;
    // before anything of the turn is recorded: the body is given the newer state, and asks again
    if (mine === 1) await stages[0]?.app.signal("run-1", "news", null);
    return `seen ${mine}`;
  });
  await onStage({ agents: [looking(used)] }, async (stage) => {
    stages.push(stage);
    const { result, events } = await stage.play(null);
    assert.equal(begun, 2);
    assert.ok(result.status === "completed");
    assert.equal(result.output, "seen 2");
    assert.equal(ofType(events, "tool.called").length, 1);
    assert.equal(ofType(events, "tool.returned").length, 1);
  });
});

test("a pure call that fails at first has its failed attempt in the journal before its result", async () => {
  let begun = 0;
  const used = look(() => {
    if (++begun === 1) throw new Error("not now");
    return "seen";
  });
  await onStage({ agents: [looker(used)], script: lookOnce }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    assert.deepEqual(
      kinds(events).filter((type) => type.startsWith("tool.")),
      ["tool.called", "tool.failed", "tool.returned"],
    );
  });
});

test("calls that wait for a place count what was begun early, also where it turned out to be nobody's", async () => {
  const clock = manualClock();
  const stages: Stage[] = [];
  let [begun, running, most] = [0, 0, 0];
  const used = look(
    async () => {
      most = Math.max(most, ++running);
      if (++begun === 1) await stages[0]?.app.signal("run-1", "news", null);
      await new Promise<void>((resolve) => {
        clock.setTimer(500, resolve);
      });
      running--;
      return "seen";
    },
    { concurrency: 1 },
  );
  await onStage({ agents: [looking(used)], clock, replay: false }, async (stage) => {
    stages.push(stage);
    const { result } = await stage.play(null);
    assert.equal(result.status, "completed");
    assert.equal(begun, 2);
    assert.equal(most, 1);
  });
});

test("asking for places costs as many questions as there are calls, not their square", async () => {
  const asked = async (count: number): Promise<number> => {
    const clock = manualClock();
    let questions = 0;
    const slow = look(
      () =>
        new Promise((resolve) => {
          clock.setTimer(10, () => resolve("seen"));
        }),
    );
    // copied here, and asked where a call needs a place
    const used = Object.defineProperty({ ...slow }, "concurrency", { enumerable: true, get: () => (questions++, 5) });
    const toolCalls = Array.from({ length: count }, (_, n) => ({ tool: "look", input: { n } }));
    await onStage(
      { agents: [looker(used)], script: [{ toolCalls }, { text: "End." }], clock, replay: false },
      async (stage) => {
        const { result } = await stage.play();
        assert.equal(result.status, "completed");
      },
    );
    return questions;
  };
  const [few, many] = [await asked(50), await asked(200)];
  assert.ok(few >= 50, `${few} questions for 50 calls`);
  assert.ok(many <= 5 * few, `${many} questions for 200 calls, ${few} for 50`);
});
