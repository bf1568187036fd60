import assert from "node:assert/strict";
import { once, EventEmitter } from "node:events";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import type { GenerateOptions, ModelEndpoint, ModelPart } from "../../src/core/model-contract.ts";
import { withDeadlines } from "../../src/models/deadlines.ts";
import { startWireServer } from "../../src/testing/wire-server.ts";
import { collect, endpointOf, generateOptions, interfaces, requestOf, routes, wired } from "./ask.ts";
import { handClock } from "./hand-clock.ts";

const deadlines = { firstTokenMs: 1_000, idleMs: 500, totalMs: 5_000 };

function endpoint(generate: (options: GenerateOptions) => AsyncIterable<ModelPart>): ModelEndpoint {
  return {
    name: "fake/one",
    provider: "fake",
    model: "one",
    price: null,
    contextTokens: null,
    countTokens: () => 1,
    generate: (_request, options) => generate(options),
  };
}

const finish: ModelPart = { type: "finish", content: [], finish: "stop", usage: null, model: "one" };
const delta = (text: string): ModelPart => ({ type: "text.delta", text });
const never = new Promise<never>(() => {});

test("models: M3: no first token, no next token and no end each pass a deadline of their own", async () => {
  const scripts: readonly (readonly [
    name: RegExp,
    parts: (clock: { pass(ms: number): void }) => AsyncIterable<ModelPart>,
    stream: boolean,
  ])[] = [
    [
      /first token \(1000 ms\)/,
      async function* silent() {
        yield await never;
      },
      true,
    ],
    [
      /next token \(500 ms\)/,
      async function* stalls() {
        yield delta("a");
        await never;
      },
      true,
    ],
    [
      /whole answer \(5000 ms\)/,
      async function* slow(clock) {
        for (;;) {
          clock.pass(400);
          yield delta("a");
        }
      },
      true,
    ],
    [
      /whole answer \(5000 ms\)/,
      async function* inOnePiece() {
        yield await never;
      },
      false,
    ],
  ];
  for (const [name, parts, stream] of scripts) {
    const clock = handClock();
    const guarded = withDeadlines(
      endpoint(() => parts(clock)),
      deadlines,
      clock,
    );
    const outcome = collect(guarded.generate(requestOf(), generateOptions(stream)));
    const failed = assert.rejects(outcome, { code: "MODEL_TIMED_OUT", message: name });
    for (let i = 0; i < 60; i++) {
      await clock.drain();
      clock.pass(100);
    }
    await failed;
    assert.equal(clock.timers(), 0, "a timer was left behind");
  }
});

test("models: an endpoint in time is not disturbed, and leaves no timer", async () => {
  const clock = handClock();
  const guarded = withDeadlines(
    endpoint(async function* fine() {
      for (let i = 0; i < 10; i++) {
        clock.pass(450);
        yield delta("a");
      }
      yield finish;
    }),
    deadlines,
    clock,
  );
  const answer = await collect(guarded.generate(requestOf(), generateOptions(true)));
  assert.equal(answer.deltas.length, 10);
  assert.equal(clock.timers(), 0);
});

test("models: an endpoint that ignores its signal does not hold its caller", async () => {
  const clock = handClock();
  let wasAborted = false;
  const guarded = withDeadlines(
    endpoint(async function* deaf(options) {
      options.signal.addEventListener("abort", () => {
        wasAborted = true;
      });
      yield delta("a");
      await never;
    }),
    deadlines,
    clock,
  );
  const stop = new AbortController();
  const outcome = collect(guarded.generate(requestOf(), generateOptions(true, { signal: stop.signal })));
  await clock.drain();
  stop.abort(new PawlError("CANCELLED", "the run was cancelled."));
  await assert.rejects(outcome, { code: "CANCELLED", message: "the run was cancelled." });
  assert.ok(wasAborted);
  assert.equal(clock.timers(), 0);
});

test("models: an aborted caller gets its own reason, before the first part too", async () => {
  const stop = new AbortController();
  stop.abort("enough");
  const guarded = withDeadlines(
    endpoint(async function* any() {
      yield finish;
    }),
    deadlines,
    handClock(),
  );
  await assert.rejects(collect(guarded.generate(requestOf(), generateOptions(true, { signal: stop.signal }))), {
    code: "CANCELLED",
  });
});

test("models: M5: deltas far beyond the limit of output are stopped", async () => {
  const guarded = withDeadlines(
    endpoint(async function* endless() {
      for (;;) yield delta("x".repeat(1_000));
    }),
    deadlines,
    handClock(),
  );
  await assert.rejects(
    collect(guarded.generate(requestOf(undefined, { maxOutputTokens: 1_000 }), generateOptions(true))),
    {
      code: "MODEL_BAD_RESPONSE",
      message: /limit of 1000 output tokens/,
    },
  );
});

// M3 over a real connection

for (const which of interfaces) {
  for (const afterBytes of [0, 40]) {
    test(`models: M3 ${which}: a host that goes silent after ${afterBytes} bytes is given up at its deadline, and its connection closed`, async () => {
      const asked = new EventEmitter();
      const server = await startWireServer(() => {
        setImmediate(() => asked.emit("request"));
        return { text: "Hello there", fault: afterBytes === 0 ? { type: "no-reply" } : { type: "silent", afterBytes } };
      });
      try {
        const clock = handClock();
        const arrived = once(asked, "request");
        const outcome = collect(
          endpointOf(routes[which], wired(server, { clock, deadlines })).generate(requestOf(), generateOptions(true)),
        );
        const failed = assert.rejects(outcome, { code: "MODEL_TIMED_OUT" });
        await arrived;
        clock.pass(deadlines.totalMs);
        await failed;
        while ((await server.openConnections()) > 0) await clock.drain();
      } finally {
        await server.close();
      }
    });
  }

  test(`models: ${which}: a call that is cancelled ends at once with the caller's reason`, async () => {
    const asked = new EventEmitter();
    const server = await startWireServer(() => {
      setImmediate(() => asked.emit("request"));
      return { text: "Hello there", fault: { type: "no-reply" } };
    });
    try {
      const stop = new AbortController();
      const arrived = once(asked, "request");
      const outcome = collect(
        endpointOf(routes[which], wired(server)).generate(requestOf(), generateOptions(true, { signal: stop.signal })),
      );
      const failed = assert.rejects(outcome, { code: "CANCELLED", message: "stop it" });
      await arrived;
      stop.abort(new PawlError("CANCELLED", "stop it"));
      await failed;
    } finally {
      await server.close();
    }
  });
}
