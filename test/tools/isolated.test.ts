import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent, pawl, tool } from "pawl";
import type { ToolEffect } from "../../src/tools/tool.ts";
import { isolated } from "../../src/tools/isolated.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { ofType } from "../engine/stage.ts";
import type { ReadEvent } from "../../src/engine/run-events.ts";

interface Acting {
  readonly name: string;
  readonly effect?: ToolEffect<unknown>["effect"] & ("pure" | "once");
  readonly timeLimitMs?: number;
}

/** A run whose first turn calls the isolated function, beside a call of this process. */
async function played({ name, effect = "once", timeLimitMs = 30_000 }: Acting) {
  const module = new URL("./isolated-code.ts", import.meta.url);
  const act = tool({
    name: "act",
    version: "1",
    description: "Acts.",
    effect,
    attempts: 1,
    timeLimitMs,
    capabilities: [],
    inputSchema: z.object({ name: z.string() }),
    execute: isolated<{ name: string }, never>({ module, export: name }),
  });
  const beside = tool({
    name: "beside",
    version: "1",
    description: "Is here.",
    effect: "pure",
    inputSchema: z.object({}),
    execute: () => "here",
  });
  const calls = [
    { tool: "act", input: { name: "Ann" } },
    { tool: "beside", input: {} },
  ];
  const app = pawl({
    store: memoryStore(),
    agents: [agent({ name: "a", model: "m", instructions: "x", tools: [act, beside] })],
    models: scriptedModel([{ toolCalls: calls }, { text: "end" }]),
  });
  try {
    const run = await app.start("a", { input: "Do it." });
    const result = await run.result();
    const events: ReadEvent[] = [];
    for await (const event of run.events()) events.push(event);
    const returned = ofType(events, "tool.returned");
    assert.ok(
      returned.some((event) => event.tool === "beside"),
      "the call beside it is not touched",
    );
    return { result, events, returned: returned.find((event) => event.tool === "act") };
  } finally {
    await app.close();
  }
}

test("an isolated call runs in another process, with its input, its key, artifacts and what it may not have", async () => {
  const { result, returned } = await played({ name: "greet" });
  assert.equal(result.status, "completed");
  const ref = returned?.shownRef;
  const said = (ref !== undefined && "inline" in ref ? ref.inline : {}) as Record<string, unknown>;
  assert.equal(said["said"], "Hello Ann");
  assert.match(String(said["secret"]), /secret:KEY/);
  assert.notEqual(said["pid"], process.pid);
  assert.equal(typeof said["key"], "string");
});

for (const [name, why] of [
  ["exit", /ended with exit code 3 before it answered/],
  ["throwLater", /ended with exit code 1 before it answered/],
] as const) {
  test(`isolated code that does ${name} leaves a call that acts unknown, for a person`, async () => {
    const { result, events } = await played({ name });
    assert.deepEqual(result.status === "awaiting_approval" && result.unknownEffects, ["t0-1"]);
    assert.match(ofType(events, "effect.unknown")[0]?.reason ?? "", why);
  });
  test(`isolated code that does ${name} fails a call that reads, and the run goes on`, async () => {
    const { result, events } = await played({ name, effect: "pure" });
    assert.equal(result.status, "completed");
    assert.match(ofType(events, "tool.failed")[0]?.error.message ?? "", why);
  });
}

test("isolated code that blocks is ended at its time limit, and everything beside it goes on", async () => {
  const { result, events } = await played({ name: "block", timeLimitMs: 1_500 });
  assert.deepEqual(result.status === "awaiting_approval" && result.unknownEffects, ["t0-1"]);
  const at = (type: ReadEvent["type"]): number => ofType(events, type)[0]?.seq ?? Infinity;
  assert.ok(at("tool.returned") < at("effect.unknown"), "the call beside it was answered while this one blocked");
});

test("isolated code that says that nothing was done, or that is missing, is a failed call", async () => {
  const reasons: [string, RegExp][] = [
    ["refuse", /the shop is closed/],
    ["nowhere", /exports no function "nowhere"/],
  ];
  for (const [name, why] of reasons) {
    const { result, events } = await played({ name });
    assert.equal(result.status, "completed");
    const [failed] = ofType(events, "tool.failed");
    assert.equal(failed?.applied, "no");
    assert.match(failed.error.message, why);
  }
});

test("a result that is no JSON is refused with its place, as it is without isolation", async () => {
  const { returned } = await played({ name: "odd" });
  assert.match(returned?.invalid?.message ?? "", /bigint at n/i);
});

test("isolated needs a URL", () => {
  assert.throws(() => isolated({ module: "refund.ts", export: "refund" }), /Give a URL/);
});
