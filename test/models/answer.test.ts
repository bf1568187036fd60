import assert from "node:assert/strict";
import { test } from "node:test";
import { userText, type Message } from "../../src/core/message.ts";
import type { WireReply } from "../../src/testing/wire-reply.ts";
import {
  ask,
  callsOf,
  collect,
  endpointOf,
  generateOptions,
  interfaces,
  requestOf,
  routes,
  textOf,
  wired,
  withServer,
} from "./ask.ts";

const reply: WireReply = {
  reasoning: "The user wants the weather, so I look it up.",
  reasoningSecret: "c2lnbmF0dXJl",
  text: "Let me look — für Århus 🌦 too.",
  toolCalls: [
    { name: "get_weather", arguments: '{"city":"Oslo"}' },
    { name: "get_weather", arguments: '{"city":"Århus"}' },
  ],
  usage: { input: 120, cached: 20, output: 33, reasoning: 5 },
};

const history = (reasoning: Message, provider: string): readonly Message[] => [
  userText("How is the weather?"),
  reasoning,
  {
    role: "tool",
    content: [
      { type: "tool-result", callId: "c1-0", tool: "get_weather", output: { sky: "rain" } },
      { type: "tool-result", callId: "c1-1", tool: "get_weather", output: `no ${provider}`, isError: true },
    ],
  },
];

for (const which of interfaces) {
  for (const stream of [true, false]) {
    const how = stream ? "streamed" : "in one piece";

    test(`models: ${which} ${how}: text, reasoning, calls and usage arrive whole`, async () => {
      await withServer([reply], async (server) => {
        const answer = await ask(server, which, stream);
        assert.equal(textOf(answer), reply.text);
        assert.deepEqual(
          callsOf(answer).map(({ callId, tool, input }) => ({ callId, tool, input })),
          [
            { callId: "0", tool: "get_weather", input: { city: "Oslo" } },
            { callId: "1", tool: "get_weather", input: { city: "Århus" } },
          ],
        );
        const reasoning = answer.finish.content.filter((part) => part.type === "reasoning");
        assert.equal(reasoning.map((part) => part.text).join(""), reply.reasoning);
        assert.equal(answer.finish.finish, "tool-calls");
        const told = which === "messages" ? { reasoningTokens: 0 } : { reasoningTokens: 5 };
        assert.deepEqual(answer.finish.usage, {
          inputTokens: 120,
          cachedInputTokens: 20,
          cacheWriteTokens: 0,
          outputTokens: 33,
          ...told,
        });
        const deltas = answer.deltas.filter((part) => part.type === "text.delta").map((part) => part.text);
        assert.equal(deltas.join(""), stream ? reply.text : "");
      });
    });

    test(`models: ${which} ${how}: the next turn gets back what the answer held, reasoning and its signature too`, async () => {
      await withServer([reply, { text: "Rain." }], async (server) => {
        const first = await ask(server, which, stream);
        let index = 0;
        const content = first.finish.content.map((part) =>
          part.type === "tool-call" ? { ...part, callId: `c1-${index++}` } : part,
        );
        const request = requestOf(history({ role: "assistant", content }, which));
        await ask(server, which, stream, { request });
        const sent = JSON.stringify(server.requests[1]?.body);
        assert.ok(sent.includes("Let me look"), sent);
        if (which !== "chat") assert.ok(sent.includes("c2lnbmF0dXJl"), sent);
        assert.ok(sent.includes("rain"), sent);
        assert.equal(pairing(sent), "each call has its result");
      });
    });
  }

  test(`models: ${which}: reasoning and opaque data of another provider are not sent`, async () => {
    await withServer([{ text: "Rain." }], async (server) => {
      const metadata = {
        provider: "somebody-else",
        data: { openai: { itemId: "x" }, anthropic: { signature: "LEAK" } },
      };
      const message: Message = {
        role: "assistant",
        content: [
          { type: "reasoning", text: "SECRET-THOUGHT", providerMetadata: metadata },
          { type: "text", text: "Hm.", providerMetadata: metadata },
          { type: "tool-call", callId: "c1-0", tool: "get_weather", input: {}, providerMetadata: metadata },
          { type: "tool-call", callId: "c1-1", tool: "get_weather", input: {} },
        ],
      };
      await ask(server, which, true, { request: requestOf(history(message, which)) });
      const sent = JSON.stringify(server.requests[0]?.body);
      assert.ok(sent.includes("Hm."));
      assert.ok(!sent.includes("SECRET-THOUGHT") && !sent.includes("LEAK"), sent);
    });
  });

  test(`models: ${which}: a transcript with names, arguments and texts no provider takes is sent in a form that they do`, async () => {
    await withServer([{ text: "Ok." }], async (server) => {
      const content = [
        { type: "text" as const, text: "" },
        {
          type: "tool-call" as const,
          callId: "c1-0",
          tool: "get weather!",
          input: '{"city":"Os',
          malformed: true as const,
        },
        { type: "tool-call" as const, callId: "c1-1", tool: "", input: [1, 2] },
      ];
      await ask(server, which, true, { request: requestOf(history({ role: "assistant", content }, which)) });
      const body = server.requests[0]?.body;
      const sent = JSON.stringify(body);
      assert.ok(sent.includes("get_weather_") && sent.includes("unknown_tool"), sent);
      assert.ok(sent.includes("malformed_arguments"), sent);
      assert.ok(!/"name":"(get weather!)?"/.test(sent), sent);
    });
  });

  test(`models: ${which}: parameters arrive under the provider's names`, async () => {
    await withServer([{ text: "{}" }], async (server) => {
      const outputSchema = {
        type: "object",
        properties: { a: { type: "string" } },
        required: ["a"],
        additionalProperties: false,
      };
      const params = {
        maxOutputTokens: 777,
        reasoning: "low",
        stop: ["END"],
        outputSchema,
        toolChoice: { tool: "get_weather" },
      } as const;
      await ask(server, which, true, { request: requestOf(undefined, params) });
      const sent = JSON.stringify(server.requests[0]?.body);
      assert.match(sent, /"(max_output_tokens|max_tokens|maxOutputTokens)":777/);
      assert.match(sent, /"effort":"low"|"reasoning_effort":"low"|"thinkingLevel":"low"/);
      assert.ok(which === "responses" || sent.includes("END"), sent);
      assert.ok(/json_schema|responseJsonSchema|"name":"json"/.test(sent), sent);
      assert.equal(server.requests[0]?.headers["x-client-request-id"], "run-1:c1");
    });
  });
}

/** Ids of calls and of results, in any provider's words. */
function pairing(sent: string): string {
  const ids = (pattern: RegExp): readonly string[] => [...sent.matchAll(pattern)].map((match) => String(match[1]));
  const called = [
    ...ids(/"type":"function_call","call_id":"([^"]+)"/g),
    ...ids(/"type":"tool_use","id":"([^"]+)"/g),
    ...ids(/"id":"([^"]+)","type":"function"/g),
    ...ids(/"functionCall":\{"id":"([^"]+)"/g),
  ].toSorted((a, b) => a.localeCompare(b));
  const answered = [
    ...ids(/"type":"function_call_output","call_id":"([^"]+)"/g),
    ...ids(/"type":"tool_result","tool_use_id":"([^"]+)"/g),
    ...ids(/"tool_call_id":"([^"]+)"/g),
    ...ids(/"functionResponse":\{"id":"([^"]+)"/g),
  ].toSorted((a, b) => a.localeCompare(b));
  if (called.length === 0) return "no call was sent";
  const isPaired = JSON.stringify(called) === JSON.stringify(answered) && new Set(called).size === called.length;
  return isPaired ? "each call has its result" : `${called.join(" ")} but ${answered.join(" ")}`;
}

test("models: Anthropic gets its own call ids back, because it binds thinking to the exact turn", async () => {
  await withServer([reply, { text: "Rain." }], async (server) => {
    const first = await ask(server, "messages", true);
    let index = 0;
    const content = first.finish.content.map((part) =>
      part.type === "tool-call" ? { ...part, callId: `c1-${index++}` } : part,
    );
    await ask(server, "messages", true, { request: requestOf(history({ role: "assistant", content }, "x")) });
    const sent = JSON.stringify(server.requests[1]?.body);
    assert.ok(sent.includes('"id":"toolu_0"') && sent.includes('"tool_use_id":"toolu_1"'), sent);
  });
});

test("models: with equal call ids from Anthropic, each call keeps an id of its own", async () => {
  const twins = reply.toolCalls?.map((call) => ({ ...call, id: "toolu_same" })) ?? [];
  await withServer([{ toolCalls: twins }, { text: "Rain." }], async (server) => {
    const first = await ask(server, "messages", true);
    assert.equal(callsOf(first).length, 2);
    let index = 0;
    const content = first.finish.content.map((part) =>
      part.type === "tool-call" ? { ...part, callId: `c1-${index++}` } : part,
    );
    await ask(server, "messages", true, { request: requestOf(history({ role: "assistant", content }, "x")) });
    assert.equal(pairing(JSON.stringify(server.requests[1]?.body)), "each call has its result");
  });
});

test("models: a file is sent with its bytes, and a request whose file is gone is refused by name", async () => {
  await withServer([{ text: "A cat." }], async (server) => {
    const messages: readonly Message[] = [
      { role: "user", content: [{ type: "file", mediaType: "image/png", blob: "abc", filename: "cat.png" }] },
    ];
    const endpoint = endpointOf(routes.chat, wired(server));
    const readBlob = async (): Promise<Uint8Array> => Uint8Array.of(1, 2, 3);
    await collect(endpoint.generate(requestOf(messages), generateOptions(true, { readBlob })));
    assert.ok(JSON.stringify(server.requests[0]?.body).includes("data:image/png;base64,AQID"));
    await assert.rejects(collect(endpoint.generate(requestOf(messages), generateOptions(true))), {
      code: "MODEL_REQUEST_INVALID",
      message: /cat\.png/,
    });
  });
});
