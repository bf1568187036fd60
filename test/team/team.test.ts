import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { textOf } from "../../src/core/message.ts";
import { tasksIn, type TaskDone } from "../../src/team/delegate.ts";
import { tool } from "../../src/tools/tool.ts";
import { ofType, onStage, type Played, type Stage } from "../engine/stage.ts";
import { crew, expert, plan, report, type Scripts } from "./scripts.ts";

const [alice, bob, carol] = [expert("alice"), expert("bob"), expert("carol")];

async function played(
  team: ReturnType<typeof crew>,
  script: Scripts,
  check: (played: Played, stage: Stage) => void | Promise<void>,
): Promise<void> {
  await onStage({ agents: [team], script }, async (stage) => check(await stage.play("Reach the goal."), stage));
}

function reports({ events }: Played, call = 0): readonly TaskDone[] {
  return tasksIn(ofType(events, "tool.returned")[call]?.output ?? null);
}

function output({ result }: Played): string {
  assert.equal(result.status, "completed", JSON.stringify(result));
  return result.status === "completed" && typeof result.output === "string" ? result.output : "";
}

function asked(stage: Stage, route: string): readonly string[] {
  const seen = stage.models.requests.filter((one) => one.route === route);
  return seen.map(({ request }) => request.messages.map(textOf).join("\n"));
}

test("a supervisor plans, specialists report, those who need reports are handed them, and the plan is in the journal", () =>
  played(
    crew([alice, bob, carol]),
    {
      lead: [
        plan(
          { id: "a", specialist: "alice" },
          { id: "b", specialist: "bob" },
          { id: "c", specialist: "carol", needs: ["a"] },
        ),
        { text: "All done." },
      ],
      alice: [report("found 42", { evidence: [{ claim: "it is 42", source: "notes.md:7" }] })],
      bob: [report("found nothing")],
      carol: [report("written")],
    },
    (run, stage) => {
      assert.equal(output(run), "All done.");
      assert.deepEqual(
        reports(run).map(({ id, status }) => `${id} ${status}`),
        ["a done", "b done", "c done"],
      );
      const plans = ofType(run.events, "plan.updated").map(({ items }) =>
        items.map((one) => `${one.id} ${one.by} ${one.status}`),
      );
      assert.deepEqual(plans, [
        ["a alice active", "b bob active", "c carol open"],
        ["a alice done", "b bob done", "c carol done"],
      ]);
      assert.deepEqual(ofType(run.events, "plan.updated")[0]?.items[2]?.needs, ["a"]);
      assert.match(asked(stage, "carol")[0] ?? "", /found 42\n.*it is 42 \(notes\.md:7\)/s);
      assert.doesNotMatch(asked(stage, "carol")[0] ?? "", /found nothing|Reach the goal/, "nothing else is seen");
    },
  ));

test("independent tasks run at once, at most as many as the breadth, and a child run each", () => {
  const slow = { delayMs: 1_000, ...report("slow") };
  const names = ["s1", "s2", "s3", "s4"];
  const scripts = Object.fromEntries(names.map((name) => [name, [slow]]));
  return played(
    crew(
      names.map((name) => expert(name)),
      { limits: { breadth: 2 } },
    ),
    { lead: [plan(...names.map((name) => ({ id: name, specialist: name }))), { text: "ok" }], ...scripts },
    (run) => {
      const order = run.events.flatMap((event) =>
        event.type === "child.called" ? "+" : event.type === "child.ended" ? "-" : [],
      );
      let [now, most] = [0, 0];
      for (const one of order) most = Math.max(most, (now += one === "+" ? 1 : -1));
      assert.equal(most, 2);
      assert.equal(order.filter((one) => one === "+").length, 4);
    },
  );
});

test("a specialist that breaks its schema is tried again with what went wrong, then reported, and the rest goes on", () =>
  played(
    crew([alice, bob, carol]),
    {
      lead: [
        plan(
          { id: "a", specialist: "alice" },
          { id: "b", specialist: "bob" },
          { id: "c", specialist: "carol", needs: ["a"] },
        ),
        { text: "Without a and c." },
      ],
      alice: () => ({ text: "no JSON" }),
      bob: [report("fine")],
      carol: [report("never asked")],
    },
    (run, stage) => {
      const [a, b, c] = reports(run);
      assert.deepEqual([a?.status, a?.attempts, a?.error?.code], ["failed", 2, "MODEL_OUTPUT_INVALID"]);
      assert.equal(b?.report?.result, "fine");
      assert.deepEqual([c?.status, c?.attempts], ["not_started", 0]);
      assert.match(asked(stage, "alice").at(-1) ?? "", /An earlier attempt at this task failed: alice did not finish/);
      assert.equal(output(run), "Without a and c.", "both are named, so nothing is added");
    },
  ));

test("a specialist that never ends is stopped by its turns, and that is what the supervisor reads", () => {
  const poke = tool({
    name: "poke",
    version: "1",
    description: "Poke.",
    inputSchema: z.object({ n: z.number() }),
    effect: "pure",
    execute: ({ n }) => n,
  });
  return played(
    crew([expert("alice", { tools: [poke], limits: { turns: 3 } })], { limits: { repeats: 1 } }),
    {
      lead: [plan({ id: "a", specialist: "alice" }), { text: "a did not end." }],
      alice: (request) => ({ toolCalls: [{ tool: "poke", input: { n: request.messages.length } }] }),
    },
    (run) => assert.match(reports(run)[0]?.error?.message ?? "", /stopped: max_turns/),
  );
});

test("what is out of scope or failed is answered for: the supervisor is told once, then the answer says it", () =>
  played(
    crew([alice, bob]),
    {
      lead: [plan({ id: "tax", specialist: "alice" }), { text: "Here you are." }, { text: "Here you are, again." }],
      alice: [report("bob does this", { status: "out_of_scope" })],
      bob: [],
    },
    (run, stage) => {
      assert.equal(reports(run)[0]?.status, "out_of_scope");
      assert.match(asked(stage, "lead").at(-1) ?? "", /These tasks were not done:\n- tax \(alice: out_of_scope\)/);
      assert.match(output(run), /again\.\n\nNot done:\n- tax/);
    },
  ));

test("a task that is out of scope for one is done by another under the same id", () =>
  played(
    crew([alice, bob]),
    {
      lead: [plan({ id: "tax", specialist: "alice" }), plan({ id: "tax", specialist: "bob" }), { text: "Done." }],
      alice: [report("bob does this", { status: "out_of_scope" })],
      bob: [report("taxed")],
    },
    (run) => {
      assert.equal(output(run), "Done.");
      const last = ofType(run.events, "plan.updated").at(-1)?.items;
      assert.deepEqual(
        last?.map(({ id, by, status }) => [id, by, status]),
        [["tax", "bob", "done"]],
      );
    },
  ));

test("a later plan may need a task of an earlier one", () =>
  played(
    crew([alice, bob]),
    {
      lead: [
        plan({ id: "a", specialist: "alice" }),
        plan({ id: "b", specialist: "bob", needs: ["a"] }),
        { text: "Done." },
      ],
      alice: [report("found 42")],
      bob: [report("ok")],
    },
    (run, stage) => {
      assert.equal(output(run), "Done.");
      assert.match(asked(stage, "bob")[0] ?? "", /Report "a" by alice:\nfound 42/);
    },
  ));

for (const [what, call, message] of [
  ["itself", plan({ id: "x", specialist: "crew" }), /"crew"/],
  ["an unknown specialist", plan({ id: "x", specialist: "dave" }), /expected one of "alice"\|"bob"/],
  [
    "tasks that need each other",
    plan({ id: "x", specialist: "bob", needs: ["y"] }, { id: "y", specialist: "bob", needs: ["x"] }),
    /x, y need each other/,
  ],
  [
    "a task that needs what is not planned",
    plan({ id: "x", specialist: "bob", needs: ["y"] }),
    /needs "y", which is no task/,
  ],
] as const)
  test(`a supervisor that delegates to ${what} is told with a code, and stopped when it goes on`, () =>
    played(crew([alice, bob]), { lead: () => call, alice: [], bob: [] }, (run) => {
      const refused = ofType(run.events, "tool.refused");
      assert.equal(refused[0]?.code, "TOOL_INPUT_INVALID");
      assert.match(JSON.stringify(refused[0]?.output).replaceAll("\\", ""), message);
      assert.equal(ofType(run.events, "child.called").length, 0);
      assert.deepEqual(
        [run.result.status, run.result.status === "stopped" && run.result.stopReason],
        ["stopped", "no_progress"],
      );
    }));

test("a supervisor that delegates the same for ever: repeats are refused, then the run is stopped", () =>
  played(
    crew([alice]),
    { lead: () => plan({ id: "a", specialist: "alice" }), alice: () => report("the same") },
    (run) => {
      assert.equal(run.result.status, "stopped");
      assert.equal(ofType(run.events, "child.called").length, 2, "twice at most");
    },
  ));

test("a team in a team: the depth is capped, and the inner supervisor finishes with what it knows", () => {
  const inner = crew([alice], {
    name: "inner",
    supervisor: { model: "inner", instructions: "Lead." },
    limits: { depth: 1 },
  });
  return played(
    crew([Object.assign(inner, { scope: "Everything." })]),
    {
      lead: [plan({ id: "in", specialist: "inner" }), { text: "ok" }],
      inner: [plan({ id: "deep", specialist: "alice" }), { text: "Only what I know." }],
      alice: [],
    },
    (run) => {
      assert.equal(reports(run)[0]?.report?.result, "Only what I know.");
      assert.equal(ofType(run.events, "child.called").length, 1);
    },
  );
});

test("children get a part of what the team has left, and never more in all", () =>
  onStage(
    {
      agents: [crew([expert("alice", { limits: { tokens: 12_000 } }), bob])],
      script: {
        lead: [plan({ id: "a", specialist: "alice" }, { id: "b", specialist: "bob" }), { text: "ok" }],
        alice: [report("1")],
        bob: [report("2")],
      },
    },
    async (stage) => {
      const { events, result } = await stage.play("Go.", { limits: { tokens: 60_000 } });
      assert.equal(result.status, "completed");
      const given = ofType(events, "child.called").map(({ allowance }) => allowance?.tokens ?? 0);
      assert.equal(given[0], 12_000, "a specialist's own limit holds within its part");
      assert.ok((given[1] ?? 0) > 15_000 && (given[1] ?? 0) <= 20_000, String(given));
    },
  ));

test("cancelling a team cancels its specialists", () =>
  onStage(
    {
      agents: [crew([alice])],
      script: { lead: [plan({ id: "a", specialist: "alice" })], alice: [{ delayMs: 60_000, ...report("late") }] },
    },
    async (stage) => {
      const run = await stage.start("Go.");
      await stage.clock.pass(1_000);
      await stage.clock.until(stage.app.cancel(run.id, "enough"));
      const { result } = await stage.played(run);
      assert.equal(result.status, "cancelled");
      await stage.clock.pass(1_000);
      const children = await stage.app.runs({ parentRunId: run.id });
      assert.deepEqual(
        children.items.map(({ status }) => status),
        ["cancelled"],
      );
    },
  ));

test("a nested ask surfaces on the root run and resumes exactly the child that asked", () => {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pay.",
    inputSchema: z.object({ usd: z.number() }),
    effect: "idempotent",
    approval: () => true,
    execute: ({ usd }) => `paid ${usd}`,
  });
  const payer = expert("alice", { tools: [pay] });
  return onStage(
    {
      agents: [crew([payer, bob])],
      script: {
        lead: [plan({ id: "a", specialist: "alice" }, { id: "b", specialist: "bob" }), { text: "Paid." }],
        alice: [{ toolCalls: [{ tool: "pay", input: { usd: 5 } }] }, report("paid 5")],
        bob: [{ delayMs: 30_000, ...report("fine") }],
      },
    },
    async (stage) => {
      const run = await stage.start("Go.");
      const waiting = await stage.clock.until(run.result());
      assert.equal(waiting.status, "awaiting_approval");
      const [approvalId = "", ...others] = waiting.status === "awaiting_approval" ? waiting.approvals : [];
      assert.deepEqual(others, []);
      const before = (await stage.app.runs({ parentRunId: run.id })).items;
      const states = before.map(({ runnable, status }) => `${runnable} ${status}`).toSorted();
      assert.deepEqual(states, ["alice awaiting_approval", "bob completed"], "only when nothing else goes on");
      await stage.clock.until(stage.app.approvals.approve(approvalId, { by: "ada" }));
      const { result, events } = await stage.played(run);
      assert.equal(result.status === "completed" && result.output, "Paid.");
      assert.equal(ofType(events, "child.called").length, 2);
      const idle = before.find(({ runnable }) => runnable === "bob");
      const after = await stage.app.run(idle?.runId ?? "").head();
      assert.equal(after.seq, idle?.seq, "the other child was not touched");
    },
  );
});

test("a definition is checked: too many tools and shared acts warn, doubles and bad caps are refused", () => {
  const act = (name: string, effect: "pure" | "idempotent") =>
    tool({ name, version: "1", description: name, inputSchema: z.object({}), effect, execute: () => 1 });
  const many = expert("alice", { tools: Array.from({ length: 9 }, (_, i) => act(`t${i}`, "pure")) });
  const mail = act("mail", "idempotent");
  const { warnings } = crew([many, expert("bob", { tools: [mail] }), expert("carol", { tools: [mail] })]);
  assert.match(warnings[0] ?? "", /"alice" has 9 tools/);
  assert.match(warnings[1] ?? "", /bob and carol share "mail"/);
  assert.throws(() => crew([alice, expert("alice")]), /two specialists are named "alice"/);
  assert.throws(() => crew([]), /has no specialist/);
  assert.throws(() => crew([expert("crew")]), /a specialist has its name/);
  assert.throws(() => crew([alice], { limits: { breadth: 0 } }), /limits.breadth is 0/);
  assert.throws(() => expert("eve", { scope: "" }), /scope is one sentence/);
});
