import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { agent } from "../../src/agent/agent.ts";
import { notApplied } from "../../src/core/errors.ts";
import type { Span } from "../../src/core/trace-contract.ts";
import { traceparentOf } from "../../src/core/trace-ids.ts";
import { durable } from "../../src/engine/durable-function.ts";
import type { Run } from "../../src/engine/run-handle.ts";
import { pool } from "../../src/models/pool.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { billLines, costRows, repriced, repriceReport, totalCost } from "../../src/traces/cost.ts";
import { spanFold } from "../../src/traces/spans-from-journal.ts";
import { tool } from "../../src/tools/tool.ts";
import { onStage, type Stage } from "../engine/stage.ts";
import { ownEndpoint } from "../models/own-endpoint.ts";
import { batchesOf, spansFrom, spansOf } from "./read-spans.ts";

const look = tool({
  name: "look",
  version: "7",
  description: "Looks.",
  inputSchema: z.object({ id: z.string() }),
  effect: "pure",
  execute: ({ id }) => Promise.resolve(`found ${id}`),
});
const price = { inputUsd: 2, outputUsd: 8, source: "test table", date: "2026-11-01" };
const usage = {
  inputTokens: 1_000,
  cachedInputTokens: 200,
  cacheWriteTokens: 0,
  outputTokens: 100,
  reasoningTokens: 40,
};

function one(spans: readonly Span[], kind: Span["kind"], name?: string): Span {
  const found = spans.find((span) => span.kind === kind && (name === undefined || span.name === name));
  assert.ok(
    found !== undefined,
    `a ${kind} ${name ?? ""} among ${spans.map((span) => `${span.kind} ${span.name}`).join(", ")}`,
  );
  return found;
}
const textIn = (value: unknown): string => (typeof value === "string" ? value : "");
const read = (stage: Stage, run: Run): Promise<readonly Span[]> => spansOf(stage.app.store, run.ref);

test("a model call tells who was asked and who answered, tokens, finish and price; its failed attempts are spans with bills", async () => {
  const clock = manualClock();
  const models = scriptedModel(
    [
      { error: { code: "MODEL_BROKEN_STREAM" } },
      { text: "Let me look.", toolCalls: [{ tool: "look", input: { id: "A" } }], usage },
      { text: "It is A.", usage },
    ],
    { clock, price },
  );
  const asking = agent({ name: "asking", model: "m/1", instructions: "Look.", tools: [look] });
  await onStage({ agents: [asking], models, clock }, async (stage) => {
    const { run, result } = await stage.play("go");
    const spans = await read(stage, run);
    const calls = spans.filter(({ kind }) => kind === "model");
    assert.deepEqual(
      calls.map(({ detail }) => [
        detail["agent"],
        detail["route"],
        detail["model"],
        detail["attempts"],
        detail["finish"],
      ]),
      [
        ["asking", "m/1", "m/1", 2, "tool-calls"],
        ["asking", "m/1", "m/1", 1, "stop"],
      ],
    );
    const attempts = spans.filter(({ kind }) => kind === "attempt");
    assert.deepEqual(
      attempts.map(({ status, parentSpanId, bill }) => [status, parentSpanId === calls[0]?.spanId, bill?.assumed]),
      [
        ["error", true, true],
        ["ok", true, false],
      ],
    );
    assert.equal(calls[0]?.bill, null, "its bills are on its attempts");
    assert.deepEqual(calls[1]?.bill, {
      usage,
      costNanoUsd: 2_800_000,
      priceSource: "test table 2026-11-01",
      assumed: false,
      inherited: false,
    });
    const fold = spanFold(run.ref);
    for (const batch of await batchesOf(stage.app.store, run.ref)) fold.read(batch);
    assert.ok(fold.run !== null);
    const lines = billLines(fold.run, spans);
    assert.equal(totalCost(lines).costNanoUsd / 1e9, result.costUsd);
    assert.deepEqual(
      costRows(lines, "model").map(({ key, calls: n }) => [key, n]),
      [["m/1", 3]],
    );
    const dearer = repriceReport(repriced(lines, () => ({ ...price, outputUsd: 80, date: "2026-12-01" })));
    assert.equal(dearer[0]?.before.costNanoUsd, totalCost(lines).costNanoUsd);
    assert.ok((dearer[0]?.after.costNanoUsd ?? 0) > (dearer[0]?.before.costNanoUsd ?? 0));
    assert.deepEqual(dearer[0]?.after.sources, ["test table 2026-12-01"]);
    assert.equal(repriceReport(repriced(lines, () => null))[0]?.after.unpricedCalls, 3, "unpriced, never 0");
  });
});

test("a hedged call has the bills of both endpoints, each once", async () => {
  const clock = manualClock();
  const endpoints = [ownEndpoint("slow", clock, () => ({ delayMs: 60_000 })), ownEndpoint("other", clock, () => ({}))];
  const models = pool({
    endpoints,
    routes: { r: { endpoints: ["slow"], fallbacks: ["other"], hedge: { afterMs: 500 } } },
    on: { clock },
  });
  const helper = agent({ name: "helper", model: "r", instructions: "x", maxOutputTokens: 1_000 });
  await onStage({ agents: [helper], models, clock }, async (stage) => {
    const { run, result } = await stage.play();
    const bills = (await read(stage, run)).flatMap(({ name, status, bill }) =>
      bill === null ? [] : [{ name, status, bill }],
    );
    assert.deepEqual(
      bills.map(({ name, status }) => `${name} ${status}`),
      ["slow cancelled", "other ok"],
    );
    assert.equal(bills.reduce((sum, { bill }) => sum + (bill.costNanoUsd ?? 0), 0) / 1e9, result.costUsd);
  });
});

test("a call that a person edits and approves: the wait, who decided, and that it was edited are on the span of the question", async () => {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    inputSchema: z.object({ amount: z.number() }),
    effect: "idempotent",
    approval: "always",
    execute: ({ amount }) => Promise.resolve(amount),
  });
  const paying = durable({ name: "paying", tools: [pay], run: (ctx) => ctx.call(pay, { amount: 100 }) });
  await onStage({ agents: [paying] }, async (stage) => {
    const run = await stage.start("go");
    const held = await stage.clock.until(run.result());
    assert.equal(held.status, "awaiting_approval");
    const waiting = await read(stage, run);
    assert.deepEqual(
      [one(waiting, "tool").status, one(waiting, "ask").status, one(waiting, "park").status],
      ["waiting", "waiting", "waiting"],
    );
    await stage.clock.pass(90_000);
    const [asked] = (await stage.app.approvals.list()).items;
    assert.ok(asked !== undefined);
    await stage.app.approvals.approve(asked.approvalId ?? "", { by: "ada", edit: { amount: 60 } });
    await stage.clock.until(run.result());
    const spans = await read(stage, run);
    const [ask, called] = [one(spans, "ask"), one(spans, "tool")];
    assert.equal(ask.parentSpanId, called.spanId);
    assert.equal(ask.status, "ok");
    const { by, decision, edited, waitedMs } = ask.detail;
    assert.deepEqual([by, decision, edited], ["ada", "approve", true]);
    assert.ok(typeof waitedMs === "number" && waitedMs >= 90_000);
    assert.deepEqual([called.status, called.detail["effectStatus"], called.detail["decidedBy"]], ["ok", "done", "ada"]);
    assert.equal(called.detail["key"], `${run.ref.runId}:${called.callId}`);
  });
});

test("a tool that started more than once has a span for each attempt; a refusal and an unknown outcome are told as such", async () => {
  let tries = 0;
  const put = tool({
    name: "put",
    version: "1",
    description: "Puts.",
    inputSchema: z.object({}),
    effect: "idempotent",
    execute: () => (++tries < 3 ? Promise.reject(new Error(`busy ${tries}`)) : Promise.resolve("put")),
  });
  const send = tool({
    name: "send",
    version: "1",
    description: "Sends.",
    inputSchema: z.object({ lost: z.boolean() }),
    effect: "once",
    execute: ({ lost }) => Promise.reject(lost ? new Error("no answer") : notApplied("closed")),
  });
  const acting = durable({
    name: "acting",
    tools: [put, send],
    run: async (ctx) => {
      await ctx.call(put, {});
      await ctx.call(send, { lost: false }).catch(() => undefined);
      await ctx.call(send, { lost: true });
      return "done";
    },
  });
  await onStage({ agents: [acting], replay: false }, async (stage) => {
    const run = await stage.start("go");
    await stage.clock.until(run.result());
    const spans = await read(stage, run);
    const called = one(spans, "tool", "put");
    const attempts = spans.filter(({ kind, parentSpanId }) => kind === "attempt" && parentSpanId === called.spanId);
    assert.deepEqual(
      attempts.map(({ status, error }) => [status, error?.message ?? null]),
      [
        ["error", "Error: busy 1"],
        ["error", "Error: busy 2"],
        ["ok", null],
      ],
    );
    assert.deepEqual([called.status, called.detail["attempts"]], ["ok", 3]);
    const sent = spans.filter(({ kind, name }) => kind === "tool" && name === "send");
    assert.deepEqual(
      sent.map(({ status, detail }) => [status, detail["effectStatus"]]),
      [
        ["error", "failed"],
        ["unknown", "unknown"],
      ],
    );
    await stage.app.cancel(run.ref.runId, "enough");
    await stage.clock.until(run.result());
    const after = await read(stage, run);
    assert.deepEqual([one(after, "run").status, one(after, "tool", "put").status], ["cancelled", "ok"]);
    assert.equal(after.findLast(({ name, kind }) => name === "send" && kind === "tool")?.status, "unknown");
    assert.equal(one(after, "message", "cancel").status, "ok");
  });
});

test("the trace of a caller goes in with the run, on to its children and out to its tools", async () => {
  const seen: string[] = [];
  const ping = tool({
    name: "ping",
    version: "1",
    description: "Pings.",
    inputSchema: z.object({}),
    effect: "pure",
    execute: (_, ctx) => {
      seen.push(ctx.traceparent);
      return Promise.resolve("pong");
    },
  });
  const inner = durable({ name: "inner", tools: [ping], run: (ctx) => ctx.call(ping, {}) });
  const outer = durable({ name: "outer", uses: [inner], run: (ctx) => ctx.callRun(inner, "go") });
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  await onStage({ agents: [outer, inner] }, async (stage) => {
    const { run } = await stage.play("go", { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    const spans = await read(stage, run);
    const child = one(spans, "child");
    const childRef = { tenant: "default", runId: textIn(child.detail["childRunId"]) };
    const below = await spansOf(stage.app.store, childRef);
    assert.deepEqual([...new Set([...spans, ...below].map((span) => span.traceId))], [traceId]);
    assert.equal(one(below, "run").parentSpanId, child.spanId);
    assert.equal(one(spans, "run").parentSpanId, null);
    assert.equal(one(spans, "run").detail["remoteParentSpanId"], "b7ad6b7169203331");
    const called = one(below, "tool");
    assert.deepEqual(seen, [`00-${traceId}-${called.spanId}-01`]);
    assert.equal(traceparentOf(childRef, `00-${traceId}-b7ad6b7169203331-01`, called.callId ?? ""), seen[0]);
  });
});

test("timers, signals, plans and steering are spans; the ids are the same in every reading", async () => {
  const waiting = durable({
    name: "waiting",
    run: async (ctx) => {
      await ctx.sleep(120_000);
      return ctx.waitForSignal("paid", { withinMs: 600_000 });
    },
  });
  await onStage({ agents: [waiting] }, async (stage) => {
    const run = await stage.start("go");
    await stage.clock.pass(130_000);
    await stage.app.message(run.ref.runId, "Hurry.", { by: "ada" });
    await stage.app.signal(run.ref.runId, "paid", { amount: 5 }, { by: "bank" });
    await stage.clock.until(run.result());
    const batches = await batchesOf(stage.app.store, run.ref);
    const spans = spansFrom(run.ref, batches);
    assert.ok((one(spans, "wait", "timer").endedAt ?? 0) - one(spans, "wait", "timer").startedAt >= 120_000);
    assert.equal(one(spans, "wait", "signal paid").detail["received"], true);
    assert.equal(one(spans, "message", "signal paid").detail["by"], "bank");
    assert.equal(one(spans, "message", "message").detail["by"], "ada");
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
    assert.deepEqual(spansFrom(run.ref, batches), spans);
    for (const { spanId, traceId } of spans) assert.match(`${traceId} ${spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
  });
});
