import assert from "node:assert/strict";
import { test } from "node:test";
import { errorTable } from "../../src/core/error-table.ts";
import { PawlError } from "../../src/core/errors.ts";
import { chatFormat, responsesFormat } from "../../src/testing/wire-openai.ts";
import { googleFormat } from "../../src/testing/wire-google.ts";
import { messagesFormat } from "../../src/testing/wire-anthropic.ts";
import type { WireFault, WireFinish, WireReply } from "../../src/testing/wire-reply.ts";
import {
  ask,
  callsOf,
  collect,
  endpointOf,
  env,
  optionsFor,
  requestOf,
  routes,
  textOf,
  wires,
  withServer,
  type Answer,
  type Interface,
} from "./ask.ts";

const reply: WireReply = {
  text: "Ein Moment: für Århus 🌦",
  toolCalls: [{ name: "get_weather", arguments: '{"city":"Århus","days":[1,2]}' }],
};
const formats = {
  chat: chatFormat,
  direct: chatFormat,
  responses: responsesFormat,
  messages: messagesFormat,
  google: googleFormat,
};

const summary = ({ finish }: Answer): unknown => ({
  parts: finish.content.map(({ providerMetadata: _ignored, ...part }) => part),
  finish: finish.finish,
  usage: finish.usage,
});

async function failureOf(promise: Promise<unknown>): Promise<PawlError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(PawlError.is(error), `not a PawlError: ${String(error)}`);
    return error;
  }
  throw new Error("it did not fail");
}

// M7: the same answer, however its bytes arrive

const harmless: readonly WireFault[] = [
  { type: "split-bytes" },
  { type: "one-write" },
  { type: "crlf" },
  { type: "comments" },
  { type: "bom" },
  { type: "no-done" },
];
for (const which of wires) {
  for (const fault of harmless) {
    test(`models: M7 ${which}: a stream with ${fault.type} gives the same answer`, async () => {
      const plain = await withServer([reply], (server) => ask(server, which, true));
      const odd = await withServer([{ ...reply, fault }], (server) => ask(server, which, true));
      assert.equal(textOf(odd), reply.text);
      assert.deepEqual(summary(odd), summary(plain));
    });
  }
}

for (const [which, index] of (["chat", "direct"] as const).flatMap((one) =>
  (["missing", "duplicate"] as const).map((index) => [one, index] as const),
)) {
  test(`models: M7 ${which}: parallel calls whose index is ${index} are told apart`, async () => {
    const calls = ["Oslo", "Bergen"].map((city) => ({ name: "get_weather", arguments: `{"city":"${city}"}` }));
    const answer = await withServer([{ toolCalls: calls, fault: { type: "tool-index", index } }], (server) =>
      ask(server, which, true),
    );
    assert.deepEqual(
      callsOf(answer).map((call) => call.input),
      [{ city: "Oslo" }, { city: "Bergen" }],
    );
  });
}

// M4: a stream cut at each byte

/** The provider's stream up to a byte, without a server in between: there are thousands of them. */
function cutFetch(bytes: Uint8Array, breaks: boolean): typeof fetch {
  return async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (bytes.byteLength > 0) controller.enqueue(bytes.slice());
        if (breaks) controller.error(Object.assign(new TypeError("terminated"), { cause: { code: "UND_ERR_SOCKET" } }));
        else controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

function streamBytes(which: Interface): Uint8Array {
  const { events } = formats[which].encode(reply, "m", { stream: true, stream_options: { include_usage: true } });
  const text = events.map(({ event, data }) => `${event === undefined ? "" : `event: ${event}\n`}data: ${data}\n\n`);
  return new TextEncoder().encode(text.join(""));
}

function askCut(which: Interface, bytes: Uint8Array, breaks: boolean): Promise<Answer> {
  const provider = routes[which].split("/")[0] ?? "";
  const settings = { fetch: cutFetch(bytes, breaks), baseUrl: "http://127.0.0.1:9/v1" };
  const endpoint = endpointOf(routes[which], { env, providers: { [provider]: settings } });
  return collect(endpoint.generate(requestOf(), optionsFor(which, true)));
}

for (const which of wires) {
  for (const breaks of [true, false]) {
    test(`models: M4 ${which}: a stream that ${breaks ? "breaks" : "ends"} at any byte never gives a call from half its arguments`, async () => {
      const bytes = streamBytes(which);
      const whole = await askCut(which, bytes, false);
      let failures = 0;
      const step = breaks ? 1 : 7;
      for (let end = 0; end < bytes.byteLength; end += step) {
        let answer: Answer | undefined;
        try {
          answer = await askCut(which, bytes.subarray(0, end), breaks);
        } catch (error) {
          assert.ok(PawlError.is(error), `byte ${end}: ${String(error)}`);
          assert.equal(errorTable[error.code].retry, "safe", `byte ${end}: ${error.code} ${error.message}`);
          failures++;
          continue;
        }
        assert.deepEqual(
          callsOf(answer).map((call) => call.input),
          callsOf(whole).map((call) => call.input),
          `byte ${end}`,
        );
        assert.equal(textOf(answer), textOf(whole), `byte ${end}`);
      }
      assert.ok(failures > bytes.byteLength / step / 2, `only ${failures} cuts were noticed`);
    });
  }

  test(`models: M4 ${which}: a connection that breaks in the middle is a broken stream`, async () => {
    const afterBytes = Math.floor(streamBytes(which).byteLength / 2);
    const error = await withServer([{ ...reply, fault: { type: "cut", afterBytes } }], (server) =>
      failureOf(ask(server, which, true)),
    );
    assert.equal(error.code, "MODEL_BROKEN_STREAM");
  });
}

test("models: M4: OpenAI's chat completions that end without a word are a broken stream, too", async () => {
  const fault: WireFault = { type: "end", afterBytes: 700 };
  await withServer([{ ...reply, fault }], async (server) => {
    const request = ask(server, "responses", true, { options: { providers: { openai: { api: "chat" } } } });
    assert.equal((await failureOf(request)).code, "MODEL_BROKEN_STREAM");
    assert.equal(server.requests[0]?.format, "chat");
  });
});

// M5, M6: what is no answer

const notAnAnswer: readonly WireFault[] = [
  { type: "html" },
  { type: "empty" },
  { type: "wrong-type" },
  { type: "invalid-utf8" },
];
for (const which of wires) {
  for (const stream of [true, false]) {
    for (const fault of notAnAnswer) {
      test(`models: M6 ${which} ${stream ? "streamed" : "in one piece"}: ${fault.type} is a bad response, worth a retry`, async () => {
        const error = await withServer([{ ...reply, fault }], (server) => failureOf(ask(server, which, stream)));
        assert.equal(error.code, "MODEL_BAD_RESPONSE", error.message);
        assert.equal(error.retry, "safe");
        assert.ok(error.message.length < 500, error.message);
      });
    }
  }

  test(`models: M5 ${which}: a stream that never ends is stopped`, async () => {
    const endless: WireReply = { text: "again", fault: { type: "endless" } };
    await withServer([endless], async (server) => {
      const error = await failureOf(
        ask(server, which, true, { request: requestOf(undefined, { maxOutputTokens: 100 }) }),
      );
      assert.equal(error.code, "MODEL_BAD_RESPONSE");
      assert.match(error.message, /limit of 100 output tokens/);
    });
  });
}

for (const which of ["chat", "direct"] as const) {
  test(`models: M6 ${which}: a body that unpacks without end is stopped`, async () => {
    const error = await withServer([{ fault: { type: "gzip-bomb", bytes: 80_000_000 } }], (server) =>
      failureOf(ask(server, which, false)),
    );
    assert.equal(error.code, "MODEL_BAD_RESPONSE");
    assert.match(error.message, /67108864 bytes/);
  });
}

// M8, M9, M10: calls as no one should write them

test("models: M8: calls with equal and with empty ids are each their own", async () => {
  for (const which of wires) {
    for (const id of ["same", ""]) {
      const toolCalls = ["Oslo", "Bergen"].map((city) => ({
        id,
        name: "get_weather",
        arguments: `{"city":"${city}"}`,
      }));
      for (const stream of [true, false]) {
        const answer = await withServer([{ toolCalls }], (server) => ask(server, which, stream));
        assert.deepEqual(
          callsOf(answer).map(({ callId, input }) => [callId, input]),
          [
            ["0", { city: "Oslo" }],
            ["1", { city: "Bergen" }],
          ],
          `${which} ${id} ${stream}`,
        );
      }
    }
  }
});

test("models: M8: a call without a name is a bad response or a call of nothing, never a crash", async () => {
  for (const which of wires) {
    for (const stream of [true, false]) {
      const script = [{ text: "Hm", toolCalls: [{ name: null, arguments: "{}" }] }];
      const outcome = await withServer(script, (server) => ask(server, which, stream).catch((error: unknown) => error));
      if (outcome instanceof Error)
        assert.ok(PawlError.is(outcome, "MODEL_BAD_RESPONSE"), `${which} ${stream}: ${outcome.message}`);
      else assert.deepEqual(callsOf(outcome as Answer), [], `${which} ${stream}`);
    }
  }
});

test("models: M9: names of tools that do not exist arrive as they were written", async () => {
  for (const which of wires) {
    for (const name of ["Get_Weather", "get_weather ", "__proto__", "constructor"]) {
      const answer = await withServer([{ toolCalls: [{ name, arguments: "{}" }] }], (server) =>
        ask(server, which, true),
      );
      assert.equal(callsOf(answer)[0]?.tool, name, which);
    }
  }
});

test("models: M10: arguments that do not parse are marked and kept as written", async () => {
  for (const which of ["chat", "direct", "responses", "messages"] as const) {
    for (const raw of ['{"city":', "{'city':'Oslo'}", '{"n":NaN}', "[".repeat(5_000)]) {
      const answer = await withServer([{ toolCalls: [{ name: "get_weather", arguments: raw }] }], (server) =>
        ask(server, which, true),
      );
      assert.deepEqual([callsOf(answer)[0]?.malformed, callsOf(answer)[0]?.input], [true, raw], which);
    }
  }
});

test("models: M10: a call that Google's model failed to write is a bad response, worth a retry", async () => {
  const error = await withServer([{ toolCalls: [{ name: "get_weather", arguments: "{" }] }], (server) =>
    failureOf(ask(server, "google", true)),
  );
  assert.equal(error.code, "MODEL_BAD_RESPONSE");
  assert.match(error.message, /MALFORMED_FUNCTION_CALL/);
});

// M12: each end is its own outcome

const ends: readonly (readonly [finish: WireFinish, expected: string])[] = [
  ["stop", "stop"],
  ["length", "length"],
  ["content-filter", "content-filter"],
  ["unknown", "other"],
];
for (const which of wires) {
  for (const stream of [true, false]) {
    test(`models: M12 ${which} ${stream ? "streamed" : "in one piece"}: each way to end is told apart`, async () => {
      for (const [finish, expected] of ends) {
        const answer = await withServer([{ text: "So", finish }], (server) => ask(server, which, stream));
        assert.equal(answer.finish.finish, expected, finish);
      }
    });

    test(`models: M12 ${which} ${stream ? "streamed" : "in one piece"}: an empty answer is one without parts`, async () => {
      const answer = await withServer([{ finish: "stop" }], (server) => ask(server, which, stream));
      assert.deepEqual(answer.finish.content, []);
      assert.equal(answer.finish.finish, "stop");
    });

    test(`models: M12 ${which} ${stream ? "streamed" : "in one piece"}: of an answer cut by its limit, no call that may be cut can run`, async () => {
      const whole = { name: "get_weather", arguments: '{"city":"Oslo"}' };
      for (const last of ['{"city":"Ber', "", '{"city":"Bergen"']) {
        // In one piece, two of the interfaces have arguments as objects: nothing can be cut there.
        if (!stream && (which === "messages" || which === "google") && last !== "") continue;
        if (which === "google" && last !== "") continue;
        const script: WireReply = { toolCalls: [whole, { ...whole, arguments: last }], finish: "length" };
        const answer = await withServer([script], (server) => ask(server, which, stream));
        const [first, second] = callsOf(answer);
        assert.equal(answer.finish.finish, "length");
        assert.deepEqual([first?.malformed, first?.input], [undefined, { city: "Oslo" }]);
        assert.equal(second?.malformed, true, `${last} ran`);
      }
    });
  }
}

// M14: usage

for (const which of wires) {
  test(`models: M14 ${which}: usage that is missing, zero or nonsense is unknown, never free`, async () => {
    const nonsense = [
      null,
      { input: 0, output: 0 },
      { input: 0, output: 3 },
      { input: -5, output: 3 },
      { input: 10, output: -1 },
      { input: 10.5, output: 3 },
    ];
    for (const usage of nonsense) {
      for (const stream of [true, false]) {
        const outcome = await withServer([{ text: "Hi", usage }], (server) =>
          ask(server, which, stream).catch((error: unknown) => error),
        );
        // A package may refuse the whole answer for it; a refusal is charged at its worst, too.
        if (outcome instanceof Error) assert.ok(PawlError.is(outcome, "MODEL_BAD_RESPONSE"), outcome.message);
        else assert.equal((outcome as Answer).finish.usage, null, `${JSON.stringify(usage)} ${stream}`);
      }
    }
  });
}
