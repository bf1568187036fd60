import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeBatch } from "../../src/core/journal-codec.ts";
import type { JournalEvent } from "../../src/core/journal-event.ts";
import type { Ref } from "../../src/core/label.ts";
import type { HeadWait } from "../../src/core/run-waits.ts";
import { limits } from "../../src/core/limits.ts";
import {
  dueAtOf,
  hasOutbox,
  messageHash,
  nextHead,
  nextMarks,
  noMarks,
  sawMessage,
  type RunHead,
} from "../../src/core/run-head.ts";
import { refusesWith } from "./refusals.ts";
import { claimed, endedWith, Journal, ref, startedWith, storyOf, usageOf } from "./story.ts";

const note = (text: string): Ref => ({ inline: text });
const running = (): Journal => new Journal().owner(claimed(1));
const parkedFor = (kind: HeadWait["kind"], dueAt: number | null = null): JournalEvent => ({
  type: "run.parked",
  waits: [{ key: "k", kind, seq: 2 }],
  dueAt,
});
const asked = (approvalId: string, expiresAt: number | null = null): JournalEvent => ({
  type: "approval.asked",
  approvalId,
  callId: "t0-0",
  actionHash: "a",
  question: "?",
  quorum: 1,
  expiresAt,
  default: "reject",
});
const decided = (approvalId: string): JournalEvent => ({
  type: "approval.decided",
  approvalId,
  decision: "approve",
  argsHash: "a",
  by: "bob",
});
const child = (childRunId: string): JournalEvent => ({
  type: "child.called",
  callId: "t0-0",
  childRunId,
  runnable: "c",
  inputRef: note("x"),
  inputHash: "0",
});
const childEnded = (childRunId: string): JournalEvent => ({
  type: "child.ended",
  childRunId,
  callId: "t0-0",
  status: "completed",
  valueRef: note("y"),
  costNanoUsd: 4,
  tokens: 40,
  effects: { done: 0, notStarted: 0, unknown: 0 },
});

// ---- status of every situation

test("a new run is queued and due at once, unless its thread has an active run", () => {
  const { head, at } = new Journal();
  assert.deepEqual([head.status, head.dueAt, head.session, head.fence], ["queued", at, null, 0]);
  const held = new Journal(startedWith({ heldByThread: true })).head;
  assert.deepEqual([held.status, held.dueAt], ["queued", null]);
});

test("a claim makes it running under its fence and session, and no longer due", () => {
  const { head } = running();
  assert.deepEqual([head.status, head.fence, head.session, head.dueAt], ["running", 1, "s1", null]);
});

test("a parked run has the status of what it waits for, and is due when time is what it waits for", () => {
  const statuses = {
    approval: "awaiting_approval",
    unknown: "awaiting_approval",
    budget: "awaiting_budget",
    signal: "awaiting_signal",
    child: "awaiting_child",
    timer: "sleeping",
  } as const;
  for (const [kind, status] of Object.entries(statuses)) {
    const { head } = running().owner(parkedFor(kind as HeadWait["kind"], 77));
    assert.deepEqual([head.status, head.dueAt, head.session], [status, 77, null], kind);
  }
  const idle = running().owner({ type: "run.parked", waits: [], dueAt: null }).head;
  assert.deepEqual([idle.status, idle.dueAt], ["queued", null]);
});

test("of several things waited for, a person comes first, then money, signals, children, time", () => {
  const order: readonly HeadWait["kind"][] = ["approval", "budget", "signal", "child", "timer"];
  const statuses = ["awaiting_approval", "awaiting_budget", "awaiting_signal", "awaiting_child", "sleeping"];
  for (const [i, status] of statuses.entries()) {
    const waits = order
      .slice(i)
      .toReversed()
      .map((kind, n) => ({ key: `k${n}`, kind, seq: 2 }));
    assert.equal(running().owner({ type: "run.parked", waits, dueAt: null }).head.status, status);
  }
});

test("a released run is queued and due at once", () => {
  const journal = running().owner({ type: "run.released", reason: "shutdown" });
  assert.deepEqual([journal.head.status, journal.head.session, journal.head.dueAt], ["queued", null, journal.at]);
});

test("what comes from outside wakes a parked run, and does not touch one that is owned", () => {
  const news: readonly JournalEvent[] = [
    { type: "signal.received", name: "go", valueRef: note("x") },
    { type: "budget.raised", scope: "tokens", amount: 1 },
    { type: "cancel.requested", reason: "enough" },
    decided("a1"),
    childEnded("story~1"),
    { type: "effect.resolved", callId: "t0-0", resolution: "applied", by: "bob" },
    { type: "run.resumed" },
  ];
  for (const event of news) {
    const parked = running().owner(parkedFor("signal", 9_999_999_999_999)).outside(event);
    assert.deepEqual([parked.head.status, parked.head.dueAt], ["queued", parked.at], event.type);
    const owned = running().outside(event);
    assert.deepEqual([owned.head.status, owned.head.dueAt, owned.head.session], ["running", null, "s1"], event.type);
  }
});

test("a steering message does not wake a run that waits: it is read at the next turn", () => {
  const { head } = running()
    .owner(parkedFor("approval"))
    .outside({ type: "message.received", valueRef: note("hurry") });
  assert.deepEqual([head.status, head.dueAt], ["awaiting_approval", null]);
});

test("news that come before the time a run is due do not put it off", () => {
  const journal = running()
    .owner(parkedFor("timer", 5))
    .outside({ type: "signal.received", name: "go", valueRef: note("x") });
  assert.equal(journal.head.dueAt, 5);
});

test("a pause takes effect at once on a run nobody owns, and at its next park on one that is owned", () => {
  const parked = running().owner(parkedFor("timer", 5)).outside({ type: "run.paused", reason: "x" }).head;
  assert.deepEqual([parked.status, parked.dueAt], ["paused", null]);
  const owned = running().outside({ type: "run.paused", reason: "x" });
  assert.deepEqual([owned.head.status, owned.head.paused], ["running", true]);
  owned.owner(parkedFor("timer", 5));
  assert.deepEqual([owned.head.status, owned.head.dueAt], ["paused", null]);
});

test("nothing but a resume or a cancel wakes a paused run", () => {
  const paused = (): Journal => running().owner(parkedFor("signal")).outside({ type: "run.paused", reason: "x" });
  const still = paused().outside({ type: "signal.received", name: "go", valueRef: note("x") }).head;
  assert.deepEqual([still.status, still.dueAt], ["paused", null]);
  const resumed = paused().outside({ type: "run.resumed" });
  assert.deepEqual([resumed.head.status, resumed.head.dueAt], ["queued", resumed.at]);
  const cancelled = paused().outside({ type: "cancel.requested", reason: "x" });
  assert.deepEqual(
    [cancelled.head.status, cancelled.head.dueAt, cancelled.head.paused],
    ["queued", cancelled.at, false],
  );
});

test("a blocked run says why in at most 500 characters, and only an unblock or a cancel wakes it", () => {
  const blocked = (): Journal =>
    running().owner({ type: "run.blocked", code: "JOURNAL_DIVERGED", detail: "x".repeat(3_000) });
  const { head } = blocked();
  assert.deepEqual([head.status, head.dueAt, head.session, head.blocked?.detail.length], ["blocked", null, null, 500]);
  assert.equal(blocked().outside({ type: "signal.received", name: "go", valueRef: note("x") }).head.status, "blocked");
  const freed = blocked().outside({ type: "run.unblocked", action: "retry" });
  assert.deepEqual([freed.head.status, freed.head.blocked, freed.head.attempts], ["queued", null, 0]);
  assert.equal(blocked().outside({ type: "cancel.requested", reason: "x" }).head.status, "queued");
});

// ---- a run behind another of its thread

const held = (): Journal => new Journal(startedWith({ heldByThread: true, threadId: "t" }));

test("nothing that is sent to a run starts it before its thread lets it go", () => {
  const sent: readonly JournalEvent[] = [
    { type: "signal.received", name: "go", valueRef: note("x") },
    { type: "budget.raised", scope: "tokens", amount: 1 },
    { type: "message.received", valueRef: note("x") },
    { type: "run.resumed" },
  ];
  for (const event of sent) {
    const { head } = held().outside(event);
    assert.deepEqual([head.status, head.dueAt], ["queued", null], event.type);
  }
  const freed = held().outside({ type: "run.resumed", contextRefs: [] });
  assert.deepEqual([freed.head.status, freed.head.dueAt], ["queued", freed.at]);
});

test("a cancel ends a run that is held by its thread without waiting for its turn", () => {
  const journal = held().outside({ type: "cancel.requested", reason: "x" });
  assert.deepEqual([journal.head.status, journal.head.dueAt], ["queued", journal.at]);
});

test("a pause and the thread are two things: the run goes when both let it", () => {
  const pausedFirst = held().outside({ type: "run.paused", reason: "x" });
  assert.equal(pausedFirst.head.status, "paused");
  pausedFirst.outside({ type: "run.resumed", contextRefs: [] });
  assert.deepEqual([pausedFirst.head.status, pausedFirst.head.dueAt, pausedFirst.state.paused], ["paused", null, true]);
  pausedFirst.outside({ type: "run.resumed" });
  assert.deepEqual([pausedFirst.head.status, pausedFirst.head.dueAt], ["queued", pausedFirst.at]);
  const resumedFirst = held().outside({ type: "run.paused", reason: "x" }).outside({ type: "run.resumed" });
  assert.deepEqual([resumedFirst.head.status, resumedFirst.head.dueAt], ["queued", null]);
});

// ---- the end

test("an ended run is due only while somebody must be told", () => {
  const alone = running().owner(endedWith(running().head));
  assert.deepEqual([alone.head.status, dueAtOf(alone.head), alone.head.session], ["completed", null, null]);
  const parent = { runId: "p", callId: "t0-0", depth: 1 };
  for (const more of [{ parent }, { threadId: "t1" }]) {
    const journal = new Journal(startedWith(more)).owner(claimed(1));
    journal.owner(endedWith(journal.head));
    assert.equal(dueAtOf(journal.head), journal.at);
    const told = { ...journal.head, marks: nextMarks(journal.head.marks, { outboxAckedSeq: journal.head.outboxSeq }) };
    assert.equal(dueAtOf(told), null);
  }
});

test("the end clears waits, pause and block, and names its error", () => {
  const journal = running().owner(asked("a1")).outside({ type: "run.paused", reason: "x" });
  journal.owner({
    ...(endedWith(journal.head, "failed") as JournalEvent & { type: "run.ended" }),
    error: { code: "BODY_THREW", message: "x" },
  });
  const { status, waits, paused, errorCode } = journal.head;
  assert.deepEqual(
    { status, waits, paused, errorCode },
    { status: "failed", waits: [], paused: false, errorCode: "BODY_THREW" },
  );
});

// ---- waits

test("open questions are on the head from asking to deciding, also under the next owner", () => {
  const journal = running().owner(asked("a1", 500), asked("a2"));
  assert.deepEqual(
    journal.head.waits.map(({ key, expiresAt }) => [key, expiresAt]),
    [
      ["a1", 500],
      ["a2", undefined],
    ],
  );
  journal.owner(claimed(2)).outside(decided("a1"));
  assert.deepEqual(
    journal.head.waits.map(({ key }) => key),
    ["a2"],
  );
});

test("an unknown effect waits on the head until it is resolved", () => {
  const journal = running().owner({ type: "effect.unknown", callId: "t0-0", attempt: 1, reason: "x" });
  assert.deepEqual(
    journal.head.waits.map(({ key, kind }) => [key, kind]),
    [["t0-0", "unknown"]],
  );
  journal.outside({ type: "effect.resolved", callId: "t0-0", resolution: "applied", by: "bob" });
  assert.deepEqual(journal.head.waits, []);
});

test("of hundreds of timers and children a few are shown, and every question is", () => {
  const many = (kind: HeadWait["kind"], count: number): HeadWait[] =>
    Array.from({ length: count }, (_, i) => ({ key: `${kind}${i}`, kind, seq: i }));
  const { head } = running().owner({
    type: "run.parked",
    waits: [...many("timer", 300), ...many("child", 300), ...many("approval", 40)],
    dueAt: 1,
  });
  assert.equal(head.waits.filter(({ kind }) => kind === "approval").length, 40);
  assert.equal(head.waits.length, 48);
});

// ---- outbox

test("duties raise the outbox, and it is done when the mark has reached it", () => {
  const journal = running();
  assert.equal(hasOutbox(journal.head), false);
  journal.owner(child("story~1"));
  assert.deepEqual(
    [hasOutbox(journal.head), journal.head.outboxSeq, journal.head.hasChildren],
    [true, journal.head.seq, true],
  );
  assert.equal(hasOutbox({ ...journal.head, marks: { ...noMarks, outboxAckedSeq: journal.head.outboxSeq } }), false);
});

test("a run with duties that parks is due at once, so that somebody does them", () => {
  const journal = running().owner(child("story~1")).owner(parkedFor("child"));
  assert.deepEqual([journal.head.status, journal.head.dueAt], ["awaiting_child", journal.at]);
});

test("marks only rise, each by itself", () => {
  const snapshot = (seq: number) => ({ seq, blob: `b${seq}`, foldVersion: 1 });
  const raised = nextMarks(
    { outboxAckedSeq: 5, indexedSeq: 2, snapshot: snapshot(4) },
    { outboxAckedSeq: 3, indexedSeq: 9, snapshot: snapshot(3) },
  );
  assert.deepEqual(raised, { outboxAckedSeq: 5, indexedSeq: 9, snapshot: snapshot(4) });
  assert.deepEqual(nextMarks(raised, {}), raised);
});

// ---- poison

test("each claim over a dead owner counts as an attempt, and progress sets it back", () => {
  const journal = running();
  for (let fence = 2; fence <= 4; fence++) journal.owner(claimed(fence));
  assert.equal(journal.head.attempts, 3);
  journal.owner({ type: "step.started", callId: "t0-0", name: "s", effect: "pure", attempt: 1 });
  assert.equal(journal.head.attempts, 3, "an announcement is no progress");
  journal.owner({ type: "step.returned", callId: "t0-0", valueRef: note("x") });
  assert.equal(journal.head.attempts, 0);
});

test("a claim of a run that was given back, or parked, is no attempt", () => {
  const journal = running().owner({ type: "run.released", reason: "x" }).owner(claimed(2));
  assert.equal(journal.head.attempts, 0);
  journal.owner(claimed(3)).owner(parkedFor("timer", 1)).owner(claimed(4));
  assert.equal(journal.head.attempts, 0);
});

// ---- messages

test("the newest message ids are remembered, and of older ones the head says that it does not know", () => {
  const journal = new Journal();
  for (let i = 1; i <= limits.headMessageIds; i++)
    journal.outside({ type: "signal.received", name: "go", valueRef: note("x") });
  assert.equal(sawMessage(journal.head, "m1"), true);
  assert.equal(sawMessage(journal.head, "never"), false);
  journal.outside({ type: "signal.received", name: "go", valueRef: note("x") });
  assert.equal(journal.head.messageIds.length, limits.headMessageIds);
  assert.equal(sawMessage(journal.head, `m${limits.headMessageIds + 1}`), true);
  assert.equal(sawMessage(journal.head, "m1"), null);
  assert.equal(sawMessage(journal.head, "never"), null);
});

test("the message that created the run takes no place among them", () => {
  const { head } = new Journal();
  assert.deepEqual([head.messageCount, head.messageIds], [0, []]);
  assert.notEqual(messageHash("a"), messageHash("b"));
});

// ---- sums

test("tokens and money are summed over attempts and answers, unpriced ones counted apart", () => {
  const journal = running();
  const base = { callId: "t0-0", attempt: 1, endpoint: "m", priceSource: null, assumed: false } as const;
  const answer = { context: "main", messageRef: note("x"), model: "m", finish: "stop", ttftMs: 0, ms: 0 } as const;
  const error = { code: "MODEL_UNAVAILABLE", message: "" };
  journal.owner({ type: "model.attempted", ...base, usage: usageOf(10, 0), costNanoUsd: 3, error });
  journal.owner({ type: "model.attempted", ...base, costNanoUsd: 0, error });
  journal.owner({ type: "model.answered", ...base, ...answer, usage: usageOf(20, 5), costNanoUsd: null });
  const { usage, costNanoUsd, unpricedCalls, modelCalls } = journal.head.totals;
  assert.deepEqual([usage.inputTokens, usage.outputTokens, costNanoUsd, unpricedCalls, modelCalls], [30, 5, 3, 1, 1]);
});

test("head and state of a run have the same sums, status facts and position, whatever happened to it", () => {
  const property = fc.property(
    fc.record({ seed: fc.nat(), turns: fc.integer({ min: 1, max: 10 }) }),
    ({ seed, turns }) => {
      for (const { head, state } of storyOf(seed, turns).pages) {
        assert.deepEqual(head.totals, state.totals);
        assert.deepEqual(
          [head.seq, head.lastHash, head.fence, head.session],
          [state.seq, state.hash, state.fence, state.session],
        );
        assert.equal(head.paused, state.paused);
        assert.equal(head.cancelRequested, state.cancel !== null);
        assert.ok(Buffer.byteLength(JSON.stringify(head)) < limits.headBytes);
      }
    },
  );
  fc.assert(property, { numRuns: 60 });
});

test("the format of a head is the highest of its batches", () => {
  const { pages, head } = running();
  const batch = { ...(pages[1]?.batch ?? assert.fail()), firstSeq: 3, prevHash: head.lastHash, format: 4 };
  assert.equal(nextHead(head, ref, encodeBatch(batch), batch).format, 4);
});

test("a head is computed only from the batch that follows it, and only from run.started at the start", () => {
  const { pages } = running();
  const [first, second] = [pages[0] ?? assert.fail(), pages[1] ?? assert.fail()];
  const next =
    (head: RunHead | null, page: typeof first): (() => unknown) =>
    () =>
      nextHead(head, ref, page.encoded, page.batch);
  refusesWith("INTERNAL", next(second.head, second));
  refusesWith("INTERNAL", next({ ...first.head, lastHash: "other" }, second));
  refusesWith("INTERNAL", next(null, second));
});
