import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import { sleep } from "../../src/core/clock.ts";
import { PawlError } from "../../src/core/errors.ts";
import { notApplied } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import type { AssistantPart } from "../../src/core/message.ts";
import type { ModelSource } from "../../src/core/model-contract.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { tool } from "../../src/tools/tool.ts";
import { ofType, onStage } from "./stage.ts";

/** An agent with one tool that it calls once, and then ends. */
function giving(result: () => unknown, more: { readonly effect?: "pure" | "idempotent" | "once" } = {}) {
  const { effect = "pure" } = more;
  const give = tool({
    name: "give",
    version: "1",
    description: "Gives.",
    effect,
    attempts: 1,
    inputSchema: z.object({}),
    execute: result,
  });
  const a = agent({ name: "a", model: "m", instructions: "x", tools: [give] });
  return { agents: [a], script: [{ toolCalls: [{ tool: "give", input: {} }] }, { text: "end" }] };
}

test("a result of 100 MB is refused with its size, and the run goes on", async () => {
  await onStage({ ...giving(() => "x".repeat(100_000_000)), replay: false }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    const [returned] = ofType(events, "tool.returned");
    assert.equal(returned?.invalid?.code, "TOOL_OUTPUT_INVALID");
    assert.match(returned?.invalid?.message ?? "", /more than 67108864 characters/);
    assert.ok(JSON.stringify(stage.prompts.at(-1)).length < 2_000);
  });
});

test("a result that no text can hold is refused too", async () => {
  const part = "x".repeat(50_000_000);
  const huge = Array.from({ length: 12 }, () => part);
  await onStage({ ...giving(() => huge), replay: false }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    assert.equal(ofType(events, "tool.returned")[0]?.invalid?.code, "TOOL_OUTPUT_INVALID");
  });
});

const loop: Record<string, unknown> = {};
loop["self"] = loop;
for (const [what, value, found] of [
  ["holds itself", loop, /at self/],
  ["holds a BigInt", { n: 1n }, /bigint at n/i],
  ["holds a function", { rows: [() => 1] }, /function at rows/],
  ["holds a symbol", [Symbol("x")], /symbol at /],
  ["holds a lone surrogate", { text: "a\uD800b" }, null],
] as const)
  test(`a result that ${what} is one bounded event, and the run goes on`, () =>
    onStage(
      giving(() => value),
      async (stage) => {
        const { result, events } = await stage.play();
        assert.equal(result.status, "completed");
        const [returned] = ofType(events, "tool.returned");
        if (found === null) assert.match(JSON.stringify(stage.prompts.at(-1)), /a\uFFFDb/);
        else assert.match(returned?.invalid?.message ?? "nothing is wrong", found);
        assert.ok(JSON.stringify(returned).length < 2_000);
      },
    ));

test("a result of a million rows is kept whole and cut for the model", async () => {
  const rows = Array.from({ length: 1_000_000 }, (_, i) => i);
  await onStage({ ...giving(() => rows), replay: false }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    const raw = ofType(events, "tool.returned")[0]?.rawRef;
    assert.ok(raw !== undefined && "blob" in raw && raw.bytes > 6_000_000);
    assert.ok(JSON.stringify(stage.prompts.at(-1)).length < limits.shownChars + 2_000);
  });
});

test("whatever a tool throws is one bounded error for the journal and the model", async () => {
  const ring: Error & { cause?: unknown } = new Error("ring");
  ring.cause = ring;
  const thrown: readonly (readonly [string, unknown])[] = [
    ["a string", "just text"],
    ["null", null],
    ["undefined", undefined],
    ["a cause chain without end", ring],
    [
      "an AggregateError of 10,000",
      new AggregateError(
        Array.from({ length: 10_000 }, () => new Error("one of many")),
        "many",
      ),
    ],
    ["an error of 10 MB", new Error("x".repeat(10_000_000))],
    ["an object without text", Object.create(null)],
  ];
  for (const [what, value] of thrown) {
    const fails = giving(() => {
      throw value;
    });
    await onStage(fails, async (stage) => {
      const { result, events } = await stage.play();
      assert.equal(result.status, "completed", what);
      const [failed] = ofType(events, "tool.failed");
      assert.equal(failed?.error.code, "TOOL_FAILED", what);
      assert.ok(JSON.stringify(failed).length < 6_000, what);
    });
  }
});

test("a throw of an effect that may have happened leaves it unknown, and notApplied() does not", async () => {
  const act = (thrown: unknown) =>
    giving(
      () => {
        throw thrown;
      },
      { effect: "once" },
    );
  await onStage(act(new Error("connection lost")), async (stage) => {
    const { result } = await stage.play();
    assert.deepEqual(result.status === "awaiting_approval" && result.unknownEffects, ["t0-1"]);
  });
  await onStage(act(notApplied("the form was not sent")), async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    assert.equal(ofType(events, "tool.failed")[0]?.applied, "no");
  });
});

for (const how of ["answers", "throws", "never returns"] as const)
  test(`a call that ignores its abort and ${how} after its time limit has failed; what came is recorded as late`, async () => {
    const clock = manualClock();
    const slow = tool({
      name: "give",
      version: "1",
      description: "Gives.",
      inputSchema: z.object({}),
      effect: "pure",
      timeLimitMs: 1_000,
      attempts: 1,
      execute: async () => {
        if (how === "never returns") return Promise.withResolvers<string>().promise;
        await sleep(clock, 20_000);
        if (how === "throws") throw new Error("LATE");
        return "LATE";
      },
    });
    const wait = tool({
      name: "wait",
      version: "1",
      description: "Waits.",
      inputSchema: z.object({}),
      effect: "pure",
      execute: () => sleep(clock, 40_000),
    });
    const asks = (name: string) => ({ toolCalls: [{ tool: name, input: {} }] });
    const agents = [agent({ name: "a", model: "m", instructions: "x", tools: [slow, wait] })];
    await onStage({ agents, script: [asks("give"), asks("wait"), { text: "end" }], clock }, async (stage) => {
      const { result, events } = await stage.play();
      assert.equal(result.status, "completed");
      assert.deepEqual(
        ofType(events, "tool.failed").map(({ error }) => error.code),
        ["TOOL_TIMED_OUT"],
      );
      const late = ofType(events, "tool.late").map((event) => {
        const { callId, attempt, ms, valueRef, error } = event;
        return [callId, attempt, ms, valueRef ?? error?.message];
      });
      const answered = { inline: "LATE", label: { source: "untrusted", origin: "tool:give" } };
      const came = how === "answers" ? answered : "Error: LATE";
      assert.deepEqual(late, how === "never returns" ? [] : [["t0-1", 1, 20_000, came]]);
      assert.doesNotMatch(JSON.stringify(stage.prompts), /LATE/, "no model is told");
    });
  });

test("a reconcilable call that threw is asked about when its limit has passed: its request may still be on its way", async () => {
  let [arrivesMs, asked] = [0, 0];
  const pay = tool({
    name: "give",
    version: "1",
    description: "Gives.",
    inputSchema: z.object({}),
    effect: "reconcilable",
    timeLimitMs: 30_000,
    execute: async () => {
      arrivesMs = stageClock.monotonicMs() + 25_000;
      await sleep(stageClock, 1_000);
      throw new Error("502 bad gateway");
    },
    reconcile: () => {
      asked++;
      return stageClock.monotonicMs() < arrivesMs ? { happened: false } : { happened: true, result: "paid" };
    },
  });
  const stageClock = manualClock();
  await onStage(
    {
      agents: [agent({ name: "a", model: "m", instructions: "x", tools: [pay] })],
      script: [{ toolCalls: [{ tool: "give", input: {} }] }, { text: "end" }],
      clock: stageClock,
    },
    async (stage) => {
      const { result, events } = await stage.play();
      assert.equal(result.status, "completed");
      assert.equal(asked, 1, "the remote system is asked once, after the request has arrived");
      assert.equal(ofType(events, "tool.started").length, 1, "what arrived late is not done again");
      assert.equal(ofType(events, "tool.returned")[0]?.via, "reconciled");
    },
  );
});

// ---- what a model writes

/** A model source of one endpoint that answers with these parts, whatever they are, and then with text. */
function raw(content: readonly AssistantPart[], usage: unknown = null): ModelSource {
  let calls = 0;
  return {
    check: () => undefined,
    next: (_, failed) =>
      failed.length > 2
        ? { type: "give-up", error: { code: "MODEL_UNAVAILABLE", message: "" } }
        : {
            type: "try",
            waitMs: 0,
            endpoint: {
              name: "m",
              provider: "p",
              model: "m",
              price: { inputUsd: 1, outputUsd: 1, source: "test", date: "2026-11-22" },
              contextTokens: null,
              countTokens: () => 100,
              async *generate() {
                yield {
                  type: "finish" as const,
                  content: calls++ === 0 ? content : [{ type: "text" as const, text: "end" }],
                  finish: "stop" as const,
                  usage: usage as null,
                  model: "m",
                };
              },
            },
          },
  };
}

function nested(depth: number): never {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value as never;
}

const call = (input: unknown): AssistantPart => ({
  type: "tool-call",
  callId: "",
  tool: "give",
  input: input as never,
});

test("arguments nested 100,000 deep, of 50 MB, or with what JSON has not, are malformed and harm nothing", async () => {
  for (const input of [
    { a: nested(100_000) },
    { a: "x".repeat(50_000_000) },
    { a: Infinity },
    { a: () => 1 },
    JSON.stringify({ a: "x" }).replace('"x"', "[".repeat(100_000) + "]".repeat(100_000)),
  ]) {
    await onStage({ agents: giving(() => "ok").agents, models: raw([call(input)]), replay: false }, async (stage) => {
      const { result, events } = await stage.play();
      assert.equal(result.status, "completed");
      assert.equal(ofType(events, "tool.refused")[0]?.code, "TOOL_INPUT_INVALID");
      assert.ok(JSON.stringify(events).length < 3 * limits.argumentBytes, "a bounded part of it is kept");
    });
  }
});

test("equal, empty and missing ids of calls are replaced by Pawl's own, and each call is answered once", async () => {
  const calls = [call({}), call({}), { ...call({}), callId: undefined as never }];
  await onStage({ agents: giving(() => "ok").agents, models: raw(calls), replay: false }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    const parts = new Set(ofType(events, "tool.returned").map(({ part }) => part));
    assert.deepEqual(parts, new Set(["t0-0-0", "t0-0-1", "t0-0-2"]));
  });
});

test("usage that is missing, negative, fractional or no number is charged at the worst case", async () => {
  const bad = [
    null,
    { inputTokens: -5, outputTokens: 3 },
    { inputTokens: 1.5, outputTokens: 3 },
    { inputTokens: NaN, outputTokens: 3 },
    { inputTokens: "9", outputTokens: 3 },
    {},
  ];
  for (const usage of bad) {
    const told = usage === null ? null : { cachedInputTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0, ...usage };
    await onStage(
      { agents: giving(() => "ok").agents, models: raw([{ type: "text", text: "end" }], told) },
      async (stage) => {
        const { events, result } = await stage.play();
        const [answered] = ofType(events, "model.answered");
        assert.equal(answered?.assumed, true, JSON.stringify(usage));
        assert.deepEqual([result.usage.inputTokens, result.usage.outputTokens], [100, 4_096]);
        assert.ok(result.costUsd > 0);
      },
    );
  }
});

test("more calls in one answer than are carried out at once are said to the model, and none is lost in silence", async () => {
  const calls = Array.from({ length: limits.callsPerAnswer + 20 }, () => call({}));
  const models = raw(calls);
  const requests: string[] = [];
  const seeing: ModelSource = {
    ...models,
    next: (...args) => {
      const next = models.next(...args);
      if (next.type !== "try") return next;
      const { endpoint } = next;
      return {
        ...next,
        endpoint: {
          ...endpoint,
          generate: (request, options) => (
            requests.push(JSON.stringify(request.messages)),
            endpoint.generate(request, options)
          ),
        },
      };
    },
  };
  await onStage({ agents: giving(() => "ok").agents, models: seeing, replay: false }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    assert.equal(ofType(events, "tool.returned").length, limits.callsPerAnswer);
    assert.match(requests[1] ?? "", /You asked for 520 calls at once\. Only the first 500 were carried out/);
  });
});

test("an endpoint that throws what is no error, or ends without an answer, is a failed attempt", async () => {
  for (const thrown of ["text", null, new PawlError("MODEL_BROKEN_STREAM", "cut"), undefined]) {
    const models = raw([]);
    const failing: ModelSource = {
      ...models,
      next: (...args) => {
        const next = models.next(...args);
        return next.type !== "try"
          ? next
          : {
              ...next,
              endpoint: {
                ...next.endpoint,
                async *generate() {
                  yield { type: "text.delta" as const, text: "half" };
                  if (thrown !== undefined) await Promise.reject(thrown);
                },
              },
            };
      },
    };
    await onStage({ agents: giving(() => "ok").agents, models: failing }, async (stage) => {
      const { result, events } = await stage.play();
      assert.equal(result.status, "failed");
      assert.equal(ofType(events, "model.attempted").length, 3);
      assert.ok(
        ofType(events, "model.attempted").every(({ assumed }) => assumed),
        "half an answer may have been billed",
      );
    });
  }
});
