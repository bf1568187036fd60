import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import { durable, type FunctionContext } from "../../src/engine/durable-function.ts";
import { blamed } from "../../src/engine/blame.ts";
import { tool } from "../../src/tools/tool.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { onStage, rejectsWith, Stage, type Played } from "./stage.ts";

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : String(error);
const runs = (run: (ctx: FunctionContext) => Promise<unknown>, more: object = {}) =>
  durable({ name: "work", run, ...more });
const outputOf = ({ result }: Played): unknown => (result.status === "completed" ? result.output : result);
const played = (
  run: (ctx: FunctionContext) => Promise<unknown>,
  see: (play: Played, stage: Stage) => void | Promise<void>,
): Promise<void> => onStage({ agents: [runs(run)] }, async (stage) => see(await stage.play(null), stage));

// ---- determinism

test("time and chance are the run's own: the same in every replay", () => {
  const seen: string[] = [];
  return played(
    async (ctx) => {
      const first = [ctx.now(), ctx.random(), ctx.random()];
      await ctx.sleep(5_000);
      seen.push(JSON.stringify([...first, ctx.now(), ctx.random()]));
      await ctx.step("mark", { effect: "pure" }, () => 1);
      return first;
    },
    async (_, stage) => {
      await stage.check();
      assert.ok(seen.length > 1, "the body was run again");
      assert.equal(new Set(seen).size, 1);
    },
  );
});

test("a race and a set of calls are decided again as they were decided first", () => {
  const order: string[] = [];
  return played(
    async (ctx) => {
      const steps = ["c", "a", "b"].map((name, i) =>
        ctx.step(name, { effect: "pure" }, async () => (await Promise.resolve(), i)).then(() => order.push(name)),
      );
      const winner = await Promise.race([ctx.sleep(1_000).then(() => "timer"), Promise.all(steps).then(() => "steps")]);
      await ctx.step("after", { effect: "pure" }, () => 1);
      return [winner, order.splice(0)];
    },
    async (play, stage) => {
      const output = JSON.stringify(outputOf(play));
      assert.match(output, /^\["steps",/);
      await stage.check();
    },
  );
});

test("loop gives a function turn after turn, each with the state of the last, and replay covers one", () => {
  let begun = 0;
  return onStage(
    {
      agents: [
        runs(async (ctx) => {
          begun++;
          const count = (ctx.loopState as number | null) ?? 0;
          const next = await ctx.step("add", { effect: "pure" }, () => count + 1);
          return next < 300 ? ctx.loop(next) : next;
        }),
      ],
      replay: false,
    },
    async (stage) => {
      assert.equal(outputOf(await stage.play(null)), 300);
      assert.equal(begun, 300);
    },
  );
});

// ---- steps

test("a step that throws is an error that the body can catch, after as many attempts as it may have", () => {
  let tries = 0;
  return onStage(
    {
      agents: [
        runs(async (ctx) => {
          const fails = (): never => {
            tries++;
            throw new Error(`no ${tries}`);
          };
          return ctx
            .step("fails", { effect: "idempotent", attemptsMax: 3 }, fails)
            .catch((error: unknown) => [codeOf(error), String(error)]);
        }),
      ],
      replay: false,
    },
    async (stage) => {
      assert.deepEqual(outputOf(await stage.play(null)), ["BODY_THREW", "StepError: Error: no 3"]);
      assert.equal(tries, 3);
    },
  );
});

test("an interrupted once step asks a person, who gives its value", () =>
  played(
    (ctx) => ctx.step("charge", { effect: "once" }, () => Promise.reject(new Error("connection lost"))),
    async (play, stage) => {
      assert.deepEqual(play.result.status === "awaiting_approval" && play.result.unknownEffects, ["t0-0"]);
      await stage.app.approvals.resolveEffect("run-1", "t0-0", { resolution: "applied", result: { id: 9 }, by: "ada" });
      await stage.clock.settle();
      assert.deepEqual(outputOf(await stage.played(play.run)), { id: 9 });
    },
  ));

test("a step that gives what is no JSON, or too much, fails in words", async () => {
  for (const value of [() => 1, 1n, "x".repeat(limits.blobBytes + 1)]) {
    await onStage(
      {
        agents: [
          runs((ctx) =>
            ctx.step("odd", { effect: "pure" }, () => value as never).catch((error: unknown) => codeOf(error)),
          ),
        ],
        replay: false,
      },
      async (stage) => {
        assert.equal(outputOf(await stage.play(null)), "TOOL_OUTPUT_INVALID");
      },
    );
  }
});

test("a function that gives what is no JSON, or too much, has failed with that reason", async () => {
  for (const value of [() => 1, "é".repeat(limits.blobBytes / 2 + 1)]) {
    await onStage({ agents: [runs(() => Promise.resolve(value))], replay: false }, async (stage) => {
      const { result } = await stage.play(null);
      assert.equal(result.status, "failed");
      assert.match(result.status === "failed" ? result.error.code : "", /BODY_THREW|EVENT_TOO_LARGE/);
    });
  }
});

test("more calls than a turn may have end the run with that reason", () =>
  played(
    async (ctx) => {
      await Promise.all(Array.from({ length: limits.callsPerTurn + 1 }, () => ctx.sleep(1)));
    },
    ({ result }) => assert.equal(result.status === "failed" && result.error.code, "CALLS_TOO_MANY"),
  ));

test("while an effect is unknown the same call is refused, and another is not", async () => {
  const sent: number[] = [];
  const send = tool({
    name: "send",
    version: "1",
    description: "Sends.",
    effect: "once",
    inputSchema: z.object({ n: z.number() }),
    execute: ({ n }) => {
      sent.push(n);
      if (n === 1) throw new Error("connection lost");
      return "sent";
    },
  });
  const sender = runs(
    async (ctx) => {
      const first = ctx.call(send, { n: 1 });
      await ctx.sleep(60_000);
      const again = await ctx.call(send, { n: 1 }).catch(codeOf);
      return [again, await ctx.call(send, { n: 2 }), await first];
    },
    { tools: [send] },
  );
  await onStage({ agents: [sender] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(120_000);
    await stage.app.approvals.resolveEffect(run.id, "t0-0", {
      resolution: "applied",
      result: "it was sent",
      by: "ada",
    });
    await stage.clock.settle();
    assert.deepEqual(outputOf(await stage.played(run)), ["EFFECT_UNKNOWN", "sent", "it was sent"]);
    assert.deepEqual(sent, [1, 2]);
  });
});

// ---- signals

test("a signal that came before it was awaited is not lost, and signals of one name keep their order", () =>
  onStage(
    {
      agents: [
        runs(async (ctx) => {
          await ctx.sleep(60_000);
          const [first, second] = [await ctx.waitForSignal("go"), await ctx.waitForSignal("go")];
          return [first.received && first.value, second.received && second.value];
        }),
      ],
    },
    async (stage) => {
      const run = await stage.start(null);
      await stage.clock.pass(1_000);
      await stage.app.signal(run.id, "go", "one");
      await stage.app.signal(run.id, "other", "x");
      await stage.app.signal(run.id, "go", "two");
      assert.deepEqual(outputOf(await stage.played(run)), ["one", "two"]);
    },
  ));

test("a signal that does not come in time is told as not received", () =>
  played(
    async (ctx) => ctx.waitForSignal("never", { withinMs: 3_600_000 }),
    (play) => assert.deepEqual(outputOf(play), { received: false }),
  ));

test("a run that waits for a signal is parked, and is owned by nobody", () =>
  onStage({ agents: [runs((ctx) => ctx.waitForSignal("go"))] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(3_600_000);
    const head = await run.head();
    assert.deepEqual([head.status, head.session, head.dueAt], ["awaiting_signal", null, null]);
    assert.deepEqual(
      head.waits.map(({ kind, name }) => [kind, name]),
      [["signal", "go"]],
    );
    await stage.app.signal(run.id, "go", null);
    await stage.clock.settle();
    assert.equal((await stage.played(run)).result.status, "completed");
  }));

// ---- children

const child = durable({
  name: "child",
  run: async (ctx) =>
    ctx.input === "fail"
      ? Promise.reject(new Error("child broke"))
      : ctx.input === "wait"
        ? ctx.waitForSignal("go")
        : `child of ${JSON.stringify(ctx.input)}`,
});

test("a child is a run of its own, whose result, failure and sums come back to its parent", async () => {
  const parent = runs(
    async (ctx) => {
      const [good, bad] = await Promise.all([
        ctx.child({ runnable: "child", input: 1 }),
        ctx.child({ runnable: "child", input: "fail" }),
      ]);
      return [good.status, good.value, bad.status, bad.error?.code ?? null];
    },
    { uses: [child] },
  );
  await onStage({ agents: [parent] }, async (stage) => {
    const run = await stage.start(null);
    assert.deepEqual(outputOf(await stage.played(run)), ["completed", "child of 1", "failed", "BODY_THREW"]);
    const children = await stage.app.runs({ parentRunId: run.id });
    assert.equal(children.items.length, 2);
    assert.ok(children.items.every(({ rootRunId, parent: link }) => rootRunId === run.id && link?.depth === 1));
  });
});

test("a cancel reaches the children, also those that had not begun", async () => {
  const parent = runs(async (ctx) => ctx.child({ runnable: "child", input: "wait" }), { uses: [child] });
  await onStage({ agents: [parent] }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(2_000);
    await stage.app.cancel(run.id, "enough");
    await stage.clock.pass(5_000);
    const [one] = (await stage.app.runs({ parentRunId: run.id })).items;
    assert.deepEqual([(await run.head()).status, one?.status], ["cancelled", "cancelled"]);
  });
});

test("a child that nobody registered, or too deep a one, is refused where it is asked for", async () => {
  const deep: ReturnType<typeof durable> = durable({
    name: "deep",
    run: async (ctx) => (await ctx.child({ runnable: "deep", input: null })).error?.code ?? "none",
  });
  await onStage({ agents: [deep] }, async (stage) => {
    await stage.play(null);
    const heads = (await stage.app.runs({ children: true })).items;
    assert.equal(heads.length, limits.childDepth + 1);
    assert.equal(heads.find(({ parent: link }) => link?.depth === limits.childDepth)?.errorCode, "CHILD_TOO_DEEP");
  });
  await played(
    async (ctx) => ctx.child({ runnable: "chlid", input: null }),
    ({ result }) => assert.equal(result.status === "failed" && result.error.code, "AGENT_UNKNOWN"),
  );
});

// ---- pause, block, end

test("a paused run begins nothing more, keeps what it has, and goes on where it was", async () => {
  let steps = 0;
  const stepping = runs(async (ctx) => {
    for (let i = 0; i < 3; i++) {
      await ctx.step(`step ${i}`, { effect: "pure" }, () => ++steps);
      await ctx.sleep(10_000);
    }
    return steps;
  });
  await onStage({ agents: [stepping], replay: false }, async (stage) => {
    const run = await stage.start(null);
    await stage.clock.pass(5_000);
    await stage.app.pause(run.id, "lunch");
    await stage.clock.pass(3_600_000);
    assert.deepEqual([(await run.head()).status, steps], ["paused", 1]);
    assert.equal((await stage.clock.until(run.result())).status, "paused");
    await stage.app.resume(run.id);
    await stage.clock.settle();
    assert.equal(outputOf(await stage.played(run)), 3);
  });
});

test("what threw where nothing could catch it blocks its run and names it, and no other", async () => {
  const guilty = runs(async (ctx) =>
    ctx.step("late", { effect: "pure" }, () => {
      queueMicrotask(() => blamed()?.fail(new PawlError("UNCAUGHT", "boom in a callback")));
      return new Promise<null>(() => {});
    }),
  );
  const innocent = durable({ name: "innocent", run: async (ctx) => ctx.sleep(10_000).then(() => "fine") });
  assert.equal(blamed(), undefined);
  await onStage({ agents: [guilty, innocent], replay: false }, async (stage) => {
    const other = await stage.app.start(innocent, { runId: "other", input: null });
    const { result } = await stage.play(null);
    assert.equal(result.status === "blocked" && result.error.code, "UNCAUGHT");
    assert.match(result.status === "blocked" ? result.error.message : "", /boom in a callback/);
    assert.equal((await stage.played(other)).result.status, "completed");
  });
});

test("a shutdown gives back what waits, lets short work end, and leaves the rest to be recovered", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const begun: string[] = [];
  const timed = (name: string, ms: number) =>
    durable({
      name,
      run: async (ctx) =>
        ctx.step("work", { effect: "idempotent" }, () => {
          begun.push(name);
          return new Promise<string>((resolve) => {
            clock.setTimer(ms, () => resolve(`${name} done`));
          });
        }),
    });
  const agents = [
    timed("short", 5_000),
    timed("long", 60_000),
    durable({ name: "idle", run: async (ctx) => ctx.sleep(1_000_000_000) }),
  ];
  const first = new Stage({ agents, clock, store });
  for (const { name } of agents) await first.app.start(name, { runId: name, input: null });
  await clock.pass(2_000);
  const closing = first.app.close(20_000);
  await clock.until(closing);
  const statuses = async (): Promise<unknown> =>
    Promise.all(agents.map(async ({ name }) => (await first.app.run(name).head()).status));
  assert.deepEqual(await statuses(), ["queued", "running", "sleeping"]);
  const second = new Stage({ agents, clock, store, replay: false });
  await second.app.open();
  await clock.pass(100_000);
  assert.deepEqual(await statuses(), ["completed", "completed", "sleeping"]);
  assert.deepEqual(begun, ["short", "long", "long"], "what was done is not done again");
  await second.check();
  await second.close();
});

test("mistakes of a caller are named before anything is written", async () => {
  const typed = durable({ name: "typed", run: async () => null });
  const sleeper = durable({ name: "sleeper", run: async (ctx) => ctx.sleep(1_000_000) });
  await onStage({ agents: [typed, sleeper] }, async (stage) => {
    await rejectsWith("AGENT_UNKNOWN", stage.app.start("tpyed", { input: null }));
    await rejectsWith("ID_INVALID", stage.app.start(typed, { input: null, runId: "no spaces" }));
    await rejectsWith("ID_INVALID", stage.app.start(typed, { input: null, tenant: "../x" }));
    await rejectsWith("INPUT_INVALID", stage.app.start(typed, { input: { f: () => 1 } }));
    await rejectsWith("RUN_UNKNOWN", stage.app.signal("nobody", "go", 1));
    await rejectsWith("RUN_UNKNOWN", stage.app.cancel("nobody", "x"));
    const { run } = await stage.play(null);
    await rejectsWith("RUN_ENDED", stage.app.signal(run.id, "go", 1));
    const waiting = await stage.app.start(sleeper, { runId: "again", input: null });
    await rejectsWith("RUN_NOT_BLOCKED", stage.app.unblock(waiting.id, "retry"));
    await rejectsWith("RUN_EXISTS_DIFFERENT", stage.app.start(typed, { runId: run.id, input: 5 }));
    assert.equal((await stage.app.start(typed, { runId: run.id, input: null })).id, run.id);
    assert.equal((await stage.app.runs()).items.length, 2);
  });
});

test("what a body gives a tool or a child directly is recorded as it runs, and refused where it is no JSON", async () => {
  const seen: unknown[] = [];
  const look = tool({
    name: "look",
    version: "1",
    description: "Looks.",
    effect: "pure",
    inputSchema: z.looseObject({}),
    execute: (input) => {
      seen.push(input);
      return null;
    },
  });
  const echo = durable({ name: "echo", run: async (_, input) => input });
  const given = { at: undefined, when: new Date(0), list: [1, undefined] } as never;
  const plain = { when: "1970-01-01T00:00:00.000Z", list: [1, null] };
  const spec = {
    tool: look,
    verdict: { decision: "allow", rules: [] },
    show: ({ value }: { value: never }) => ({ value }),
  };
  const direct = durable({
    name: "direct",
    tools: [look],
    uses: [echo],
    run: async (ctx) => {
      await ctx.tool({ ...spec, args: given } as never);
      const { value } = await ctx.child({ runnable: "echo", input: given });
      const refused = [];
      for (const bad of [() => 1, 1n, Number.NaN]) {
        const tell = (ask: () => Promise<unknown>) =>
          Promise.resolve()
            .then(ask)
            .then(() => "taken", codeOf);
        refused.push(await tell(() => ctx.tool({ ...spec, args: { bad } } as never)));
        refused.push(await tell(() => ctx.child({ runnable: "echo", input: { bad } as never })));
      }
      return { value, refused } as never;
    },
  });
  await onStage({ agents: [direct, echo] }, async (stage) => {
    const play = await stage.play(null);
    assert.deepEqual(outputOf(play), {
      value: plain,
      refused: [
        "TOOL_INPUT_INVALID",
        "INPUT_INVALID",
        "TOOL_INPUT_INVALID",
        "INPUT_INVALID",
        "TOOL_INPUT_INVALID",
        "INPUT_INVALID",
      ],
    });
    assert.deepEqual(seen[0], plain);
  });
});
