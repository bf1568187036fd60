import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { pool, type Pool } from "../../src/models/pool.ts";
import type { EndpointOptions, PoolBounds, RouteOptions } from "../../src/models/pool-options.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import type { WireReply } from "../../src/testing/wire-reply.ts";
import { startWireServer, type WireScript, type WireServer } from "../../src/testing/wire-server.ts";
import { tool } from "../../src/tools/tool.ts";
import { interfaces, KEY, routes, type Interface } from "./ask.ts";
import { handClock } from "./hand-clock.ts";
import { makeCall } from "./make-call.ts";
import { ownEndpoint } from "./own-endpoint.ts";

// Provider answers over the real packages against servers that speak their wire, through a pool: a stated outcome each.

const env = {
  OPENAI_API_KEY: KEY,
  ANTHROPIC_API_KEY: KEY,
  GOOGLE_GENERATIVE_AI_API_KEY: KEY,
  OPENAI_COMPATIBLE_API_KEY: KEY,
};
const clock = systemClock;
const call = { toolCalls: [{ name: "get_weather", arguments: '{"city":"Oslo"}' }] } as const;
const good: WireReply = { text: "It rains again.", ...call };

interface Scene {
  readonly source: Pool;
  readonly bad: WireServer;
  readonly good: WireServer;
}

function endpointAt(name: string, which: Interface, server: WireServer): EndpointOptions {
  const slash = routes[which].indexOf("/");
  const provider = routes[which].slice(0, slash);
  const baseUrl = server.baseUrl(provider as "openai");
  return { name, provider, model: routes[which].slice(slash + 1), at: { baseUrl } };
}

/** A pool whose route has a server with these answers, and one that is well as fallback. */
async function onPool<T>(
  which: Interface,
  script: WireScript,
  use: (scene: Scene) => Promise<T>,
  options: { readonly route?: Partial<RouteOptions>; readonly bounds?: PoolBounds } = {},
): Promise<T> {
  const servers = await Promise.all([startWireServer(script), startWireServer([good])]);
  const [bad, well] = servers;
  const source = pool({
    endpoints: [endpointAt("bad", which, bad), endpointAt("good", which, well)],
    routes: {
      r: { endpoints: ["bad"], fallbacks: ["good"], ...options.route },
      alone: { endpoints: ["bad"], ...options.route },
    },
    ...(options.bounds === undefined ? {} : { bounds: options.bounds }),
    on: { env },
  });
  try {
    return await use({ source, bad, good: well });
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
}

const ask = (source: Pool, route = "r") => makeCall(source, route, { clock, random: () => 0 });

// ---- M1

const waits: readonly (readonly [what: string, headers: { readonly [name: string]: string }])[] = [
  ["seconds", { "retry-after": "30" }],
  ["a date", { "retry-after": new Date(Date.now() + 30_000).toUTCString() }],
  ["ms", { "retry-after-ms": "30000" }],
  ["ten years", { "retry-after": "315360000" }],
];
for (const [what, headers] of waits) {
  test(`models: M1 a 429 with Retry-After in ${what} goes on elsewhere at once, and its endpoint is left alone so long`, async () => {
    await onPool("chat", [{ error: { status: 429, headers } }], async ({ source, bad }) => {
      const first = await ask(source);
      assert.deepEqual([first.error, first.attempts, first.waitedMs], [null, ["bad", "good"], 0]);
      for (let i = 0; i < 5; i++) assert.deepEqual((await ask(source)).attempts, ["good"]);
      assert.equal(bad.requests.length, 1);
    });
  });
}

for (const which of interfaces) {
  test(`models: M1 ${which}: a 429 that names no time, or one in the past, is repeated after a wait of our own`, async () => {
    for (const headers of [{}, { "retry-after": "-5" }, { "retry-after": "soon" }]) {
      await onPool(which, [{ error: { status: 429, headers } }, good], async ({ source, bad }) => {
        const answered = await ask(source, "alone");
        assert.deepEqual([answered.error, answered.attempts], [null, ["bad", "bad"]]);
        assert.equal(bad.requests.length, 2);
      });
    }
  });
}

test("models: M1 where there is no other endpoint, a named time is waited for, and an absurd one is not", async () => {
  await onPool("chat", [{ error: { status: 429, headers: { "retry-after-ms": "40" } } }, good], async ({ source }) => {
    const answered = await ask(source, "alone");
    assert.deepEqual([answered.error, answered.waitedMs], [null, 40]);
  });
  const absurd: WireScript = [{ error: { status: 429, headers: { "retry-after": "315360000" } } }];
  await onPool(
    "chat",
    absurd,
    async ({ source }) => {
      const refused = await ask(source, "alone");
      assert.deepEqual([refused.error, refused.attempts], ["MODEL_RATE_LIMITED", ["bad"]]);
    },
    { bounds: { retry: { totalMs: 1_000 } } },
  );
});

// ---- M2

for (const status of [500, 502, 503, 529]) {
  test(`models: M2 a burst of ${status}: every call is answered, and the endpoint is shed within a few`, async () => {
    await onPool("messages", [{ error: { status } }], async ({ source, bad, good: well }) => {
      for (let i = 0; i < 60; i++) assert.equal((await ask(source)).error, null);
      assert.ok(bad.requests.length <= 6, `${bad.requests.length} asked of it`);
      assert.ok(bad.requests.length + well.requests.length <= 60 * 1.1);
      assert.equal(source.status().endpoints[0]?.health, "open");
    });
  });
}

// ---- M3

for (const which of interfaces) {
  for (const afterBytes of [0, 120]) {
    test(`models: M3 ${which}: silence after ${afterBytes} bytes passes a deadline, goes on elsewhere, and frees its place`, async () => {
      const deadlines = { firstTokenMs: 60, idleMs: 60 };
      await onPool(
        which,
        [{ ...good, fault: { type: "silent", afterBytes } }],
        async ({ source, bad }) => {
          const answered = await ask(source);
          assert.deepEqual([answered.error, answered.attempts], [null, ["bad", "good"]]);
          assert.equal(source.status().endpoints[0]?.inFlight, 0);
          while ((await bad.openConnections()) > 0) await new Promise(setImmediate);
        },
        { route: { deadlines } },
      );
    });
  }
}

// ---- M4 to M7

const broken: readonly (readonly [test: string, reply: WireReply])[] = [
  ["M4 a stream that is cut inside a call's arguments", { ...good, fault: { type: "cut", afterBytes: 450 } }],
  ["M5 a stream that never ends", { ...good, fault: { type: "endless" } }],
  ["M6 HTML with 200", { fault: { type: "html" } }],
  ["M6 an empty body", { fault: { type: "empty" } }],
  ["M6 the wrong kind of content", { fault: { type: "wrong-type" } }],
  ["M6 bytes that are not UTF-8", { ...good, fault: { type: "invalid-utf8" } }],
  ["M6 a body that unpacks to a gigabyte", { fault: { type: "gzip-bomb", bytes: 80_000_000 } }],
];
for (const [what, reply] of broken) {
  test(`models: ${what} is never a success: the call goes on elsewhere and gets a whole answer`, async () => {
    await onPool("chat", [reply], async ({ source, good: well }) => {
      const answered = await ask(source);
      assert.deepEqual([answered.error, answered.attempts], [null, ["bad", "good"]]);
      assert.equal(well.requests.length, 1);
      assert.equal(source.status().endpoints[0]?.failureShare, 1);
      assert.equal(source.status().endpoints[0]?.inFlight, 0);
    });
  });
}

for (const which of interfaces) {
  test(`models: M7 ${which}: bytes that arrive one by one are one answer at the first attempt`, async () => {
    await onPool(which, [{ ...good, fault: { type: "split-bytes" } }], async ({ source }) => {
      assert.deepEqual((await ask(source)).attempts, ["bad"]);
    });
  });
}

// ---- M8 to M14: what the answer holds is not the endpoint's fault

const odd: readonly (readonly [test: string, reply: WireReply])[] = [
  [
    "M8 equal and empty ids",
    {
      toolCalls: [
        { id: "x", ...call.toolCalls[0] },
        { id: "x", ...call.toolCalls[0] },
        { id: "", ...call.toolCalls[0] },
      ],
    },
  ],
  ["M9 a tool that does not exist", { toolCalls: [{ name: "__proto__", arguments: "{}" }] }],
  ["M10 arguments that do not parse", { toolCalls: [{ name: "get_weather", arguments: '{"city":' }] }],
  ["M12 an empty answer", { text: "" }],
  ["M12 a finish reason that nobody knows", { text: "x", finish: "unknown" }],
  ["M12 an answer cut by its limit", { text: "x", finish: "length" }],
  ["M12 an answer stopped by a filter", { text: "x", finish: "content-filter" }],
  ["M14 usage that is missing", { text: "x", usage: null }],
];
for (const [what, reply] of odd) {
  test(`models: ${what} is an answer for the agent to judge: one attempt, and the endpoint stays well`, async () => {
    await onPool("chat", [reply], async ({ source }) => {
      for (let i = 0; i < 12; i++) assert.deepEqual((await ask(source)).attempts, ["bad"]);
      assert.equal(source.status().endpoints[0]?.health, "closed");
    });
  });
}

async function runAgent(source: Pool) {
  const weather = tool({
    name: "get_weather",
    version: "1",
    description: "Weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    effect: "pure",
    execute: () => "rain",
  });
  const helper = agent({ name: "helper", model: "alone", instructions: "Help.", tools: [weather] });
  const app = new Pawl({ store: memoryStore(), agents: [helper], models: source });
  try {
    return await (await app.start(helper, { input: "How is the weather?" })).result();
  } finally {
    await app.close();
  }
}

test("models: M11 a model that makes the same call again and again is stopped by a named rule, well before its budget", async () => {
  await onPool("chat", [{ ...call }], async ({ source, bad }) => {
    const result = await runAgent(source);
    assert.ok(result.status === "stopped" && result.stopReason === "no_progress", result.status);
    assert.ok(bad.requests.length < 20);
  });
});

test("models: M13 a prompt that overflows is compacted or given up by rule: no endpoint is asked endlessly, none is blamed", async () => {
  const error = {
    status: 400,
    message: "This model's maximum context length is 10 tokens.",
    code: "context_length_exceeded",
  };
  await onPool("chat", [{ error }], async ({ source, bad }) => {
    const result = await runAgent(source);
    assert.ok(result.status === "stopped" && result.stopReason === "context_overflow", result.status);
    assert.ok(bad.requests.length <= 3);
    assert.equal(source.status().endpoints[0]?.health, "closed");
  });
});

// ---- M15

test("models: M15 after half an hour down with all waiting, one call tries, then few, then all: no stampede", async () => {
  const hand = handClock();
  let isDown = true;
  const a = ownEndpoint("a", hand, () => (isDown ? { error: "MODEL_UNAVAILABLE" } : { delayMs: 100 }));
  const source = pool({
    endpoints: [a],
    on: { clock: hand, random: () => 0.5 },
    bounds: { queueMs: 3_600_000, retryBudget: { share: 0, inHand: 0 } },
  });
  for (let i = 0; i < 5; i++) await makeCall(source, "a", { clock: hand });
  const calls = Array.from({ length: 200 }, () => makeCall(source, "a", { clock: hand }));
  for (let second = 0; second < 1_800; second++) {
    await hand.drain();
    hand.pass(1_000);
  }
  const askedWhileDown = a.seen.calls - 5;
  assert.ok(askedWhileDown < 60, `${askedWhileDown} calls were spent on finding out`);
  isDown = false;
  const atOnce: number[] = [];
  for (let step = 0; step < 3_000 && a.seen.running + source.status().endpoints[0]!.queued > 0; step++) {
    await hand.drain();
    atOnce.push(a.seen.running);
    hand.pass(100);
  }
  const results = await Promise.all(calls);
  assert.equal(results.filter((result) => result.error === null).length, 200 - askedWhileDown);
  const begun = atOnce.slice(atOnce.findIndex((running) => running > 0));
  assert.deepEqual(begun.slice(0, 3), [1, 1, 1], "probes, one at a time");
  assert.ok((begun[3] ?? 0) <= 3, "then a few");
  assert.ok(Math.max(...begun) > 8, "then more");
});

test("models: M15 fallbacks are asked in their order while an endpoint is down, and it takes its calls back when it is up", async () => {
  const hand = handClock();
  let isDown = true;
  const a = ownEndpoint("a", hand, () => (isDown ? { error: "MODEL_UNAVAILABLE" } : {}));
  const [b, c] = [ownEndpoint("b", hand), ownEndpoint("c", hand)];
  const source = pool({
    endpoints: [a, b, c],
    routes: { r: { endpoints: ["a"], fallbacks: ["b", "c"] } },
    on: { clock: hand, random: () => 0.5 },
  });
  const each = async (calls: number): Promise<void> => {
    for (let i = 0; i < calls; i++) {
      assert.equal((await makeCall(source, "r", { clock: hand, random: () => 0 })).error, null);
      hand.pass(1_000);
    }
  };
  await each(300);
  assert.equal(c.seen.calls, 0);
  assert.ok(a.seen.calls < 25, `${a.seen.calls}`);
  isDown = false;
  await each(120);
  const before = a.seen.calls;
  await each(50);
  assert.equal(a.seen.calls - before, 50);
});

// ---- M16

for (const which of interfaces) {
  for (const [status, code] of [
    [401, "MODEL_UNAUTHORIZED"],
    [404, "MODEL_NOT_FOUND"],
  ] as const) {
    test(`models: M16 ${which}: ${status} is not asked of the same endpoint again, names the key and never shows it, and a fallback answers`, async () => {
      const script: WireScript = [{ error: { status, message: `no: ${KEY}` } }];
      await onPool(which, script, async ({ source, bad }) => {
        const refused = await ask(source, "alone");
        assert.deepEqual([refused.error, refused.attempts], [code, ["bad"]]);
        assert.ok(!refused.message.includes(KEY));
        if (status === 401) assert.match(refused.message, /_API_KEY/);
        assert.deepEqual((await ask(source)).attempts, ["good"]);
        assert.equal(bad.requests.length, 1);
      });
    });
  }
}

test("models: M16 a key from a hook that was revoked is read again, and works after a reload", async () => {
  let key = "old-key-0123456789";
  const server = await startWireServer((request) =>
    request.headers["authorization"] === "Bearer new-key-0123456789"
      ? good
      : { error: { status: 401, message: "revoked" } },
  );
  try {
    const endpoint = endpointAt("a", "chat", server);
    const options = {
      endpoints: [{ ...endpoint, at: { ...endpoint.at, key: { secret: "providers/a" } } }],
      secret: async () => key,
    };
    const source = pool(options);
    const refused = await ask(source, "a");
    assert.equal(refused.error, "MODEL_UNAUTHORIZED");
    assert.match(refused.message, /secret "providers\/a"/);
    assert.ok(!refused.message.includes("old-key"));
    key = "new-key-0123456789\n";
    source.reload();
    assert.equal((await ask(source, "a")).error, null);
  } finally {
    await server.close();
  }
});
