import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Batch, JournalEvent } from "../../src/core/journal-event.ts";
import type { Ref } from "../../src/core/label.ts";
import { lastSeqOf } from "../../src/core/journal-event.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import { firstState, foldBatch, foldContext, snapshotOf, stateOfSnapshot } from "../../src/core/run-fold.ts";
import { foldVersion, type RunState } from "../../src/core/run-state.ts";
import { refusesWith } from "./refusals.ts";
import { claimed, Journal, startedWith, storyOf, usageOf, type Page } from "./story.ts";

const story = fc.record({ seed: fc.nat(), turns: fc.integer({ min: 1, max: 12 }) });
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const note = (text: string): Ref => ({ inline: text });

/** What a worker does that takes over by snapshot: the snapshot, the context read again, the tail. */
function bySnapshot(pages: readonly Page[], at: number): RunState {
  const taken = pages[at]?.state ?? assert.fail();
  let state = stateOfSnapshot(JSON.parse(JSON.stringify(snapshotOf(taken))) as JsonValue) ?? assert.fail();
  for (const { batch } of pages)
    if (lastSeqOf(batch) >= state.contextFromSeq && batch.firstSeq <= state.seq) state = foldContext(state, batch);
  for (const { batch, encoded } of pages.slice(at + 1)) state = foldBatch(state, batch, encoded.hash);
  return state;
}

test("the fold from any snapshot between turns equals the fold from the start", () => {
  let snapshots = 0;
  const property = fc.property(story, ({ seed, turns }) => {
    const { pages, state } = storyOf(seed, turns);
    for (const [i, page] of pages.entries()) {
      if (page.state.log.length > 0) continue;
      snapshots++;
      assert.deepEqual(plain(bySnapshot(pages, i)), plain(state), `snapshot at ${page.state.seq}`);
    }
  });
  fc.assert(property, { numRuns: 60 });
  assert.ok(snapshots > 300, `only ${snapshots} snapshots were tried`);
});

test("how events are cut into batches does not change the fold", () => {
  const property = fc.property(story, ({ seed, turns }) => {
    const { batches, state } = storyOf(seed, turns);
    const [first, ...rest] = batches;
    let single = firstState(first ?? assert.fail(), "");
    for (const batch of rest) {
      for (const [i, event] of batch.events.entries()) {
        const one: Batch = { ...batch, firstSeq: batch.firstSeq + i, events: [event] };
        single = foldBatch(single, one, state.hash);
      }
    }
    assert.deepEqual(plain(single), plain({ ...state, hash: state.hash }));
  });
  fc.assert(property, { numRuns: 50 });
});

test("folding changes no earlier state", () => {
  const { pages } = storyOf(11, 6);
  const before = pages.map(({ state }) => JSON.stringify(state));
  for (const { state } of pages) for (const { batch } of pages) foldBatch(state, batch, "x");
  assert.deepEqual(
    pages.map(({ state }) => JSON.stringify(state)),
    before,
  );
});

test("a snapshot of another version of the fold is not used", () => {
  const { state } = storyOf(1, 2);
  const snapshot = snapshotOf(state) as { readonly [key: string]: JsonValue };
  assert.equal(stateOfSnapshot({ ...snapshot, foldVersion: foldVersion + 1 }), null);
});

test("a journal that does not begin with run.started is refused", () => {
  const batch = new Journal().owner(claimed(1)).batches[1] ?? assert.fail();
  refusesWith("JOURNAL_CORRUPT", () => firstState({ ...batch, firstSeq: 1 }, ""));
});

// ---- the context that the next prompt is made of

const message = (text: string): Ref => ({ inline: { role: "user", content: [{ type: "text", text }] } });
let calls = 0;

function modelCalled(
  journal: Journal,
  add: readonly ({ readonly seq: number } | { readonly message: Ref })[],
  drop = 0,
): Journal {
  const callId = `t0-${calls++}`;
  return journal.owner({
    type: "model.called",
    callId,
    attempt: 1,
    context: "main",
    route: "m",
    endpoint: "m",
    baseSeq: journal.state.context.baseSeq,
    drop,
    add,
    promptHash: "",
    inputTokens: 1,
    reservation: { tokens: 0, costNanoUsd: 0, calls: 0 },
  });
}

function textsOf(state: RunState): readonly string[] {
  const { entries, pending } = state.context;
  return [...entries, ...pending].map(({ source }) =>
    "inline" in source.ref ? JSON.stringify(source.ref.inline) : "",
  );
}

function toolReturned(part: string, text: string): JournalEvent {
  return { type: "tool.returned", callId: `c-${part}`, tool: "t", part, attempt: 1, shownRef: note(text), ms: 1 };
}

test("the next prompt is the last one and what was recorded since", () => {
  const journal = modelCalled(new Journal().owner(claimed(1)), [{ message: message("one") }]);
  journal.owner(toolReturned("a-0", "two")).outside({ type: "message.received", valueRef: note("three") });
  const seqs = journal.state.context.pending.map(({ seq }) => seq);
  assert.equal(seqs.length, 2);
  modelCalled(
    journal,
    seqs.map((seq) => ({ seq })),
  );
  assert.equal(journal.state.context.pending.length, 0);
  assert.equal(journal.state.context.entries.length, 3);
  assert.match(textsOf(journal.state).join(), /one.*two.*three/);
});

test("a prompt may drop the end of the one before", () => {
  const journal = modelCalled(new Journal().owner(claimed(1)), [
    { message: message("one") },
    { message: message("two") },
  ]);
  modelCalled(journal, [{ message: message("three") }], 1);
  assert.match(textsOf(journal.state).join(), /one.*three/);
  assert.equal(journal.state.context.entries.length, 2);
});

test("a compaction puts a summary in place of the entries it names, and leaves pinned and later ones", () => {
  const journal = new Journal().owner(claimed(1));
  for (const text of ["one", "two", "three", "four"]) modelCalled(journal, [{ message: message(text) }]);
  const [first, second, third, fourth] = journal.state.context.entries.map(({ seq }) => seq);
  const summaryRef = message("summary");
  journal.owner({
    type: "context.compacted",
    callId: "n",
    fromSeq: first ?? 0,
    toSeq: third ?? 0,
    summaryRef,
    pinned: [second ?? 0],
  });
  assert.match(textsOf(journal.state).join("|"), /^[^|]*summary[^|]*\|[^|]*two[^|]*\|[^|]*four[^|]*$/);
  // a claim does not read on from an old pinned entry: it is in the snapshot
  assert.equal(journal.state.contextFromSeq, fourth);
  assert.equal(journal.state.context.baseSeq, journal.state.seq);
});

test("a retracted result is struck out wherever it stands, and the entry stays as an error", () => {
  for (const isSent of [false, true]) {
    const journal = modelCalled(new Journal().owner(claimed(1)), [{ message: message("one") }]);
    journal.owner(toolReturned("a-0", "a lie"), toolReturned("a-1", "the truth"));
    if (isSent)
      modelCalled(
        journal,
        journal.state.context.pending.map(({ seq }) => ({ seq })),
      );
    journal.owner({ type: "tool.retracted", callId: "n", tool: "t", part: "a-0", reason: "the page was wrong" });
    const texts = textsOf(journal.state).join("|");
    assert.doesNotMatch(texts, /a lie/);
    assert.match(texts, /retracted: the page was wrong.*the truth/);
  }
});

test("an attempt that another follows leaves no trace in the prompt", () => {
  const journal = modelCalled(new Journal().owner(claimed(1)), [{ message: message("one") }]);
  const error = { code: "TOOL_FAILED", message: "no" };
  journal.owner({
    type: "tool.failed",
    callId: "c",
    tool: "t",
    part: "a-0",
    attempt: 1,
    error,
    applied: "no",
    retry: true,
  });
  assert.equal(journal.state.context.pending.length, 0);
});

test("a summary call of its own context does not touch the main one", () => {
  const journal = modelCalled(new Journal().owner(claimed(1)), [{ message: message("one") }]);
  const bill = { callId: "s", attempt: 1, endpoint: "m", costNanoUsd: 0, priceSource: null, assumed: false };
  journal.owner({
    type: "model.answered",
    ...bill,
    usage: usageOf(1, 1),
    context: "summary",
    messageRef: message("sum"),
    model: "m",
    finish: "stop",
    ttftMs: 0,
    ms: 0,
  });
  assert.equal(journal.state.context.pending.length, 0);
});

// ---- money

const called = (callId: string, attempt: number, reservationId?: string): JournalEvent => ({
  type: "model.called",
  callId,
  attempt,
  context: "main",
  route: "m",
  endpoint: "m",
  baseSeq: 0,
  drop: 0,
  add: [],
  promptHash: "",
  inputTokens: 10,
  reservation: { tokens: 100, costNanoUsd: 5, calls: 0 },
  ...(reservationId !== undefined && { reservationId }),
});
const bill = (attempt: number) =>
  ({ callId: "t0-0", attempt, endpoint: "m", costNanoUsd: 3, priceSource: "p", assumed: false }) as const;

test("a reservation is held from call to outcome, attempt by attempt", () => {
  const journal = new Journal().owner(claimed(1)).owner(called("t0-0", 1));
  assert.deepEqual(Object.keys(journal.state.reserved), ["t0-0"]);
  journal.owner({ type: "model.attempted", ...bill(1), error: { code: "MODEL_TIMED_OUT", message: "" } });
  assert.deepEqual(journal.state.reserved, {});
  journal.owner(called("t0-0", 2));
  assert.deepEqual(Object.keys(journal.state.reserved), ["t0-0"]);
  journal.owner({ type: "model.failed", callId: "t0-0", error: { code: "MODEL_TIMED_OUT", message: "" } });
  assert.deepEqual(journal.state.reserved, {});
});

test("a ledger reservation stays unsettled, with its bill, until its settling is recorded, over turns", () => {
  const journal = new Journal().owner(claimed(1)).owner(called("t0-0", 1, "r1"));
  assert.equal(journal.state.unsettled["r1"]?.fate, null);
  journal.owner({
    type: "model.attempted",
    ...bill(1),
    usage: usageOf(10, 2),
    error: { code: "MODEL_TIMED_OUT", message: "" },
  });
  journal.owner(called("t0-0", 2, "r2"));
  const answer = { context: "main", messageRef: message("x"), model: "m", finish: "stop", ttftMs: 0, ms: 0 } as const;
  journal.owner({ type: "model.answered", ...bill(2), ...answer, usage: usageOf(20, 1) });
  journal.owner({ type: "turn.ended", turn: 1 });
  assert.deepEqual(journal.state.unsettled, {
    r1: { callId: "t0-0", attempt: 1, fate: { tokens: 12, costNanoUsd: 3 } },
    r2: { callId: "t0-0", attempt: 2, fate: { tokens: 21, costNanoUsd: 3 } },
  });
  journal.owner({ type: "budget.settled", ids: ["r1"] });
  assert.deepEqual(Object.keys(journal.state.unsettled), ["r2"]);
});

test("a child's allowance is held until its end, which charges what it really cost", () => {
  const journal = new Journal().owner(claimed(1));
  const base = {
    type: "child.called",
    childRunId: "story~1",
    runnable: "c",
    inputRef: note("x"),
    inputHash: "0",
  } as const;
  journal.owner({ ...base, callId: "t0-0", allowance: { tokens: 500, costNanoUsd: 50, calls: 0 } });
  assert.equal(journal.state.reserved["t0-0"]?.tokens, 500);
  const effects = { done: 0, notStarted: 0, unknown: 0 };
  journal.outside({
    type: "child.ended",
    childRunId: "story~1",
    callId: "t0-0",
    status: "completed",
    valueRef: note("y"),
    costNanoUsd: 7,
    tokens: 70,
    effects,
  });
  assert.deepEqual(journal.state.reserved, {});
  assert.deepEqual([journal.state.totals.childCostNanoUsd, journal.state.totals.childTokens], [7, 70]);
});

test("inherited calls of a fork cost nothing", () => {
  const journal = new Journal().owner(claimed(1)).owner(called("t0-0", 1));
  const answer = { context: "main", messageRef: message("x"), model: "m", finish: "stop", ttftMs: 0, ms: 0 } as const;
  journal.owner({ type: "model.answered", ...bill(1), ...answer, usage: usageOf(20, 1), inherited: true });
  assert.equal(journal.state.totals.costNanoUsd, 0);
  assert.equal(journal.state.totals.modelCalls, 0);
});

test("a raised budget lifts a cap that there is, and makes none where there was none", () => {
  const journal = new Journal(startedWith({ limits: { tokens: 100 } }));
  journal.outside({ type: "budget.raised", scope: "tokens", amount: 50 });
  journal.outside({ type: "budget.raised", scope: "calls", amount: 50 });
  assert.deepEqual(journal.state.caps, { tokens: 150, costNanoUsd: null, calls: null });
});

test("without a stated budget a run has 100,000 tokens", () => {
  assert.equal(new Journal(startedWith({ limits: {} })).state.caps.tokens, limits.runTokens);
  assert.equal(new Journal(startedWith({ limits: { costUsd: 1 } })).state.caps.tokens, null);
});

// ---- what a new owner learns

test("what ran when an owner died is lost from the time of the next claim, and only that", () => {
  const journal = new Journal().owner(claimed(1));
  const tool = {
    tool: "t",
    version: "1",
    argsRef: note("x"),
    argsHash: "0",
    key: "k",
    verdict: { decision: "allow", rules: [] },
  } as const;
  for (const callId of ["t0-0", "t0-1", "t0-2"])
    journal.owner({ type: "tool.called", callId, ...tool, effect: "once" });
  journal.owner({ type: "tool.started", callId: "t0-1", attempt: 1, deadlineMs: 1 });
  journal.owner({ type: "tool.started", callId: "t0-2", attempt: 1, deadlineMs: 1 });
  journal.owner({ type: "tool.returned", callId: "t0-2", tool: "t", attempt: 1, shownRef: note("y"), ms: 1 });
  journal.owner(claimed(2));
  const lost = Object.values(journal.state.calls).map(({ callId, lostAt }) => [callId, lostAt]);
  assert.deepEqual(lost, [
    ["t0-0", null],
    ["t0-1", journal.at],
    ["t0-2", null],
  ]);
});

test("an ended turn leaves nothing of its calls, and its unknown effects stay with the run until resolved", () => {
  const { state } = storyOf(21, 8);
  assert.ok(state.turn > 0);
  const journal = new Journal().owner(claimed(1));
  journal.owner({
    type: "tool.called",
    callId: "t0-0",
    tool: "t",
    version: "1",
    argsRef: note("x"),
    argsHash: "0",
    effect: "once",
    key: "k",
    verdict: { decision: "allow", rules: [] },
  });
  journal.owner({ type: "tool.started", callId: "t0-0", attempt: 1, deadlineMs: 1 });
  journal.owner({ type: "effect.unknown", callId: "t0-0", attempt: 1, reason: "lost" });
  assert.deepEqual(journal.state.unknowns, [{ callId: "t0-0", tool: "t", argsHash: "0" }]);
  journal.outside({ type: "effect.resolved", callId: "t0-0", resolution: "not_applied", by: "bob" });
  assert.deepEqual(journal.state.unknowns, []);
  journal.owner({ type: "turn.ended", turn: 1 });
  assert.deepEqual([journal.state.calls, journal.state.log, journal.state.turnBase], [{}, [], null]);
});

test("a signal is kept until a wait takes it, each once, in order of arrival", () => {
  const journal = new Journal().owner(claimed(1));
  journal.outside({ type: "signal.received", name: "go", valueRef: note("first") });
  journal.outside({ type: "signal.received", name: "go", valueRef: note("second") });
  const first = journal.state.signals[0]?.seq ?? 0;
  journal.owner({ type: "wait.started", callId: "t0-0", wait: { kind: "signal", name: "go" } });
  journal.owner({ type: "wait.ended", callId: "t0-0", bySeq: first });
  assert.deepEqual(
    journal.state.signals.map(({ valueRef }) => valueRef),
    [note("second")],
  );
  assert.equal(journal.state.calls["t0-0"]?.news?.seq, first);
});

test("a cancel unpauses, and its first reason stands", () => {
  const journal = new Journal().owner(claimed(1)).outside({ type: "run.paused", reason: "wait" });
  assert.equal(journal.state.paused, true);
  journal
    .outside({ type: "cancel.requested", reason: "first" })
    .outside({ type: "cancel.requested", reason: "second" });
  assert.deepEqual([journal.state.cancel, journal.state.paused], ["first", false]);
});
