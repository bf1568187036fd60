import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunState } from "../../src/core/run-state.ts";
import { combinedHooks } from "../../src/engine/combined-hooks.ts";
import type { EngineHooks } from "../../src/engine/deps.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { gateway, spendHooks, type GatewayLimits, type GatewayLogLine } from "../../src/gateway.ts";
import { memoryStore, scriptedModel } from "../../src/testing.ts";
import { greeter } from "./served.ts";

// The day's tokens and cost hold for every run of the runtime, whoever started it.

test("every tenant is capped at its first call, though no gateway ever saw it; the gateway adds the hooks by itself", async () => {
  const limits: GatewayLimits = {
    tenant: { tokensPerDay: 50 },
    tenants: { big: { tokensPerDay: 1_000_000 } },
    key: { costUsdPerDay: 5 },
  };
  const app = new Pawl({
    store: memoryStore(),
    agents: [greeter],
    models: scriptedModel({ "test/greeter": [{ text: "Hello." }] }),
  });
  gateway({ app, limits });
  gateway({ app, limits });
  try {
    const statusOf = async (tenant: string): Promise<string> => {
      const run = await app.start(greeter, { tenant, principal: "ada", input: "x".repeat(400) });
      return (await run.result()).status;
    };
    assert.equal(await statusOf("small"), "awaiting_budget", "started past the gateway");
    assert.equal(await statusOf("big"), "completed");
    const eachDay = { window: "day", unit: "tokens", scope: "quota:tenant" } as const;
    assert.equal((await app.store.readLedger("small", eachDay)).cap, 50);
    assert.equal((await app.store.readLedger("big", eachDay)).cap, 1_000_000);
    const ofAda = { window: "day", unit: "nanoUsd", scope: "quota:principal:ada" } as const;
    assert.equal((await app.store.readLedger("big", ofAda)).cap, 5e9);
  } finally {
    await app.close();
  }
});

test("limits of a day that nobody would count are refused, or said loudly where workers are elsewhere", async () => {
  const limits: GatewayLimits = { tenant: { costUsdPerDay: 1 } };
  const options = { store: memoryStore(), agents: [greeter], models: scriptedModel({}) };
  const opened = new Pawl(options);
  await opened.open();
  try {
    assert.throws(() => gateway({ app: opened, limits }), { code: "CONFIG_INVALID", message: /spendHooks\(limits\)/ });
    assert.throws(() => opened.addHooks(spendHooks(limits)), /before the runtime is opened/);
    gateway({ app: opened, limits: { tenant: { requestsPerS: 5 } } });
  } finally {
    await opened.close();
  }
  const log: GatewayLogLine[] = [];
  const without = new Pawl({ ...options, worker: false });
  gateway({ app: without, limits, onLog: (line) => log.push(line) });
  assert.match(log.map(({ level, text }) => `${level} ${text}`).join(), /^warn .*every worker/s);
  gateway({
    app: new Pawl({ ...options, worker: false, hooks: spendHooks(limits) }),
    limits,
    onLog: (line) => log.push(line),
  });
  assert.equal(log.length, 1);
});

test("hooks of two are one: each scope counts once by the larger amount, the stricter verdict wins", async () => {
  const scope = { scope: "team", window: "all", unit: "tokens" } as const;
  const one: EngineHooks = {
    sharedScopes: () => [{ ...scope, amount: 5 }],
    beforeTool: () => ({ decision: "allow", rules: [] }),
    streams: false,
    counts: ["a"],
  };
  const other: EngineHooks = {
    sharedScopes: async () => [
      { ...scope, amount: 7 },
      { ...scope, unit: "calls", amount: 1 },
    ],
    beforeTool: () => ({ decision: "refuse", rules: ["night"], reason: "not at night" }),
    counts: ["b", "a"],
  };
  const both = combinedHooks(one, other);
  const at = { store: memoryStore(), clock: systemClock };
  const call = { ref: { tenant: "t", runId: "r" }, tool: "pay", version: "1" };
  assert.deepEqual(await both.sharedScopes?.({} as RunState, { calls: 1, tokens: 1, costNanoUsd: 1 }, at), [
    { ...scope, amount: 7 },
    { ...scope, unit: "calls", amount: 1 },
  ]);
  assert.deepEqual(both.beforeTool?.(call), { decision: "refuse", rules: ["night"], reason: "not at night" });
  assert.equal(combinedHooks(other, one).beforeTool?.(call).decision, "refuse");
  assert.deepEqual([both.streams, both.counts], [false, ["a", "b"]]);
  assert.deepEqual(combinedHooks({}, {}), {});
});
