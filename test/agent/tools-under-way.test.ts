import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool, type Tool } from "pawl";
import { sleep } from "../../src/core/clock.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { ofType, onStage, Stage } from "../engine/stage.ts";

type Effect = "pure" | "idempotent" | "once";
const inputSchema = z.object({ n: z.number() });

function toolOf(
  name: string,
  effect: Effect,
  execute: (n: number, ctx: ToolContext) => unknown,
  more: object = {},
): Tool {
  return tool({
    name,
    version: "1",
    description: name,
    effect,
    inputSchema,
    execute: ({ n }, ctx) => execute(n, ctx) as string,
    ...more,
  });
}
const worker = (tools: readonly Tool[]) =>
  agent({ name: "worker", model: "m", instructions: "x", tools, limits: { tokens: 10_000_000 } });
const calls = (name: string, count: number) => ({
  toolCalls: Array.from({ length: count }, (_, n) => ({ tool: name, input: { n } })),
});
const once = (name: string, count = 1): Script => [calls(name, count), { text: "End." }];

test("five hundred calls at once, half of which fail, are each answered in their place, within the limits", async () => {
  const clock = manualClock();
  let [running, most] = [0, 0];
  const flaky = toolOf(
    "flaky",
    "pure",
    (n) =>
      new Promise((resolve, reject) => {
        most = Math.max(most, ++running);
        // the later the call, the sooner it is done
        clock.setTimer(1_000 - n, () => {
          running--;
          if (n % 2 === 1) reject(new Error(`odd ${n}`));
          else resolve(`even ${n}`);
        });
      }),
    { attempts: 1, concurrency: 40 },
  );
  await onStage({ agents: [worker([flaky])], script: once("flaky", 500), clock, replay: false }, async (stage) => {
    const { result, events } = await stage.play();
    assert.equal(result.status, "completed");
    assert.equal(most, 40);
    assert.equal(ofType(events, "tool.called").length, 500);
    const answer = stage.prompts.at(-1)?.find(({ role }) => role === "tool");
    const outputs = answer?.role === "tool" ? answer.content.map(({ output }) => output) : [];
    assert.deepEqual(
      outputs,
      Array.from({ length: 500 }, (_, n) => (n % 2 === 1 ? `Error: Error: odd ${n}` : `even ${n}`)),
    );
  });
});

test("calls of different tools do not wait for each other", async () => {
  const clock = manualClock();
  const order: string[] = [];
  const timed = (name: string, ms: number) =>
    toolOf(name, "pure", async () => {
      await sleep(clock, ms);
      return order.push(name);
    });
  const script: Script = [
    {
      toolCalls: [
        { tool: "slow", input: { n: 1 } },
        { tool: "fast", input: { n: 1 } },
      ],
    },
    { text: "End." },
  ];
  await onStage(
    { agents: [worker([timed("slow", 900), timed("fast", 100)])], script, clock, replay: false },
    async (stage) => {
      await stage.play();
      assert.deepEqual(order, ["fast", "slow"]);
    },
  );
});

for (const effect of ["pure", "idempotent", "once"] as const) {
  test(`a ${effect} tool that ignores its abort and returns after the run ended changes nothing`, async () => {
    let late = (): void => assert.fail("it never began");
    let wasTold = false;
    const stubborn = toolOf("stubborn", effect, (_, ctx) => {
      ctx.signal.addEventListener("abort", () => {
        wasTold = true;
      });
      return new Promise((resolve) => {
        late = () => resolve("late result");
      });
    });
    await onStage({ agents: [worker([stubborn])], script: once("stubborn") }, async (stage) => {
      const run = await stage.start();
      await stage.clock.pass(1_000);
      await stage.app.cancel(run.id, "enough");
      const { result } = await stage.played(run);
      const { seq } = await run.head();
      late();
      await stage.clock.pass(60_000);
      assert.equal(wasTold, true);
      assert.equal(result.status, "cancelled");
      assert.equal((await run.head()).seq, seq);
      assert.equal(result.status === "cancelled" && result.effects.unknown, effect === "pure" ? 0 : 1);
    });
  });
}

test("what an aborted tool still gives within a second of grace is its result", async () => {
  const tidy = toolOf(
    "tidy",
    "once",
    (_, ctx) =>
      new Promise((resolve) => {
        ctx.signal.addEventListener("abort", () => resolve("rolled back"));
      }),
  );
  await onStage({ agents: [worker([tidy])], script: once("tidy") }, async (stage) => {
    const run = await stage.start();
    await stage.clock.pass(1_000);
    await stage.app.cancel(run.id, "enough");
    const { result, events } = await stage.played(run);
    assert.deepEqual(result.status === "cancelled" && result.effects, { done: 1, notStarted: 0, unknown: 0 });
    assert.equal(ofType(events, "tool.returned")[0]?.output, "rolled back");
  });
});

test("calls that had not begun when the cancel came never begin", async () => {
  let begun = 0;
  const slow = toolOf("slow", "once", () => (begun++, new Promise(() => {})), { concurrency: 2 });
  await onStage({ agents: [worker([slow])], script: once("slow", 5) }, async (stage) => {
    const run = await stage.start();
    await stage.clock.pass(1_000);
    await stage.app.cancel(run.id, "enough");
    const { result } = await stage.played(run);
    assert.equal(begun, 2);
    assert.deepEqual(result.status === "cancelled" && result.effects, { done: 0, notStarted: 3, unknown: 2 });
  });
});

test("a once call that passed its time limit is unknown, and a person's word brings the model its result", async () => {
  const hung = toolOf("hung", "once", () => new Promise(() => {}), { timeLimitMs: 2_000 });
  await onStage({ agents: [worker([hung])], script: once("hung") }, async (stage) => {
    const { run, result } = await stage.play();
    assert.deepEqual(result.status === "awaiting_approval" && result.unknownEffects, ["t0-1"]);
    await stage.app.approvals.resolveEffect(run.id, "t0-1", {
      resolution: "applied",
      result: { receipt: 7 },
      by: "ada",
    });
    await stage.clock.settle();
    const ended = await stage.played(run);
    assert.equal(ended.result.status, "completed");
    assert.match(JSON.stringify(stage.prompts.at(-1)), /"receipt":7/);
    assert.equal(ofType(ended.events, "tool.started").length, 1);
  });
});

test("an effect that a person says did not happen is tried again, with the same key", async () => {
  let sent = 0;
  const send = toolOf("send", "once", (n) => {
    sent++;
    if (n === 0) throw new Error("connection lost");
    return "sent";
  });
  const script: Script = [
    {
      toolCalls: [
        { tool: "send", input: { n: 0 } },
        { tool: "send", input: { n: 1 } },
      ],
    },
    { text: "End." },
  ];
  await onStage({ agents: [worker([send])], script }, async (stage) => {
    const { run } = await stage.play();
    await stage.app.approvals.resolveEffect(run.id, "t0-1", { resolution: "not_applied", by: "ada" });
    await stage.clock.settle();
    const again = await stage.played(run);
    assert.equal(again.result.status, "awaiting_approval", "the second attempt was lost too");
    assert.equal(sent, 3);
    const keys = ofType(again.events, "tool.called").map(({ key }) => key);
    assert.equal(new Set(keys).size, 2, "the attempts of a call have one key");
  });
});

test("the arguments and the context that a tool gets are those of the record", async () => {
  const seen: Partial<ToolContext>[] = [];
  const nosy = toolOf("nosy", "idempotent", (n, ctx) => {
    seen.push(
      Object.fromEntries(
        Object.entries(ctx).filter(([, value]) => typeof value !== "function" && value !== ctx.signal),
      ),
    );
    return n;
  });
  await onStage({ agents: [worker([nosy])], script: once("nosy") }, async (stage) => {
    await stage.play("x", { tenant: "acme", principal: "ada" }).catch(() => undefined);
    assert.deepEqual(seen, [
      {
        tenant: "acme",
        principal: "ada",
        runId: "run-1",
        callId: "t0-1",
        attempt: 1,
        idempotencyKey: "822b33ad87c148a0:run-1:t0-1",
        fence: 1,
        isTainted: false,
        deadlineMs: 60_000,
        traceparent: "00-e895de1d7a06e27b0251d88b47d0dd32-92703aa39163838e-01",
      },
    ]);
  });
});

test("an operator's rule that changes between deciding and starting is heeded", async () => {
  let isOpen = true;
  let began = 0;
  const guarded = toolOf("guarded", "once", () => ++began, { approval: "always" });
  const beforeTool = () =>
    isOpen
      ? ({ decision: "allow", rules: [] } as const)
      : ({ decision: "refuse", rules: ["quarantine"], reason: "quarantined" } as const);
  await onStage({ agents: [worker([guarded])], script: once("guarded"), hooks: { beforeTool } }, async (stage) => {
    const { run, result } = await stage.play();
    isOpen = false;
    await stage.app.approvals.approve(result.status === "awaiting_approval" ? (result.approvals[0] ?? "") : "", {
      by: "ada",
    });
    await stage.clock.settle();
    const ended = await stage.played(run);
    assert.equal(began, 0);
    assert.match(JSON.stringify(stage.prompts.at(-1)), /Refused: quarantined/);
    assert.equal(ended.result.status, "completed");
  });
});

test("a worker without the code of a tool leaves the run blocked, not failed, and one that has it goes on", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const old = toolOf("count", "pure", (n) => `old ${n}`);
  const next = { ...toolOf("count", "pure", (n) => `new ${n}`), version: "2" };
  const script = once("count");
  const starter = new Stage({ agents: [worker([old])], script, clock, store, worker: false });
  const run = await starter.start("x", { runId: "run-1" });
  const newer = new Stage({ agents: [worker([next])], script, clock, store });
  await newer.app.open();
  const blocked = await newer.played(run);
  assert.equal(blocked.result.status === "blocked" && blocked.result.error.code, "RUNNABLE_MISSING");
  assert.match(
    blocked.result.status === "blocked" ? blocked.result.error.message : "",
    /count@1.*Deploy it beside the new version/,
  );
  await newer.close();
  const both = new Stage({ agents: [worker([old])], script, clock, store });
  await both.app.unblock("run-1", "retry");
  await clock.settle();
  const { result } = await both.played(run);
  assert.equal(result.status, "completed");
  assert.match(JSON.stringify(both.prompts.at(-1)), /old 0/);
  await both.check();
  await both.close();
  await starter.close();
});

test("an idempotent call that failed may have happened: its run does not say that it was not started", async () => {
  const put = tool({
    name: "put",
    version: "1",
    description: "Puts.",
    effect: "idempotent",
    attempts: 2,
    inputSchema: z.object({}),
    execute: () => Promise.reject(new Error("connection lost")),
  });
  const putting = agent({ name: "putting", model: "m", instructions: "x", tools: [put] });
  await onStage(
    { agents: [putting], script: [{ toolCalls: [{ tool: "put", input: {} }] }, { text: "End." }] },
    async (stage) => {
      const { events } = await stage.play();
      assert.deepEqual(ofType(events, "run.ended")[0]?.effects, { done: 0, notStarted: 0, unknown: 1 });
    },
  );
});
