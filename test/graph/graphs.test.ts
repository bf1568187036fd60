import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { limits } from "../../src/core/limits.ts";
import { toolCallsOf, userText, type Message } from "../../src/core/message.ts";
import type { Runnable } from "../../src/core/runnable.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { channel } from "../../src/graph/channel.ts";
import { END, START } from "../../src/graph/definition.ts";
import { graph } from "../../src/graph/graph.ts";
import { tool } from "../../src/tools/tool.ts";
import { onStage, ofType, type Played, type StageOptions } from "../engine/stage.ts";

const outputOf = ({ result }: Played): unknown => (result.status === "completed" ? result.output : result);
const errorOf = ({ result }: Played): string =>
  result.status === "failed" ? `${result.error.code}: ${result.error.message}` : JSON.stringify(result);

function plays(
  runnable: Runnable,
  input: unknown,
  see: (play: Played) => void | Promise<void>,
  more: Omit<StageOptions, "agents"> = {},
): Promise<void> {
  return onStage({ ...more, agents: [runnable] }, async (stage) => see(await stage.play(input)));
}

const lookup = tool({
  name: "lookup",
  version: "1",
  description: "Looks up a word.",
  inputSchema: z.object({ word: z.string() }),
  effect: "pure",
  execute: ({ word }) => `meaning of ${word}`,
});

/** The field's ReAct graph, line for line. */
const react = graph({
  name: "react",
  state: { messages: channel.append<Message>() },
  tools: [lookup],
  models: ["test/model"],
})
  .addNode("agent", async ({ messages }, ctx) => ({
    messages: [await ctx.chat({ model: "test/model", messages, tools: [lookup] })],
  }))
  .addNode("tools", async ({ messages }, ctx) => ({ messages: [await ctx.callTools(messages)] }))
  .addEdge(START, "agent")
  .addConditionalEdges("agent", ({ messages }) => (isAsking(messages) ? "tools" : END), ["tools", END])
  .addEdge("tools", "agent")
  .compile();

function isAsking(messages: readonly Message[]): boolean {
  const last = messages.at(-1);
  return last !== undefined && toolCallsOf(last).length > 0;
}

test("the ReAct graph calls every tool of an answer, and its prompts are recorded as deltas", () => {
  const script = [
    {
      toolCalls: [
        { tool: "lookup", input: { word: "pawl" } },
        { tool: "lookup", input: { word: "ratchet" } },
      ],
    },
    { toolCalls: [{ tool: "lookpu", input: { word: "x" } }] },
    { text: "A pawl holds a ratchet." },
  ];
  return onStage({ agents: [react], script }, async (stage) => {
    const play = await stage.play({ messages: [userText("What is a pawl?")] });
    const { messages } = outputOf(play) as { messages: Message[] };
    assert.deepEqual(
      messages.map(({ role }) => role),
      ["user", "assistant", "tool", "assistant", "tool", "assistant"],
    );
    assert.deepEqual(
      stage.prompts.map(({ length }) => length),
      [1, 3, 5],
    );
    assert.deepEqual(stage.prompts[2], messages.slice(0, 5));
    const added = ofType(play.events, "model.called").map(({ add }) => add.map((entry) => "seq" in entry));
    assert.deepEqual(
      added,
      [[false], [true, true, true], [true, true]],
      "what the journal holds is named, not written again",
    );
    assert.equal(ofType(play.events, "turn.ended").length, 4);
  });
});

test("parallel branches run in one superstep, and a join waits for both however long each is", () => {
  const order = graph({ name: "diamond", state: { log: channel.append<string>() } })
    .addNode("split", () => ({ log: ["split"] }))
    .addNode("short", () => ({ log: ["short"] }))
    .addNode("long", () => ({ log: ["long"] }))
    .addNode("longer", ({ log }) => ({ log: [`longer after ${log.length}`] }))
    .addNode("join", ({ log }) => ({ log: [`join after ${log.length}`] }))
    .addEdge(START, "split")
    .addEdge("split", "short")
    .addEdge("split", "long")
    .addEdge("long", "longer")
    .addEdge(["short", "longer"], "join")
    .addEdge("join", END)
    .compile();
  return plays(order, {}, (play) =>
    assert.deepEqual(outputOf(play), { log: ["split", "short", "long", "longer after 3", "join after 4"] }),
  );
});

test("a map goes over a list a few at a time, and its updates keep the list's order", () => {
  let open = 0;
  let most = 0;
  const squares = graph({
    name: "squares",
    state: { numbers: channel.replace<number[]>([]), squares: channel.append<number>() },
    output: ({ squares: found }) => found,
  })
    .addMap(
      "square",
      ({ numbers }) => numbers,
      async (n) => {
        most = Math.max(most, ++open);
        for (let i = 0; i < 10 - n; i++) await Promise.resolve();
        open--;
        return { squares: [n * n] };
      },
      { effect: "idempotent", concurrency: 3, writes: ["squares"] },
    )
    .addEdge(START, "square")
    .addEdge("square", END)
    .compile();
  return plays(squares, { numbers: [1, 2, 3, 4, 5, 6, 7, 8] }, (play) => {
    assert.deepEqual(outputOf(play), [1, 4, 9, 16, 25, 36, 49, 64]);
    assert.ok(most > 1 && most <= 3, `${most} at once`);
  });
});

test("a runnable as a node is a child run, alone and for each item of a map", () => {
  const shout = durable({ name: "shout", run: async (_, input) => JSON.stringify(input).toUpperCase().slice(1, -1) });
  const inner = graph({ name: "inner", state: { text: channel.replace("") } })
    .addNode("twice", ({ text }) => ({ text: text + text }))
    .addEdge(START, "twice")
    .addEdge("twice", END)
    .compile();
  const outer = graph({ name: "outer", state: { text: channel.replace(""), loud: channel.append<string>() } })
    .addNode("inner", inner, { input: ({ text }) => ({ text }) })
    .addMap("shout", ({ text }) => text.split(""), shout, { output: (value) => ({ loud: [value as string] }) })
    .addEdge(START, "inner")
    .addEdge("inner", "shout")
    .addEdge("shout", END)
    .compile();
  return plays(outer, { text: "ab" }, (play) => {
    assert.deepEqual(outputOf(play), { text: "abab", loud: ["A", "B", "A", "B"] });
    assert.equal(ofType(play.events, "child.called").length, 5);
  });
});

test("reducers: merge sets members, a function of the author's decides, replace takes the newest", () => {
  const kinds = graph({
    name: "kinds",
    state: {
      last: channel.replace("none"),
      facts: channel.merge<{ a?: number; b?: number }>({ a: 1 }),
      most: channel.reduce(0, (most: number, n: number) => Math.max(most, n)),
    },
  })
    .addNode("one", () => ({ last: "one", facts: { b: 2 }, most: 7 }), { writes: ["last", "facts", "most"] })
    .addNode("two", () => ({ facts: { a: 3 }, most: 4 }), { writes: ["facts", "most"] })
    .addEdge(START, "one")
    .addEdge(START, "two")
    .addEdge("one", END)
    .addEdge("two", END)
    .compile();
  return plays(kinds, { most: 5 }, (play) =>
    assert.deepEqual(outputOf(play), { last: "one", facts: { a: 3, b: 2 }, most: 7 }),
  );
});

const single = (run: () => unknown, options: object = {}): Runnable =>
  graph({
    name: "single",
    state: {
      text: channel.replace(""),
      list: channel.append<string>(),
      sum: channel.reduce(0, (sum: number, n: number) => {
        if (n < 0) throw new Error("below zero");
        return sum + n;
      }),
    },
  })
    .addNode("work", run as () => undefined, options)
    .addEdge(START, "work")
    .addEdge("work", END)
    .compile();

for (const [what, run, expected] of [
  ["an unknown channel", () => ({ txet: "x" }), /^GRAPH_UPDATE_INVALID: node "work" .*"txet".*text, list, sum/],
  ["what is not JSON", () => ({ text: 5n }), /^GRAPH_UPDATE_INVALID: node "work" .*bigint at text/],
  ["no object", () => "done", /^GRAPH_UPDATE_INVALID: node "work" .*"done"/],
  ["no list for a list", () => ({ list: "x" }), /^GRAPH_UPDATE_INVALID: node "work" .*list of them/],
  ["what a reducer throws at", () => ({ sum: -1 }), /^GRAPH_REDUCER_FAILED: .*"sum".*"work".*below zero/],
] as const) {
  test(`a node that returns ${what} fails the run with its name and a code`, () =>
    plays(single(run), {}, (play) => assert.match(errorOf(play), expected)));
}

test("two nodes that write one channel in one superstep fail the run, named", () => {
  const race = graph({ name: "race", state: { text: channel.replace("") } })
    .addNode("one", () => ({ text: "1" }))
    .addNode("two", () => ({ text: "2" }))
    .addEdge(START, "one")
    .addEdge(START, "two")
    .addEdge("one", END)
    .addEdge("two", END)
    .compile();
  return plays(race, {}, (play) => assert.match(errorOf(play), /^GRAPH_UPDATE_INVALID: nodes "one" and "two".*"text"/));
});

test("a route to nowhere, and a join whose other branch was not taken, are outcomes with a code", async () => {
  const lost = graph({ name: "lost", state: { n: channel.replace(0) } })
    .addNode("work", () => ({ n: 1 }))
    .addEdge(START, "work")
    .addConditionalEdges("work", ({ n }) => (n === 1 ? ("wrk" as "work") : END))
    .compile();
  await plays(lost, {}, (play) => assert.match(errorOf(play), /^GRAPH_ROUTE_INVALID: .*"work".*"wrk".*work/));
  const stuck = graph({ name: "stuck", state: { n: channel.replace(0) } })
    .addNode("a", () => ({}))
    .addNode("b", () => ({}))
    .addNode("c", () => ({}))
    .addConditionalEdges(START, () => "a", ["a", "b"])
    .addEdge(["a", "b"], "c")
    .addEdge("c", END)
    .compile();
  await plays(stuck, {}, (play) => assert.match(errorOf(play), /^GRAPH_STUCK: .*"c" waits for "b"/));
});

test("a node that throws is tried again as often as stated, as code and as a step", async () => {
  for (const effect of [undefined, "idempotent"] as const) {
    let calls = 0;
    const flaky = single(
      () => {
        calls++;
        if (calls < 3) throw new Error("not yet");
        return { text: "done" };
      },
      { attemptsMax: 3, ...(effect && { effect }) },
    );
    await onStage({ agents: [flaky], replay: false }, async (stage) => {
      assert.deepEqual(outputOf(await stage.play({})), { text: "done", list: [], sum: 0 });
      assert.equal(calls, 3);
    });
  }
  const never = single(() => {
    throw new Error("no");
  });
  await plays(never, {}, (play) => assert.match(errorOf(play), /node "work" of graph "single": Error: no/));
});

test("a node's time limit ends its wait, and what it still does is not heard", () => {
  const slow = graph({ name: "slow", state: { log: channel.append<string>() } })
    .addNode(
      "wait",
      async (_, ctx) => {
        await ctx.sleep(60_000);
        return { log: ["late"] };
      },
      { timeLimitMs: 5_000 },
    )
    .addEdge(START, "wait")
    .addEdge("wait", END)
    .compile();
  return plays(slow, {}, (play) => assert.match(errorOf(play), /^TOOL_TIMED_OUT: node "wait".*5000 ms/));
});

test("an interrupt parks the run and gives the person's answer as its schema parses it", () => {
  const asks = graph({ name: "asks", state: { amount: channel.replace(0) } })
    .addNode("ask", async (_, ctx) => ({ amount: (await ctx.interrupt("How much?", z.object({ n: z.number() }))).n }))
    .addEdge(START, "ask")
    .addEdge("ask", END)
    .compile();
  return onStage({ agents: [asks] }, async (stage) => {
    const run = await stage.start({});
    const waiting = await stage.clock.until(run.result());
    assert.equal(waiting.status, "awaiting_approval");
    const [open] = (await stage.app.approvals.list()).items;
    assert.ok(open !== undefined);
    await stage.app.approvals.answer(open.approvalId ?? "", { by: "ada", answer: { n: 7 } });
    assert.deepEqual(outputOf(await stage.played(run)), { amount: 7 });
  });
});

test("a cycle without a stated cap stops after 20 turns, with the state; a stated one decides", async () => {
  const round = (turns?: number): Runnable =>
    graph({
      name: "round",
      state: { n: channel.reduce(0, (a: number, b: number) => a + b) },
      ...(turns && { limits: { turns } }),
    })
      .addNode("add", () => ({ n: 1 }))
      .addEdge(START, "add")
      .addConditionalEdges("add", ({ n }) => (n < 1_000 ? "add" : END), ["add", END])
      .compile();
  for (const turns of [undefined, 5]) {
    await plays(round(turns), {}, ({ result }) => {
      assert.ok(result.status === "stopped");
      assert.equal(result.stopReason, "max_turns");
      assert.deepEqual(result.output, { n: turns ?? limits.turns });
    });
  }
});

test("a node cannot change the state in place", () => {
  const sly = graph({ name: "sly", state: { list: channel.append<{ n: number }>() } })
    .addNode("one", () => ({ list: [{ n: 1 }] }))
    .addNode("two", ({ list }) => {
      (list[0] as { n: number }).n = 2;
    })
    .addEdge(START, "one")
    .addEdge("one", "two")
    .addEdge("two", END)
    .compile();
  return plays(sly, {}, (play) => assert.match(errorOf(play), /node "two".*read only/));
});
