import assert from "node:assert/strict";
import { test } from "node:test";
import { agent, pawl } from "pawl";
import { manualClock, memoryStore, scriptedModel } from "pawl/testing";

test("a text that arrives in one long piece is streamed in pieces, and answers the call", async () => {
  const clock = manualClock();
  const text = "é".repeat(20_000);
  const talker = agent({ name: "talker", model: "scripted", instructions: "Talk.", limits: { tokens: 1_000_000 } });
  const app = pawl({
    store: memoryStore({ clock }),
    agents: [talker],
    models: scriptedModel([{ text }], { clock }),
    clock,
  });
  const run = await app.start(talker, { input: "go" });
  let streamed = "";
  const read = (async () => {
    for await (const event of run.stream()) if (event.type === "text.delta") streamed += event.text;
  })();
  const result = await clock.until(run.result());
  await clock.until(read);
  assert.equal(result.status, "completed");
  assert.equal(result.status === "completed" && result.output, text);
  assert.equal(streamed, text);
  await clock.until(app.close());
});
