import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { hashJson } from "../../src/core/hash.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import type { Approvers } from "../../src/core/policy.ts";
import type { AskSpec } from "../../src/core/runnable.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { outsideAppend } from "../../src/engine/outside.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { tool } from "../../src/tools/tool.ts";
import { ofType, onStage, rejectsWith, type Played, type Stage, type StageOptions } from "./stage.ts";

const ask = "run-1:t0-0";
const roles = ["reviewer"];

/** A function that makes one payment, which somebody must approve. */
function paying(paid: unknown[], approvers?: Approvers) {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect: "once",
    inputSchema: z.object({ usd: z.number(), to: z.string() }),
    approval: "always",
    ...(approvers && { approvers }),
    execute: (input) => {
      paid.push(input);
      return "paid";
    },
  });
  return durable({
    name: "paying",
    tools: [pay],
    run: (ctx) => ctx.call(pay, { usd: 80, to: "ada" }).catch((error: unknown) => String(error)),
  });
}

const args = { to: "ada", usd: 80 };

async function onPayment(
  act: (stage: Stage, paid: readonly unknown[]) => Promise<void>,
  approvers?: Approvers,
  more: Partial<StageOptions> = {},
): Promise<void> {
  const paid: unknown[] = [];
  await onStage({ agents: [paying(paid, approvers)], ...more }, async (stage) => {
    const { result } = await stage.play(null, { principal: "ria" });
    assert.equal(result.status, "awaiting_approval");
    await act(stage, paid);
  });
}

/** A function that asks one question, and its answer. */
function onQuestion(spec: Omit<AskSpec, "question">, act: (stage: Stage) => Promise<void>): Promise<void> {
  const asking = durable({ name: "asking", run: async (ctx) => (await ctx.ask({ question: "?", ...spec })).answer });
  return onStage({ agents: [asking] }, async (stage) => {
    await stage.play(null, { principal: "ria" });
    await act(stage);
  });
}

async function toEnd(stage: Stage): Promise<Played> {
  await stage.clock.settle();
  return stage.played(stage.app.run("run-1"));
}

// ---- what may run

test("an approval says by their hash which arguments may run: those asked about, or the edited ones", async () => {
  await onPayment(async (stage) => {
    await stage.app.approvals.approve(ask, { by: "bob" });
    const [decided] = ofType((await toEnd(stage)).events, "approval.decided");
    assert.equal(decided?.argsHash, hashJson(args));
  });
  await onPayment(async (stage, paid) => {
    const edit = { usd: 8, to: "ada" };
    await stage.app.approvals.approve(ask, { by: "bob", edit });
    const [decided] = ofType((await toEnd(stage)).events, "approval.decided");
    assert.equal(decided?.argsHash, hashJson(edit));
    assert.deepEqual(paid, [edit]);
  });
});

test("arguments that are not the approved ones never run, whoever wrote them into the journal", () =>
  onPayment(async (stage, paid) => {
    const ref = { tenant: "default", runId: "run-1" };
    const { actionHash } = await stage.app.approvals.get(ask);
    const approved = {
      type: "approval.decided",
      approvalId: ask,
      decision: "approve",
      argsHash: hashJson(args),
    } as const;
    await outsideAppend(stage.app.deps, ref, { principal: "eve", messageId: null }, () => [
      {
        type: "approval.voted",
        approvalId: ask,
        vote: "approve",
        editedArgsRef: { inline: { usd: 80_000, to: "eve" } },
        shownHash: actionHash,
        from: "api",
      },
      { ...approved, by: "eve" },
    ]);
    const { events } = await toEnd(stage);
    assert.deepEqual(
      ofType(events, "tool.refused").map(({ code }) => code),
      ["APPROVAL_CHANGED"],
    );
    assert.deepEqual(paid, []);
  }));

test("what time approves is what was asked about, not an edit that was not enough", async () => {
  const question = "Pay?";
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect: "once",
    inputSchema: z.object({ usd: z.number() }),
    execute: ({ usd }) => usd,
  });
  const hasty = durable({
    name: "hasty",
    tools: [pay],
    run: async (ctx) => {
      const outcome = await ctx.tool({
        tool: pay,
        args: { usd: 80 },
        verdict: { decision: "ask", rules: [] },
        ask: { question, quorum: 2, default: "approve", expiresMs: 60_000 },
        show: ({ value }) => ({ value }),
      });
      return outcome.shown;
    },
  });
  await onStage({ agents: [hasty] }, async (stage) => {
    await stage.play(null, { principal: "ria" });
    const { missing } = await stage.app.approvals.approve(ask, { by: "bob", edit: { usd: 1 } });
    assert.equal(missing, 1);
    await stage.clock.pass(60_001);
    const { result } = await toEnd(stage);
    assert.equal(result.status === "completed" && result.output, 80);
  });
});

// ---- who may decide

test("only the people and roles that are named may decide", () =>
  onPayment(
    async (stage, paid) => {
      const { approvals } = stage.app;
      await rejectsWith("APPROVAL_FORBIDDEN", approvals.approve(ask, { by: "bob" }));
      await rejectsWith("APPROVAL_FORBIDDEN", approvals.reject(ask, { by: "bob", roles: ["operator"] }));
      await rejectsWith("APPROVAL_FORBIDDEN", approvals.claim(ask, { by: "bob" }));
      await assert.rejects(approvals.approve(ask, { by: "bob" }), /role reviewer, or carl/);
      await approvals.approve(ask, { by: "bob", roles });
      await toEnd(stage);
      assert.equal(paid.length, 1);
    },
    { whoMay: { roles, principals: ["carl"] } },
  ));

test("after a time a further role may decide, and not before", () =>
  onPayment(
    async (stage, paid) => {
      const lead = { by: "lea", roles: ["lead"] };
      assert.deepEqual((await stage.app.approvals.get(ask)).escalation?.role, "lead");
      await rejectsWith("APPROVAL_FORBIDDEN", stage.app.approvals.approve(ask, lead));
      await stage.clock.jump(3_600_000);
      await rejectsWith("APPROVAL_FORBIDDEN", stage.app.approvals.approve(ask, { by: "bob", roles: ["clerk"] }));
      await stage.app.approvals.approve(ask, lead);
      await toEnd(stage);
      assert.equal(paid.length, 1);
    },
    { whoMay: { roles }, escalation: { afterMs: 3_600_000, role: "lead" } },
  ));

test("a quorum is of distinct people who approve the same arguments, and each has one vote", () =>
  onPayment(
    async (stage, paid) => {
      const { approvals } = stage.app;
      assert.equal((await approvals.approve(ask, { by: "bob" })).missing, 1);
      await rejectsWith("APPROVAL_VOTED", approvals.approve(ask, { by: "bob" }));
      await rejectsWith("APPROVAL_VOTED", approvals.reject(ask, { by: "bob" }));
      assert.equal((await approvals.approve(ask, { by: "carl", edit: { usd: 1, to: "eve" } })).missing, 1);
      await stage.clock.settle();
      assert.deepEqual(paid, []);
      assert.deepEqual(
        (await approvals.get(ask)).votes.map(({ by, argsHash }) => [by, argsHash === hashJson(args)]),
        [
          ["bob", true],
          ["carl", false],
        ],
      );
      assert.equal((await approvals.approve(ask, { by: "dora" })).missing, 0);
      const { events } = await toEnd(stage);
      assert.deepEqual(paid, [args]);
      assert.equal(ofType(events, "approval.decided").length, 1);
    },
    { quorum: 2 },
  ));

test("a repeat of a vote is told what is still missing, and counts once", () =>
  onPayment(
    async (stage, paid) => {
      const bob = { by: "bob", messageId: "bob-1" };
      await stage.app.approvals.approve(ask, bob);
      assert.equal((await stage.app.approvals.approve(ask, bob)).missing, 1);
      await stage.app.approvals.approve(ask, { by: "carl" });
      assert.equal((await stage.app.approvals.approve(ask, bob)).missing, 0);
      await toEnd(stage);
      assert.equal(paid.length, 1);
    },
    { quorum: 2 },
  ));

test("one who rejects decides, whatever others said before", () =>
  onPayment(
    async (stage, paid) => {
      await stage.app.approvals.approve(ask, { by: "bob" });
      await stage.app.approvals.reject(ask, { by: "carl", reason: "too much" });
      const { events } = await toEnd(stage);
      assert.equal(ofType(events, "tool.refused")[0]?.code, "APPROVAL_REJECTED");
      assert.deepEqual(paid, []);
    },
    { quorum: 3 },
  ));

for (const [what, approvers, mayApprove] of [
  ["may approve it where one approver is enough", {}, true],
  ["may not approve it where several must", { quorum: 2 }, false],
  ["may not approve it where the rule says so", { whoMay: { requester: false } }, false],
  ["may be one of several where the rule says so", { quorum: 2, whoMay: { requester: true } }, true],
] as const) {
  test(`who started a run ${what}, and may always reject`, () =>
    onPayment(async (stage) => {
      const own = stage.app.approvals.approve(ask, { by: "ria" });
      await (mayApprove ? own : rejectsWith("APPROVAL_FORBIDDEN", own));
      if (!mayApprove) await stage.app.approvals.reject(ask, { by: "ria" });
      else if ("quorum" in approvers) await stage.app.approvals.approve(ask, { by: "bob" });
      await toEnd(stage);
    }, approvers));
}

test("approvers whom nobody could ever be are refused where they are stated", async () => {
  const bad: readonly Approvers[] = [
    { quorum: 0 },
    { quorum: 1.5 },
    { quorum: limits.approvers + 1 },
    { whoMay: { roles: [] } },
    { whoMay: { principals: ["ada"] }, quorum: 2 },
    { whoMay: { principals: ["ada", "ada"] }, quorum: 2 },
  ];
  for (const approvers of bad) {
    assert.throws(() => paying([], approvers), { code: "OPTION_INVALID" });
    const asking = durable({ name: "asking", run: (ctx) => ctx.ask({ question: "?", ...approvers }) });
    await onStage({ agents: [asking] }, async (stage) => {
      const { result } = await stage.play(null);
      assert.equal(result.status === "failed" && result.error.code, "OPTION_INVALID");
    });
  }
});

// ---- answers

test("an answer is held against its question's schema, and each place that does not fit is named", () =>
  onQuestion(
    {
      schema: {
        type: "object",
        properties: { amount: { type: "number", minimum: 1 }, to: { type: "array", items: { type: "string" } } },
        required: ["amount"],
      },
    },
    async (stage) => {
      const { approvals } = stage.app;
      const wrong = approvals.answer(ask, { by: "ada", answer: { amount: 0, to: ["bob", 7] } });
      await assert.rejects(wrong, /amount: .*found 0; to\.1: .*found 7/);
      await rejectsWith("ANSWER_INVALID", approvals.answer(ask, { by: "ada", answer: null }));
      await rejectsWith("ANSWER_INVALID", approvals.approve(ask, { by: "ada" }));
      await approvals.answer(ask, { by: "ada", answer: { amount: 3 } });
      const { result } = await toEnd(stage);
      assert.deepEqual(result.status === "completed" && result.output, { amount: 3 });
    },
  ));

test("a question whose schema cannot be checked is not answered, and can be rejected", () =>
  onQuestion({ schema: { type: "nonsense" } }, async (stage) => {
    await rejectsWith("SCHEMA_INVALID", stage.app.approvals.answer(ask, { by: "ada", answer: 1 }));
    await stage.app.approvals.reject(ask, { by: "ada" });
    await toEnd(stage);
  }));

test("a call is approved or rejected and not answered, a question has no arguments to edit", async () => {
  await onPayment(async (stage) => {
    await rejectsWith("ANSWER_INVALID", stage.app.approvals.answer(ask, { by: "ada", answer: "yes" }));
    await stage.app.approvals.reject(ask, { by: "ada" });
    await toEnd(stage);
  });
  await onQuestion({}, async (stage) => {
    await rejectsWith("ANSWER_INVALID", stage.app.approvals.approve(ask, { by: "ada", edit: {} }));
    await stage.app.approvals.approve(ask, { by: "ada" });
    await toEnd(stage);
  });
});

test("people who must agree on an answer give the same one", () =>
  onQuestion({ schema: { type: "number" }, quorum: 2 }, async (stage) => {
    const say = (by: string, answer: JsonValue) => stage.app.approvals.answer(ask, { by, answer });
    assert.deepEqual(
      [(await say("ada", 4)).missing, (await say("bob", 5)).missing, (await say("carl", 4)).missing],
      [1, 1, 0],
    );
    const { result } = await toEnd(stage);
    assert.equal(result.status === "completed" && result.output, 4);
  }));

// ---- claims

test("while somebody looks at an approval nobody else decides it, unless they take it over", () =>
  onPayment(async (stage, paid) => {
    const { approvals } = stage.app;
    const { until } = await approvals.claim(ask, { by: "ada", ttlMs: 60_000 });
    assert.deepEqual((await approvals.list()).items[0]?.claim, { by: "ada", until });
    assert.deepEqual((await approvals.get(ask)).claim, { by: "ada", until });
    await rejectsWith("APPROVAL_CLAIMED", approvals.approve(ask, { by: "bob" }));
    await rejectsWith("APPROVAL_CLAIMED", approvals.claim(ask, { by: "bob" }));
    await rejectsWith("APPROVAL_CLAIMED", approvals.release(ask, { by: "bob" }));
    await assert.rejects(approvals.reject(ask, { by: "bob" }), /"ada" is looking at .* until 20/);
    await approvals.claim(ask, { by: "bob", takeOver: true });
    await rejectsWith("APPROVAL_CLAIMED", approvals.approve(ask, { by: "ada" }));
    await approvals.approve(ask, { by: "ada", takeOver: true });
    await toEnd(stage);
    assert.equal(paid.length, 1);
    await rejectsWith("APPROVAL_DECIDED", approvals.claim(ask, { by: "ada" }));
  }));

test("a claim lapses by itself, is prolonged by its holder, and can be given back", () =>
  onPayment(async (stage) => {
    const { approvals } = stage.app;
    await approvals.claim(ask, { by: "ada", ttlMs: 60_000 });
    await stage.clock.pass(50_000);
    await approvals.claim(ask, { by: "ada", ttlMs: 60_000 });
    await stage.clock.pass(50_000);
    await rejectsWith("APPROVAL_CLAIMED", approvals.approve(ask, { by: "bob" }));
    await approvals.release(ask, { by: "ada" });
    assert.equal((await approvals.get(ask)).claim, null);
    await approvals.claim(ask, { by: "bob", ttlMs: 60_000 });
    await stage.clock.pass(60_001);
    assert.equal((await approvals.list()).items[0]?.claim, null);
    await approvals.release(ask, { by: "ada" });
    await approvals.approve(ask, { by: "carl" });
    await toEnd(stage);
  }));

test("only open approvals are claimed, for a bounded time", () =>
  onPayment(async (stage) => {
    const { approvals } = stage.app;
    for (const ttlMs of [0, 999, 1.5, limits.approvalClaimMaxMs + 1, Number.NaN])
      await rejectsWith("OPTION_INVALID", approvals.claim(ask, { by: "ada", ttlMs }));
    await rejectsWith("APPROVAL_UNKNOWN", approvals.claim("run-1:t9-9", { by: "ada" }));
    await rejectsWith("APPROVAL_UNKNOWN", stage.app.people("other").claim(ask, { by: "ada" }));
    await approvals.reject(ask, { by: "ada" });
    await toEnd(stage);
  }));

// ---- the queue

test("the review queue says what a person needs to choose, and reads one batch of each run", async () => {
  const clock = manualClock();
  const inner = memoryStore({ clock });
  let batches = 0;
  const store = new Proxy(inner, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (key === "readEvents")
        return async (...given: Parameters<Store["readEvents"]>) => {
          const lines = await target.readEvents(...given);
          batches += lines.length;
          return lines;
        };
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect: "once",
    inputSchema: z.object({ usd: z.number(), note: z.string() }),
    approval: "always",
    execute: () => "paid",
  });
  const busy = durable({
    name: "busy",
    tools: [pay],
    run: async (ctx) => {
      const turn = Number(ctx.loopState ?? 0);
      if (turn < 30) {
        await ctx.step("work", { effect: "pure" }, () => turn);
        return ctx.loop(turn + 1);
      }
      return Promise.allSettled([
        ctx.call(pay, { usd: 80, note: "x".repeat(500) }),
        ctx.ask({ question: "Sure?", expiresMs: null }),
        ctx.step("charge", { effect: "once" }, () => Promise.reject(new Error("connection lost"))),
      ]);
    },
  });
  await onStage({ agents: [busy], store, clock, replay: false }, async (stage) => {
    await stage.play(null, { principal: "ria" });
    batches = 0;
    const { items } = await stage.app.approvals.list();
    assert.ok(batches <= 4, `${batches} batches were read`);
    const shown = items.map(({ kind, question, tool: name, effect, agent, principal, summary }) => ({
      kind,
      question,
      tool: name,
      effect,
      agent,
      principal,
      summary: summary.slice(0, 20),
    }));
    const common = { agent: "busy", principal: "ria" };
    assert.deepEqual(
      shown.toSorted((a, b) => a.question.localeCompare(b.question)),
      [
        {
          kind: "approval",
          question: "Allow pay? (the tool asks for every call)",
          tool: "pay",
          effect: "once",
          ...common,
          summary: "usd: 80, note: xxxxx",
        },
        {
          kind: "unknown",
          question: 'Did step "charge" happen? (Error: connection lost)',
          tool: null,
          effect: "once",
          ...common,
          summary: "",
        },
        { kind: "approval", question: "Sure?", tool: null, effect: null, ...common, summary: "" },
      ],
    );
    assert.ok(
      items.every((entry) => entry.askedAt <= clock.nowMs() && entry.summary.length <= limits.reviewSummaryChars),
    );
    await stage.app.cancel("run-1", "enough");
    await stage.clock.settle();
  });
});
