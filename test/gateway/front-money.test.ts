import assert from "node:assert/strict";
import { test } from "node:test";
import { escrowRunId } from "../../src/core/id.ts";
import { limits } from "../../src/core/limits.ts";
import type { LedgerScope } from "../../src/core/store-contract.ts";
import { sweep } from "../../src/engine/sweep.ts";
import { Escrow } from "../../src/gateway/front/escrow.ts";
import { systemEntropy } from "../../src/engine/system-clock.ts";
import { manualClock, memoryStore, startWireServer } from "../../src/testing.ts";
import { frontServed, model, type FrontServed } from "./front-served.ts";

// B1 to B4 through the front: no call starts that does not fit, and what was taken is settled, whoever dies.

const chat = "/v1/chat/completions";
const none = { requestsPerS: null, startsPerMinute: null, concurrentRuns: null };
const ask = { model, messages: [{ role: "user", content: "Hi" }], max_tokens: 100 };
const today = (): LedgerScope => ({
  scope: "quota:tenant",
  unit: "tokens",
  window: `day:${new Date().toISOString().slice(0, 10)}`,
});

test("B1: of 200 calls at once, as many start as fit; the rest are refused with what is left, and nothing is overshot", async (t) => {
  const tokensPerDay = 2_000;
  const served = await frontServed(t, { script: [{ text: "Hello." }], limits: { tenant: { ...none, tokensPerDay } } });
  const answers = await Promise.all(Array.from({ length: 200 }, () => served.post(chat, ask)));
  const statuses = answers.map(({ status }) => status);
  const started = served.upstream.requests.length;
  assert.equal(statuses.filter((status) => status === 200).length, started);
  assert.equal(statuses.filter((status) => status === 402).length, 200 - started);
  assert.ok(started >= 10 && started * 120 <= tokensPerDay, `${started} calls of 120 tokens`);
  const refused = answers.find(({ status }) => status === 402);
  assert.equal(refused?.headers.get("x-pawl-error"), "BUDGET_REFUSED");
  assert.match(
    JSON.stringify(await refused?.json()),
    /insufficient_quota.*quota:tenant|quota:tenant.*insufficient_quota/,
  );
  await served.server.close();
  const { spent, reserved } = await served.app.store.readLedger("acme", today());
  assert.deepEqual([spent, reserved], [started * 120, 0], "settled by what was used");
});

test("B3: failed attempts, a cut stream and a missing usage are charged at their worst case", async (t) => {
  const script = [
    { error: { status: 429 } },
    { text: "Hello." },
    { text: "Half.", usage: null },
    { text: "Half of it.", fault: { type: "cut" as const, afterBytes: 450 } },
  ];
  const served = await frontServed(t, { script, limits: { tenant: { ...none, tokensPerDay: 1_000_000 } } });
  assert.equal((await served.post(chat, ask)).headers.get("x-pawl-attempts"), "2");
  assert.equal((await served.post(chat, ask)).status, 200);
  await (await served.post(chat, { ...ask, stream: true })).text();
  await served.server.close();
  const { spent, reserved } = await served.app.store.readLedger("acme", today());
  const { items } = await served.app.store.list("acme", {}, null, 10);
  const logged = items.map(({ totals, status }) => ({
    status,
    tokens: totals.usage.inputTokens + totals.usage.outputTokens,
  }));
  assert.deepEqual(
    logged.map(({ status }) => status),
    ["failed", "completed", "completed"],
  );
  assert.equal(reserved, 0);
  assert.equal(
    spent,
    logged.reduce((sum, { tokens }) => sum + tokens, 0),
    "the log and the ledger tell the same",
  );
  const [cut, unknown, answered] = logged.map(({ tokens }) => tokens);
  assert.ok(answered === 120 && (unknown ?? 0) > 100 && (cut ?? 0) > 100, JSON.stringify(logged));
});

test("each call is a trace with route, key, attempts and cost, and with what was said", async (t) => {
  const served = await frontServed(t, { script: [{ error: { status: 500 } }, { text: "Hello." }] });
  await served.post(chat, ask);
  await served.server.close();
  const [head] = (await served.app.store.list("acme", {}, null, 10)).items;
  assert.ok(head !== undefined);
  const events = [];
  for await (const event of served.app.run(head.runId, "acme").events()) events.push(event);
  assert.deepEqual(
    events.map(({ type }) => type),
    ["run.started", "run.claimed", "model.called", "model.attempted", "model.called", "model.answered", "run.ended"],
  );
  const [first] = events;
  assert.ok(
    first?.type === "run.started" && first.principal === "ada" && first.tags?.some((tag) => tag.startsWith("key:")),
  );
  const answered = events.find((event) => event.type === "model.answered");
  assert.ok(answered?.type === "model.answered");
  assert.deepEqual([answered.costNanoUsd, answered.endpoint, answered.attempt], [140_000, "up", 2]);
  assert.match(JSON.stringify([events[2], answered]), /Hi.*Hello\./);
});

test("B2: what a process that died had taken counts as used, after a sweep, and not before it is dead", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const entropy = systemEntropy;
  await store.open();
  const scope = { scope: "tenant", window: "all", unit: "tokens" } as const;
  await store.setCap("acme", scope, 10_000);
  await store.openSession("s1", "front");
  const escrow = new Escrow({ store, clock, entropy, session: () => Promise.resolve("s1") });
  await escrow.take("acme", [{ ...scope, amount: 700 }]);
  assert.equal((await store.openReservationsOf("acme", escrowRunId("s1"))).length, 1);
  const deps = { store, clock, entropy } as unknown as Parameters<typeof sweep>[0];
  for (let beat = 1, ms = 0; ms < limits.ledgerStaleMs + 10_000; ms += 3_000, beat++) {
    await clock.pass(3_000);
    await store.beat("s1", beat);
  }
  await sweep(deps, "other");
  assert.deepEqual((await store.readLedger("acme", scope)).reserved, 700, "its session lives");
  await clock.pass(limits.sessionDeadMs * 2);
  await sweep(deps, "other");
  const { spent, reserved } = await store.readLedger("acme", scope);
  assert.deepEqual([spent, reserved], [700, 0]);
});

test("the escrow asks the ledger once for many calls, and gives back what they did not use", async () => {
  const clock = manualClock();
  const store = memoryStore({ clock });
  await store.open();
  const scope = { scope: "tenant", window: "all", unit: "tokens" } as const;
  await store.setCap("acme", scope, 1_000_000);
  let asked = 0;
  const reserve = store.reserve.bind(store);
  const counted = Object.assign(Object.create(store) as typeof store, {
    reserve: (...given: Parameters<typeof reserve>) => {
      asked++;
      return reserve(...given);
    },
  });
  const escrow = new Escrow({ store: counted, clock, entropy: systemEntropy, session: () => Promise.resolve("s1") });
  const amounts = [{ ...scope, amount: 100 }];
  for (let i = 0; i < 127; i++) (await escrow.take("acme", amounts)).settle([{ ...scope, amount: 7 }]);
  assert.equal(asked, 7, "1, 2, 4, … 64 calls at a time");
  await escrow.close();
  const { spent, reserved } = await store.readLedger("acme", scope);
  assert.deepEqual([spent, reserved], [127 * 7, 0]);
});

/** What the calls recorded of the day's budgets, the first call first. */
async function notesOf({ app, server }: FrontServed): Promise<readonly string[]> {
  await server.close();
  const { items } = await app.store.list("acme", {}, null, 100);
  const notes: string[] = [];
  for (const { runId } of items.toReversed())
    for await (const event of app.run(runId, "acme").events())
      if (event.type === "model.called") notes.push(...(event.budgetNotes ?? []).map(({ says }) => says));
  return notes;
}

test("a call that does not fit shrinks its output limit where its budget allows it, in the log too", async (t) => {
  for (const shrinkOutput of [true, false]) {
    const budgets = [{ name: "day", scope: "tenant", window: "day", tokens: 1_000, shrinkOutput }] as const;
    const served = await frontServed(t, { script: [{ text: "Hello." }], budgets });
    const answer = await served.post(chat, { ...ask, max_tokens: 5_000 });
    assert.equal(answer.status, shrinkOutput ? 200 : 402);
    const sent = served.upstream.requests.map(({ body }) => Number(body["max_tokens"]));
    await served.server.close();
    if (!shrinkOutput) {
      assert.deepEqual(sent, []);
      continue;
    }
    const [limit = 0] = sent;
    assert.ok(limit >= 256 && limit < 1_000, String(limit));
    const [head] = (await served.app.store.list("acme", {}, null, 10)).items;
    for await (const event of served.app.run(head?.runId ?? "", "acme").events())
      if (event.type === "model.called") assert.equal(event.params?.maxOutputTokens, limit);
  }
});

test("budgets that do not refuse say once what they would have said, from what calls used and hold, not from the escrow", async (t) => {
  const of = { scope: "tenant", window: "day" } as const;
  const passed = [
    { ...of, name: "soft", tokens: 100, mode: "soft", webhook: "https://example.com/hook" },
    { ...of, name: "shadow", tokens: 100, mode: "shadow" },
  ] as const;
  const over = await frontServed(t, { script: [{ text: "Hello." }], budgets: passed });
  for (let i = 0; i < 3; i++) assert.equal((await over.post(chat, ask)).status, 200);
  const posts = await over.app.store.listRecords("~webhooks", "", null, 10);
  assert.equal(posts.items.length, 1);
  const said = await notesOf(over);
  assert.equal(said.filter((says) => says === "over").length, 1);
  assert.ok(said.includes("would-refuse"));
  // 31 calls have used 3,720 when the ledger is asked for 32 more
  const far = [{ ...of, name: "soft", tokens: 6_000, mode: "soft" }] as const;
  const under = await frontServed(t, { script: [{ text: "Hello." }], budgets: far });
  for (let i = 0; i < 32; i++) assert.equal((await under.post(chat, ask)).status, 200);
  assert.deepEqual(await notesOf(under), []);
});

test("B4: a model whose price nobody knows counts at the ceiling in a budget of money, when it is held and when it is settled", async (t) => {
  const budgets = [{ name: "usd", scope: "tenant", window: "day", costUsd: 0.05, shrinkOutput: false }] as const;
  const served = await frontServed(t, { script: [{ text: "Hello." }], budgets, price: null });
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await served.post(chat, ask)).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 402, 402], "120 tokens each, of 500 at 100 USD a million");
  await served.server.close();
  const window = `day:${new Date().toISOString().slice(0, 10)}`;
  const { spent, reserved } = await served.app.store.readLedger("acme", { scope: "usd", unit: "nanoUsd", window });
  assert.deepEqual([spent, reserved], [4 * 120 * 100_000, 0]);
  const [head] = (await served.app.store.list("acme", {}, null, 1)).items;
  assert.equal(head?.totals.costNanoUsd, 0, "what it cost is not known, and is not made up");
});

test("B3: a hedged call is charged for both that were asked, in the budget as in the log", async (t) => {
  const slow = await startWireServer([{ text: "Late.", fault: { type: "no-reply" } }]);
  t.after(() => slow.close());
  const key = { env: "UP_KEY" };
  const price = { inputUsd: 1, outputUsd: 2, source: "test", date: "2026-11-22" };
  const second = await startWireServer([{ text: "Hello." }]);
  t.after(() => second.close());
  const endpoints = [slow, second].map((one, i) => ({
    name: `e${i}`,
    provider: "up",
    model: "up-1",
    at: { baseUrl: one.baseUrl("openai-compatible"), key },
    price,
    weight: i === 0 ? 1_000 : 1,
  }));
  const served = await frontServed(t, {
    script: [],
    limits: { tenant: { ...none, tokensPerDay: 1_000_000 } },
    pool: {
      endpoints,
      routes: { [model]: { endpoints: ["e0"], fallbacks: ["e1"], hedge: { afterMs: 5 } } },
      bounds: { deadlines: {} },
    },
  });
  const answer = await served.post(chat, ask);
  assert.equal(answer.headers.get("x-pawl-endpoint"), "e1", await answer.text());
  await served.server.close();
  const [head] = (await served.app.store.list("acme", {}, null, 10)).items;
  const attempts = [];
  for await (const event of served.app.run(head?.runId ?? "", "acme").events())
    if (event.type === "model.attempted")
      attempts.push([event.endpoint, event.beside, (event.usage?.inputTokens ?? 0) > 0]);
  assert.deepEqual(attempts, [["e0", true, true]]);
  const { spent, reserved } = await served.app.store.readLedger("acme", today());
  const { usage } = head?.totals ?? assert.fail();
  assert.deepEqual([spent, reserved], [usage.inputTokens + usage.outputTokens, 0]);
  assert.ok(spent > 200, `${spent} tokens: 120 of the answer, 100 and the prompt of the other`);
});
