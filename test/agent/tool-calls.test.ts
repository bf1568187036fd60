import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool, type AgentOptions, type Tool } from "pawl";
import type { ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, type Played } from "../engine/stage.ts";

const add = tool({
  name: "add",
  version: "1",
  description: "Adds two numbers.",
  inputSchema: z.object({ a: z.number(), b: z.number() }),
  effect: "pure",
  execute: ({ a, b }) => a + b,
});

const calling = (toolName: string, input: unknown): ScriptedTurn => ({
  toolCalls: [{ tool: toolName, input: input as never }],
});
const done: ScriptedTurn = { text: "Done." };

/** Plays a script with an agent of these tools, and hands what happened to `look`. */
function played(
  tools: readonly Tool[],
  script: readonly ScriptedTurn[],
  look: (played: Played) => void | Promise<void>,
  options: Partial<AgentOptions> = {},
) {
  const worker = agent({
    name: "worker",
    model: "scripted",
    instructions: "Work.",
    tools,
    limits: { tokens: 10_000_000 },
    ...options,
  });
  return onStage({ agents: [worker], script }, async (stage) => look(await stage.play()));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What the model was told about its refused calls. */
function refusals({ events }: Played): readonly string[] {
  return ofType(events, "tool.refused").map((event) => `${event.code}: ${text(event.output)}`);
}

test("an unknown tool is answered with the tools there are and the nearest one, and the run goes on", () =>
  played([add], [calling("ad", { a: 1, b: 2 }), done], (play) => {
    assert.equal(play.result.status, "completed");
    assert.match(
      refusals(play)[0] ?? "",
      /^TOOL_UNKNOWN: There is no tool "ad"\. There is: add\. Did you mean "add"\?/,
    );
  }));

for (const name of ["__proto__", "constructor", "", "x".repeat(5_000), "toString"]) {
  test(`a tool named "${name.slice(0, 12)}" is unknown like any other`, () =>
    played([add], [calling(name, {}), done], (play) => {
      assert.equal(play.result.status, "completed");
      assert.match(refusals(play)[0] ?? "", /^TOOL_UNKNOWN/);
    }));
}

for (const name of ["ADD", " add ", "Add"]) {
  test(`"${name}" is taken for "add": it differs in case or space only`, () =>
    played([add], [calling(name, { a: 1, b: 2 }), done], (play) => {
      assert.equal(ofType(play.events, "tool.returned")[0]?.output, 3);
    }));
}

test("arguments that break the schema are answered with the path and what was expected", () =>
  played([add], [calling("add", { a: "one", b: 2 }), calling("add", { a: 1, b: 2 }), done], (play) => {
    assert.match(refusals(play)[0] ?? "", /^TOOL_INPUT_INVALID: [\s\S]*a: [\s\S]*number[\s\S]*"one"/);
    assert.equal(ofType(play.events, "tool.returned")[0]?.output, 3);
    assert.equal(play.result.status, "completed");
  }));

test("arguments that were encoded twice are taken as they were meant", () =>
  played([add], [calling("add", JSON.stringify({ a: 1, b: 2 })), done], (play) => {
    assert.equal(ofType(play.events, "tool.returned")[0]?.output, 3);
  }));

test("arguments that are not JSON are answered, and nothing runs", () =>
  played([add], [{ toolCalls: [{ tool: "add", malformed: '{"a": 1, "b"' }] }, done], (play) => {
    assert.match(refusals(play)[0] ?? "", /TOOL_INPUT_INVALID: The arguments of add are not JSON/);
    assert.equal(ofType(play.events, "tool.returned").length, 0);
  }));

test("every call of an answer runs, half of 100 failing, and each gets one result in its place", async () => {
  const flaky = tool({
    name: "flaky",
    version: "1",
    description: "Fails for odd numbers.",
    effect: "pure",
    attempts: 1,
    inputSchema: z.object({ n: z.number() }),
    execute: ({ n }) => {
      if (n % 2 === 1) throw new Error(`odd ${n}`);
      return `even ${n}`;
    },
  });
  const toolCalls = Array.from({ length: 100 }, (_, n) => ({ tool: "flaky", input: { n } }));
  const worker = agent({
    name: "worker",
    model: "scripted",
    instructions: "Work.",
    tools: [flaky],
    limits: { tokens: 10_000_000 },
  });
  await onStage({ agents: [worker], script: [{ toolCalls }, done], replay: false }, async (stage) => {
    const { result } = await stage.play();
    assert.equal(result.status, "completed");
    const results = stage.prompts.at(-1)?.find((message) => message.role === "tool");
    assert.ok(results?.role === "tool");
    assert.equal(results.content.length, 100);
    for (const [n, part] of results.content.entries()) {
      assert.equal(part.output, n % 2 === 0 ? `even ${n}` : `Error: Error: odd ${n}`);
      assert.equal(part.isError === true, n % 2 === 1);
    }
  });
});

test("a tool never runs more often at once than its concurrency allows", async () => {
  let running = 0;
  let most = 0;
  const counted = tool({
    name: "counted",
    version: "1",
    description: "Counts itself.",
    effect: "pure",
    concurrency: 3,
    inputSchema: z.object({ n: z.number() }),
    execute: async ({ n }) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      await Promise.resolve();
      running--;
      return n;
    },
  });
  const toolCalls = Array.from({ length: 12 }, (_, n) => ({ tool: "counted", input: { n } }));
  await played([counted], [{ toolCalls }, done], (play) => assert.equal(play.result.status, "completed"));
  assert.equal(most, 3);
});

test("a long result is cut for the model with a mark, and kept whole", async () => {
  const long = tool({
    name: "long",
    version: "1",
    description: "Says much.",
    effect: "pure",
    shownCharsMax: 100,
    inputSchema: z.object({}),
    execute: () => "word ".repeat(10_000),
  });
  const worker = agent({ name: "worker", model: "scripted", instructions: "Work.", tools: [long] });
  await onStage({ agents: [worker], script: [calling("long", {}), done] }, async (stage) => {
    const { events } = await stage.play();
    const returned = ofType(events, "tool.returned")[0];
    assert.match(text(returned?.output), /^(word ){20}\n\[cut: 49900 of 50000 characters are not shown\]$/);
    assert.ok(returned?.rawRef !== undefined && "blob" in returned.rawRef);
    assert.equal(returned.rawRef.bytes, 50_002);
  });
});

test("a result that breaks its output schema is an error for the model, never a fact", async () => {
  const typed = tool({
    name: "typed",
    version: "1",
    description: "Promises a number.",
    effect: "idempotent",
    inputSchema: z.object({}),
    outputSchema: z.object({ total: z.number() }),
    execute: () => ({ total: "many" }) as never,
  });
  const careful = agent({ name: "careful", model: "scripted", instructions: "Work.", tools: [typed] });
  await onStage({ agents: [careful], script: [calling("typed", {}), done] }, async (stage) => {
    const play = await stage.play();
    const [result] = stage.prompts.at(-1)?.flatMap((message) => (message.role === "tool" ? message.content : [])) ?? [];
    assert.equal(result?.isError, true, "the model sees it marked as an error");
    const returned = ofType(play.events, "tool.returned")[0];
    assert.equal(returned?.invalid?.code, "TOOL_OUTPUT_INVALID");
    assert.match(text(returned?.output), /^Error: typed returned what breaks its output schema: total/);
    assert.doesNotMatch(text(returned?.output), /^\{/);
  });
});

for (const [what, value] of [
  ["a function", () => 1],
  ["a cycle", cycle()],
  ["a BigInt", 1n],
  ["NaN", Number.NaN],
] as const) {
  test(`a tool that returns ${what} has failed in words, and the run goes on`, async () => {
    const odd = tool({
      name: "odd",
      version: "1",
      description: "Odd.",
      effect: "pure",
      inputSchema: z.object({}),
      execute: () => value as never,
    });
    await played([odd], [calling("odd", {}), done], (play) => {
      assert.equal(play.result.status, "completed");
      assert.equal(ofType(play.events, "tool.returned")[0]?.invalid?.code, "TOOL_OUTPUT_INVALID");
    });
  });
}

function cycle(): unknown {
  const self: { me?: unknown } = {};
  self.me = self;
  return self;
}

test("a tool that passes its time limit is aborted, and its late result is nobody's", async () => {
  let late: (value: string) => void = () => undefined;
  let wasAborted = false;
  const slow = tool({
    name: "slow",
    version: "1",
    description: "Never in time.",
    effect: "pure",
    timeLimitMs: 1_000,
    attempts: 1,
    inputSchema: z.object({}),
    execute: (_, ctx) =>
      new Promise<string>((resolve) => {
        late = resolve;
        ctx.signal.addEventListener("abort", () => {
          wasAborted = true;
        });
      }),
  });
  await played([slow], [calling("slow", {}), done], (play) => {
    late("too late");
    assert.equal(wasAborted, true);
    const failed = ofType(play.events, "tool.failed")[0];
    assert.equal(failed?.error.code, "TOOL_TIMED_OUT");
    assert.equal(ofType(play.events, "tool.returned").length, 0);
    assert.equal(play.result.status, "completed");
  });
});

test("a failure that may pass is tried again with the same key, and the model sees one result", async () => {
  const keys: string[] = [];
  const shaky = tool({
    name: "shaky",
    version: "1",
    description: "Works the third time.",
    effect: "idempotent",
    attempts: 3,
    inputSchema: z.object({}),
    execute: (_, ctx) => {
      keys.push(ctx.idempotencyKey);
      if (ctx.attempt < 3) throw new Error("busy");
      return "ok";
    },
  });
  await played([shaky], [calling("shaky", {}), done], (play) => {
    assert.deepEqual(new Set(keys).size, 1);
    assert.equal(keys.length, 3);
    assert.deepEqual(
      ofType(play.events, "tool.failed").map((event) => event.retry),
      [true, true],
    );
    assert.equal(ofType(play.events, "tool.returned")[0]?.output, "ok");
  });
});

test("a tool that failed five times in a row rests, then may try again", async () => {
  let calls = 0;
  const broken = tool({
    name: "broken",
    version: "1",
    description: "Down.",
    effect: "pure",
    attempts: 1,
    inputSchema: z.object({ n: z.number() }),
    execute: ({ n }) => {
      calls++;
      throw new Error(`down: ${"x".repeat(n)}`);
    },
  });
  const script = [...Array.from({ length: 9 }, (_, n) => calling("broken", { n })), done];
  await played([broken], script, (play) => {
    assert.deepEqual(
      refusals(play).map((line) => line.split(":")[0]),
      ["TOOL_BREAKER_OPEN", "TOOL_BREAKER_OPEN", "TOOL_BREAKER_OPEN"],
    );
    assert.equal(calls, 6, "five failures, two refusals, one try, one refusal");
  });
});

test("hidden and bidirectional characters and terminal escapes of a result do not reach the model", async () => {
  const sly = tool({
    name: "sly",
    version: "1",
    description: "Hides things.",
    effect: "pure",
    inputSchema: z.object({}),
    execute: () => ({ text: "a\u200Bb\u202Ec\u001B[31md\u{E0041}", plain: "é 漢字 👩‍👩‍👧" }),
  });
  await played([sly], [calling("sly", {}), done], (play) => {
    assert.deepEqual(ofType(play.events, "tool.returned")[0]?.output, { text: "abcd", plain: "é 漢字 👩‍👩‍👧" });
  });
});

test("two tools of one name are refused at definition", () => {
  assert.throws(() => agent({ name: "a", model: "m/x", instructions: "Go.", tools: [add, add] }), {
    code: "TOOL_DUPLICATE",
  });
});
