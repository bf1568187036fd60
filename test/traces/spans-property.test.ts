import assert from "node:assert/strict";
import { before, test } from "node:test";
import { isOwner, type JournalEvent, type RunEnded } from "../../src/core/journal-event.ts";
import type { JsonValue } from "../../src/core/json.ts";
import type { Span } from "../../src/core/trace-contract.ts";
import { billLines, costRows, inheritedCost, totalCost } from "../../src/traces/cost.ts";
import { spanFold } from "../../src/traces/spans-from-journal.ts";
import { spansFrom } from "./read-spans.ts";
import { recordedRuns, type RecordedRun } from "./recorded-runs.ts";

let runs: readonly RecordedRun[] = [];

before(async () => {
  runs = await recordedRuns(41, 60);
});

function eventsOf(run: RecordedRun): readonly JournalEvent[] {
  return run.batches.flatMap(({ events }) => events);
}

function endOf(run: RecordedRun): RunEnded | undefined {
  return eventsOf(run).find((event) => event.type === "run.ended");
}

function where({ seed, ref }: RecordedRun, span?: Span): string {
  return `seed ${seed}, ${ref.runId}${span === undefined ? "" : `, ${span.kind} ${span.name} (seq ${span.seq})`}`;
}

test("the recorded runs have what a trace must stand: takeovers, children, forks, compactions, approvals, unknown effects", () => {
  const types = new Set(runs.flatMap((run) => eventsOf(run).map(({ type }) => type)));
  for (const type of ["child.called", "context.compacted", "approval.asked", "effect.unknown", "model.attempted"])
    assert.ok(types.has(type as JournalEvent["type"]), `no ${type} in ${runs.length} runs`);
  assert.ok(runs.some((run) => spansFrom(run.ref, run.batches).some(({ kind }) => kind === "takeover")));
  assert.ok(runs.some((run) => eventsOf(run).some((event) => event.type === "run.started" && event.forkedFrom)));
});

test("all spans of a tree are one tree: every parent exists, above is the root run alone, one trace", () => {
  for (const seed of new Set(runs.map((run) => run.seed))) {
    const ofSeed = runs.filter((run) => run.seed === seed);
    const spans = new Map(ofSeed.flatMap((run) => spansFrom(run.ref, run.batches).map((span) => [span.spanId, span])));
    for (const run of ofSeed) {
      for (const span of spansFrom(run.ref, run.batches)) {
        const isRoot = span.kind === "run" && run.head.parent === null;
        if (isRoot) assert.equal(span.parentSpanId, null, where(run, span));
        else {
          const parent = spans.get(span.parentSpanId ?? "");
          assert.ok(parent !== undefined, `${where(run, span)}: its parent is not there`);
          assert.equal(parent.traceId, span.traceId, where(run, span));
          if (span.kind === "run") assert.equal(parent.kind, "child", where(run, span));
        }
      }
    }
  }
});

test("the bills of all spans add up to what the run's end says, and by every key to the same", () => {
  let billed = 0;
  for (const run of runs) {
    const fold = spanFold(run.ref);
    const spans = new Map<string, Span>();
    for (const batch of run.batches) for (const span of fold.read(batch)) spans.set(span.spanId, span);
    const ended = endOf(run);
    if (ended === undefined || fold.run === null) continue;
    const lines = billLines(fold.run, spans.values());
    const total = totalCost(lines);
    const { usage, costNanoUsd, unpricedCalls } = ended.totals;
    assert.deepEqual(
      { usage: total.usage, costNanoUsd: total.costNanoUsd, unpricedCalls: total.unpricedCalls },
      { usage, costNanoUsd, unpricedCalls },
      where(run),
    );
    for (const by of ["day", "runId", "tenant", "callId", "turn", "runnable", "rootRunId"] as const) {
      const sum = costRows(lines, by).reduce((cost, row) => cost + row.costNanoUsd, 0);
      assert.equal(sum, costNanoUsd, `${where(run)} by ${by}`);
    }
    assert.equal(inheritedCost(lines).calls + total.calls, lines.length);
    const own = [...spans.values()].filter(
      ({ bill, detail }) => bill?.inherited !== true && detail["inherited"] !== true,
    );
    assert.equal(own.filter(({ kind }) => kind === "tool").length, ended.totals.toolCalls, where(run));
    billed += total.calls;
  }
  assert.ok(billed > 100, `${billed} bills`);
});

test("an ended run leaves no span open, and a started effect of which nobody knows is unknown, not ok", () => {
  for (const run of runs.filter((one) => endOf(one) !== undefined)) {
    const spans = spansFrom(run.ref, run.batches);
    for (const span of spans) {
      assert.ok(span.endedAt !== null && span.endSeq !== null, where(run, span));
      assert.ok(span.status !== "open" && span.status !== "waiting", where(run, span));
      assert.ok(span.endedAt >= span.startedAt, where(run, span));
    }
    // a failed call that its key makes safe to repeat may have happened: its span says so and is a failure
    const unknown = spans.filter(
      ({ kind, status, detail }) =>
        kind === "tool" && (status === "unknown" || (status === "error" && detail["applied"] === "maybe")),
    ).length;
    assert.equal(unknown, endOf(run)?.effects.unknown, where(run));
  }
});

test("every owner that was followed while it still held the run is a takeover that names both and the silence between", () => {
  for (const run of runs) {
    let held: string | null = null;
    let heardAt = 0;
    const expected: string[] = [];
    for (const batch of run.batches) {
      for (const event of batch.events) {
        if (event.type === "run.claimed") {
          if (held !== null) expected.push(`${held} ${event.session} ${Math.max(0, batch.at - heardAt)}`);
          held = event.session;
        } else if (["run.parked", "run.released", "run.blocked", "run.ended"].includes(event.type)) held = null;
      }
      if (isOwner(batch.by)) heardAt = batch.at;
    }
    const told = spansFrom(run.ref, run.batches).flatMap(({ kind, detail }) => {
      if (kind !== "takeover") return [];
      const { died, by, afterMs } = detail as { died: { session: string }; by: { session: string }; afterMs: number };
      return [`${died.session} ${by.session} ${afterMs}`];
    });
    assert.deepEqual(told, expected, where(run));
  }
});

test("a fold that is stored and read back between any two batches says the same, and reading a batch twice changes nothing", () => {
  for (const run of runs.slice(0, 60)) {
    const whole = spansFrom(run.ref, run.batches);
    let saved: JsonValue | null = null;
    const spans = new Map<string, Span>();
    for (const [i, batch] of run.batches.entries()) {
      const fold = spanFold(run.ref, saved);
      for (const span of fold.read(batch)) spans.set(span.spanId, span);
      if (i % 3 === 0) assert.deepEqual(fold.read(batch), []);
      saved = JSON.parse(JSON.stringify(fold.save())) as JsonValue;
    }
    assert.deepEqual([...spans.values()], whole, where(run));
  }
});
