import assert from "node:assert/strict";
import { join } from "node:path";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { z } from "zod";
import { seededRandom } from "../../src/core/clock.ts";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import type { Approvers } from "../../src/core/policy.ts";
import { durable } from "../../src/engine/durable-function.ts";
import { pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import type { ReadEvent } from "../../src/engine/run-events.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { tool } from "../../src/tools/tool.ts";
import { ofType, onStage, rejectsWith, Stage, type Played } from "./stage.ts";

const ask = "run-1:t0-0";

function paying(paid: number[], approvers?: Approvers, version = "1") {
  const pay = tool({
    name: "pay",
    version,
    description: "Pays.",
    effect: "once",
    inputSchema: z.object({ usd: z.number() }),
    approval: "always",
    ...(approvers && { approvers }),
    execute: ({ usd }) => {
      paid.push(usd);
      return "paid";
    },
  });
  return durable({ name: "paying", tools: [pay], run: (ctx) => ctx.call(pay, { usd: 80 }).catch(String) });
}

/** One decision, and the effect exactly where it was to approve. */
function decidedOnce(
  { events }: Pick<Played, "events">,
  paid: readonly number[],
): "approve" | "reject" | "expired" | "none" {
  const decided = ofType(events, "approval.decided");
  assert.ok(decided.length <= 1, "decided once");
  assert.equal(ofType(events, "run.ended").length, 1, "one end");
  const [one] = decided;
  assert.ok(paid.length <= 1, "one effect");
  if (one?.decision !== "approve") assert.deepEqual(paid, []);
  if (one === undefined) return "none";
  return one.expired === true ? "expired" : one.decision === "approve" ? "approve" : "reject";
}

const stores = {
  memory: () => memoryStore(),
  sqlite: () => sqlite(join(mkdtempSync(join(tmpdir(), "pawl-races-")), "pawl.db")),
};

for (const [name, open] of Object.entries(stores))
  test(`A1: of a hundred who decide at once on ${name} one wins, the others are told the outcome, and it is done once`, async () => {
    const paid: number[] = [];
    const settle = paying(paid);
    const app = pawl({ store: open(), agents: [settle] });
    const run = await app.start(settle, { runId: "run-1", input: null, principal: "ria" });
    assert.equal((await run.result()).status, "awaiting_approval");
    const said = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) =>
        i % 3 === 0 ? app.approvals.reject(ask, { by: `p${i}` }) : app.approvals.approve(ask, { by: `p${i}` }),
      ),
    );
    const won = said.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    assert.equal(won.length, 1);
    for (const one of said)
      if (one.status === "rejected") assert.ok(PawlError.is(one.reason, "APPROVAL_DECIDED"), String(one.reason));
    for await (const event of run.stream()) if (event.type === "run.ended") break;
    const events: ReadEvent[] = [];
    for await (const event of run.events()) events.push(event);
    assert.equal(decidedOnce({ events }, paid), won[0]?.decision);
    assert.equal(paid.length, won[0]?.decision === "approve" ? 1 : 0);
    await app.close();
  });

test("A1: approve against cancel, in either order and at once, 100 times: one end, and never an effect unapproved", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const paid: number[] = [];
    await onStage({ agents: [paying(paid)], replay: false }, async (stage) => {
      await stage.play(null, { principal: "ria" });
      const run = stage.app.run("run-1");
      const later = async (act: () => Promise<unknown>) => {
        for (let i = Math.floor(random() * 80); i > 0; i--) await Promise.resolve();
        return act();
      };
      await Promise.allSettled([
        later(() => stage.app.approvals.approve(ask, { by: "bob" })),
        later(() => stage.app.cancel("run-1", "no")),
      ]);
      await stage.clock.settle();
      seen.add(`${decidedOnce(await stage.played(run), paid)} ${paid.length}`);
    });
  }
  assert.ok(seen.size > 1, `every race went the same way: ${[...seen].join()}`);
});

test("A2: expiry against approve, just before, at, just after and long after: one decision, which is the recorded one", async () => {
  for (const late of [-1, 0, 1, 30 * 86_400_000]) {
    const paid: number[] = [];
    await onStage({ agents: [paying(paid)] }, async (stage) => {
      await stage.play(null, { principal: "ria" });
      const { expiresAt } = await stage.app.approvals.get(ask);
      const at = (expiresAt ?? 0) + late;
      const jumped = stage.clock.jump(at - stage.clock.nowMs());
      const [said] = await Promise.allSettled([stage.app.approvals.approve(ask, { by: "bob" }), jumped]);
      await stage.clock.settle();
      if (said.status === "rejected")
        assert.ok(
          PawlError.is(said.reason, "APPROVAL_EXPIRED") || PawlError.is(said.reason, "APPROVAL_DECIDED"),
          String(said.reason),
        );
      const outcome = decidedOnce(await stage.played(stage.app.run("run-1")), paid);
      assert.equal(outcome, said.status === "fulfilled" ? "approve" : "expired");
      assert.equal(paid.length, said.status === "fulfilled" ? 1 : 0);
      if (late < 0) assert.equal(outcome, "approve");
    });
  }
});

test("A3, A6: an approval waits its seven days over 10 restarts, is decided while nobody runs it, and is done once", async () => {
  const paid: number[] = [];
  const clock = manualClock();
  const store = memoryStore({ clock });
  const agents = [paying(paid, { whoMay: { principals: ["bob"] } })];
  const first = new Stage({ agents, store, clock });
  await first.play(null, { principal: "ria" });
  await first.close();
  for (let i = 0; i < 10; i++) {
    const stage = new Stage({ agents, store, clock });
    await clock.jump(Math.floor((limits.approvalMs - 1_000) / 10));
    assert.equal((await stage.app.approvals.get(ask)).decision, null);
    await stage.close();
  }
  const decider = new Stage({ agents, store, clock });
  await decider.app.approvals.approve(ask, { by: "bob" });
  await decider.close();
  const last = new Stage({ agents, store, clock });
  await last.app.open();
  await clock.settle();
  const played = await last.played(last.app.run("run-1"));
  assert.deepEqual([decidedOnce(played, paid), paid], ["approve", [80]]);
  await last.close();
});

test("A5: the requester, another role and another tenant cannot approve; each is told, and who tried is recorded", async () => {
  const paid: number[] = [];
  const whoMay = { roles: ["lead"], requester: false };
  await onStage({ agents: [paying(paid, { whoMay })] }, async (stage) => {
    const { run } = await stage.play(null, { principal: "ria" });
    const { approvals } = stage.app;
    await rejectsWith("APPROVAL_FORBIDDEN", approvals.approve(ask, { by: "ria", roles: ["lead"] }));
    await rejectsWith("APPROVAL_FORBIDDEN", approvals.approve(ask, { by: "bob", roles: ["clerk"] }));
    await rejectsWith("APPROVAL_UNKNOWN", stage.app.people("other").approve(ask, { by: "lea", roles: ["lead"] }));
    for (let i = 0; i < limits.approvalRefusals; i++)
      await rejectsWith("APPROVAL_FORBIDDEN", approvals.reject(ask, { by: "eve", from: "link" }));
    const refused = ofType(await stage.events(run), "approval.refused");
    assert.deepEqual(
      refused.slice(0, 3).map(({ by, vote, from }) => [by, vote, from]),
      [
        ["ria", "approve", "api"],
        ["bob", "approve", "api"],
        ["eve", "reject", "link"],
      ],
    );
    assert.equal(refused.length, limits.approvalRefusals, "nobody fills a journal by trying");
    assert.equal((await approvals.get(ask)).decision, null);
    await approvals.approve(ask, { by: "lea", roles: ["lead"] });
    await stage.clock.settle();
    decidedOnce(await stage.played(run), paid);
    assert.deepEqual(paid, [80]);
  });
});

test("A4: an approval is for what was shown: other arguments, another action or other code never run on the strength of it", async () => {
  const [old, changed]: [number[], number[]] = [[], []];
  const clock = manualClock();
  const store = memoryStore({ clock });
  const first = new Stage({ agents: [paying(old)], store, clock });
  const { run } = await first.play(null, { principal: "ria" });
  const before = (await first.events(run)).length;
  await rejectsWith("APPROVAL_CHANGED", first.app.approvals.approve(ask, { by: "bob", shownHash: "0".repeat(32) }));
  await rejectsWith("ANSWER_INVALID", first.app.approvals.approve(ask, { by: "bob", edit: { usd: "80" } }));
  assert.equal((await first.events(run)).length, before);
  await first.close();
  const deployed = new Stage({ agents: [paying(changed, {}, "2")], store, clock });
  await deployed.app.open();
  await deployed.app.approvals.approve(ask, { by: "bob" });
  await clock.settle();
  assert.deepEqual([old, changed], [[], []], "the new version runs nothing that was approved of the old one");
  const { status } = await deployed.app.run("run-1").head();
  assert.equal(status, "blocked");
  await deployed.close();
  const again = new Stage({ agents: [paying(old)], store, clock });
  await again.app.open();
  await again.app.unblock("run-1", "retry");
  await clock.settle();
  decidedOnce(await again.played(again.app.run("run-1")), old);
  assert.deepEqual([old, changed], [[80], []]);
  await again.close();
});

test("K1: cancel before, with and after an approval, and twice: one end, and the effects are known", async () => {
  for (const at of ["open", "decided", "twice", "rejected", "ended"] as const) {
    const paid: number[] = [];
    await onStage({ agents: [paying(paid)] }, async (stage) => {
      const { run } = await stage.play(null, { principal: "ria" });
      const decide = at === "rejected" ? "reject" : "approve";
      if (at !== "open" && at !== "twice") await stage.app.approvals[decide](ask, { by: "bob" });
      if (at === "ended") await stage.clock.settle();
      const cancels = [
        stage.app.cancel("run-1", "no"),
        ...(at === "twice" ? [stage.app.cancel("run-1", "again")] : []),
      ];
      if (at === "ended") await rejectsWith("RUN_ENDED", Promise.all(cancels));
      else await Promise.all(cancels);
      await stage.clock.settle();
      const played = await stage.played(run);
      decidedOnce(played, paid);
      const [ended] = ofType(played.events, "run.ended");
      assert.equal(ended?.status, at === "ended" ? "completed" : "cancelled", at);
      assert.equal(ended?.effects.unknown, 0);
      assert.equal(ended?.effects.done, paid.length);
      assert.equal(paid.length, at === "ended" ? 1 : 0, at);
      if (at === "open" || at === "twice")
        await rejectsWith("APPROVAL_DECIDED", stage.app.approvals.approve(ask, { by: "bob" }));
    });
  }
});

test("K2: cancel races with completion, 100 times: one end, completed or cancelled, and whoever comes late is told", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const random = seededRandom(seed);
    const paid: number[] = [];
    await onStage({ agents: [paying(paid)], replay: false }, async (stage) => {
      const { run } = await stage.play(null, { principal: "ria" });
      await stage.app.approvals.approve(ask, { by: "bob" });
      const ending = stage.clock.settle();
      for (let i = Math.floor(random() * 12); i > 0; i--) await stage.clock.drain();
      for (let i = Math.floor(random() * 40); i > 0; i--) await Promise.resolve();
      const said = await stage.app.cancel("run-1", "no").then(
        () => "cancelled",
        (error: unknown) => (PawlError.is(error) ? error.code : String(error)),
      );
      await ending;
      await stage.clock.settle();
      const played = await stage.played(run);
      decidedOnce(played, paid);
      const status = ofType(played.events, "run.ended")[0]?.status;
      if (said === "RUN_ENDED") assert.equal(status, "completed");
      else assert.equal(said, "cancelled");
      seen.add(`${String(status)} ${paid.length}`);
    });
  }
  assert.ok(seen.has("completed 1") && [...seen].some((one) => one.startsWith("cancelled")), [...seen].join());
});
