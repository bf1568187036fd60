import assert from "node:assert/strict";
import { test } from "node:test";
import { agent } from "pawl";
import { pool, type ModelEndpoint } from "pawl/models";
import { savings } from "../../src/core/savings.ts";
import { noUsage } from "../../src/core/usage.ts";
import { manualClock, type ManualClock } from "../../src/testing/manual-clock.ts";
import { ownEndpoint, type OwnEndpoint } from "../models/own-endpoint.ts";
import { ofType, onStage } from "./stage.ts";

const TTL_MS = 60_000;

/** An agent whose route keeps answers, and the endpoint that is asked where none is kept. */
function keeping(
  clock: ManualClock,
  temperature: number | null,
  endpoint = ownEndpoint("own", clock, () => ({ delayMs: 40 })),
) {
  const models = pool({
    endpoints: [endpoint],
    routes: { exact: { endpoints: ["own"], cache: { ttlMs: TTL_MS } } },
    on: { clock },
  });
  const options = { ...(temperature !== null && { temperature }) };
  const teller = agent({ name: "teller", model: "exact", instructions: "Tell.", ...options });
  return { options: { agents: [teller], models, clock }, endpoint };
}

test("an equal request at temperature 0 gets the kept answer for nothing, and says what it saved", async () => {
  const clock = manualClock();
  const { options, endpoint } = keeping(clock, 0);
  await onStage(options, async (stage) => {
    const first = await stage.play("Hello");
    const [paid] = ofType(first.events, "model.answered");
    assert.ok(paid !== undefined && (paid.costNanoUsd ?? 0) > 0 && paid.saved === undefined);
    const second = await stage.play("Hello");
    const [kept] = ofType(second.events, "model.answered");
    assert.deepEqual([kept?.usage, kept?.costNanoUsd], [noUsage, 0]);
    assert.deepEqual(kept?.saved, { ms: paid.ms, costNanoUsd: paid.costNanoUsd, usage: paid.usage });
    const ended = [first, second].map(({ events }) => ofType(events, "run.ended")[0]);
    assert.ok(ended[0]?.status === "completed" && ended[1]?.status === "completed");
    assert.deepEqual(kept?.message, paid.message);
    assert.equal(endpoint.seen.calls, 1);
    assert.deepEqual(savings(second.events).cache, { hits: 1, savedMs: paid.ms, savedNanoUsd: paid.costNanoUsd });
    assert.equal((await second.run.head()).totals.costNanoUsd, 0);
    await stage.play("Another question");
    assert.equal(endpoint.seen.calls, 2, "another prompt is another request");
    await stage.play("Hello", { tenant: "other" });
    assert.equal(endpoint.seen.calls, 3, "no tenant gets another's answer");
    await stage.clock.pass(TTL_MS);
    await stage.play("Hello");
    assert.equal(endpoint.seen.calls, 4, "an answer is kept for its time");
  });
});

test("without temperature 0 an answer is one of many, so the model is asked again", async () => {
  const clock = manualClock();
  const { options, endpoint } = keeping(clock, null);
  await onStage(options, async (stage) => {
    await stage.play("Hello");
    await stage.play("Hello");
    assert.equal(endpoint.seen.calls, 2);
  });
});

test("an answer that was cut, or says nothing, is not kept", async () => {
  for (const wrong of ["length", "empty"] as const) {
    const clock = manualClock();
    const sane = ownEndpoint("own", clock);
    let calls = 0;
    const odd: ModelEndpoint = {
      ...sane,
      async *generate(request, given) {
        const isOdd = calls++ === 0;
        for await (const part of sane.generate(request, given))
          yield part.type !== "finish" || !isOdd
            ? part
            : wrong === "length"
              ? { ...part, finish: "length" as const }
              : { ...part, content: [] };
      },
    };
    const { options } = keeping(clock, 0, odd as OwnEndpoint);
    await onStage({ ...options, replay: false }, async (stage) => {
      await stage.play("Hello");
      const { events } = await stage.play("Hello");
      assert.equal(
        ofType(events, "model.answered").some(({ saved, finish }) => saved !== undefined && finish === "length"),
        false,
      );
      assert.ok(calls >= 2, wrong);
    });
  }
});
