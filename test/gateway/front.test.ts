import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { WireReply } from "pawl/testing";
import { memoryStore } from "../../src/testing.ts";
import { chat, deadlines, frontServed, model, readStream, tell } from "./front-served.ts";
import { ShiftingClock } from "./shifting-clock.ts";

// The front as a caller sees it: what it takes and refuses, and what becomes of a provider's faults (M1 to M16).

const ask = { model, messages: [{ role: "user", content: "Hi" }] };

const TEXT = "One two three four five six seven eight nine ten.";

interface Fault {
  readonly name: string;
  readonly script: readonly WireReply[];
  /** Of an answer in one piece, and of a streamed one: status and code, or what was said. */
  readonly whole: readonly [number, string | null];
  readonly stream: readonly [number, string | null];
}

const ok: WireReply = { text: TEXT };
const broken = (fault: NonNullable<WireReply["fault"]>): WireReply => ({ text: TEXT, fault });
const failing = (status: number, headers: { readonly [name: string]: string } = {}): WireReply => ({
  error: { status, headers },
});

const faults: readonly Fault[] = [
  {
    name: "M1 429 with Retry-After, then an answer",
    script: [failing(429, { "retry-after-ms": "5" }), ok],
    whole: [200, null],
    stream: [200, null],
  },
  {
    name: "M1 429 for ever, without Retry-After",
    script: [failing(429)],
    whole: [429, "MODEL_RATE_LIMITED"],
    stream: [429, "MODEL_RATE_LIMITED"],
  },
  { name: "M2 503, then an answer", script: [failing(503), ok], whole: [200, null], stream: [200, null] },
  {
    name: "M2 500 for ever",
    script: [failing(500)],
    whole: [503, "MODEL_UNAVAILABLE"],
    stream: [503, "MODEL_UNAVAILABLE"],
  },
  {
    name: "M3 no reply",
    script: [broken({ type: "no-reply" })],
    whole: [504, "MODEL_TIMED_OUT"],
    stream: [504, "MODEL_TIMED_OUT"],
  },
  {
    name: "M3 silent in the middle",
    script: [broken({ type: "silent", afterBytes: 600 })],
    whole: [504, "MODEL_TIMED_OUT"],
    stream: [200, "model_timed_out"],
  },
  {
    name: "M4 cut in the middle",
    script: [broken({ type: "cut", afterBytes: 600 })],
    whole: [502, "MODEL_BROKEN_STREAM"],
    stream: [200, "model_broken_stream"],
  },
  {
    name: "M6 HTML with 200",
    script: [broken({ type: "html" })],
    whole: [502, "MODEL_BAD_RESPONSE"],
    stream: [502, "MODEL_BAD_RESPONSE"],
  },
  {
    name: "M6 empty body",
    script: [broken({ type: "empty" })],
    whole: [502, "MODEL_BAD_RESPONSE"],
    stream: [502, "MODEL_BAD_RESPONSE"],
  },
  {
    name: "M6 wrong content type",
    script: [broken({ type: "wrong-type" })],
    whole: [502, "MODEL_BAD_RESPONSE"],
    stream: [502, "MODEL_BAD_RESPONSE"],
  },
  {
    name: "M6 gzip bomb, then an answer",
    script: [broken({ type: "gzip-bomb", bytes: 68_000_000 }), ok],
    whole: [200, null],
    stream: [200, null],
  },
  {
    name: "M7 split at every byte",
    script: [broken({ type: "split-bytes" })],
    whole: [200, null],
    stream: [200, null],
  },
  { name: "M7 CRLF", script: [broken({ type: "crlf" })], whole: [200, null], stream: [200, null] },
  { name: "M7 no [DONE]", script: [broken({ type: "no-done" })], whole: [200, null], stream: [200, null] },
  {
    name: "M12 unknown finish reason",
    script: [{ text: TEXT, finish: "unknown" }],
    whole: [200, null],
    stream: [200, null],
  },
  {
    name: "M13 context overflow",
    script: [{ error: { status: 400, code: "context_length_exceeded" } }],
    whole: [400, "MODEL_CONTEXT_OVERFLOW"],
    stream: [400, "MODEL_CONTEXT_OVERFLOW"],
  },
  { name: "M14 usage missing", script: [{ text: TEXT, usage: null }], whole: [200, null], stream: [200, null] },
  { name: "M16 401", script: [failing(401)], whole: [401, "MODEL_UNAUTHORIZED"], stream: [401, "MODEL_UNAUTHORIZED"] },
  { name: "M16 404", script: [failing(404)], whole: [404, "MODEL_NOT_FOUND"], stream: [404, "MODEL_NOT_FOUND"] },
];

/** Whoever says nothing is given up soon; who says much has time. */
const retry = { baseMs: 0, capMs: 0 };
const soon = { retry, deadlines: { ...deadlines, totalMs: 600 } };

for (const { name, script, whole, stream } of faults) {
  test(`${name}: a stated outcome, never a clean end that is none`, async (t) => {
    for (const isStream of [false, true]) {
      const served = await frontServed(t, { script, pool: { bounds: name.startsWith("M3") ? soon : { retry } } });
      const told = await tell(served, { ...ask, stream: isStream });
      const [status, code] = isStream ? stream : whole;
      assert.ok(!told.text.includes("sk-upstream-secret"));
      if (!isStream || status !== 200) {
        assert.deepEqual([told.status, told.code], [status, code], told.text.slice(0, 300));
        if (status === 200) assert.ok(told.text.includes(TEXT));
        continue;
      }
      const { said, error, isWhole } = readStream(told.text);
      assert.deepEqual([error, isWhole], [code, code === null], told.text.slice(-300));
      assert.ok(code === null ? said === TEXT : TEXT.startsWith(said));
    }
  });
}

test("each API ends a cut stream in an error of its own, and none in its word for whole", async (t) => {
  const served = await frontServed(t, { script: [broken({ type: "cut", afterBytes: 600 })] });
  const responses = await tell(served, { model, input: "Hi", stream: true }, "/v1/responses");
  assert.match(responses.text, /event: error\n/);
  assert.match(responses.text, /"status":"failed"/);
  assert.doesNotMatch(responses.text, /response\.completed/);
  const messages = await tell(served, { ...ask, max_tokens: 9, stream: true }, "/v1/messages");
  assert.match(messages.text, /event: error\ndata: \{"type":"error","error":\{"type":"api_error"/);
  assert.doesNotMatch(messages.text, /message_stop/);
});

const wrong: readonly (readonly [string, object, RegExp])[] = [
  [chat, { ...ask, surprise: 1 }, /'surprise' is not known/],
  [chat, { ...ask, n: 2 }, /'n' is not supported/],
  [chat, { ...ask, temperature: 3 }, /'temperature' must be a number from 0 to 2/],
  [chat, { model, messages: [] }, /'messages' must hold/],
  [
    chat,
    {
      model,
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://169.254.169.254/" } }] }],
    },
    /nothing is fetched/,
  ],
  [chat, { model, messages: [{ role: "tool", tool_call_id: "x", content: "y" }] }, /which no earlier message made/],
  [chat, { ...ask, tools: [{ type: "web_search" }] }, /'tools\[0\].type'/],
  ["/v1/responses", { model, input: "x", previous_response_id: "resp_1" }, /'previous_response_id' is not supported/],
  ["/v1/messages", { model, messages: ask.messages }, /'max_tokens' is missing/],
];

test("what cannot be kept is refused by its name, as 400 of the caller's API", async (t) => {
  const served = await frontServed(t, { script: [ok] });
  for (const [path, body, message] of wrong) {
    const told = await tell(served, body, path);
    assert.equal(told.status, 400, JSON.stringify(body));
    assert.match(told.text, message);
  }
  const { error } = JSON.parse((await tell(served, { ...ask, n: 2 })).text) as {
    readonly error: { readonly param: string };
  };
  assert.equal(error.param, "n");
  assert.equal(served.upstream.requests.length, 0, "nothing was sent");
  const defaults = { n: 1, frequency_penalty: 0, logit_bias: {}, user: "ada", metadata: { a: "b" }, store: false };
  assert.equal((await tell(served, { ...ask, ...defaults })).status, 200);
});

test("what is asked for reaches the provider: images, schema, sampling, stop, tool choice, and an endpoint's own headers", async (t) => {
  const at = { headers: { "helicone-auth": "Bearer he" }, key: { env: "UP_KEY" } };
  const script = [ok];
  const first = await frontServed(t, { script });
  const second = await frontServed(t, {
    script,
    endpoint: { at: { ...at, baseUrl: first.upstream.baseUrl("openai-compatible") } },
  });
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } };
  const schema = { type: "object", properties: {}, required: [], additionalProperties: false };
  await tell(second, {
    model,
    messages: [
      {
        role: "developer",
        content: "Be brief.",
      },
      {
        role: "user",
        content: [
          {
            type: "text",
            text: "See",
          },
          image,
        ],
      },
    ],
    temperature: 0.5,
    top_p: 0.9,
    seed: 7,
    stop: ["END"],
    max_tokens: 33,
    tools: [
      {
        type: "function",
        function: {
          name: "look",
          parameters: schema,
        },
      },
    ],
    tool_choice: {
      type: "function",
      function: { name: "look" },
    },
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "x",
        schema,
      },
    },
  });
  const [sent] = first.upstream.requests;
  assert.equal(sent?.headers["helicone-auth"], "Bearer he");
  const { messages, response_format: format, ...rest } = sent?.body ?? {};
  assert.match(JSON.stringify(messages), /Be brief.*data:image\/png;base64,iVBORw0KGgo=/);
  assert.match(JSON.stringify(format), /json_schema/);
  assert.deepEqual(
    [rest["temperature"], rest["top_p"], rest["seed"], rest["stop"], rest["max_tokens"], rest["tool_choice"]],
    [0.5, 0.9, 7, ["END"], 33, { type: "function", function: { name: "look" } }],
  );
});

test("a chat is sent as its caller wrote it, but for model, limit and what costs or stores otherwise; one that is odd is mended", async (t) => {
  const served = await frontServed(t, { script: [ok] });
  const call = { id: "c1", type: "function", function: { name: "look", arguments: '{"a":1}' } };
  const messages = [
    { role: "system", content: "Be brief.", name: "boss" },
    { role: "user", content: "Look" },
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "c1", content: "seen" },
  ];
  const kept = { messages, reasoning_effort: "xhigh", top_p: 0.5 };
  const dropped = { user: "ada", store: true, service_tier: "priority", n: 1, temperature: null, tools: [] };
  await tell(served, { model, ...kept, ...dropped, max_completion_tokens: 9 });
  assert.deepEqual(served.upstream.requests[0]?.body, { ...kept, model: "up-1", max_tokens: 9 });
  assert.equal(served.upstream.requests[0]?.headers["authorization"], "Bearer sk-upstream-secret");
  await tell(served, { model, ...kept, stream: true });
  const streamed = { stream: true, stream_options: { include_usage: true }, max_tokens: 8_192 };
  assert.deepEqual(served.upstream.requests[1]?.body, { ...kept, model: "up-1", ...streamed });
  const again = [...messages, ...messages.slice(2)];
  for (const odd of [[{ role: "developer", content: "Hi" }, ...messages], again])
    await tell(served, { model, messages: odd });
  const [, , developer, repeated] = served.upstream.requests.map(({ body }) => JSON.stringify(body));
  assert.doesNotMatch(developer ?? "", /developer/);
  assert.equal(repeated?.split('"c1"').length, 3, "each call has an id of its own");
});

test("parallel_tool_calls: false gives one call, streamed and not", async (t) => {
  const two = { toolCalls: ["a", "b"].map((name) => ({ name, arguments: "{}" })) };
  const served = await frontServed(t, { script: [two] });
  for (const stream of [false, true]) {
    const { text } = await tell(served, { ...ask, parallel_tool_calls: false, stream });
    assert.ok(text.includes('"name":"a"') && !text.includes('"name":"b"'), text);
  }
});

test("a caller that goes away ends the call at the provider, and the call is logged as cancelled", async (t) => {
  const served = await frontServed(t, {
    script: [broken({ type: "endless" })].map((one) => ({ ...one, text: "again and again" })),
  });
  const gone = new AbortController();
  const answer = await served.post(chat, { ...ask, stream: true }, { signal: gone.signal });
  const reader = answer.body?.getReader();
  await reader?.read();
  gone.abort();
  await reader?.read().catch(() => undefined);
  while ((await served.upstream.openConnections()) > 0) await setImmediate();
  await served.server.close();
  const { items } = await served.app.store.list("acme", {}, null, 10);
  assert.deepEqual(
    items.map(({ status, title }) => [status, title]),
    [["cancelled", "small: Hi"]],
  );
});

test("a reader that reads nothing stops the provider's stream, and is cut after 30 s", async (t) => {
  const clock = new ShiftingClock();
  const served = await frontServed(t, {
    clock,
    store: memoryStore({ clock }),
    script: [{ text: "again and again", fault: { type: "endless" } }],
  });
  const body = JSON.stringify({ ...ask, stream: true });
  const { port } = new URL(served.url);
  const socket = connect(Number(port), "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.pause();
  socket.write(
    `POST ${chat} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${served.key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const stalled = (): boolean => served.answers.some((one) => one.writableNeedDrain);
  while (!stalled()) await setImmediate();
  const [one] = served.answers;
  assert.ok((one?.writableLength ?? 0) < 1_000_000, "what waits for the reader is bounded");
  await clock.advance(31_000);
  while ((await served.upstream.openConnections()) > 0) await setImmediate();
  assert.equal(one?.destroyed, true);
});
