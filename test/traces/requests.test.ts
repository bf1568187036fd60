import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import type { Ref } from "../../src/core/label.ts";
import type { JsonValue } from "../../src/core/json.ts";
import type { Message } from "../../src/core/message.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import { Values } from "../../src/engine/values.ts";
import { PromptFold, rebuiltRequest, type ReadValue } from "../../src/traces/rebuild-request.ts";
import type { Script } from "../../src/testing/scripted-model.ts";
import { tool } from "../../src/tools/tool.ts";
import { onStage } from "../engine/stage.ts";
import { batchesOf } from "./read-spans.ts";
import { recordedRuns, type RecordedRun } from "./recorded-runs.ts";

const look = tool({
  name: "look",
  version: "1",
  description: "Looks something up.",
  inputSchema: z.object({ what: z.string() }),
  effect: "pure",
  execute: ({ what }) => Promise.resolve({ found: `all about ${what}`, long: "x".repeat(20_000) }),
});
const script: Script = [
  { text: "I look twice.", toolCalls: ["a", "b"].map((what) => ({ tool: "look", input: { what } })) },
  { error: { code: "MODEL_UNAVAILABLE" } },
  { toolCalls: [{ tool: "look", input: { what: "c" } }] },
  { text: "done" },
];

function readerOf({ store, ref, head }: Pick<RecordedRun, "store" | "ref" | "head">): ReadValue {
  const values = new Values({ store, redaction: null }, ref, head.blobScope);
  return (value: Ref) => values.read(value);
}

/** Neighbouring tool messages as one, as they go out. */
function joined(messages: readonly Message[]): readonly Message[] {
  const out: Message[] = [];
  for (const message of messages) {
    const last = out.at(-1);
    if (message.role === "tool" && last?.role === "tool")
      out.splice(-1, 1, { role: "tool", content: [...last.content, ...message.content] });
    else out.push(message);
  }
  return out;
}

test("a request rebuilt from the journal is the request that the model got, and its hash proves it", async () => {
  const asking = agent({ name: "asking", model: "m/1", instructions: "Look, then answer.", tools: [look] });
  await onStage({ agents: [asking], script }, async (stage) => {
    const { run, events } = await stage.play("What is it?");
    const head = await run.head();
    assert.ok(head !== null);
    const batches = await batchesOf(stage.app.store, run.ref);
    const called = events.filter((event) => event.type === "model.called");
    assert.equal(called.length, stage.models.requests.length);
    for (const [i, { callId, attempt }] of called.entries()) {
      const fold = new PromptFold(callId, attempt);
      for (const batch of batches) fold.read(batch);
      assert.ok(fold.frame !== null);
      const rebuilt = await rebuiltRequest(
        run.ref,
        fold.frame,
        readerOf({ store: stage.app.store, ref: run.ref, head }),
      );
      const sent: ModelRequest | undefined = stage.models.requests[i]?.request;
      assert.equal(rebuilt.isProved, true);
      assert.deepEqual(joined(rebuilt.messages.map(({ message }) => message)), sent?.messages);
      assert.equal(rebuilt.system, sent?.system);
      assert.deepEqual(rebuilt.tools, sent?.tools);
      assert.deepEqual(rebuilt.params, sent?.params);
    }
    const last = new PromptFold(called.at(-1)?.callId ?? "");
    for (const batch of batches) last.read(batch);
    assert.ok(last.frame !== null);
    const { messages } = await rebuiltRequest(
      run.ref,
      last.frame,
      readerOf({ store: stage.app.store, ref: run.ref, head }),
    );
    assert.deepEqual(
      messages.map(({ from, seq }) => `${from?.callId ?? "-"} ${seq === null ? "own" : "earlier"}`),
      ["- earlier", "t0-0 earlier", "t0-1 earlier", "t0-2 earlier", "t1-0 earlier", "t1-1 earlier"],
    );
  });
});

test("a request that is not what was recorded is not proved: another message, other params, a changed blob", async () => {
  const asking = agent({ name: "asking", model: "m/1", instructions: "Answer.", tools: [look] });
  await onStage({ agents: [asking], script }, async (stage) => {
    const { run, events } = await stage.play("What is it?");
    const head = await run.head();
    assert.ok(head !== null);
    const fold = new PromptFold(events.findLast((event) => event.type === "model.called")?.callId ?? "");
    for (const batch of await batchesOf(stage.app.store, run.ref)) fold.read(batch);
    const { frame } = fold;
    assert.ok(frame !== null);
    const read = readerOf({ store: stage.app.store, ref: run.ref, head });
    const isProved = async (other: Partial<typeof frame>, reader: ReadValue = read): Promise<boolean> =>
      (await rebuiltRequest(run.ref, { ...frame, ...other, originOf: () => ({ kind: "message", call: null }) }, reader))
        .isProved;
    assert.equal(await isProved({}), true);
    assert.equal(await isProved({ entries: frame.entries.slice(1) }), false);
    assert.equal(await isProved({ entries: frame.entries.toReversed() }), false);
    assert.equal(await isProved({ params: { ...frame.params, maxOutputTokens: 1 } }), false);
    assert.equal(await isProved({ systemRef: { inline: "Obey." } }), false);
    const forged = (ref: Ref): Promise<JsonValue | null> =>
      "blob" in ref ? Promise.resolve({ found: "lies" }) : read(ref);
    assert.equal(await isProved({}, forged), false);
    assert.equal(await isProved({}, () => Promise.resolve(null)), false, "a blob that is gone proves nothing");
  });
});

test("every request of thirty simulated seeds is proved: after crashes, forks, compactions, shrunk limits", async () => {
  let proved = 0;
  for (const run of await recordedRuns(100, 30)) {
    const calls = run.batches.flatMap(({ events }) => events.filter((event) => event.type === "model.called"));
    for (const { callId, attempt } of calls) {
      const fold = new PromptFold(callId, attempt);
      for (const batch of run.batches) fold.read(batch);
      assert.ok(fold.frame !== null);
      const rebuilt = await rebuiltRequest(run.ref, fold.frame, readerOf(run));
      assert.ok(rebuilt.isProved, `seed ${run.seed} ${run.ref.runId} ${callId}/${attempt}`);
      proved++;
    }
  }
  assert.ok(proved > 40, `${proved} requests`);
});
