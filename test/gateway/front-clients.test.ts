import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import type { WireReply, WireRequest } from "pawl/testing";
import { clientsMissing } from "../run/client-packages.ts";
import { runProcess } from "../run/process.ts";
import { skipBecause } from "../run/system-packages.ts";
import { frontServed, model, type FrontServed } from "./front-served.ts";

// Other people's clients, as they are: only the base URL and the key are ours.

const WEATHER: WireReply = {
  toolCalls: ["Oslo", "Rome"].map((city) => ({ name: "weather", arguments: JSON.stringify({ city }), id: "same" })),
};

/** A provider that answers by the last thing that was said. */
function answerTo({ body }: WireRequest): WireReply {
  const messages = body["messages"] as readonly { readonly role: string; readonly content: unknown }[];
  const last = messages.at(-1);
  if (last?.role === "tool") return { text: `Told ${messages.filter(({ role }) => role === "tool").length} times.` };
  const text = JSON.stringify(last?.content);
  if (text.includes("weather")) return WEATHER;
  if (text.includes("json")) return { text: '{"city":"Oslo"}' };
  if (text.includes("cut")) return { text: "Half of what was to be said.", fault: { type: "cut", afterBytes: 700 } };
  return { text: "Hello there, world." };
}

const serve = (t: TestContext): Promise<FrontServed> => frontServed(t, { script: answerTo });
const skip = skipBecause(clientsMissing());
const scripts = join(import.meta.dirname, "../clients/scripts");

async function outputOf(served: FrontServed, command: string, file: string): Promise<unknown> {
  const env = { ...process.env, OPENAI_API_KEY: "", ANTHROPIC_API_KEY: "", LANGSMITH_TRACING: "false" };
  const args = [join(scripts, file), served.url, served.key, model];
  const { exitCode, output } = await runProcess({ command, args, env, timeLimitMs: 60_000 });
  assert.equal(exitCode, 0, output);
  const lines = output.trim().split("\n");
  return JSON.parse(lines.findLast((line) => line.startsWith("{")) ?? "null");
}

const CITIES = ['{"city":"Oslo"}', '{"city":"Rome"}'];
const BOTH = [
  ["weather", "Oslo"],
  ["weather", "Rome"],
];

test(
  "openai: chat and responses, streamed and not, with parallel tools both ways, and a cut stream is an error",
  { skip },
  async (t) => {
    const served = await serve(t);
    const { cut, models, ...rest } = (await outputOf(served, process.execPath, "openai.mjs")) as {
      readonly cut: { readonly text: string; readonly error: string };
      readonly models: readonly string[];
    };
    assert.deepEqual(rest, {
      chat: { text: "Hello there, world.", tokens: 120 },
      chatStream: "Hello there, world.",
      chatStreamTokens: 120,
      calls: CITIES.map((text) => ["weather", text]),
      ids: 2,
      told: "Told 2 times.",
      streamedCalls: CITIES,
      response: { text: "Hello there, world.", tokens: 120 },
      responseCalls: CITIES,
      responseDeltas: (rest as { readonly responseDeltas: number }).responseDeltas,
      error: { type: "NotFoundError", status: 404, code: "model_not_found" },
    });
    assert.ok((rest as { readonly responseDeltas: number }).responseDeltas >= 4);
    assert.equal(cut.error, "model_broken_stream");
    assert.ok("Half of what was to be said.".startsWith(cut.text) && cut.text !== "");
    assert.deepEqual(models, ["small", "up"]);
  },
);

test("@openai/agents runs its tool loop over both of its APIs", { skip }, async (t) => {
  const text = "Told 2 times.";
  assert.deepEqual(await outputOf(await serve(t), process.execPath, "agents.mjs"), {
    responses: text,
    responsesStream: text,
    chat: text,
    chatStream: text,
  });
});

test("@langchain/openai invokes, streams, calls tools and gets structured output", { skip }, async (t) => {
  const [text, tokens] = ["Hello there, world.", 120];
  assert.deepEqual(await outputOf(await serve(t), process.execPath, "langchain.mjs"), {
    chat: { text, tokens },
    chatStream: text,
    chatCalls: BOTH,
    responses: { text, tokens },
    responsesStream: text,
    responsesCalls: BOTH,
    structured: { city: "Oslo" },
  });
});

test("@anthropic-ai/sdk asks, streams and calls tools over messages", { skip }, async (t) => {
  const { deltas, last, ...rest } = (await outputOf(await serve(t), process.execPath, "anthropic.mjs")) as {
    readonly deltas: number;
    readonly last: string;
  };
  assert.deepEqual(rest, {
    text: "Hello there, world.",
    tokens: 120,
    stop: "tool_use",
    calls: BOTH,
    told: "Told 2 times.",
    error: {
      type: "NotFoundError",
      status: 404,
    },
    cut: "api_error",
  });
  assert.ok(deltas >= 4 && last === "content_block_delta", `${deltas} ${last}`);
});

const hasPython = spawnSync("python3", ["--version"]).status === 0;

test(
  "Python's standard library alone asks and streams",
  { skip: skipBecause(hasPython ? false : "needs python3") },
  async (t) => {
    const text = "Hello there, world.";
    assert.deepEqual(await outputOf(await serve(t), "python3", "standard_library.py"), {
      text,
      streamed: text,
      done: true,
      error: [404, "model_not_found"],
    });
  },
);

test("ai with @ai-sdk/openai (both APIs) and openai-compatible generates, streams and loops over tools", async (t) => {
  const { url, key } = await serve(t);
  const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
  const compatible = createOpenAICompatible({ name: "pawl", baseURL: `${url}/v1`, apiKey: key, includeUsage: true });
  const inputSchema = jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } });
  const weather = tool({ description: "Weather.", inputSchema, execute: ({ city }) => `${city} is sunny` });
  for (const asked of [openai(model), openai.chat(model), compatible(model)]) {
    const plain = await generateText({ model: asked, prompt: "Hi" });
    assert.deepEqual([plain.text, plain.usage.totalTokens], ["Hello there, world.", 120]);
    const streamed = streamText({ model: asked, prompt: "Hi" });
    assert.equal(await streamed.text, "Hello there, world.");
    const looped = await generateText({
      model: asked,
      prompt: "weather?",
      tools: { weather },
      stopWhen: stepCountIs(3),
    });
    assert.equal(looped.text, "Told 2 times.");
    const streamedLoop = streamText({ model: asked, prompt: "weather?", tools: { weather }, stopWhen: stepCountIs(3) });
    assert.equal(await streamedLoop.text, "Told 2 times.");
  }
});
