import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { PawlError } from "../../src/core/errors.ts";
import type { TraceFilter, TraceIndex } from "../../src/core/trace-contract.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { traceIndex } from "../../src/traces/trace-index.ts";
import { indexStage, tenant, type IndexStage } from "./index-stage.ts";

const ref = (runId: string, of = tenant) => ({ tenant: of, runId });

async function threeRuns(stage: IndexStage): Promise<void> {
  const cheap = await stage.run("cheap", { runnable: "scout", tags: ["night"], principal: "bob", threadId: "t-1" });
  await cheap.turn(1, "short", [{ tool: "look", output: "x" }]);
  await cheap.end();
  const dear = await stage.run("dear", { tags: ["day"] });
  for (let turn = 1; turn <= 5; turn++)
    await dear.turn(turn, "long", [{ tool: "pay", effect: "once", input: { turn } }]);
  await dear.end("failed", null, { code: "BODY_THREW", message: "broke at 17" });
  const open = await stage.run("open");
  await open.turn(1, "going on", [{ tool: "look", fails: { code: "TOOL_FAILED", message: "no page 3" } }]);
}

test("every filter finds what it names and nothing else, alone and with others", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  await stage.index.catchUp();
  const { items } = await stage.index.list(tenant, {}, null, 10);
  const dear = items.find(({ runId }) => runId === "dear")!;
  const cases: readonly (readonly [TraceFilter, readonly string[]])[] = [
    [{}, ["cheap", "dear", "open"]],
    [{ runnable: "scout" }, ["cheap"]],
    [{ statuses: ["failed"] }, ["dear"]],
    [{ statuses: ["failed", "running"] }, ["dear", "open"]],
    [{ errorGroup: dear.errorGroup! }, ["dear"]],
    [{ tool: "look" }, ["cheap", "open"]],
    [{ tool: "look", statuses: ["running"] }, ["open"]],
    [{ model: "anthropic/claude-sonnet-4-5" }, ["cheap", "dear", "open"]],
    [{ model: "claude-sonnet-4-5-20250929", principal: "bob" }, ["cheap"]],
    [{ principal: "bob" }, ["cheap"]],
    [{ threadId: "t-1" }, ["cheap"]],
    [{ tag: "day" }, ["dear"]],
    [{ minCostNanoUsd: 5_000_000 }, ["dear"]],
    [{ minCostNanoUsd: 5_000_001 }, []],
    [{ minTokens: 650 }, ["dear"]],
    [{ minDurationMs: dear.endedAt! - dear.startedAt }, ["dear"]],
    [{ startedFrom: dear.startedAt + 1_000 }, []],
    [{ startedTo: dear.startedAt - 1_000 }, []],
    [{ tag: "x' OR 1=1 --" }, []],
    [{ statuses: [] }, []],
  ];
  for (const [filter, runs] of cases)
    assert.deepEqual((await stage.found(filter)).toSorted(), runs, JSON.stringify(filter));
  for (const sort of ["cost", "tokens", "duration"] as const)
    assert.equal((await stage.found({ sort }))[0], "dear", sort);
  assert.equal(dear.error?.code, "BODY_THREW");
  assert.equal(dear.sums.costNanoUsd, 5_000_000);
});

test("pages follow one another without a gap or a repeat, and a cursor is good for its own listing only", async (t) => {
  const stage = await indexStage(t);
  for (let i = 0; i < 23; i++) await (await stage.run(`r${i}`, { tags: i % 2 === 0 ? ["even"] : [] })).end();
  await stage.run("theirs", {}, "other");
  await stage.index.catchUp();
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await stage.index.list(tenant, { tag: "even" }, cursor, 5);
    ids.push(...page.items.map(({ runId }) => runId));
    cursor = page.cursor;
  } while (cursor !== null);
  assert.equal(ids.length, 12);
  assert.equal(new Set(ids).size, 12);
  const { cursor: good } = await stage.index.list(tenant, { tag: "even" }, null, 5);
  const refused = (error: unknown): boolean => PawlError.is(error, "CURSOR_INVALID");
  await assert.rejects(stage.index.list("other", { tag: "even" }, good, 5), refused);
  await assert.rejects(stage.index.list(tenant, {}, good, 5), refused);
  for (const bad of ["", "x", "W10", btoa('["traces",{}]'), `${good}x`.slice(3)]) {
    await assert.rejects(stage.index.list(tenant, {}, bad, 5), refused, bad);
    await assert.rejects(stage.index.effects(tenant, {}, bad, 5), refused, bad);
  }
});

test("another tenant sees nothing by any method", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  await stage.run("own", { runnable: "scout" }, "other");
  await stage.index.catchUp();
  assert.deepEqual(await stage.found({}, "other"), ["own"]);
  assert.deepEqual(await stage.found({ text: "long" }, "other"), []);
  assert.deepEqual(await stage.found({ runnable: "scout" }, "other"), ["own"]);
  assert.deepEqual(await stage.found({ children: true, text: "going on" }, "other"), []);
  assert.deepEqual(await stage.index.errorGroups("other", {}, 10), { items: [] });
  assert.deepEqual(await stage.index.errorGroups("other", { text: "long" }, 10), { items: [] });
  for (const by of ["day", "runnable", "model", "tool", "principal", "threadId", "tag", "runId", "tenant"] as const)
    assert.deepEqual(await stage.index.costs("other", { by }), [], by);
  assert.deepEqual((await stage.index.effects("other", {}, null, 10)).items, []);
  assert.deepEqual(await stage.index.reprice("other", () => null, true), []);
  const missing = (error: unknown): boolean => PawlError.is(error, "RUN_UNKNOWN");
  await assert.rejects(stage.index.spans(ref("dear", "other"), { from: 0, limit: 10 }), missing);
  const { rows } = await stage.index.spans(ref("dear"), { from: 0, limit: 10 });
  await assert.rejects(stage.index.span(ref("dear", "other"), rows[0]!.spanId), missing);
  await assert.rejects(stage.index.span(ref("own", "other"), rows[0]!.spanId), (error: unknown) =>
    PawlError.is(error, "SPAN_UNKNOWN"),
  );
});

test("a window gives its part of the tree in order, with sums of what is below; a running run grows in it", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("one");
  for (let turn = 1; turn <= 3; turn++) await run.turn(turn, "x", [{ tool: "look" }, { tool: "look" }]);
  const whole = await stage.index.spans(ref("one"), { from: 0, limit: 100 });
  assert.equal(whole.total, 13);
  assert.deepEqual(
    whole.rows.map(({ position }) => position),
    [...whole.rows.keys()],
  );
  assert.deepEqual(
    whole.rows.map(({ depth }) => depth),
    [0, 1, 2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2],
  );
  const [top, turn] = whole.rows;
  assert.equal(top!.subtree.spans, 13);
  assert.equal(top!.subtree.costNanoUsd, 3_000_000);
  assert.equal(top!.subtree.endedAt, null);
  assert.equal(turn!.subtree.spans, 4);
  assert.equal(turn!.subtree.toolCalls, 2);
  assert.notEqual(turn!.subtree.endedAt, null);
  const part = await stage.index.spans(ref("one"), { from: 5, limit: 3 });
  assert.deepEqual(part.rows, whole.rows.slice(5, 8));
  assert.deepEqual((await stage.index.spans(ref("one"), { from: 100, limit: 3 })).rows, []);
  await run.turn(4, "more");
  await run.end();
  const grown = await stage.index.spans(ref("one"), { from: 0, limit: 100 });
  assert.equal(grown.total, 15);
  assert.notEqual(grown.endedAt, null);
  assert.equal(grown.readTo["one"], run.head!.seq);
});

test("a tree's sums are its runs', whichever of them is read first, and survive being read again", async (t) => {
  const stage = await indexStage(t);
  const child = "root~0123456789abcdef";
  const parent = { runId: "root", callId: "t1-0", depth: 1 };
  const below = await stage.run(child, { parent, rootRunId: "root" });
  await below.turn(1, "child work", [{ tool: "dig", fails: { code: "TOOL_FAILED", message: "rock" } }]);
  await stage.index.catchUp();
  const root = await stage.run("root");
  await root.turn(1, "root work");
  await root.owner({
    type: "child.called",
    callId: "t1-0",
    childRunId: child,
    runnable: "clerk",
    inputRef: { inline: null },
    inputHash: "0",
  });
  await stage.index.catchUp();
  await below.turn(2, "more");
  await stage.index.catchUp();
  const summary = async () => (await stage.index.list(tenant, {}, null, 10)).items[0]!;
  const before = await summary();
  assert.equal(before.runId, "root");
  assert.equal(before.sums.modelCalls, 3);
  assert.equal(before.sums.costNanoUsd, 3_000_000);
  assert.equal(before.sums.errors, 1);
  assert.deepEqual(await stage.found({ tool: "dig" }), ["root"]);
  assert.deepEqual((await stage.found({ tool: "dig", children: true })).toSorted(), ["root", child]);
  const { rows } = await stage.index.spans(ref("root"), { from: 0, limit: 100 });
  assert.equal(rows[0]!.subtree.costNanoUsd, 3_000_000);
  assert.equal(rows.find(({ runId, kind }) => runId === child && kind === "run")!.depth, 3);
  assert.equal((await stage.index.spans(ref(child), { from: 0, limit: 100 })).rows[0]!.depth, 0);
  await stage.index.rebuild();
  assert.deepEqual(await summary(), before);
});

test("a new file reads runs whose marks say that all is done, of every tenant", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  await stage.run("theirs", {}, "other");
  await stage.index.catchUp();
  assert.deepEqual(await stage.store.dirty(10), []);
  const second = traceIndex({ store: stage.store, path: `${stage.path}.second` });
  await second.open();
  t.after(() => second.close());
  const progress = await second.catchUp();
  assert.equal(progress.runs, 4);
  const inOrder = async (index: TraceIndex) =>
    (await index.list(tenant, {}, null, 10)).items.toSorted((a, b) => (a.runId < b.runId ? -1 : 1));
  assert.deepEqual(await inOrder(second), await inOrder(stage.index));
  assert.equal((await second.list("other", {}, null, 10)).items.length, 1);
  const told: number[] = [];
  assert.equal((await second.rebuild(({ runs }) => told.push(runs))).runs, 4);
  assert.equal(told.at(-1), 4);
});

test("a damaged journal is counted and passed, and read on when it can be read", async (t) => {
  const store = memoryStore();
  const stage = await indexStage(t, store);
  const bad = await stage.run("bad");
  await bad.turn(1, "before the damage");
  const good = await stage.run("good");
  await good.end();
  const readEvents = store.readEvents.bind(store);
  store.readEvents = async (of, after, bytes) => {
    const lines = await readEvents(of, after, bytes);
    return of.runId === "bad" ? lines.map((line, i) => (i === 2 ? `00000000${line.slice(8)}` : line)) : lines;
  };
  assert.equal((await stage.index.catchUp()).refused, 1);
  assert.deepEqual((await stage.found({})).includes("good"), true);
  assert.equal((await stage.index.size()).refused, 1);
  store.readEvents = readEvents;
  assert.equal((await stage.index.catchUp()).refused, 0);
  assert.deepEqual(await stage.found({ text: "before the damage" }), ["bad"]);
});

test("two that index the same file at once read each event once", async (t) => {
  const stage = await indexStage(t);
  const other = traceIndex({ store: stage.store, path: stage.path });
  await other.open();
  t.after(() => other.close());
  const runs = await Promise.all(Array.from({ length: 20 }, (_, i) => stage.run(`r${i}`)));
  for (let turn = 1; turn <= 3; turn++) {
    for (const run of runs) await run.turn(turn, `word${turn}`, [{ tool: "look" }]);
    await Promise.all([stage.index.catchUp(), other.catchUp()]);
  }
  const { items } = await other.list(tenant, {}, null, 50);
  assert.equal(items.length, 20);
  for (const { sums } of items) assert.deepEqual([sums.spans, sums.costNanoUsd], [10, 3_000_000]);
  assert.equal((await other.costs(tenant, { by: "tenant" }))[0]?.costNanoUsd, 60_000_000);
  const db = new DatabaseSync(stage.path, { readOnly: true });
  const doubled = db.prepare("SELECT span_id FROM doc GROUP BY span_id, field HAVING count(*) > 1").all();
  db.close();
  assert.deepEqual(doubled, []);
});

test("outside actions are listed newest first, with their state, key and approver", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  const asking = await stage.run("asking", { principal: "eve" });
  await asking.owner({
    type: "tool.called",
    callId: "c1",
    tool: "wire",
    version: "3",
    argsRef: { inline: { eur: 9 } },
    argsHash: "0",
    effect: "once",
    key: "k1",
    verdict: { decision: "ask", rules: ["always"] },
  });
  await asking.owner({
    type: "approval.asked",
    approvalId: "a1",
    callId: "c1",
    actionHash: "0",
    question: "Pay?",
    quorum: 1,
    expiresAt: null,
    default: "reject",
  });
  await stage.index.catchUp();
  const all = async (filter = {}) => (await stage.index.effects(tenant, filter, null, 100)).items;
  assert.equal((await all()).length, 6);
  assert.deepEqual(
    (await all({ tool: "wire" })).map(({ status, approver }) => [status, approver]),
    [["held", null]],
  );
  await asking.outside({ type: "approval.decided", approvalId: "a1", decision: "approve", argsHash: "0", by: "ada" });
  await asking.owner({ type: "tool.started", callId: "c1", attempt: 1, approvalId: "a1", deadlineMs: 1 });
  await asking.owner({ type: "effect.unknown", callId: "c1", attempt: 1, reason: "it timed out" });
  await stage.index.catchUp();
  const [wire] = await all({ statuses: ["unknown"] });
  assert.deepEqual(
    {
      tool: wire!.tool,
      version: wire!.version,
      key: wire!.key,
      approver: wire!.approver,
      input: wire!.input,
      principal: wire!.principal,
    },
    { tool: "wire", version: "3", key: "k1", approver: "ada", input: '{"eur":9}', principal: "eve" },
  );
  assert.equal((await all({ runId: "dear" })).length, 5);
  assert.equal((await all({ principal: "eve" })).length, 1);
  const first = await stage.index.effects(tenant, {}, null, 4);
  const rest = await stage.index.effects(tenant, {}, first.cursor, 4);
  assert.equal(new Set([...first.items, ...rest.items].map(({ spanId }) => spanId)).size, 6);
});

test("when a run is over, nothing is held: what waited was refused, what had begun and told no end is unknown", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("over");
  const call = { type: "tool.called", tool: "wire", version: "1", argsRef: { inline: 1 }, argsHash: "0" } as const;
  for (const callId of ["c1", "c2"])
    await run.owner({ ...call, callId, effect: "once", key: callId, verdict: { decision: "ask", rules: [] } });
  await run.owner({ type: "tool.started", callId: "c2", attempt: 1, deadlineMs: 1 });
  await stage.index.catchUp();
  const statuses = async (): Promise<readonly string[]> =>
    (await stage.index.effects(tenant, {}, null, 9)).items
      .map(({ callId, status }) => `${callId} ${status}`)
      .toSorted();
  assert.deepEqual(await statuses(), ["c1 held", "c2 started"]);
  await run.end();
  await stage.index.catchUp();
  assert.deepEqual(await statuses(), ["c1 refused", "c2 unknown"]);
});

test("the same failure in several runs is one group; costs add up to the bills whatever they are summed by", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  for (const id of ["x1", "x2"]) {
    const run = await stage.run(id, { tags: ["night"], threadId: "t-1" });
    await run.turn(1, "x", [{ tool: "look", fails: { code: "TOOL_FAILED", message: `no page ${id.length}0` } }]);
    await run.end();
  }
  await stage.index.catchUp();
  const { items: groups } = await stage.index.errorGroups(tenant, {}, 10);
  const pages = groups.find(({ place }) => place === "tool look in clerk")!;
  assert.equal(pages.count, 3);
  assert.deepEqual([...pages.samples].toSorted(), ["open", "x1", "x2"]);
  assert.deepEqual((await stage.found({ errorGroup: pages.id })).toSorted(), ["open", "x1", "x2"]);
  const { items: ended } = await stage.index.errorGroups(tenant, { statuses: ["completed"] }, 10);
  assert.deepEqual(
    ended.map(({ runs }) => runs),
    [2],
  );
  for (const by of ["day", "runnable", "model", "principal", "runId", "tenant"] as const) {
    const rows = await stage.index.costs(tenant, { by });
    assert.equal(
      rows.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0),
      9_000_000,
      by,
    );
    assert.equal(
      rows.reduce((sum, { calls }) => sum + calls, 0),
      9,
      by,
    );
  }
  assert.deepEqual(
    (await stage.index.costs(tenant, { by: "tag" })).map(({ key, calls }) => [key, calls]),
    [
      ["day", 5],
      ["night", 3],
    ],
  );
});

test("other prices change every sum alike, and the journals' costs come back with a rebuild", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  await stage.index.catchUp();
  const price = { inputUsd: 10, outputUsd: 0, source: "test", date: "2026-01-01" };
  const [row] = await stage.index.reprice(tenant, () => price, false);
  assert.deepEqual([row!.before.costNanoUsd, row!.after.costNanoUsd, row!.calls], [7_000_000, 7_000_000, 7]);
  await stage.index.reprice(tenant, () => ({ ...price, inputUsd: 20 }), true);
  const total = async () => (await stage.index.costs(tenant, { by: "tenant" }))[0]!.costNanoUsd;
  assert.equal(await total(), 14_000_000);
  const { items } = await stage.index.list(tenant, {}, null, 10);
  assert.equal(
    items.reduce((sum, { sums }) => sum + sums.costNanoUsd, 0),
    14_000_000,
  );
  assert.equal((await stage.index.spans(ref("dear"), { from: 0, limit: 1 })).rows[0]!.subtree.costNanoUsd, 10_000_000);
  await stage.index.reprice(tenant, () => null, true);
  assert.equal((await stage.index.costs(tenant, { by: "tenant" }))[0]!.unpricedCalls, 7);
  await stage.index.rebuild();
  assert.equal(await total(), 7_000_000);
});

test("the file is its owner's alone, and one that is something else is refused and kept", async (t) => {
  const stage = await indexStage(t);
  assert.equal(statSync(stage.path).mode & 0o077, 0);
  const path = `${stage.path}.foreign`;
  const db = new DatabaseSync(path);
  db.exec("CREATE TABLE mine (x)");
  db.close();
  await assert.rejects(traceIndex({ store: stage.store, path }).open(), (error) =>
    PawlError.is(error, "STORE_CORRUPT"),
  );
  const after = new DatabaseSync(path);
  assert.equal(after.prepare("SELECT count(*) AS n FROM mine").get()?.["n"], 0);
  after.close();
});

test("a run that was deleted leaves the index with its texts", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("gone");
  await run.turn(1, "sesquipedalian");
  await run.end();
  await stage.index.catchUp();
  await stage.store.deleteScope(tenant, "run:gone");
  await assert.rejects(
    stage.index.spans(ref("gone"), { from: 0, limit: 1 }),
    (error) => PawlError.is(error, "RUN_UNKNOWN") || PawlError.is(error, "RUN_DELETED"),
  );
  assert.deepEqual(await stage.found({}), []);
  assert.deepEqual(await stage.found({ text: "sesquipedalian" }), []);
  assert.deepEqual(await stage.index.costs(tenant, { by: "day" }), []);
});

test(
  "a run that was deleted is found by nothing any more, though nobody looks at it",
  { timeout: 30_000 },
  async (t) => {
    const stage = await indexStage(t);
    for (const id of ["gone", "kept"]) {
      const run = await stage.run(id);
      await run.turn(1, "sesquipedalian", [{ tool: id, fails: { code: "TOOL_FAILED", message: "no such page" } }]);
      await run.end();
    }
    await stage.index.catchUp();
    await stage.store.deleteScope(tenant, "run:gone");
    const stop = new AbortController();
    const following = stage.index.follow(stop.signal);
    while ((await stage.found({ text: "sesquipedalian" })).length > 1) await setImmediate();
    stop.abort();
    await following;
    assert.deepEqual(await stage.found({}), ["kept"]);
    assert.deepEqual(
      (await stage.index.errorGroups(tenant, {}, 10)).items.map(({ place }) => place),
      ["tool kept in clerk"],
    );
    const db = new DatabaseSync(stage.path, { readOnly: true });
    t.after(() => db.close());
    assert.deepEqual(db.prepare("SELECT DISTINCT place FROM error_group").all().length, 1);
  },
);

test("a span's detail has what went in and out, its events, and the request that was sent", async (t) => {
  const stage = await indexStage(t);
  await threeRuns(stage);
  const { rows } = await stage.index.spans(ref("dear"), { from: 0, limit: 100 });
  const pay = await stage.index.span(ref("dear"), rows.find(({ kind }) => kind === "tool")!.spanId);
  assert.deepEqual(pay.input, { turn: 1 });
  assert.deepEqual(
    pay.events.map(({ type }) => type),
    ["tool.called", "tool.started", "tool.returned"],
  );
  const whole = await stage.index.span(ref("dear"), rows[0]!.spanId);
  assert.equal(whole.input, "do it");
  const model = await stage.index.span(ref("dear"), rows.find(({ kind }) => kind === "model")!.spanId);
  assert.equal(model.request?.messages.length, 0);
  await assert.rejects(stage.index.span(ref("dear"), "0000000000000000"), (error) =>
    PawlError.is(error, "SPAN_UNKNOWN"),
  );
});
