import assert from "node:assert/strict";
import { test } from "node:test";
import { durable, tool } from "pawl";
import { z } from "zod";
import { seededRandom } from "../../src/core/clock.ts";
import { PawlClient } from "../../src/client.ts";
import type { ReadEvent } from "../../src/engine/run-events.ts";
import { served, type Served } from "./served.ts";

const paid: string[] = [];
const pay = tool({
  name: "pay",
  version: "1",
  description: "Pays.",
  effect: "once",
  inputSchema: z.object({ usd: z.number() }),
  confidence: ({ usd }) => (usd < 50 ? 0.9 : 0.4),
  approvers: { expiresMs: 60_000 },
  execute: (_input, { runId }) => {
    paid.push(runId);
    return "paid";
  },
});
const paying = durable({
  name: "paying",
  tools: [pay],
  run: (ctx, input) => ctx.call(pay, { usd: Number(input) }).catch(String),
});

async function events(on: Served, runId: string): Promise<readonly ReadEvent[]> {
  const found: ReadEvent[] = [];
  for await (const event of on.app.run(runId, "acme").events()) found.push(event);
  return found;
}

test("what was measured, what the gate did and what people said of it is read and written over HTTP", async (t) => {
  const on = await served(t, { agents: [paying] });
  const { key } = await on.key("acme", ["review", "run"], { principal: "ada" });
  const client = new PawlClient({ url: on.url, key });
  for (const [runId, input] of [
    ["small", 9],
    ["big", 80],
  ] as const)
    await on.app.start("paying", { runId, input, tenant: "acme", principal: "ria" });
  for (const runId of ["small", "big"]) await on.app.run(runId, "acme").result();
  await client.commentApproval("big:t0-1", { text: "Is it due?" }, { idempotencyKey: "c1" });
  await client.commentApproval("big:t0-1", { text: "Is it due?" }, { idempotencyKey: "c1" });
  const { comments, gate, decision } = await client.getApproval("big:t0-1");
  assert.deepEqual(
    comments.map(({ by, text, from }) => [by, text, from]),
    [["ada", "Is it due?", "http"]],
  );
  assert.deepEqual([gate?.score, gate?.threshold, gate?.decision, decision], [0.4, 0.8, "asked", null]);
  await client.judgeCall({ runId: "small", callId: "t0-1" }, { outcome: "wrong" });
  const { tools, calls } = await client.getConfidence({ tool: "pay" });
  assert.deepEqual(
    calls
      .map(({ runId, decision: did, outcome }) => `${runId} ${did} ${outcome}`)
      .toSorted((a, b) => a.localeCompare(b)),
    ["big asked open", "small auto_approved wrong"],
  );
  assert.deepEqual([tools[0]?.tool, tools[0]?.wrong, tools[0]?.open], ["pay", 1, 1]);
  const other = new PawlClient({ url: on.url, key: (await on.key("globex", ["review"])).key });
  assert.deepEqual(await other.getConfidence(), { tools: [], calls: [] });
  await assert.rejects(other.judgeCall({ runId: "small", callId: "t0-1" }, { outcome: "right" }), {
    code: "RUN_UNKNOWN",
  });
  await assert.rejects(other.commentApproval("big:t0-1", { text: "?" }), { code: "APPROVAL_UNKNOWN" });
});

test("200 races over HTTP: approve, reject, cancel and the clock at once; one decision, one end, and no effect unapproved", async (t) => {
  paid.length = 0;
  const on = await served(t, { agents: [paying] });
  const keys = await Promise.all(
    ["ada", "bob", "cy", "di"].map((principal) => on.key("acme", ["review", "operate"], { principal })),
  );
  const random = seededRandom(6);
  const seen = new Map<string, number>();
  const race = async (i: number): Promise<void> => {
    const runId = `race-${i}`;
    await on.app.start("paying", { runId, input: 80, tenant: "acme", principal: "ria" });
    await on.app.run(runId, "acme").result();
    const path = `/api/v1/approvals/${encodeURIComponent(`${runId}:t0-1`)}/decision`;
    const said = keys.map(({ key }) =>
      on.call("POST", path, { key, body: { decision: random() < 0.6 ? "approve" : "reject" } }),
    );
    const cancel = random() < 0.4;
    if (cancel)
      said.push(on.call("POST", `/api/v1/runs/${runId}/cancel`, { key: keys[0]?.key ?? "", body: { reason: "race" } }));
    // its last minute ends for some of them while they are decided
    if (random() < 0.2) on.clock.setDate(61_000);
    const answers = await Promise.all(said);
    const won = answers.slice(0, keys.length).filter(({ status }) => status === 200);
    assert.ok(won.length <= 1, "one decision");
    for (const { status, code, text } of answers.slice(0, keys.length))
      assert.ok(status === 200 || code === "APPROVAL_DECIDED" || code === "APPROVAL_EXPIRED", text);
    while (!["completed", "cancelled"].includes((await on.app.run(runId, "acme").head()).status))
      await on.clock.advance(250);
    const its = await events(on, runId);
    const decided = its.filter((event) => event.type === "approval.decided");
    assert.equal(its.filter(({ type }) => type === "run.ended").length, 1);
    assert.ok(decided.length <= 1);
    const [one] = decided;
    const effects = paid.filter((id) => id === runId).length;
    assert.ok(effects <= (one?.decision === "approve" ? 1 : 0), "one effect, and only of an approval");
    if (one?.decision === "approve" && !cancel) assert.equal(effects, 1);
    for (const { text } of won) assert.match(text, new RegExp(`"by":"${one?.by}"`));
    const how = one === undefined ? "none" : one.expired === true ? "expired" : one.decision;
    seen.set(how, (seen.get(how) ?? 0) + 1);
  };
  for (let i = 0; i < 200; i += 10) await Promise.all(Array.from({ length: 10 }, (_, j) => race(i + j)));
  for (const how of ["approve", "reject", "expired"])
    assert.ok((seen.get(how) ?? 0) > 0, `${how}: ${JSON.stringify([...seen])}`);
});
