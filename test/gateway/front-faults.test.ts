import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { agent, tool } from "pawl";
import { scriptedModel, type WireReply } from "pawl/testing";
import { z } from "zod";
import { chat, frontServed, model, readStream, tell } from "./front-served.ts";
import { serve } from "./serving.ts";

// What a provider's strange answers, calls and sizes become at the front (M5, M6, M8 to M11), and what it counts.

const ask = { model, messages: [{ role: "user", content: "Hi" }] };
/** `serving.ts` asks below /api/v1. */
const AT = `/../..${chat}`;
const attempts = { retry: { baseMs: 0, capMs: 0, attempts: 1 } };

interface Call {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: string };
}

async function callsOf(script: readonly WireReply[], t: Parameters<typeof frontServed>[0]): Promise<readonly Call[]> {
  const told = await tell(await frontServed(t, { script }), ask);
  assert.equal(told.status, 200, told.text);
  const { choices } = JSON.parse(told.text) as {
    readonly choices: readonly [{ readonly message: { readonly tool_calls?: readonly Call[] } }];
  };
  return choices[0].message.tool_calls ?? [];
}

test("M6: bytes that are not UTF-8 are a bad answer, in one piece and streamed, and never passed on", async (t) => {
  const script = [
    { text: "One two three four five six seven eight nine ten.", fault: { type: "invalid-utf8" as const } },
  ];
  for (const stream of [false, true]) {
    const served = await frontServed(t, { script, pool: { bounds: attempts } });
    const told = await tell(served, { ...ask, stream });
    if (told.status === 200) assert.deepEqual(readStream(told.text).error, "model_bad_response");
    else assert.deepEqual([told.status, told.code], [502, "MODEL_BAD_RESPONSE"]);
    assert.ok(!told.text.includes("\ufffd"));
    assert.ok(stream || told.status === 502);
  }
});

test("M5: of 1 GB of deltas a stream takes what an answer may hold, whatever limit was asked for, and holds a piece of it at a time", async (t) => {
  const text = "again and again ".repeat(4_096);
  const delta = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })}\n\n`;
  let written = 0;
  const provider = createServer((_request, response) => {
    response.on("error", () => undefined).setMaxListeners(0);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const flood = async (): Promise<void> => {
      for (; written < 1e9 && !response.destroyed; written += delta.length)
        if (!response.write(delta)) await Promise.race([once(response, "drain"), once(response, "close")]);
      response.end();
    };
    flood().catch(() => response.destroy());
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  t.after(() => provider.close().closeAllConnections());
  const baseUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`;
  const endpoint = { at: { baseUrl, key: { env: "UP_KEY" } } };
  const served = await frontServed(t, { script: [], endpoint, pool: { bounds: { ...attempts, deadlines: {} } } });
  const answer = await served.post(chat, { ...ask, stream: true, max_tokens: 10_000_000 });
  let bytes = 0;
  let heldMost = 0;
  let end = "";
  const decoder = new TextDecoder();
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    heldMost = Math.max(heldMost, served.answers[0]?.writableLength ?? 0);
    end = (end + decoder.decode(chunk, { stream: true })).slice(-2_000);
  }
  assert.match(end, /"code":"model_bad_response"/);
  assert.doesNotMatch(end, /\[DONE\]/);
  assert.ok(bytes > 8_000_000 && bytes < 9_000_000, `${bytes} bytes came through`);
  assert.ok(written < 40_000_000 && heldMost < 1_000_000, `${written} bytes written, ${heldMost} held`);
});

test("M8: calls with equal or empty ids get ids of their own, under which their results come back", async (t) => {
  for (const id of ["same", ""]) {
    const toolCalls = ["Oslo", "Bergen"].map((city) => ({ id, name: "look", arguments: `{"city":"${city}"}` }));
    const served = await frontServed(t, { script: [{ toolCalls }, { text: "Rain." }] });
    const first = JSON.parse((await tell(served, ask)).text) as {
      readonly choices: readonly [{ readonly message: { readonly tool_calls: readonly Call[] } }];
    };
    const { message } = first.choices[0];
    assert.equal(new Set(message.tool_calls.map((call) => call.id)).size, 2);
    const results = message.tool_calls.map((call) => ({
      role: "tool",
      tool_call_id: call.id,
      content: call.function.arguments,
    }));
    assert.equal((await tell(served, { ...ask, messages: [...ask.messages, message, ...results] })).status, 200);
    const sent = JSON.stringify(served.upstream.requests[1]?.body["messages"]);
    for (const { id: callId } of message.tool_calls) assert.equal(sent.split(`"${callId}"`).length, 3);
  }
});

test("M8: a call without a name is a bad answer", async (t) => {
  const served = await frontServed(t, {
    script: [{ toolCalls: [{ name: null, arguments: "{}" }] }],
    pool: { bounds: attempts },
  });
  const told = await tell(served, ask);
  assert.deepEqual([told.status, told.code], [502, "MODEL_BAD_RESPONSE"]);
});

test("M9: names of tools that nobody offered reach the caller as they were written", async (t) => {
  const names = ["Get_Weather", "__proto__", "constructor"];
  const calls = await callsOf([{ toolCalls: names.map((name) => ({ name, arguments: "{}" })) }], t);
  assert.deepEqual(
    calls.map((call) => call.function.name),
    names,
  );
});

test("M10: arguments that do not parse reach the caller as they were written; of too many, the beginning", async (t) => {
  for (const raw of ['{"city":', "{'city':'Oslo'}", '{"n":NaN}', "[".repeat(5_000)]) {
    const [call] = await callsOf([{ toolCalls: [{ name: "look", arguments: raw }] }], t);
    assert.equal(call?.function.arguments, raw);
  }
  const [deep] = await callsOf([{ toolCalls: [{ name: "look", arguments: "[".repeat(100_000) }] }], t);
  assert.match(deep?.function.arguments ?? "", /^\[{1000,100000}/);
});

test("M11: an agent that goes round in circles ends its answer by saying so", async (t) => {
  const look = tool({
    name: "look",
    version: "1",
    description: "x",
    inputSchema: z.object({ at: z.string() }),
    effect: "pure",
    execute: () => "nothing",
  });
  const looper = agent({ name: "looper", instructions: "Look.", model: "main", tools: [look] });
  const models = scriptedModel(() => ({ toolCalls: [{ tool: "look", input: { at: "here" } }] }));
  const served = await serve(t, { models, agents: () => [looper] });
  const { body, status } = await served.ask("POST", AT, { body: { ...ask, model: "agent/looper" } });
  assert.equal(status, 200);
  assert.match(JSON.stringify(body), /stopped: no_progress/);
  assert.ok(models.requests.length < 20, `${models.requests.length} calls`);
});

test("x-pawl-thread-id names a conversation that the thread keeps: one message at a time is enough", async (t) => {
  const served = await serve(t, { models: scriptedModel(() => ({ text: "Noted." })) });
  const headers = { "x-pawl-thread-id": "ada-1" };
  for (const content of ["My name is Ada.", "What is my name?"]) {
    const body = { model: "agent/writer", messages: [{ role: "user", content }] };
    const told = await served.ask("POST", AT, { body, headers });
    assert.equal(told.status, 200, JSON.stringify(told.body));
  }
  const last = JSON.stringify(served.models.requests.at(-1)?.request.messages);
  assert.match(last, /My name is Ada\..*Noted\..*What is my name\?/);
});

test("count_tokens tells what a request counts here, and sends nothing", async (t) => {
  const served = await frontServed(t, { script: [{ text: "Hi" }] });
  const path = "/v1/messages/count_tokens";
  const count = async (content: string): Promise<number> => {
    const told = await tell(served, { model, system: "Be brief.", messages: [{ role: "user", content }] }, path);
    assert.equal(told.status, 200, told.text);
    return (JSON.parse(told.text) as { readonly input_tokens: number }).input_tokens;
  };
  const [short, long] = [await count("Hi"), await count("word ".repeat(500))];
  assert.ok(short > 0 && short < 40 && long > short + 450 && long < short + 600, `${short} ${long}`);
  assert.equal(served.upstream.requests.length, 0);
  const wrong = await tell(served, { model: "nobody", messages: ask.messages }, path);
  assert.match(wrong.text, /"type":"error".*not_found_error/);
  assert.equal((await tell(served, { model, messages: [] }, path)).status, 400);
});
