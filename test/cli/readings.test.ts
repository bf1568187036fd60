import assert from "node:assert/strict";
import { test } from "node:test";
import { costText, durationText } from "../../src/cli/figures.ts";
import { callText, observationText } from "../../src/cli/observation.ts";
import { recoveryText } from "../../src/cli/recovery.ts";
import { waitText } from "../../src/cli/wait-text.ts";
import { project } from "./projects.ts";

test("a recovery names what was repeated, by kind where there are several", () => {
  const none = { model: 0, pure: 0, sameKey: 0 };
  const base = { fromSeq: 41, reused: 6, toReconcile: 0, unknown: 0 };
  assert.equal(
    recoveryText({ ...base, repeated: { ...none, pure: 1 } }),
    "recovered from seq 41: 6 steps reused, 1 repeated (pure), 0 unknown",
  );
  assert.equal(
    recoveryText({ ...base, reused: 1, repeated: { model: 1, pure: 2, sameKey: 0 }, toReconcile: 1, unknown: 2 }),
    "recovered from seq 41: 1 step reused, 3 repeated (1 model, 2 pure), 1 to reconcile, 2 unknown",
  );
});

test("numbers are short: money keeps the digits that count, time its unit", () => {
  assert.deepEqual([null, 0, 12_345_678, 1_500_000_000, 40_000].map(costText), [
    "unpriced",
    "$0",
    "$0.0123",
    "$1.50",
    "$0.00004",
  ]);
  assert.deepEqual([3, 1_234, 61_000, 7_260_000].map(durationText), ["3 ms", "1.2 s", "1 min 1 s", "2 h 1 min"]);
});

test("arguments and results fit a line, and say what they leave out", () => {
  assert.equal(callText({ query: "bees" }, 80), `"bees"`);
  assert.equal(callText({ title: "T", content: "x".repeat(500) }, 80), `title="T" content=(500 characters)`);
  assert.ok(callText({ a: "y".repeat(90), b: "z".repeat(90) }, 40).length <= 40);
  const hit = { file: "a.md", startLine: 1, endLine: 3, text: "…" };
  assert.equal(observationText({ results: [hit, hit] }, 80), "2 passages: a.md:1-3 a.md:1-3");
  assert.equal(
    observationText({ results: [], note: "No passage has any of these words." }, 80),
    "No passage has any of these words.",
  );
  assert.equal(
    observationText({ status: "done", result: "It fits.", confidence: 0.7 }, 80),
    "confidence 0.7: It fits.",
    "a report's words, not its JSON",
  );
  assert.equal(observationText({ verdict: "supported", claims: [1, 2] }, 80), 'verdict="supported" claims=[1,2]');
});

test("a wait says what for, how long, and what to do about it", () => {
  const speaker = {
    runId: "r",
    nowMs: () => 1_000,
    command: (...words: readonly string[]) => `pawl ${words.join(" ")}`,
  };
  const parked = { type: "run.parked", dueAt: 9_000 } as const;
  const timer = { key: "t0-1", kind: "timer", seq: 3 } as const;
  assert.equal(waitText({ ...parked, waits: [timer] }, speaker, new Map()), "sleeping 8.0 s");
  assert.equal(
    waitText({ ...parked, waits: [timer] }, speaker, new Map([["t0-1", "send_letter"]])),
    "waiting 8.0 s: send_letter may still be acting",
  );
  const signal = { key: "t0-0", kind: "signal", seq: 2, name: "go" } as const;
  assert.equal(
    waitText({ ...parked, dueAt: null, waits: [signal] }, speaker, new Map()),
    `waiting for the signal "go": pawl signal r go`,
  );
});

test("what a model or a tool says cannot play tricks on a terminal", async () => {
  const folder = project(
    `
const escape = "\\u001B";
const models = scriptedModel([
  { text: "look" + escape + "[2J here", toolCalls: [{ tool: "look", input: { at: escape + "[31mred" } }] },
  { text: "done" + escape + "]0;title\\u0007." },
]);
const look = tool({ name: "look", version: "1", description: "Looks.", inputSchema: z.object({ at: z.string() }), effect: "pure", execute: () => escape + "[1Aup" });
const agents = [agent({ name: "trickster", model: "scripted/one", instructions: "Trick.", tools: [look] })];`,
    "agents, models",
  );
  const ended = await folder.pawl("run", "trickster", "go", "--run-id", "r");
  assert.equal(ended.code, 0, ended.err);
  for (const { out } of [ended, await folder.pawl("show", "r"), await folder.pawl("runs")]) {
    assert.ok(!out.includes("\u001B"), JSON.stringify(out));
  }
});
