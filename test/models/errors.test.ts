import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { modelErrorOf, redacted, type ErrorScene } from "../../src/models/provider-error.ts";
import type { WireReply } from "../../src/testing/wire-reply.ts";
import { ask, KEY, wires, withServer, type Interface } from "./ask.ts";

type WireError = NonNullable<WireReply["error"]>;

async function failure(which: Interface, stream: boolean, reply: WireReply): Promise<PawlError> {
  return withServer([reply], async (server) => {
    try {
      await ask(server, which, stream);
    } catch (error) {
      assert.ok(PawlError.is(error), String(error));
      assert.equal(server.requests.length, 1, "an attempt is one request");
      return error;
    }
    throw new Error("it did not fail");
  });
}

const table: readonly (readonly [error: WireError, code: string, only?: readonly Interface[]])[] = [
  [{ status: 401, message: `Incorrect API key provided: ${KEY}.` }, "MODEL_UNAUTHORIZED"],
  [{ status: 403, message: "No access." }, "MODEL_UNAUTHORIZED"],
  [{ status: 400, message: "API key not valid. Please pass a valid API key." }, "MODEL_UNAUTHORIZED", ["google"]],
  [{ status: 402, message: "Pay first." }, "MODEL_QUOTA_EXHAUSTED"],
  [{ status: 404, message: "The model does not exist." }, "MODEL_NOT_FOUND"],
  [{ status: 404, body: "<html>404</html>" }, "MODEL_NOT_FOUND"],
  [{ status: 400, message: "Bad temperature." }, "MODEL_REQUEST_INVALID"],
  [{ status: 422, message: "Bad tool schema." }, "MODEL_REQUEST_INVALID"],
  [
    { status: 400, message: "Your input exceeds the context window of this model.", code: "context_length_exceeded" },
    "MODEL_CONTEXT_OVERFLOW",
    ["chat", "responses"],
  ],
  [
    { status: 400, message: "prompt is too long: 210000 tokens > 200000 maximum" },
    "MODEL_CONTEXT_OVERFLOW",
    ["messages"],
  ],
  [
    { status: 400, message: "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)." },
    "MODEL_CONTEXT_OVERFLOW",
    ["google"],
  ],
  [
    { status: 400, message: "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens." },
    "MODEL_CONTEXT_OVERFLOW",
    ["chat"],
  ],
  [
    { status: 400, message: "the request exceeds the available context size, try increasing it" },
    "MODEL_CONTEXT_OVERFLOW",
    ["chat"],
  ],
  [{ status: 413, message: "Request too large." }, "MODEL_CONTEXT_OVERFLOW"],
  [
    { status: 400, message: "The response was filtered due to our content management policy.", code: "content_filter" },
    "MODEL_REFUSED",
    ["chat"],
  ],
  [
    { status: 400, message: "Your credit balance is too low to access the API." },
    "MODEL_QUOTA_EXHAUSTED",
    ["messages"],
  ],
  [
    { status: 429, message: "You exceeded your current quota.", code: "insufficient_quota" },
    "MODEL_QUOTA_EXHAUSTED",
    ["chat", "responses"],
  ],
  [{ status: 429, message: "Slow down." }, "MODEL_RATE_LIMITED"],
  [{ status: 408, message: "Too slow." }, "MODEL_TIMED_OUT"],
  [{ status: 500, message: "Oops." }, "MODEL_UNAVAILABLE"],
  [{ status: 502, body: "<html>Bad gateway</html>" }, "MODEL_UNAVAILABLE"],
  [{ status: 503, body: "" }, "MODEL_UNAVAILABLE"],
  [{ status: 529, message: "Overloaded." }, "MODEL_UNAVAILABLE"],
];

for (const [error, code, only] of table) {
  const { status, message = error.body ?? "" } = error;
  test(`models: HTTP ${status} ${JSON.stringify(message.replace(KEY, "…"))} is ${code}`, async () => {
    for (const which of only ?? wires) {
      for (const stream of [true, false]) {
        const thrown = await failure(which, stream, { error });
        assert.equal(thrown.code, code, `${which} ${thrown.message}`);
        assert.equal(thrown.details?.["status"], status);
        assert.ok(thrown.message.length < 500);
      }
    }
  });
}

test("models: M16: no error shows the key, not even one that repeats it, nor what was sent", async () => {
  for (const which of wires) {
    for (const status of [400, 401, 404, 429, 500]) {
      const thrown = await failure(which, true, {
        error: { status, message: `You sent ${KEY} and Bearer abcdefghijklmnop` },
      });
      const shown = `${inspect(thrown, { depth: 10, showHidden: true })} ${thrown.stack} ${JSON.stringify(thrown)}`;
      for (const secret of [KEY, "abcdefghijklmnop", "How is the weather?"]) assert.ok(!shown.includes(secret), shown);
    }
  }
});

test("models: M16: a refused key is named by its variable", async () => {
  const names = {
    chat: "OPENAI_COMPATIBLE_API_KEY",
    direct: "OPENAI_COMPATIBLE_API_KEY",
    responses: "OPENAI_API_KEY",
    messages: "ANTHROPIC_API_KEY",
    google: "GOOGLE_GENERATIVE_AI_API_KEY",
  };
  for (const which of wires) {
    const thrown = await failure(which, true, { error: { status: 401 } });
    assert.ok(thrown.message.includes(names[which]), thrown.message);
  }
});

// M1: Retry-After in every form

const waits: readonly (readonly [headers: { readonly [name: string]: string }, expected: number | null])[] = [
  [{ "retry-after": "7" }, 7_000],
  [{ "retry-after": "0" }, 0],
  [{ "retry-after": "-3" }, 0],
  [{ "retry-after": "315360000" }, 60_000],
  [{ "retry-after-ms": "1500" }, 1_500],
  [{ "retry-after": "soon" }, null],
  [{}, null],
];
for (const [headers, expected] of waits) {
  test(`models: M1: with ${JSON.stringify(headers)} the wait is ${expected} ms`, async () => {
    for (const which of wires) {
      for (const status of [429, 503]) {
        const thrown = await failure(which, true, { error: { status, headers } });
        assert.equal(thrown.details?.["retryAfterMs"], expected, which);
      }
    }
  });
}

test("models: M1: a Retry-After date counts from now, and Google's delay in the body counts too", () => {
  const nowMs = Date.parse("2026-11-22T12:00:00Z");
  const scene = { endpoint: "a/b", keyName: "A_KEY", baseUrl: "http://h", secrets: [], nowMs };
  const api = (fields: object): Error =>
    Object.assign(new Error("Slow down."), { name: "AI_APICallError", statusCode: 429, ...fields });
  const dated = modelErrorOf(api({ responseHeaders: { "Retry-After": "Sun, 22 Nov 2026 12:00:09 GMT" } }), scene);
  assert.equal(dated.details?.["retryAfterMs"], 9_000);
  const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "17s" }];
  const google = modelErrorOf(api({ data: { error: { code: 429, details } } }), scene);
  assert.equal(google.details?.["retryAfterMs"], 17_000);
});

test("models: an error inside a stream is what its provider says it is", async () => {
  const codes: { readonly [which in Interface]: readonly (readonly [code: string, expected: string])[] } = {
    chat: [["server_error", "MODEL_UNAVAILABLE"]],
    direct: [["server_error", "MODEL_UNAVAILABLE"]],
    responses: [
      ["server_error", "MODEL_UNAVAILABLE"],
      ["rate_limit_exceeded", "MODEL_RATE_LIMITED"],
    ],
    messages: [
      ["overloaded_error", "MODEL_UNAVAILABLE"],
      ["rate_limit_error", "MODEL_RATE_LIMITED"],
      ["api_error", "MODEL_UNAVAILABLE"],
    ],
    google: [["UNAVAILABLE", "MODEL_UNAVAILABLE"]],
  };
  for (const which of wires) {
    for (const text of ["Hm, well", ""]) {
      for (const [code, expected] of codes[which]) {
        const thrown = await failure(which, true, {
          ...(text === "" ? {} : { text }),
          streamError: { code, message: "It went wrong." },
        });
        assert.equal(thrown.code, expected, `${which} ${code} after "${text}": ${thrown.message}`);
      }
    }
  }
});

const scene: ErrorScene = {
  endpoint: "a/b",
  keyName: "A_KEY",
  baseUrl: "http://host/v1",
  secrets: ["hunter2hunter2"],
  nowMs: 0,
};

test("models: a host that is not there is unavailable, and the message says where it was looked for", () => {
  const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), { code: "ECONNREFUSED" });
  const thrown = modelErrorOf(Object.assign(new TypeError("fetch failed"), { cause }), scene);
  assert.equal(thrown.code, "MODEL_UNAVAILABLE");
  assert.match(thrown.message, /http:\/\/host\/v1/);
});

test("models: whatever is thrown, the result is one bounded error with a MODEL_ code", () => {
  const endless = new Error("one");
  endless.cause = Object.assign(new Error("two"), { cause: endless });
  const odd: readonly unknown[] = [
    undefined,
    null,
    "text",
    7,
    {},
    [],
    Symbol("x"),
    endless,
    { message: 5 },
    new Error("x".repeat(100_000)),
  ];
  for (const thrown of odd) {
    const error = modelErrorOf(thrown, scene);
    assert.match(error.code, /^MODEL_/);
    assert.ok(error.message.length < 500);
  }
});

test("models: a provider's words are one line without secrets and control characters", () => {
  assert.equal(
    redacted("a\u0000b\n\u202ec hunter2hunter2 sk-abcdefghijklmnop", ["hunter2hunter2"]),
    "a b c [key] [key]",
  );
  assert.equal(redacted("x".repeat(1_000), []).length, 201);
});
