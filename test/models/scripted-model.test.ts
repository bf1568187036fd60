import assert from "node:assert/strict";
import { test } from "node:test";
import { userText, type Message } from "../../src/core/message.ts";
import type { FailedAttempt, ModelRequest, ModelSource } from "../../src/core/model-contract.ts";
import { scriptedModel, type ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { callsOf, collect, generateOptions, requestOf, textOf, type Answer } from "./ask.ts";
import { handClock } from "./hand-clock.ts";

function say(model: ModelSource, request: ModelRequest, call = "c1", stream = true): Promise<Answer> {
  const next = model.next("scripted/one", [], 0);
  if (next.type === "give-up") throw new Error(next.error.message);
  return collect(next.endpoint.generate(request, generateOptions(stream, { requestId: `run:${call}` })));
}

const answered: Message = { role: "assistant", content: [{ type: "text", text: "before" }] };
const atTurn = (turn: number): ModelRequest =>
  requestOf([userText("Go"), ...Array.from({ length: turn }, () => answered)]);

const script: readonly ScriptedTurn[] = [
  { text: "I look it up.", toolCalls: [{ tool: "get_weather", input: { city: "Oslo" } }] },
  { error: { code: "MODEL_RATE_LIMITED", retryAfterMs: 5 } },
  { reasoning: "So.", text: "Rain." },
];

test("models: a scripted list answers by what the conversation holds, so a resumed run gets the same", async () => {
  const first = scriptedModel(script);
  assert.equal(textOf(await say(first, atTurn(0))), "I look it up.");
  await assert.rejects(say(first, atTurn(1), "c2"), { code: "MODEL_RATE_LIMITED", details: { retryAfterMs: 5 } });
  assert.equal(textOf(await say(first, atTurn(1), "c2")), "Rain.");
  assert.equal(textOf(await say(first, atTurn(1), "c2")), "Rain.", "asked once more, the answer stays");
  const restarted = scriptedModel(script);
  assert.equal(textOf(await say(restarted, atTurn(0))), "I look it up.");
  await assert.rejects(say(restarted, atTurn(2)), { code: "MODEL_REQUEST_INVALID", message: /2 answers.*number 3/ });
});

test("models: runs beside each other do not take each other's turns", async () => {
  const model = scriptedModel([{ text: "one" }, { text: "two" }]);
  const answers = await Promise.all(["a", "b", "c"].map((call) => say(model, atTurn(1), call)));
  assert.deepEqual(answers.map(textOf), ["two", "two", "two"]);
});

test("models: a scripted answer is streamed, counted and seen", async () => {
  const model = scriptedModel([
    { reasoning: "Hm.", text: "A rather long answer.", toolCalls: [{ tool: "x", malformed: "{" }] },
  ]);
  const answer = await say(model, atTurn(0));
  assert.deepEqual(
    answer.deltas.map((part) => part.type),
    ["reasoning.delta", "text.delta", "text.delta", "tool-input.delta"],
  );
  assert.deepEqual(callsOf(answer), [{ type: "tool-call", callId: "0", tool: "x", input: "{", malformed: true }]);
  assert.equal(answer.finish.finish, "tool-calls");
  assert.ok((answer.finish.usage?.inputTokens ?? 0) > 10 && (answer.finish.usage?.outputTokens ?? 0) > 5);
  assert.deepEqual((await say(model, atTurn(0), "c2", false)).deltas, []);
  assert.deepEqual(
    model.requests.map(({ route, stream, requestId }) => ({ route, stream, requestId })),
    [
      { route: "scripted/one", stream: true, requestId: "run:c1" },
      { route: "scripted/one", stream: false, requestId: "run:c2" },
    ],
  );
});

test("models: a function gets the request and its place, a table has a script for each route", async () => {
  const model = scriptedModel({
    "scripted/one": (request, { turn, repeat }) => ({
      text: `${request.messages.length} ${turn} ${repeat}`,
      usage: null,
    }),
  });
  assert.equal(textOf(await say(model, atTurn(2))), "3 2 0");
  assert.equal(textOf(await say(model, atTurn(2))), "3 2 1");
  assert.throws(() => model.check("scripted/two"), { code: "MODEL_UNKNOWN", message: /scripted\/one/ });
});

test("models: a delay is waited on the given clock, and ends with the caller", async () => {
  const clock = handClock();
  const model = scriptedModel([{ text: "late", delayMs: 1_000 }], { clock });
  const outcome = say(model, atTurn(0));
  await clock.drain();
  assert.equal(clock.timers(), 1);
  clock.pass(1_000);
  assert.equal(textOf(await outcome), "late");
  await assert.rejects(say(scriptedModel([{ text: "late", delayMs: 1 }]), atTurn(0)), { code: "OPTION_INVALID" });
});

test("models: a scripted source retries by the rules of a real one, without waiting", () => {
  const model = scriptedModel([]);
  const failed = (code: string): FailedAttempt => ({
    attempt: 1,
    endpoint: "x",
    error: { code, message: "x" },
    elapsedMs: 0,
  });
  assert.equal(model.next("x", [failed("MODEL_UNAVAILABLE")], 0.9).type, "try");
  assert.equal(model.next("x", [failed("MODEL_UNAUTHORIZED")], 0.9).type, "give-up");
  assert.equal(
    model.next(
      "x",
      Array.from({ length: 3 }, () => failed("MODEL_UNAVAILABLE")),
      0.9,
    ).type,
    "give-up",
  );
});
