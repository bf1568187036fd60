import { seededRandom } from "../../src/core/clock.ts";
import { defaultTenant } from "../../src/core/id.ts";
import type { JsonValue } from "../../src/core/json.ts";
import type { LedgerAmount, LedgerScope, Store } from "../../src/core/store-contract.ts";
import type { SimulatedStart, SimulationOptions } from "../../src/testing/simulator.ts";
import { checkAnswers, checkEffects, checkLedger, checkMessages } from "./checks.ts";
import { randomProgram } from "./program.ts";
import { agents, randomGoal } from "./agent-workload.ts";
import { simulatedModels } from "./models.ts";
import { worker } from "./workload.ts";

/** Two tenants whose runs, threads and signals have the same names. */
const tenantPair = ["acme", "globex"] as const;
const PAIR_SHARE = 0.25;
const tokens: LedgerScope = { scope: "tenant", window: "all", unit: "tokens" };
const calls: LedgerScope = { scope: "tools", window: "all", unit: "calls" };

/** What a seed simulates: its runs, its model, its shared budgets, and what must hold at its end. */
export function scenarioOf(seed: number): SimulationOptions {
  const broken: string[] = [];
  const random = seededRandom(seed ^ 0xca5e);
  const isOnLedger = random() < 0.5;
  const snapshotEveryEvents = 12 + Math.floor(random() * 30);
  const tenants = random() < PAIR_SHARE ? tenantPair : [defaultTenant];
  return {
    runnables: [worker, ...agents],
    starts: (dice) => startsOf(dice, tenants),
    models: simulatedModels((claim) => broken.push(claim)),
    hooks: {
      snapshotEveryEvents,
      ...(isOnLedger && { sharedScopes: (_state, amount) => amountsOf(amount.tokens, amount.calls) }),
    },
    signalValue: (name, tenant) => `go ${name}@${tenant}`,
    prepare: async (store) => {
      if (isOnLedger) for (const tenant of tenants) await setCaps(store, tenant);
    },
    check: async (end) => {
      if (broken[0] !== undefined) throw new Error(broken[0]);
      checkAnswers(end);
      checkEffects(end);
      checkMessages(end);
      if (isOnLedger) for (const tenant of tenants) await checkLedger(end, tenant, { tokens, calls });
    },
  };
}

/** Two tenants have as many runs each, often the same work, and together hardly more than one alone. */
function startsOf(random: () => number, tenants: readonly string[]): readonly SimulatedStart[] {
  const runs = 1 + Math.floor((random() * 2.5) / tenants.length);
  const threads = random() < 0.25 * tenants.length ? 1 : 0;
  const first = startsOfTenant(random, runs, threads);
  const isSameWork = random() < 0.6;
  return tenants.flatMap((tenant, i) => {
    const starts = i === 0 || isSameWork ? first : startsOfTenant(random, runs, threads);
    return starts.map((start) => ({ ...start, tenant }));
  });
}

function startsOfTenant(random: () => number, runs: number, threads: number): readonly SimulatedStart[] {
  return Array.from({ length: runs + threads }, () => {
    const agent = random() < 0.2 ? agents[Math.floor(random() * agents.length)] : undefined;
    if (agent !== undefined) return { runnable: agent, input: randomGoal(random) };
    const input = randomProgram(random) as unknown as JsonValue;
    const roll = random();
    if (threads > 0 && random() < 0.8)
      return { runnable: worker, input, threadId: "talk", onBusy: random() < 0.7 ? "enqueue" : "interrupt" };
    if (roll < 0.1) return { runnable: worker, input, limits: { tokens: 2_000 } };
    return roll < 0.15
      ? { runnable: worker, input, limits: { tokens: 1_500, onBudget: "finish" } }
      : { runnable: worker, input };
  });
}

function amountsOf(wantedTokens: number, wantedCalls: number): readonly LedgerAmount[] {
  const amounts: LedgerAmount[] = [];
  if (wantedTokens > 0) amounts.push({ ...tokens, amount: wantedTokens });
  if (wantedCalls > 0) amounts.push({ ...calls, amount: wantedCalls });
  return amounts;
}

async function setCaps(store: Store, tenant: string): Promise<void> {
  await store.setCap(tenant, tokens, 100_000_000);
  await store.setCap(tenant, calls, 1_000_000);
}
