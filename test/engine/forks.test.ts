import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, durable, tool, type Run, type Runnable, type TurnContext } from "pawl";
import { decodeBatches } from "../../src/core/journal-codec.ts";
import type { Batch } from "../../src/core/journal-event.ts";
import { limits } from "../../src/core/limits.ts";
import { spanFold } from "../../src/traces/spans-from-journal.ts";
import { ofType, onStage, rejectsWith, type Stage } from "./stage.ts";

/** A shop whose tool acts outside; `bought` is what really happened there. */
function shop() {
  const bought: number[] = [];
  const buy = tool({
    name: "buy",
    trust: "trusted",
    version: "1",
    description: "Buys.",
    effect: "once",
    inputSchema: z.object({ n: z.number() }),
    execute: ({ n }) => `bought ${bought.push(n)}`,
  });
  return { bought, buy };
}

async function journalOf({ app }: Stage, { ref }: Run): Promise<readonly Batch[]> {
  const lines = await app.store.readEvents(ref, 0, limits.readBytes);
  return decodeBatches(lines, { seq: 0, hash: "" }).batches;
}

test("a fork begins with the original's turns, repeats nothing outside, and costs nothing for what it copies", async () => {
  const { bought, buy } = shop();
  const clerk = agent({ name: "clerk", model: "scripted", instructions: "Buy.", tools: [buy] });
  const script = [0, 1, 2].map((n) => ({ toolCalls: [{ tool: "buy", input: { n } }] }));
  await onStage({ agents: [clerk], script: [...script, { text: "All bought." }], replay: false }, async (stage) => {
    const { run, result } = await stage.play("Buy three.");
    assert.equal(result.status, "completed");
    await stage.clock.pass(60_000);
    const fork = await stage.clock.until(stage.app.fork(run.id, { turn: 2, runId: "fork" }));
    const again = await stage.played(fork);
    assert.equal(again.result.status === "completed" && again.result.output, "All bought.");
    assert.deepEqual(bought, [0, 1, 2]);
    assert.deepEqual(
      ofType(again.events, "tool.returned").map((event) => event.via ?? "own"),
      ["own", "own", "fork"],
    );
    const paid = ofType(again.events, "model.answered").filter((event) => event.inherited !== true);
    assert.equal((await fork.head()).totals.modelCalls, paid.length);
    assert.equal((await fork.head()).totals.toolCalls, 1);
    // it began when it was forked, whatever it copied
    const forkedAt = ofType(again.events, "run.resumed")[0]?.at ?? 0;
    assert.ok(forkedAt > (await run.head()).updatedAt);
    assert.equal((await fork.head()).startedAt, forkedAt);
    assert.equal(again.events[0]?.at, (await run.head()).startedAt);
    const spans = spanFold(fork.ref);
    const own = (await journalOf(stage, fork))
      .flatMap((batch) => spans.read(batch))
      .findLast(({ kind }) => kind === "run");
    assert.deepEqual([own?.startedAt, spans.run?.startedAt], [forkedAt, forkedAt]);
  });
});

test("in a fork a call that the original did not make asks a person, who is told why", async () => {
  const { bought, buy } = shop();
  let wanted = 1;
  const clerk = agent({ name: "clerk", model: "scripted", instructions: "Buy.", tools: [buy] });
  await onStage(
    {
      agents: [clerk],
      script: (_, { turn }) =>
        turn === 0
          ? { text: "hm", toolCalls: [{ tool: "buy", input: { n: 0 } }] }
          : turn === 1
            ? { toolCalls: [{ tool: "buy", input: { n: wanted } }] }
            : { text: "Done." },
      replay: false,
    },
    async (stage) => {
      const { run } = await stage.play("Buy two.");
      wanted = 7;
      const fork = await stage.clock.until(stage.app.fork(run.id, { turn: 1, runId: "fork" }));
      const waiting = await stage.clock.until(fork.result());
      assert.equal(waiting.status, "awaiting_approval");
      const approval = await stage.app.approvals.get(
        waiting.status === "awaiting_approval" ? (waiting.approvals[0] ?? "") : "",
      );
      assert.match(approval.question, /fork of "run-1", which did not make this call/);
      assert.deepEqual(bought, [0, 1]);
      await stage.clock.until(stage.app.approvals.reject(approval.approvalId, { by: "ada" }));
      const { result } = await stage.played(fork);
      assert.equal(result.status, "completed");
      assert.deepEqual(bought, [0, 1]);
    },
  );
});

test("in a fork a call whose original a person had edited is not answered with what the edited one gave", async () => {
  const { bought, buy } = shop();
  const careful = { ...buy, approval: () => ({ decision: "ask", rules: [] }) as const };
  const clerk = agent({ name: "clerk", model: "scripted", instructions: "Buy.", tools: [careful] });
  const script = [{ toolCalls: [{ tool: "buy", input: { n: 100 } }] }, { text: "Done." }];
  await onStage({ agents: [clerk], script, replay: false }, async (stage) => {
    const { run } = await stage.play("Buy much.");
    await stage.app.approvals.approve("run-1:t0-1", { by: "ada", edit: { n: 1 } });
    await stage.clock.settle();
    await stage.played(run);
    const fork = await stage.clock.until(stage.app.fork(run.id, { turn: 0, runId: "fork" }));
    const waiting = await stage.clock.until(fork.result());
    assert.equal(waiting.status, "awaiting_approval");
    assert.deepEqual(bought, [1]);
    await stage.app.approvals.reject("fork:t0-1", { by: "ada" });
    await stage.played(fork);
  });
});

test("a fork at a turn that never ended is refused with the turns there are", async () => {
  const { buy } = shop();
  const clerk = agent({ name: "clerk", model: "scripted", instructions: "Buy.", tools: [buy] });
  await onStage({ agents: [clerk], script: [{ text: "Nothing to buy." }] }, async (stage) => {
    const { run } = await stage.play();
    await rejectsWith("FORK_NOT_AT_TURN", stage.clock.until(stage.app.fork(run.id, { turn: 5 })));
    await rejectsWith("RUN_UNKNOWN", stage.clock.until(stage.app.fork("nobody", { turn: 0 })));
  });
});

test("a run that was stopped at its limit of turns goes on in a fork with a higher one", async () => {
  const look = tool({
    name: "look",
    version: "1",
    description: "Looks.",
    effect: "pure",
    inputSchema: z.object({ n: z.number() }),
    execute: ({ n }) => n,
  });
  const clerk = agent({ name: "clerk", model: "scripted", instructions: "Look.", tools: [look], limits: { turns: 2 } });
  const script = [0, 1, 2].map((n) => ({ toolCalls: [{ tool: "look", input: { n } }] }));
  await onStage({ agents: [clerk], script: [...script, { text: "All seen." }], replay: false }, async (stage) => {
    const { run, result } = await stage.play("Look thrice.");
    assert.equal(result.status, "stopped");
    const fork = (turns: number) =>
      stage.clock.until(stage.app.fork(run.id, { turn: 2, runId: "fork", limits: { turns } }));
    await rejectsWith("OPTION_INVALID", fork(0));
    const again = await stage.played(await fork(9));
    assert.equal(again.result.status === "completed" && again.result.output, "All seen.");
    await rejectsWith("RUN_EXISTS_DIFFERENT", fork(10));
  });
});

test("forking twice with one id gives one run", async () => {
  const count = durable({
    name: "count",
    run: async (ctx) => (Number(ctx.loopState ?? 0) < 3 ? ctx.loop(Number(ctx.loopState ?? 0) + 1) : ctx.loopState),
  });
  await onStage({ agents: [count] }, async (stage) => {
    const { run } = await stage.play(null);
    const first = await stage.clock.until(stage.app.fork(run.id, { turn: 2, runId: "fork" }));
    await stage.played(first);
    const before = (await first.head()).seq;
    const second = await stage.clock.until(stage.app.fork(run.id, { turn: 2, runId: "fork" }));
    assert.equal((await second.head()).seq, before);
    assert.equal((await second.head()).status, "completed");
  });
});

/** A durable function, and an agent that keeps a book: each acts in a step that must not happen twice. */
function withStep() {
  const done: string[] = [];
  const charge = (ctx: TurnContext): Promise<string> =>
    ctx.step("charge", { effect: "once" }, () => `charge ${done.push(ctx.run.runId)}`);
  const bill = durable({
    name: "bill",
    run: async (ctx) => {
      try {
        return await charge(ctx);
      } catch (error) {
        return `not charged: ${(error as Error).message}`;
      }
    },
  });
  const speaker = agent({ name: "speaker", model: "scripted", instructions: "Speak." });
  const bookkeeper: Runnable = {
    ...speaker,
    turn: async (ctx, state) => {
      const paid = await charge(ctx);
      const spoken = await speaker.turn(ctx, state);
      return spoken.type === "end" ? { ...spoken, value: paid } : spoken;
    },
  };
  return { done, bill, bookkeeper };
}

for (const kind of ["bill", "bookkeeper"] as const) {
  for (const [answer, expected, times] of [
    ["approve", "charge 2", 2],
    ["answer", "charge 1, as before", 1],
  ] as const) {
    test(`in a fork of a ${kind} a step that acts asks first: ${answer} gives "${expected}"`, async () => {
      const { done, ...runnables } = withStep();
      const script = [{ text: "Paid." }, { text: "Paid." }];
      await onStage({ agents: [runnables[kind]], script }, async (stage) => {
        const { run } = await stage.play();
        const fork = await stage.clock.until(stage.app.fork(run.id, { turn: 0, runId: "fork" }));
        const waiting = await stage.clock.until(fork.result());
        assert.equal(waiting.status, "awaiting_approval");
        const [asked] = (await stage.app.approvals.list()).items;
        assert.match(asked?.question ?? "", /fork of "run-1", which ran step "charge" here and got "charge 1"/);
        assert.deepEqual(done, ["run-1"]);
        const id = "fork:t0-0";
        if (answer === "answer") await stage.app.approvals.answer(id, { by: "ada", answer: expected });
        else await stage.app.approvals.approve(id, { by: "ada" });
        const { result } = await stage.played(fork);
        assert.equal(result.status === "completed" && result.output, expected);
        assert.equal(done.length, times);
      });
    });
  }
}

test("a step that a person refuses in a fork fails, and its body decides", async () => {
  const { done, bill } = withStep();
  await onStage({ agents: [bill] }, async (stage) => {
    const { run } = await stage.play();
    const fork = await stage.clock.until(stage.app.fork(run.id, { turn: 0, runId: "fork" }));
    await stage.clock.until(fork.result());
    await stage.app.approvals.reject("fork:t0-0", { by: "ada", reason: "paid already" });
    const { result } = await stage.played(fork);
    assert.equal(result.status === "completed" && result.output, "not charged: Refused by ada: paid already.");
    assert.deepEqual(done, ["run-1"]);
  });
});

test("an approved step of a fork is decided, asked about, and only then started", async () => {
  const { done, bill } = withStep();
  await onStage({ agents: [bill] }, async (stage) => {
    const { run } = await stage.play();
    const fork = await stage.clock.until(stage.app.fork(run.id, { turn: 0, runId: "fork" }));
    await stage.clock.until(fork.result());
    await stage.app.approvals.approve("fork:t0-0", { by: "ada" });
    const { events } = await stage.played(fork);
    const kinds = events
      .map(({ type }) => type)
      .filter((type) => type.startsWith("step.") || type.startsWith("approval."));
    assert.deepEqual(kinds, [
      "step.called",
      "approval.asked",
      "approval.voted",
      "approval.decided",
      "step.started",
      "step.returned",
    ]);
    assert.equal(ofType(events, "step.started")[0]?.attempt, 1);
    assert.deepEqual(done, ["run-1", "fork"]);
  });
});
