import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, durable, PawlError, policy, tool, type PawlOptions } from "pawl";
import { z } from "zod";
import { amountOf } from "../../src/core/approver-rules.ts";
import { limits } from "../../src/core/limits.ts";
import type { Approvers } from "../../src/core/policy.ts";
import type { ToolFlow } from "../../src/core/tool-contract.ts";
import { ofType, onStage, rejectsWith, type Stage } from "./stage.ts";

const ask = "run-1:t0-0";
const byAmount: Approvers = {
  whoMay: { roles: ["clerk"] },
  above: [
    { amount: 1_000, whoMay: { roles: ["lead"] }, expiresMs: 60_000 },
    { amount: 10_000, whoMay: { roles: ["cfo"] }, quorum: 2 },
    { amount: 10_000, tenant: "other", whoMay: { roles: ["board"] } },
  ],
};

const payOf = (paid: unknown[], approvers: Approvers, flow: ToolFlow = { sinks: { usd: "amount" } }) =>
  tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    effect: "once",
    inputSchema: z.object({ usd: z.number() }),
    approval: "always",
    flow,
    approvers,
    execute: (input) => {
      paid.push(input);
      return "paid";
    },
  });

function paying(
  usd: number,
  act: (stage: Stage, paid: readonly unknown[]) => Promise<void>,
  { approvers = byAmount, ...more }: { readonly approvers?: Approvers } & Pick<PawlOptions, "guard"> = {},
): Promise<void> {
  const paid: unknown[] = [];
  const pay = payOf(paid, approvers);
  const run = durable({ name: "paying", tools: [pay], run: (ctx) => ctx.call(pay, { usd }).catch(String) });
  return onStage({ agents: [run], ...more }, async (stage) => {
    const { result } = await stage.play(null, { principal: "ria" });
    assert.equal(result.status, "awaiting_approval");
    await act(stage, paid);
  });
}

test("who may approve is a rule of role, tenant and amount", async () => {
  const roleFor = { 999: ["clerk"], 1_000: ["lead"], 9_999: ["lead"], 10_000: ["cfo"] };
  for (const [usd, roles] of Object.entries(roleFor))
    await paying(Number(usd), async ({ app, clock }) => {
      assert.deepEqual((await app.approvals.get(ask)).whoMay, { roles });
      for (const role of ["clerk", "lead", "cfo"].filter((one) => !roles.includes(one)))
        await rejectsWith("APPROVAL_FORBIDDEN", app.approvals.approve(ask, { by: "bob", roles: [role] }));
      const { missing } = await app.approvals.approve(ask, { by: "bob", roles });
      assert.equal(missing, usd === "10000" ? 1 : 0);
      await clock.settle();
    });
});

test("an agent's call is asked about by the same rule", async () => {
  const clerk = agent({ name: "clerk", model: "m", instructions: "Pay.", tools: [payOf([], byAmount)] });
  const script = [{ toolCalls: [{ tool: "pay", input: { usd: 20_000 } }] }, { text: "Done." }];
  await onStage({ agents: [clerk], script }, async (stage) => {
    const { events } = await stage.play("Pay.");
    const [asked] = ofType(events, "approval.asked");
    assert.deepEqual([asked?.whoMay, asked?.quorum], [{ roles: ["cfo"] }, 2]);
  });
});

test("an edit lets nobody approve an amount that is not theirs, and passes the operator's policies again", async () => {
  const max = policy({
    name: "max",
    decide: ({ args }) => (amountOf({ flow: { sinks: { usd: "amount" } } }, args) === 666 ? "refuse" : null),
  });
  await paying(
    80,
    async ({ app, clock }, paid) => {
      const bob = { by: "bob", roles: ["clerk"] };
      for (const usd of [1_000, 10_000, 666])
        await rejectsWith("APPROVAL_FORBIDDEN", app.approvals.approve(ask, { ...bob, edit: { usd } }));
      await rejectsWith(
        "APPROVAL_FORBIDDEN",
        app.approvals.approve(ask, { by: "cy", roles: ["clerk", "cfo"], edit: { usd: 10_000 } }),
      );
      await rejectsWith("ANSWER_INVALID", app.approvals.approve(ask, { ...bob, edit: { usd: "80" } }));
      await app.approvals.approve(ask, { ...bob, edit: { usd: 8 } });
      await clock.settle();
      assert.deepEqual(paid, [{ usd: 8 }]);
    },
    { guard: { policies: [max] } },
  );
});

test("a tool says how long is asked about its calls, and what happens then", async () => {
  for (const decision of ["approve", "reject"] as const)
    await paying(
      80,
      async ({ clock, app }, paid) => {
        await clock.pass(30_000);
        assert.deepEqual(paid, []);
        await clock.pass(31_000);
        await clock.settle();
        assert.equal((await app.run("run-1").head()).status, "completed");
        assert.equal(paid.length, decision === "approve" ? 1 : 0);
        await rejectsWith("APPROVAL_DECIDED", app.approvals.approve(ask, { by: "bob" }));
      },
      { approvers: { expiresMs: 60_000, default: decision } },
    );
});

test("what is no amount counts as without end, and rules that cannot hold are refused where the tool is defined", () => {
  const flow = { sinks: { usd: "amount", "list[].usd": "amount" } } as const;
  assert.equal(amountOf({ flow }, { usd: 5, list: [{ usd: 7 }, { usd: "-8" }], other: 99 }), 20);
  for (const args of [{}, { usd: "much" }, { usd: true }, { usd: 5, list: [{ usd: "NaN" }] }])
    assert.equal(amountOf({ flow }, args), Infinity, JSON.stringify(args));
  const wrong: readonly Approvers[] = [
    { above: [{ amount: 5 }, { amount: 4 }] },
    { above: [{ amount: -1 }] },
    { above: [{ amount: 5, quorum: 0 }] },
    { whoMay: { principals: ["ada"] }, above: [{ amount: 5, quorum: 2 }] },
    { expiresMs: 0 },
    { default: "never" as "reject" },
  ];
  for (const approvers of wrong)
    assert.throws(() => payOf([], approvers), { code: "OPTION_INVALID" }, JSON.stringify(approvers));
  assert.throws(() => payOf([], byAmount, {}), /no argument is an amount/);
});

test("a quorum that cannot be met is refused where it is defined, or at once where the run asks", async () => {
  assert.throws(() => payOf([], { quorum: 3, whoMay: { principals: ["ada", "bob"] } }), { code: "OPTION_INVALID" });
  const approvers: Approvers = { quorum: 2, whoMay: { principals: ["ada", "ria"] } };
  const paid: unknown[] = [];
  const pay = payOf(paid, approvers);
  const paying = durable({ name: "paying", tools: [pay], run: (ctx) => ctx.call(pay, { usd: 8 }).catch(String) });
  const asking = durable({
    name: "asking",
    run: (ctx) =>
      ctx
        .ask({ question: "?", ...approvers })
        .then(String, (error: unknown) => (PawlError.is(error) ? error.code : "none")),
  });
  for (const run of [paying, asking])
    await onStage({ agents: [run] }, async (stage) => {
      const { result, events } = await stage.play(null, { principal: "ria" });
      assert.equal(result.status, "completed");
      assert.match(JSON.stringify(run === paying ? ofType(events, "tool.refused") : result), /QUORUM_UNREACHABLE/);
      assert.deepEqual(ofType(events, "approval.asked"), []);
      const other = await stage.play(null, { principal: "eve" });
      assert.equal(other.result.status, "awaiting_approval");
    });
  assert.deepEqual(paid, []);
});

test("comments are said beside a decision: who, when and where are kept, they are bounded, and bind nothing", () =>
  paying(80, async ({ app, clock }, paid) => {
    const { approvals } = app;
    const before = await approvals.get(ask);
    await approvals.comment(ask, { by: "eve", text: "Is it due?", from: "http", messageId: "c1" });
    await approvals.comment(ask, { by: "eve", text: "Is it due?", from: "http", messageId: "c1" });
    await approvals.comment(ask, { by: "ria", text: "Approve it!" });
    await clock.settle();
    const approval = await approvals.get(ask);
    assert.deepEqual(
      approval.comments.map(({ by, text, from }) => [by, text, from]),
      [
        ["eve", "Is it due?", "http"],
        ["ria", "Approve it!", "api"],
      ],
    );
    assert.deepEqual({ ...approval, comments: [] }, before);
    assert.deepEqual(paid, []);
    await rejectsWith("OPTION_INVALID", approvals.comment(ask, { by: "eve", text: " " }));
    await rejectsWith("APPROVAL_UNKNOWN", approvals.comment("run-1:t9-9", { by: "eve", text: "?" }));
    await rejectsWith("APPROVAL_UNKNOWN", app.people("other").comment(ask, { by: "eve", text: "?" }));
    for (let i = 2; i < limits.approvalComments; i++) await approvals.comment(ask, { by: "eve", text: `${i}` });
    await rejectsWith("COMMENTS_TOO_MANY", approvals.comment(ask, { by: "eve", text: "more" }));
    await approvals.approve(ask, { by: "bob", roles: ["clerk"] });
    await clock.settle();
    assert.equal(paid.length, 1);
    assert.equal((await approvals.get(ask)).comments.length, limits.approvalComments);
    await rejectsWith("APPROVAL_DECIDED", approvals.comment(ask, { by: "eve", text: "late" }));
  }));
