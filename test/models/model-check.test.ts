import assert from "node:assert/strict";
import { test } from "node:test";
import { modelCheck } from "../../src/models/model-check.ts";
import { modelSource } from "../../src/models/model-source.ts";
import type { WireReply } from "../../src/testing/wire-reply.ts";
import { env, interfaces, routes, withServer, wired } from "./ask.ts";

const good: WireReply = {
  toolCalls: [{ name: "report_code", arguments: '{"code":"4711"}' }],
  usage: { input: 1_000, output: 100 },
};

for (const which of interfaces) {
  test(`models: check of a ${which} model that works finds nothing but what is not known of it`, async () => {
    await withServer([good], async (server) => {
      const check = await modelCheck(modelSource(wired(server)), routes[which]);
      assert.equal(check.error, null);
      assert.equal(check.endpoint, routes[which]);
      assert.ok(check.ttftMs !== null && check.totalMs !== null && check.ttftMs <= check.totalMs);
      assert.deepEqual([check.usage?.inputTokens, check.usage?.outputTokens], [1_000, 100]);
      if (which !== "chat") {
        assert.deepEqual(
          check.problems.filter((problem) => !/in one piece/.test(problem)),
          [],
        );
        assert.ok(check.costNanoUsd !== null && check.costNanoUsd > 0);
        assert.match(check.priceSource ?? "", /pricing 2026-/);
      } else {
        assert.equal(check.costNanoUsd, null);
        assert.ok(check.problems.some((problem) => /price is not known/.test(problem)));
      }
    });
  });
}

const bad: readonly (readonly [reply: WireReply, problem: RegExp])[] = [
  [{ text: "I cannot call tools." }, /called no tool/],
  [{ toolCalls: [{ name: "reportCode", arguments: "{}" }] }, /does not exist/],
  [{ toolCalls: [{ name: "report_code", arguments: '{"code":' }] }, /not JSON/],
  [{ toolCalls: [{ name: "report_code", arguments: '{"code":4711}' }] }, /other arguments/],
  [{ ...good, usage: null }, /no usage/],
  [{ error: { status: 401 } }, /MODEL_UNAUTHORIZED/],
  [{ error: { status: 404, message: "no such model" } }, /MODEL_NOT_FOUND/],
  [{ fault: { type: "html" } }, /MODEL_BAD_RESPONSE/],
];
for (const [reply, problem] of bad) {
  test(`models: check finds ${String(problem)}`, async () => {
    await withServer([reply], async (server) => {
      const check = await modelCheck(modelSource(wired(server)), routes.chat);
      assert.ok(
        check.problems.some((found) => problem.test(found)),
        JSON.stringify(check.problems),
      );
    });
  });
}

test("models: check of a route to nowhere is an outcome, not an exception", async () => {
  const check = await modelCheck(modelSource({ env }), "nobody/nothing");
  assert.equal(check.error?.code, "MODEL_UNKNOWN");
  assert.equal(check.endpoint, null);
});

test("models: check of the offline model costs nothing and says what it is", async () => {
  const check = await modelCheck(modelSource({ env: {} }), "offline/extractive");
  assert.equal(check.error, null);
  assert.equal(check.costNanoUsd, 0);
  assert.match(check.notice ?? "", /no language model/);
});
