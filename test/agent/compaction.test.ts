import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool } from "pawl";
import { withoutFences } from "../../src/core/fence.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { Script, ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, Stage, type StageOptions } from "../engine/stage.ts";

const page = (at: number): string => `page ${at}: ${"word ".repeat(200)}`;
const read = tool({
  name: "read",
  version: "1",
  description: "Reads a page.",
  effect: "pure",
  inputSchema: z.object({ at: z.number() }),
  execute: ({ at }) => page(at),
});
const reader = agent({
  name: "reader",
  model: "scripted",
  instructions: "Read.",
  tools: [read],
  planning: true,
  contextTokens: 4_000,
  limits: { turns: 100, tokens: 100_000_000 },
});
const GOAL = "Read all pages.";

const textOf = (request: ModelRequest): string => JSON.stringify(withoutFences(request).messages);
const isSummary = (request: ModelRequest): boolean => request.tools.length === 0;
const tokensOf = (request: ModelRequest): number => textOf(request).length / 4;
/** The last page that the conversation shows, read or summarised. */
const lastPage = (request: ModelRequest): number =>
  Math.max(0, ...[...textOf(request).matchAll(/page (\d+)/g)].map(([, at]) => Number(at)));

/** Makes a plan, reads pages 1 to `pages`, then ends. */
function reading(pages: number): Script {
  return (request) => {
    const last = lastPage(request);
    if (isSummary(request)) return { text: `Read up to page ${last}.` };
    if (last === 0 && !textOf(request).includes("The plan is recorded"))
      return { toolCalls: [{ tool: "plan", input: { items: [{ text: "read on", status: "active" }] } }] };
    return last < pages ? { toolCalls: [{ tool: "read", input: { at: last + 1 } }] } : { text: `Read ${last} pages.` };
  };
}

test("a conversation of any length stays within its window, compaction after compaction", async () => {
  await onStage({ agents: [reader], script: reading(60) }, async (stage) => {
    const { result, events } = await stage.play(GOAL);
    assert.equal(result.status === "completed" && result.output, "Read 60 pages.");
    assert.ok(ofType(events, "context.compacted").length > 5);
    for (const { request } of stage.models.requests) {
      if (isSummary(request)) continue;
      const text = textOf(request);
      assert.ok(tokensOf(request) < 4_600, `${tokensOf(request)} tokens`);
      assert.ok(text.includes(GOAL), "the goal is in every prompt");
      assert.ok(text.split("Summary of the conversation so far").length <= 2, "one summary at a time");
      assert.doesNotMatch(text, /No result:/, "no call lost its result");
      if (text.includes("Summary of")) assert.match(text, /\[active\] read on/);
    }
  });
});

/** Every page that a prompt ever held is in each later one, whole, or was before the summary that it holds. */
function assertNothingLost(requests: readonly ModelRequest[]): number {
  let [seen, most] = [0, 0];
  for (const request of requests.filter((one) => !isSummary(one))) {
    const text = textOf(request);
    const summarised = Number(/Read up to page (\d+)/.exec(text)?.[1] ?? 0);
    seen = Math.max(seen, lastPage(request));
    for (let at = summarised + 1; at <= seen; at++) assert.ok(text.includes(page(at)), `page ${at} is lost`);
    most = Math.max(most, summarised);
  }
  return most;
}

test("every result is whole in the prompt or was read by the summary, none is lost between", async () => {
  // a long thought before each call puts the border of what is kept between calls and results, too
  const plain = reading(40) as (request: ModelRequest) => { readonly toolCalls?: never };
  const script: Script = (request) => {
    const turn = plain(request);
    return turn.toolCalls === undefined
      ? turn
      : { ...turn, text: "hmm ".repeat(100 + ((lastPage(request) * 37) % 150)) };
  };
  await onStage({ agents: [reader], script }, async (stage) => {
    await stage.play(GOAL);
    assert.ok(assertNothingLost(stage.models.requests.map(({ request }) => request)) > 25);
  });
});

test("nothing is lost either when the model's window turns out smaller directly after a compaction", async () => {
  const plain = reading(30) as (request: ModelRequest) => { readonly text: string };
  const script: Script = (request) => {
    const isTooLong = textOf(request).includes("Read up to page") && tokensOf(request) > 900 && !isSummary(request);
    return isTooLong ? { error: { code: "MODEL_CONTEXT_OVERFLOW", message: "too long" } } : plain(request);
  };
  await onStage({ agents: [reader], script }, async (stage) => {
    const { result } = await stage.play(GOAL);
    assert.equal(result.status === "completed" && result.output, "Read 30 pages.");
    assert.ok(assertNothingLost(stage.models.requests.map(({ request }) => request)) > 20);
  });
});

test("a worker that takes over by a snapshot after compactions sends what the first would have sent", async () => {
  const script = reading(40);
  const unharmed = new Stage({ agents: [reader], script });
  await unharmed.play(GOAL);
  const expected = unharmed.models.requests.map(({ request }) => textOf(request));
  const sent = unharmed.models.requests.map(({ request }) => JSON.stringify(request.messages));
  assert.ok(
    sent.some((text) => /so far:\\n<untrusted-([0-9a-f]{12})>\\nRead up to page \d+\.\\n<\/untrusted-\1>/.test(text)),
  );
  assert.ok(!sent.some((text) => text.includes("(id)")), "a summary of a summary is made without its fence");
  await unharmed.close();

  const clock = manualClock();
  const store = memoryStore({ clock });
  const options: StageOptions = { agents: [reader], script, clock, store, hooks: { snapshotEveryEvents: 20 } };
  const requests: string[] = [];
  let firstOfLast = Infinity;
  for (let worker = 1; worker <= 12; worker++) {
    const stage = new Stage(options);
    const run = await stage.start(GOAL, { runId: "run-1" });
    const isOver = stage.clock.until(run.result()).then(
      () => true,
      () => false,
    );
    while (stage.models.requests.length < 5 && (await run.head()).status !== "completed") await stage.clock.settle();
    firstOfLast = requests.length;
    await stage.close();
    requests.push(...stage.models.requests.map(({ request }) => textOf(request)));
    if ((await run.head()).status === "completed") await stage.check();
    await isOver;
  }
  assert.ok(firstOfLast > 20, "several workers had a part in it");
  assert.deepEqual([...new Set(requests)], [...new Set(expected)]);
  assert.ok(((await store.readHead({ tenant: "default", runId: "run-1" }))?.marks.snapshot?.seq ?? 0) > 100);
});

test("what failed is known to the summary as failed, and what it said is not carried on", async () => {
  const fails = tool({
    name: "read",
    version: "1",
    description: "Reads.",
    effect: "pure",
    attempts: 1,
    inputSchema: z.object({ at: z.number() }),
    execute: ({ at }) => {
      if (at % 2 === 0) throw new Error(`WRONG FIGURE ${"x".repeat(at)}`);
      return page(at);
    },
  });
  const trying = agent({
    name: "trying",
    model: "scripted",
    instructions: "Read.",
    tools: [fails],
    contextTokens: 2_000,
    limits: { turns: 30, tokens: 10_000_000 },
  });
  const script: Script = (request, { turn }) =>
    isSummary(request)
      ? { text: "Some." }
      : turn < 12
        ? {
            toolCalls: [
              { tool: "read", input: { at: request.messages.length + turn } },
              { tool: "read", input: { at: request.messages.length + turn + 1 } },
            ],
          }
        : { text: "End." };
  await onStage({ agents: [trying], script }, async (stage) => {
    await stage.play(GOAL);
    const summaries = stage.models.requests
      .filter(({ request }) => isSummary(request))
      .map(({ request }) => textOf(request));
    assert.ok(summaries.length > 0);
    for (const summary of summaries) {
      assert.match(summary, /\[read failed\]/);
      assert.doesNotMatch(summary, /WRONG FIGURE/);
    }
  });
});

test("without an answer to the summary the newest part is kept by rule, and the run goes on", async () => {
  const script: Script = (request) =>
    isSummary(request)
      ? { error: { code: "MODEL_REQUEST_INVALID" } }
      : (reading(20) as (request: ModelRequest) => { readonly text: string })(request);
  await onStage({ agents: [reader], script }, async (stage) => {
    const { result, events } = await stage.play(GOAL);
    assert.equal(result.status === "completed" && result.output, "Read 20 pages.");
    const [compacted] = ofType(events, "context.compacted");
    assert.equal(compacted?.byCallId, undefined);
  });
});

test("a message that a person put among the results of an answer parts no call from its result", async () => {
  const slow = tool({
    name: "read",
    version: "1",
    description: "Reads.",
    effect: "pure",
    inputSchema: z.object({ at: z.number(), ms: z.number() }),
    execute: ({ at, ms }) =>
      new Promise<string>((resolve) => {
        clock.setTimer(ms, () => resolve(page(at)));
      }),
  });
  const clock = manualClock();
  const steered = agent({
    name: "steered",
    model: "scripted",
    instructions: "Read.",
    tools: [slow],
    contextTokens: 3_000,
    limits: { turns: 60, tokens: 10_000_000 },
  });
  const script: Script = (request) => {
    const last = lastPage(request);
    if (isSummary(request)) return { text: `Up to page ${last}.` };
    const call = (at: number, ms: number) => ({ tool: "read", input: { at, ms } });
    return last < 40 ? { toolCalls: [call(last + 1, 100), call(last + 2, 900)] } : { text: "End." };
  };
  await onStage({ agents: [steered], script, clock, replay: false }, async (stage) => {
    const run = await stage.start(GOAL);
    for (let i = 0; (await run.head()).status === "running" || i === 0; i++) {
      await clock.pass(500);
      await stage.app.message(run.id, `Go on ${i}.`).catch(() => undefined);
      await clock.pass(500);
    }
    const { result, events } = await stage.played(run);
    assert.equal(result.status, "completed");
    assert.ok(ofType(events, "context.compacted").length > 2);
    for (const { request } of stage.models.requests) {
      const text = textOf(request);
      assert.doesNotMatch(text, /No result:/);
      if (!isSummary(request) && lastPage(request) > 0 && !text.endsWith("]"))
        assert.ok(text.includes(page(lastPage(request))));
    }
  });
});

test("an input that no window holds is a stop with its reason, after one more try and no summary of the input", async () => {
  const script: Script = () => ({ error: { code: "MODEL_CONTEXT_OVERFLOW", message: "too long" } });
  await onStage({ agents: [reader], script }, async (stage) => {
    const { result, events } = await stage.play("x".repeat(50_000));
    assert.equal(result.status === "stopped" && result.stopReason, "context_overflow");
    assert.equal(ofType(events, "context.compacted").length, 0);
    assert.equal(stage.models.requests.length, 1);
  });
});

/** What `small` says of a conversation in sections: the last page that it saw is entry 3 and a fact. */
const sections = (request: ModelRequest): string =>
  JSON.stringify({
    decisions: ["read in order"],
    facts: [
      { fact: `page ${lastPage(request)} has words`, entry: 3 },
      { fact: "made up", entry: 99 },
    ],
    tried: [],
    questions: ["how many more?"],
  });

test("the route small summarises, in sections, and each fact carries its source and its label by the record", async () => {
  const main = reading(20);
  const script = { scripted: main, small: (request: ModelRequest) => ({ text: sections(request) }) };
  await onStage({ agents: [reader], script }, async (stage) => {
    const { events } = await stage.play(GOAL);
    const [compacted] = ofType(events, "context.compacted");
    const by = ofType(events, "model.called").find(({ callId }) => callId === compacted?.byCallId);
    assert.equal(by?.route, "small");
    assert.equal(by?.insteadOf?.route, "scripted");
    const ref = compacted?.summaryRef;
    assert.deepEqual(ref?.label, { source: "untrusted", origins: ["model", "prompt", "tool:plan", "tool:read"] });
    const text = JSON.stringify(ref);
    for (const part of [/Goal: Read all pages/, /Plan:/, /Decisions:.*- read in order/, /Open questions:.*how many/])
      assert.match(text, part);
    assert.match(text, /page \d+ has words \(tool:\w+, seq \d+, (un)?trusted\)/);
    assert.match(text, /made up \(source unknown, untrusted\)/);
    const { tokensBefore = 0, tokensAfter = 0 } = compacted ?? {};
    assert.ok(tokensBefore > 3_200 && tokensAfter < 2_500 && tokensAfter > 0, `${tokensBefore} to ${tokensAfter}`);
  });
});

test("where there is no route small, or it cannot answer, the agent's own summarises", async () => {
  const own = { scripted: reading(20) };
  const broken = { ...own, small: () => ({ error: { code: "MODEL_CONTEXT_OVERFLOW" as const } }) };
  for (const script of [own, broken]) {
    await onStage({ agents: [reader], script }, async (stage) => {
      const { result, events } = await stage.play(GOAL);
      assert.equal(result.status === "completed" && result.output, "Read 20 pages.");
      const [compacted] = ofType(events, "context.compacted");
      const by = ofType(events, "model.called").find(({ callId }) => callId === compacted?.byCallId);
      assert.equal(by?.route, "scripted");
      assert.equal(by?.insteadOf, undefined);
    });
  }
});

test("what the provider counted moves the threshold: twice the tokens, compacted at half the characters", async () => {
  const first = async (factor: number): Promise<number> => {
    const plain = reading(30);
    const script: Script = (request, context) => {
      const turn = (plain as (request: ModelRequest, at: typeof context) => ScriptedTurn)(request, context);
      const inputTokens = Math.round(tokensOf(request) * factor);
      const usage = { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 40, reasoningTokens: 0 };
      return { ...turn, usage };
    };
    let chars = 0;
    await onStage({ agents: [reader], script }, async (stage) => {
      await stage.play(GOAL);
      const requests = stage.models.requests.map(({ request }) => request);
      const at = requests.findIndex((request) => isSummary(request));
      const before = requests[at - 1];
      chars = before === undefined ? 0 : textOf(before).length;
    });
    return chars;
  };
  const [one, two] = [await first(1), await first(2)];
  assert.ok(two < one * 0.65 && two > one * 0.3, `${two} beside ${one} characters`);
});

test("what a person said on the way stays in his words, compaction after compaction", async () => {
  const clock = manualClock();
  const script: Script = (request) =>
    isSummary(request)
      ? { text: `Read up to page ${lastPage(request)}.` }
      : { ...(reading(40) as (of: ModelRequest) => ScriptedTurn)(request), delayMs: 100 };
  await onStage({ agents: [reader], script, clock, replay: false }, async (stage) => {
    const run = await stage.start(GOAL);
    await clock.pass(500);
    await stage.app.message(run.id, "NEVER skip a line.");
    const { events } = await stage.played(run);
    const compactions = ofType(events, "context.compacted");
    assert.ok(compactions.length > 3);
    const [said] = ofType(events, "message.received");
    assert.deepEqual(compactions.at(-1)?.pinned, [said?.seq]);
    const last = stage.models.requests.filter(({ request }) => !isSummary(request)).at(-1)?.request;
    assert.deepEqual(last?.messages[1]?.content, [{ type: "text", text: "NEVER skip a line." }]);
  });
});
