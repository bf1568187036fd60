import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { seededRandom } from "../../src/core/clock.ts";
import { pool } from "../../src/models/pool.ts";
import type { EndpointOptions, PoolOptions } from "../../src/models/pool-options.ts";
import { handClock } from "./hand-clock.ts";
import { makeCall, until } from "./make-call.ts";
import { ownEndpoint } from "./own-endpoint.ts";

const env = { OPENAI_API_KEY: "sk-a", ANTHROPIC_API_KEY: "sk-b" };
const gpt: EndpointOptions = { name: "gpt", provider: "openai", model: "gpt-6.1-sol" };
const claude: EndpointOptions = { name: "claude", provider: "anthropic", model: "claude-sonnet-5-5" };

// ---- definition

const wrongs: readonly (readonly [what: string, options: Partial<PoolOptions>, message: RegExp])[] = [
  ["no endpoint", { endpoints: [] }, /has no endpoint/],
  ["two endpoints of one name", { endpoints: [gpt, gpt] }, /two endpoints named "gpt"/],
  [
    "an unknown provider",
    { endpoints: [{ ...gpt, provider: "opnai" }] },
    /unknown provider "opnai".*Did you mean "openai"/,
  ],
  ["a weight of zero", { endpoints: [{ ...gpt, weight: 0 }] }, /weight 0/],
  ["a weight below zero", { endpoints: [{ ...gpt, weight: -1 }] }, /weight -1/],
  ["a weight that is no number", { endpoints: [{ ...gpt, weight: Number.NaN }] }, /weight NaN/],
  [
    "a negative price",
    { endpoints: [{ ...gpt, price: { inputUsd: -1, outputUsd: 1, source: "x", date: "y" } }] },
    /price inputUsd -1/,
  ],
  ["no requests a minute", { endpoints: [{ ...gpt, requestsPerMinute: 0 }] }, /requestsPerMinute 0/],
  ["a base URL that is none", { endpoints: [{ ...gpt, at: { baseUrl: "nowhere" } }] }, /not an http\(s\) URL/],
  ["a secret without a hook", { endpoints: [{ ...gpt, at: { key: { secret: "k" } } }] }, /no hook `secret`/],
  ["a route without endpoints", { routes: { smart: { endpoints: [] } } }, /route "smart" has no endpoint/],
  [
    "a route to nowhere",
    { routes: { smart: { endpoints: ["gtp"] } } },
    /"gtp", which does not exist.*Did you mean "gpt"/,
  ],
  ["a route with the name of an endpoint", { routes: { gpt: { endpoints: ["gpt"] } } }, /has the name of an endpoint/],
  ["one endpoint twice", { routes: { smart: { endpoints: ["gpt"], fallbacks: ["gpt"] } } }, /"gpt" twice/],
  [
    "a deadline below zero",
    { routes: { smart: { endpoints: ["gpt"], deadlines: { idleMs: -1 } } } },
    /deadlines.idleMs -1/,
  ],
];
for (const [what, options, message] of wrongs) {
  test(`models: a pool with ${what} is refused with one message`, () => {
    const all = { endpoints: [gpt, claude], on: { env }, ...options };
    assert.throws(
      () => pool(all),
      (error) => PawlError.is(error, "OPTION_INVALID") && message.test(error.message),
    );
  });
}

test("models: a pool whose reload is refused goes on as before", async () => {
  const clock = handClock();
  const a = ownEndpoint("a", clock);
  const source = pool({ endpoints: [a], routes: { smart: { endpoints: ["a"] } }, on: { clock } });
  assert.throws(() => source.reload({ endpoints: [] }));
  assert.equal((await makeCall(source, "smart", { clock })).answeredBy, "a");
});

test("models: a route without a usable key says so before anything is sent, one with a key left works", () => {
  const source = pool({
    endpoints: [gpt, claude],
    routes: { both: { endpoints: ["gpt", "claude"] } },
    on: { env: { ANTHROPIC_API_KEY: "sk-b" } },
  });
  assert.throws(
    () => source.check("gpt"),
    (error) => PawlError.is(error, "MODEL_KEY_MISSING") && /OPENAI_API_KEY/.test(error.message),
  );
  source.check("both");
  for (let i = 0; i < 20; i++) {
    const next = source.next("both", [], i / 20);
    assert.ok(next.type === "try" && next.endpoint.name === "claude");
  }
  assert.match(source.status().endpoints[0]?.problem ?? "", /OPENAI_API_KEY/);
});

test("models: an endpoint may name a family's newest model, and is what that stands for", () => {
  const source = pool({ endpoints: [{ provider: "anthropic", model: "claude-sonnet-latest" }], on: { env } });
  const [status] = source.status().endpoints;
  assert.equal(status?.name, "anthropic/claude-sonnet-latest");
  assert.match(status?.model ?? "", /^claude-sonnet-\d/);
  assert.ok(status?.price !== null);
});

test("models: an unknown route names what there is, and the nearest of it", () => {
  const source = pool({ endpoints: [gpt], routes: { smart: { endpoints: ["gpt"] } }, on: { env } });
  assert.throws(() => source.check("smrt"), /no route "smrt".*gpt, smart.*Did you mean "smart"/);
  const next = source.next("smrt", [], 0);
  assert.ok(next.type === "give-up" && next.error.code === "MODEL_UNKNOWN");
});

// ---- balancing

test("models: calls are shared by weight where endpoints are equally quick", () => {
  const source = pool({
    endpoints: [gpt, { ...claude, weight: 3 }],
    routes: { smart: { endpoints: ["gpt", "claude"] } },
    on: { env, clock: handClock() },
  });
  const random = seededRandom(7);
  const drawn = Array.from({ length: 1_000 }, () => {
    const next = source.next("smart", [], random());
    return next.type === "try" ? next.endpoint.name : "";
  });
  const share = drawn.filter((name) => name === "claude").length / 1_000;
  assert.ok(share > 0.7 && share < 0.99, `${share}`);
});

test("models: a busy endpoint gets the fewer calls, and a slow one too", async () => {
  const clock = handClock();
  const slow = ownEndpoint("slow", clock, () => ({ delayMs: 2_000 }));
  const quick = ownEndpoint("quick", clock, () => ({ delayMs: 100 }));
  const source = pool({ endpoints: [slow, quick], routes: { smart: { endpoints: ["slow", "quick"] } }, on: { clock } });
  const random = seededRandom(3);
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 300; i++) {
    calls.push(makeCall(source, "smart", { clock, random }));
    await clock.drain();
    clock.pass(200);
  }
  await until(Promise.all(calls), clock);
  assert.ok(quick.seen.calls > 4 * slow.seen.calls, `${quick.seen.calls} and ${slow.seen.calls}`);
  assert.ok(slow.seen.calls > 3, "it is asked now and then");
});

test("models: equal prompt prefixes go to one endpoint, different ones to all, and to another when that one is ill", async () => {
  const clock = handClock();
  let isIll = false;
  const names = ["a", "b", "c"];
  const endpoints = names.map((name) =>
    ownEndpoint(name, clock, () => (isIll && name === favourite ? { error: "MODEL_UNAVAILABLE" } : {})),
  );
  const source = pool({ endpoints, routes: { smart: { endpoints: names } }, on: { clock } });
  const random = seededRandom(9);
  const ask = (affinity: string) => makeCall(source, "smart", { clock, random, hint: { affinity } });
  const first = await ask("conversation 1");
  const favourite = first.answeredBy ?? "";
  for (let i = 0; i < 30; i++) assert.equal((await ask("conversation 1")).answeredBy, favourite);
  const others = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(`conversation ${i + 2}`)));
  assert.equal(new Set(others.map((call) => call.answeredBy)).size, 3);
  isIll = true;
  const later = [];
  for (let i = 0; i < 20; i++) later.push(await until(ask("conversation 1"), clock));
  assert.ok(later.every((call) => call.error === null && call.answeredBy !== favourite));
  assert.equal(new Set(later.slice(6).map((call) => call.answeredBy)).size, 1, "all of them to the same other one");
});

test("models: calls that one endpoint's allowance does not fit go to another, and to a fallback when none is left", async () => {
  const clock = handClock();
  const perMinute = (name: string, requestsPerMinute: number): EndpointOptions => ({
    name,
    provider: name,
    model: "m",
    requestsPerMinute,
    at: { baseUrl: "http://127.0.0.1:9/v1", fetch: answering(name) },
  });
  const answering = (name: string): typeof fetch => {
    return async () =>
      Response.json({
        id: "1",
        object: "chat.completion",
        created: 1,
        model: name,
        choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 },
      });
  };
  const source = pool({
    endpoints: [perMinute("a", 3), perMinute("b", 3), perMinute("c", 1_000)],
    routes: { r: { endpoints: ["a", "b"], fallbacks: ["c"] } },
    on: { clock, env: {} },
  });
  const random = seededRandom(4);
  const answered: string[] = [];
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 20; i++) {
    calls.push(
      makeCall(source, "r", { clock, random, stream: false }).then((call) => answered.push(call.answeredBy ?? "")),
    );
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  }
  // what waits does so at an endpoint whose minute is used up: two calls at most
  for (let i = 0; i < 1e6 && answered.length < 18; i++) await new Promise(setImmediate);
  const count = (name: string): number => answered.filter((by) => by === name).length;
  assert.deepEqual([count("a"), count("b")], [3, 3]);
  assert.ok(count("c") >= 12, `${count("c")} at the fallback`);
  await until(Promise.all(calls), clock, 1_000);
});

// ---- retry and fallback

test("models: a failed attempt goes on at another endpoint at once, with an event's worth of record for each", async () => {
  const clock = handClock();
  const a = ownEndpoint("a", clock, () => ({ error: "MODEL_UNAVAILABLE" }));
  const b = ownEndpoint("b", clock);
  const source = pool({ endpoints: [a, b], routes: { smart: { endpoints: ["a"], fallbacks: ["b"] } }, on: { clock } });
  const call = await until(makeCall(source, "smart", { clock }), clock);
  assert.deepEqual([call.answeredBy, call.attempts], ["b", ["a", "b"]]);
  assert.ok(call.waitedMs <= 250);
});

test("models: no call has more than three attempts, over endpoints and fallbacks together", async () => {
  const clock = handClock();
  const names = ["a", "b", "c", "d", "e"];
  const endpoints = names.map((name) => ownEndpoint(name, clock, () => ({ error: "MODEL_UNAVAILABLE" })));
  const routes = { smart: { endpoints: ["a", "b"], fallbacks: ["c", "d", "e"] } };
  const source = pool({ endpoints, routes, on: { clock } });
  const call = await until(makeCall(source, "smart", { clock }), clock);
  assert.equal(call.error, "MODEL_UNAVAILABLE");
  assert.equal(call.attempts.length, 3);
  assert.deepEqual(call.attempts.toSorted(), ["a", "b", "c"]);
});

test("models: the error of a call that gave up says what each of its attempts came to", async () => {
  const clock = handClock();
  const codes = ["MODEL_UNAUTHORIZED", "MODEL_UNAVAILABLE", "MODEL_TIMED_OUT"] as const;
  const endpoints = codes.map((code, i) => ownEndpoint(`e${i}`, clock, () => ({ error: code })));
  const source = pool({ endpoints, routes: { r: { endpoints: ["e0"], fallbacks: ["e1", "e2"] } }, on: { clock } });
  const call = await until(makeCall(source, "r", { clock }), clock);
  assert.equal(call.error, "MODEL_TIMED_OUT");
  assert.match(call.message, /3 attempts failed.*e0 MODEL_UNAUTHORIZED, e1 MODEL_UNAVAILABLE, e2 MODEL_TIMED_OUT/);
});

test("models: fallbacks are asked in their order, and only when no endpoint of the route is left", async () => {
  const clock = handClock();
  const down = (name: string) => ownEndpoint(name, clock, () => ({ error: "MODEL_UNAVAILABLE" }));
  const [a, b, c, d] = [down("a"), ownEndpoint("b", clock), down("c"), ownEndpoint("d", clock)];
  const endpoints = [a, b, c, d];
  const source = pool({ endpoints, routes: { r: { endpoints: ["a"], fallbacks: ["c", "b", "d"] } }, on: { clock } });
  const call = await until(makeCall(source, "r", { clock }), clock);
  assert.deepEqual(call.attempts, ["a", "c", "b"]);
  assert.equal(d.seen.calls, 0);
});

for (const code of ["MODEL_UNAUTHORIZED", "MODEL_NOT_FOUND", "MODEL_QUOTA_EXHAUSTED"] as const) {
  test(`models: M16 ${code} is not asked of the same endpoint again; another may do, and later calls go there first`, async () => {
    const clock = handClock();
    const a = ownEndpoint("a", clock, () => ({ error: code }));
    const b = ownEndpoint("b", clock);
    const alone = pool({ endpoints: [a], on: { clock } });
    const call = await until(makeCall(alone, "a", { clock }), clock);
    assert.deepEqual([call.error, call.attempts], [code, ["a"]]);
    const source = pool({ endpoints: [a, b], routes: { r: { endpoints: ["a"], fallbacks: ["b"] } }, on: { clock } });
    assert.deepEqual((await until(makeCall(source, "r", { clock }), clock)).attempts, ["a", "b"]);
    assert.deepEqual((await until(makeCall(source, "r", { clock }), clock)).attempts, ["b"]);
  });
}

for (const code of ["MODEL_REQUEST_INVALID", "MODEL_CONTEXT_OVERFLOW", "MODEL_REFUSED"] as const) {
  test(`models: ${code} is the caller's: no other endpoint is asked, and nobody's health suffers`, async () => {
    const clock = handClock();
    const a = ownEndpoint("a", clock, () => ({ error: code }));
    const b = ownEndpoint("b", clock);
    const source = pool({ endpoints: [a, b], routes: { r: { endpoints: ["a"], fallbacks: ["b"] } }, on: { clock } });
    for (let i = 0; i < 30; i++) {
      const call = await until(makeCall(source, "r", { clock }), clock);
      assert.deepEqual([call.error, call.attempts], [code, ["a"]]);
    }
    assert.equal(source.status().endpoints[0]?.health, "closed");
  });
}

test("models: M2 with everything down, extra attempts stay within 10 % of the calls and what was in hand", async () => {
  const clock = handClock();
  const endpoints = ["a", "b", "c"].map((name) => ownEndpoint(name, clock, () => ({ error: "MODEL_UNAVAILABLE" })));
  const source = pool({
    endpoints,
    routes: { r: { endpoints: ["a", "b"], fallbacks: ["c"] } },
    on: { clock, random: seededRandom(5) },
    bounds: { queueMs: 1 },
  });
  let attempts = 0;
  let refused = 0;
  const random = seededRandom(6);
  for (let i = 0; i < 600; i++) {
    const call = await until(makeCall(source, "r", { clock, random }), clock, 1_000);
    assert.notEqual(call.error, null);
    attempts += call.attempts.length;
    if (/retry budget/.test(call.message)) refused++;
  }
  const sent = endpoints.reduce((sum, endpoint) => sum + endpoint.seen.calls, 0);
  const earned = clock.monotonicMs() / 30_000;
  assert.ok(sent <= 600 * 1.1 + 10 + earned, `${sent} sent for 600 calls`);
  assert.ok(attempts < 1_800);
});

test("models: M2 a call that finds the retry budget spent ends with its error and says why", async () => {
  const clock = handClock();
  const a = ownEndpoint("a", clock, () => ({ error: "MODEL_UNAVAILABLE" }));
  const b = ownEndpoint("b", clock, () => ({ error: "MODEL_UNAVAILABLE" }));
  const source = pool({
    endpoints: [a, b],
    routes: { r: { endpoints: ["a", "b"] } },
    on: { clock },
    bounds: { retryBudget: { share: 0.1, inHand: 1 } },
  });
  const call = await until(makeCall(source, "r", { clock }), clock);
  assert.equal(call.attempts.length, 2);
  assert.match(call.message, /retry budget/);
});

test("models: a worker's death and a full queue cost no extra attempt", () => {
  const clock = handClock();
  const source = pool({
    endpoints: [ownEndpoint("a", clock)],
    on: { clock },
    bounds: { retryBudget: { share: 0, inHand: 0 } },
  });
  for (const code of ["WORKER_LOST", "MODEL_QUEUE_FULL"]) {
    const failed = [{ attempt: 1, endpoint: "a", error: { code, message: "" }, elapsedMs: 1 }];
    assert.equal(source.next("a", failed, 0.5).type, "try", code);
  }
  const failed = [{ attempt: 1, endpoint: "a", error: { code: "MODEL_UNAVAILABLE", message: "" }, elapsedMs: 1 }];
  assert.equal(source.next("a", failed, 0.5).type, "give-up");
});

// ---- reload

test("models: a reload puts other endpoints in force; a call under way keeps its own; what did not change is still known", async () => {
  const clock = handClock();
  const a = ownEndpoint("a", clock, () => ({ delayMs: 1_000 }));
  const bad = ownEndpoint("bad", clock, () => ({ error: "MODEL_UNAVAILABLE" }));
  const c = ownEndpoint("c", clock);
  const source = pool({
    endpoints: [a, bad],
    routes: { r: { endpoints: ["a"] }, x: { endpoints: ["bad"] } },
    on: { clock },
  });
  for (let i = 0; i < 3; i++) await until(makeCall(source, "x", { clock }), clock);
  assert.equal(source.status().endpoints[1]?.health, "open");
  const call = makeCall(source, "r", { clock });
  await clock.drain();
  source.reload({ endpoints: [c, bad], routes: { r: { endpoints: ["c"] }, x: { endpoints: ["bad"] } }, on: { clock } });
  assert.equal((await makeCall(source, "r", { clock })).answeredBy, "c");
  assert.equal((await until(call, clock)).answeredBy, "a");
  assert.throws(() => source.check("a"), /no route "a"/);
  assert.notEqual(source.status().endpoints[1]?.health, "closed");
});
