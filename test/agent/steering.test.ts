import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, tool } from "pawl";
import type { Store } from "../../src/core/store-contract.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { ofType, onStage } from "../engine/stage.ts";

const look = tool({
  name: "look",
  version: "1",
  description: "Looks.",
  effect: "pure",
  inputSchema: z.object({}),
  execute: () => "seen",
});
const writer = agent({ name: "writer", model: "scripted", instructions: "Write.", tools: [look] });
const heard = (request: unknown): boolean => JSON.stringify(request).includes("Be brief.");

test("a message that comes while the last answer is written is read before the run ends", async () => {
  await onStage(
    {
      agents: [writer],
      script: (request) => (heard(request) ? { text: "Brief." } : { text: "A long answer.", delayMs: 5_000 }),
    },
    async (stage) => {
      const run = await stage.start();
      await stage.clock.pass(1_000);
      await stage.app.message(run.id, "Be brief.");
      const { result, events } = await stage.played(run);
      assert.equal(result.status === "completed" && result.output, "Brief.");
      assert.equal(ofType(events, "turn.ended").length, 1);
      assert.deepEqual(
        stage.prompts.at(-1)?.map(({ role }) => role),
        ["user", "assistant", "user"],
      );
    },
  );
});

test("a message that comes as the end is written is read too", async () => {
  const clock = manualClock();
  const plain = memoryStore({ clock });
  let say: (() => Promise<void>) | null = null;
  const append: Store["append"] = async (ref, one) => {
    const isEnd = one.batch.line.includes('"run.ended"');
    if (isEnd && say !== null) {
      const saying = say;
      say = null;
      await saying();
    }
    return plainAppend(ref, one);
  };
  const plainAppend = plain.append.bind(plain);
  const store = Object.assign(plain, { append });
  await onStage(
    { agents: [writer], clock, store, script: (request) => ({ text: heard(request) ? "Brief." : "Long." }) },
    async (stage) => {
      const run = await stage.start();
      say = () => stage.app.message(run.id, "Be brief.");
      const { result } = await stage.played(run);
      assert.equal(result.status === "completed" && result.output, "Brief.");
    },
  );
});

test("a message to a run that has ended is refused", async () => {
  await onStage({ agents: [writer], script: [{ text: "Done." }] }, async (stage) => {
    const { run } = await stage.play();
    await assert.rejects(stage.app.message(run.id, "Be brief."), { code: "RUN_ENDED" });
  });
});

test("a message that was sent twice with one id is read once", async () => {
  await onStage(
    {
      agents: [writer],
      script: (_, { turn }) =>
        turn === 0 ? { toolCalls: [{ tool: "look", input: {} }], delayMs: 1_000 } : { text: "Done." },
    },
    async (stage) => {
      const run = await stage.start();
      await stage.clock.pass(10);
      for (let i = 0; i < 3; i++) await stage.app.message(run.id, "Be brief.", { messageId: "m-1" });
      await stage.played(run);
      assert.equal(JSON.stringify(stage.prompts.at(-1)).split("Be brief.").length - 1, 1);
    },
  );
});

test("a turn limit ends a run also while it is spoken to", async () => {
  const short = agent({ name: "short", model: "scripted", instructions: "Write.", limits: { turns: 2 } });
  await onStage({ agents: [short], script: () => ({ text: "Long.", delayMs: 1_000 }) }, async (stage) => {
    const run = await stage.start();
    for (let i = 0; i < 3; i++) {
      await stage.clock.pass(500);
      await stage.app.message(run.id, `More ${i}.`).catch(() => undefined);
      await stage.clock.pass(600);
    }
    const { result } = await stage.played(run);
    assert.equal(result.status === "stopped" && result.stopReason, "max_turns");
    assert.equal(result.status === "stopped" && result.output, "Long.");
  });
});
