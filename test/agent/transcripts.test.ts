import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { agent, notApplied, tool } from "pawl";
import { transcriptProblem } from "../../src/testing/transcript-rules.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { Script, ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { ofType, Stage, type StageOptions } from "../engine/stage.ts";

const clock = manualClock();
const look = tool({
  name: "look",
  version: "1",
  description: "Looks.",
  effect: "pure",
  attempts: 1,
  inputSchema: z.object({ at: z.number() }),
  execute: ({ at }) => {
    if (at % 5 === 3) throw notApplied(`nothing at ${at}`);
    return new Promise<string>((resolve) => {
      clock.setTimer(at % 7 === 0 ? 2_000 : 1, () => resolve(`page ${at}: ${"word ".repeat(150)}`));
    });
  },
});
const walker = agent({
  name: "walker",
  model: "scripted",
  instructions: "Walk.",
  tools: [look],
  contextTokens: 1_500,
  limits: { turns: 60, tokens: 100_000_000 },
});

type Answer = "calls" | "call" | "unknown tool" | "malformed" | "empty" | "cut" | "thinks";
type Act = "message" | "crash" | "fork" | "cancel" | "wait" | "pause";
const answers = fc.array(
  fc.constantFrom<Answer>("calls", "call", "call", "unknown tool", "malformed", "empty", "cut", "thinks"),
  { minLength: 6, maxLength: 24 },
);
const acts = fc.array(fc.constantFrom<Act>("message", "crash", "fork", "cancel", "wait", "wait", "pause"), {
  minLength: 1,
  maxLength: 10,
});

function turnOf(answer: Answer, n: number): ScriptedTurn {
  const call = (at: number) => ({ tool: "look", input: { at } });
  switch (answer) {
    case "calls":
      return { text: "Both.", toolCalls: [call(n), call(n + 1)] };
    case "unknown tool":
      return { toolCalls: [{ tool: "lok", input: {} }, call(n)] };
    case "malformed":
      return { toolCalls: [{ tool: "look", malformed: '{"at": ' }] };
    case "empty":
      return { text: "" };
    case "cut":
      return { text: "I was", toolCalls: [call(n)], finish: "length" };
    case "thinks":
      return { reasoning: "Hm.", text: "x".repeat(900), toolCalls: [call(n)] };
    default:
      return { toolCalls: [call(n)] };
  }
}

/** What became of one story: the prompts of all workers, and how often each kind of thing happened. */
async function played(list: readonly Answer[], story: readonly Act[]): Promise<{ compacted: number; forks: number }> {
  const store = memoryStore({ clock });
  let n = 0;
  const script: Script = (request) => {
    if (request.tools.length === 0) return { text: "So far so good." };
    const answer = list[n++ % list.length] ?? "call";
    return n > 40 ? { text: "Done." } : turnOf(answer, n);
  };
  const options: StageOptions = { agents: [walker], script, clock, store, replay: false };
  let stage = new Stage(options);
  const stages = [stage];
  const ids = ["run-1"];
  await stage.start("Walk on.", { runId: "run-1" });
  for (const act of story) {
    const runId = ids.at(-1) ?? "run-1";
    await clock.pass(3_000);
    if (act === "message") await stage.app.message(runId, `Note ${n}.`).catch(() => undefined);
    if (act === "cancel") await stage.app.cancel(runId, "enough").catch(() => undefined);
    if (act === "pause") {
      await stage.app.pause(runId, "wait").catch(() => undefined);
      await clock.pass(3_000);
      await stage.app.resume(runId).catch(() => undefined);
    }
    if (act === "crash") {
      await stage.close();
      stage = new Stage(options);
      stages.push(stage);
      await stage.start("Walk on.", { runId: "run-1" });
    }
    if (act === "fork") {
      const { turns: turn } = (await stage.app.run(runId).head()).totals;
      const fork = `fork-${ids.length}`;
      const made = await clock.until(stage.app.fork(runId, { turn, runId: fork }).catch(() => null));
      if (made !== null) ids.push(fork);
    }
  }
  await clock.pass(30_000);
  for (const one of stages) {
    for (const prompt of one.prompts) assert.equal(transcriptProblem(prompt), null, JSON.stringify(prompt, null, 1));
  }
  let compacted = 0;
  for (const id of ids) compacted += ofType(await stage.events(stage.app.run(id)), "context.compacted").length;
  await stage.close();
  return { compacted, forks: ids.length - 1 };
}

test("after any steps, crashes, cancels, forks and compactions every provider takes the conversation", async () => {
  const seen = { compacted: 0, forks: 0 };
  const property = fc.asyncProperty(answers, acts, async (list, story) => {
    const { compacted, forks } = await played(list, story);
    seen.compacted += compacted;
    seen.forks += forks;
  });
  await fc.assert(property, { numRuns: 40, seed: 4 });
  assert.ok(seen.compacted > 40 && seen.forks > 10, JSON.stringify(seen));
});

test("the rules know what each provider refuses", () => {
  const user = { role: "user", content: [{ type: "text", text: "Hi." }] } as const;
  const call = { type: "tool-call", callId: "a", tool: "t", input: {} } as const;
  const asks = { role: "assistant", content: [call] } as const;
  const says = { role: "assistant", content: [{ type: "text", text: "Well." }] } as const;
  const result = { role: "tool", content: [{ type: "tool-result", callId: "a", tool: "t", output: 1 }] } as const;
  assert.equal(transcriptProblem([user, asks, result, says, user]), null);
  assert.match(transcriptProblem([user, asks, user]) ?? "", /^openai/);
  assert.match(transcriptProblem([user, result]) ?? "", /^openai/);
  assert.match(transcriptProblem([user, asks, result, asks, result]) ?? "", /^openai: a call id/);
  assert.match(transcriptProblem([asks, result]) ?? "", /^anthropic/);
  assert.match(transcriptProblem([user, says, asks, result]) ?? "", /^google/);
});
