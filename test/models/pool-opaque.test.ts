import assert from "node:assert/strict";
import { test } from "node:test";
import { userText, type Message } from "../../src/core/message.ts";
import type { ModelEndpoint } from "../../src/core/model-contract.ts";
import { pool } from "../../src/models/pool.ts";
import type { EndpointAddress, EndpointOptions } from "../../src/models/pool-options.ts";
import { startWireServer } from "../../src/testing/wire-server.ts";
import { collect, generateOptions, requestOf } from "./ask.ts";

const SECRET = "c2VjcmV0LXJlYXNvbmluZw==";
const thinking = { reasoning: "It is autumn.", reasoningSecret: SECRET, text: "Rain." } as const;

/** Whether what one endpoint thought reaches another, or itself, in the next turn. */
async function reaches(from: EndpointOptions, to: EndpointOptions): Promise<boolean> {
  const server = await startWireServer([thinking]);
  const at = (given: EndpointOptions): EndpointOptions => {
    const provider = given.provider as "openai" | "anthropic";
    return { ...given, at: { ...given.at, baseUrl: server.baseUrl(provider) } };
  };
  try {
    const endpoints = from === to ? [at(from)] : [at(from), at(to)];
    const source = pool({ endpoints, on: { env: { A: "key-a", B: "key-b", ANTHROPIC_API_KEY: "key-c" } } });
    const endpointOf = (name: string | undefined): ModelEndpoint => {
      const next = source.next(name ?? "", [], 0);
      assert.ok(next.type === "try");
      return next.endpoint;
    };
    const first = await collect(endpointOf(from.name).generate(requestOf(), generateOptions(true)));
    const said: Message = { role: "assistant", content: first.finish.content };
    const messages = [userText("How is the weather?"), said, userText("And tomorrow?")];
    await collect(endpointOf(to.name).generate(requestOf(messages), generateOptions(true)));
    const sent = JSON.stringify(server.requests.at(-1)?.body);
    assert.match(sent, /Rain\./, "the answer itself is always sent");
    return sent.includes(SECRET);
  } finally {
    await server.close();
  }
}

const gpt = (name: string, at: EndpointAddress): EndpointOptions => ({
  name,
  provider: "openai",
  model: "gpt-6.1-sol",
  at,
});
const a = gpt("a", { key: { env: "A" } });
const b = gpt("b", { key: { env: "B" } });
const claude: EndpointOptions = { name: "claude", provider: "anthropic", model: "claude-sonnet-5-5" };

test("models: what an endpoint thought comes back to it in the next turn", async () => {
  assert.equal(await reaches(a, a), true);
  assert.equal(await reaches(claude, claude), true);
});

test("models: what an endpoint thought is dropped when another provider goes on", async () => {
  assert.equal(await reaches(a, claude), false);
  assert.equal(await reaches(claude, a), false);
});

test("models: encrypted reasoning of OpenAI goes to its own account only, unless accounts are said to be one", async () => {
  assert.equal(await reaches(a, b), false);
  const one = gpt("one", { key: { env: "A" }, account: "ours" });
  const two = gpt("two", { key: { env: "B" }, account: "ours" });
  assert.equal(await reaches(one, two), true);
});

test("models: a signature of Anthropic's is good at each of its endpoints", async () => {
  assert.equal(await reaches(claude, { ...claude, name: "claude 2", at: { key: { env: "B" } } }), true);
});
