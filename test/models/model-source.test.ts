import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRoute, modelSource, type ModelSourceOptions } from "../../src/models/model-source.ts";
import { collect, endpointOf, env, generateOptions, KEY, requestOf, withServer, wired } from "./ask.ts";

const check = (route: string, options: ModelSourceOptions): void => modelSource(options).check(route);

test("models: a route to nowhere names what there is, and the nearest of it", () => {
  assert.throws(() => check("antropic/claude-sonnet-latest", { env }), {
    code: "MODEL_UNKNOWN",
    message:
      /openai\/….*anthropic\/….*google\/….*openai-compatible\/….*offline\/extractive.*Did you mean "anthropic\/claude-sonnet-latest"/,
  });
  for (const route of ["", "/", "openai", "openai/", "gpt-6", "__proto__/x", "constructor/x", "openai/a b"]) {
    assert.throws(() => check(route, { env }), { code: "MODEL_UNKNOWN" }, route);
  }
});

test("models: a missing key is named by its variable, before anything is sent", () => {
  const variables = {
    "openai/gpt-6.1-sol": /OPENAI_API_KEY/,
    "anthropic/x": /ANTHROPIC_API_KEY/,
    "google/x": /GEMINI_API_KEY/,
  };
  for (const [route, message] of Object.entries(variables)) {
    assert.throws(() => check(route, { env: {} }), { code: "MODEL_KEY_MISSING", message });
    assert.throws(() => check(route, { env: { OPENAI_API_KEY: " \n", ANTHROPIC_API_KEY: "" } }), {
      code: "MODEL_KEY_MISSING",
    });
  }
});

test("models: a key is read when it is needed, without the line end a file adds", async () => {
  const changing: Record<string, string> = {};
  await withServer([{ text: "Hi" }], async (server) => {
    const source = modelSource({ ...wired(server), env: changing });
    assert.throws(() => source.check("openai/gpt-6.1-sol"), { code: "MODEL_KEY_MISSING" });
    changing["OPENAI_API_KEY"] = ` ${KEY}\n`;
    const next = source.next("openai/gpt-6.1-sol", [], 0);
    assert.ok(next.type === "try");
    await collect(next.endpoint.generate(requestOf(), generateOptions(true)));
    assert.equal(server.requests[0]?.headers["authorization"], `Bearer ${KEY}`);
  });
});

test("models: a key that no header can carry is refused without being shown", () => {
  for (const key of ["two words", "clé", "a\u0000b"]) {
    assert.throws(
      () => check("openai/x", { env: { OPENAI_API_KEY: key } }),
      (error: Error) => error.message.includes("OPENAI_API_KEY") && !error.message.includes(key),
    );
  }
});

test("models: the first attempt on a bad route gives up with the same error that check throws", () => {
  const next = modelSource({ env: {} }).next("openai/x", [], 0);
  assert.ok(next.type === "give-up");
  assert.equal(next.error.code, "MODEL_KEY_MISSING");
});

test("models: an open host needs a base URL and no key", async () => {
  assert.throws(() => check("openai-compatible/qwen", { env: {} }), {
    code: "OPTION_INVALID",
    message: /OPENAI_COMPATIBLE_BASE_URL/,
  });
  await withServer([{ text: "Hi" }], async (server) => {
    // A bare host gets the usual path.
    const options = { env: { OPENAI_COMPATIBLE_BASE_URL: `${server.url}/` } };
    await collect(endpointOf("openai-compatible/meta/llama-4", options).generate(requestOf(), generateOptions(false)));
    assert.equal(server.requests[0]?.path, "/v1/chat/completions");
    assert.equal(server.requests[0]?.headers["authorization"], undefined);
    assert.equal(server.requests[0]?.body["model"], "meta/llama-4");
  });
});

test("models: a host of one's own is a provider under its own name and variables", async () => {
  await withServer([{ text: "Hi" }], async (server) => {
    const options = {
      env: { MY_VLLM_API_KEY: KEY },
      providers: {
        "my-vllm": {
          contextTokens: 32_768,
          baseUrl: server.baseUrl("openai-compatible"),
          headers: { "x-team": "blue" },
        },
      },
    };
    const endpoint = endpointOf("my-vllm/qwen", options);
    await collect(endpoint.generate(requestOf(), generateOptions(true)));
    assert.deepEqual([endpoint.name, endpoint.provider, endpoint.model], ["my-vllm/qwen", "my-vllm", "qwen"]);
    assert.equal(server.requests[0]?.headers["authorization"], `Bearer ${KEY}`);
    assert.equal(server.requests[0]?.headers["x-team"], "blue");
    assert.equal(endpoint.contextTokens, 32_768);
  });
});

test("models: a base URL that is none is refused at once", () => {
  for (const baseUrl of ["localhost:11434", "not a url", "ftp://x/y", ""]) {
    assert.throws(
      () => check("openai-compatible/x", { env: {}, providers: { "openai-compatible": { baseUrl } } }),
      { code: "OPTION_INVALID" },
      baseUrl,
    );
  }
  assert.throws(
    () =>
      check("openai-compatible/x", {
        env: {},
        providers: { "openai-compatible": { baseUrl: "http://u:hunter2@h/v1" } },
      }),
    (error: Error) => !error.message.includes("hunter2"),
  );
});

test("models: OpenAI is asked on its responses interface, or on chat completions where that is all there is", async () => {
  await withServer([{ text: "Hi" }], async (server) => {
    await collect(endpointOf("openai/gpt-6.1-sol", wired(server)).generate(requestOf(), generateOptions(true)));
    const options = wired(server, { providers: { openai: { api: "chat" } } });
    await collect(endpointOf("openai/gpt-6.1-sol", options).generate(requestOf(), generateOptions(true)));
    assert.deepEqual(
      server.requests.map((request) => request.format),
      ["responses", "chat"],
    );
    assert.equal(server.requests[0]?.body["store"], false);
  });
});

test("models: an alias leads to a dated model, and the journal sees that one", () => {
  assert.equal(endpointOf("anthropic/claude-sonnet-latest", { env }).name, "anthropic/claude-sonnet-5-5");
  const aliases = { fast: "openai/gpt-6-luna", "anthropic/claude-sonnet-latest": "anthropic/claude-sonnet-4-6" };
  assert.equal(endpointOf("fast", { env, aliases }).name, "openai/gpt-6-luna");
  assert.equal(endpointOf("anthropic/claude-sonnet-latest", { env, aliases }).name, "anthropic/claude-sonnet-4-6");
  assert.equal(endpointOf("google/gemini-flash-latest", { env }).name, "google/gemini-flash-latest");
});

test("models: an endpoint of one's own goes before every provider", () => {
  const own = {
    name: "openai/gpt-6-sol",
    provider: "mine",
    model: "x",
    price: null,
    contextTokens: 5,
    countTokens: () => 1,
    async *generate() {},
  };
  assert.equal(endpointOf("openai/gpt-6-sol", { env: {}, endpoints: [own] }).provider, "mine");
});

test("models: known models have prices, dated names too; options go first; the rest is unpriced, never free", () => {
  const priceOf = (route: string, options: ModelSourceOptions = {}): unknown =>
    endpointOf(route, { env, ...options }).price?.inputUsd;
  assert.equal(priceOf("openai/gpt-6.1-sol"), 2);
  assert.equal(priceOf("anthropic/claude-sonnet-4-5-20250929"), 3);
  assert.equal(priceOf("openai/gpt-5-2025-08-07"), 1.25);
  const price = { inputUsd: 9, outputUsd: 9, source: "contract", date: "2026-11-01" };
  assert.equal(priceOf("openai/gpt-6.1-sol", { prices: { "openai/gpt-6.1-sol": price } }), 9);
  assert.equal(endpointOf("openai/gpt-99", { env }).price, null);
  assert.equal(endpointOf("openai/toString", { env }).price, null);
});

test("models: a redirect is not followed, so no key goes where nobody said", async () => {
  await withServer([{ text: "Hi" }], async (target) => {
    await withServer(
      [{ error: { status: 307, headers: { location: `${target.url}/v1/messages` } } }],
      async (server) => {
        await assert.rejects(
          collect(endpointOf("anthropic/x", wired(server)).generate(requestOf(), generateOptions(true))),
          {
            code: "MODEL_BAD_RESPONSE",
            message: /redirects to/,
          },
        );
        assert.equal(target.requests.length, 0);
      },
    );
  });
});

test("models: thinking within a budget stays within the limit of output that was reserved", async () => {
  await withServer([{ text: "Hi" }], async (server) => {
    const request = requestOf(undefined, { maxOutputTokens: 8_000, reasoning: "medium" });
    await collect(endpointOf("anthropic/claude-haiku-4-5", wired(server)).generate(request, generateOptions(true)));
    assert.equal(server.requests[0]?.body["max_tokens"], 8_000);
    assert.deepEqual(server.requests[0]?.body["thinking"], { type: "enabled", budget_tokens: 4_000 });
    const small = requestOf(undefined, { maxOutputTokens: 1_500, reasoning: "high" });
    await collect(endpointOf("anthropic/claude-haiku-4-5", wired(server)).generate(small, generateOptions(true)));
    assert.equal(server.requests[1]?.body["max_tokens"], 1_500);
    assert.equal(server.requests[1]?.body["thinking"], undefined);
  });
});

test("models: without a model named, the first provider with a key is asked, else the offline one", () => {
  assert.equal(defaultRoute({}), "offline/extractive");
  assert.equal(defaultRoute({ ANTHROPIC_API_KEY: " " }), "offline/extractive");
  assert.equal(defaultRoute({ OPENAI_API_KEY: "x" }), "openai/gpt-latest");
  assert.equal(defaultRoute({ OPENAI_API_KEY: "x", ANTHROPIC_API_KEY: "y" }), "anthropic/claude-sonnet-latest");
});
