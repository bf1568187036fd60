import { seededRandom } from "../../src/core/clock.ts";
import type { JsonValue } from "../../src/core/json.ts";
import type { LedgerAmount, LedgerScope, Store } from "../../src/core/store-contract.ts";
import type { SimulatedStart, SimulationOptions } from "../../src/testing/simulator.ts";
import { checkAnswers, checkEffects, checkLedger, checkMessages } from "./checks.ts";
import { randomProgram } from "./program.ts";
import { agents, randomGoal } from "./agent-workload.ts";
import { simulatedModels } from "./models.ts";
import { worker } from "./workload.ts";

const TENANT = "default";
const tokens: LedgerScope = { scope: "tenant", window: "all", unit: "tokens" };
const calls: LedgerScope = { scope: "tools", window: "all", unit: "calls" };

/** What a seed simulates: its runs, its model, its shared budgets, and what must hold at its end. */
export function scenarioOf(seed: number): SimulationOptions {
  const broken: string[] = [];
  const random = seededRandom(seed ^ 0xca5e);
  const isOnLedger = random() < 0.5;
  return {
    runnables: [worker, ...agents],
    starts: startsOf,
    models: simulatedModels((claim) => broken.push(claim)),
    hooks: {
      snapshotEveryEvents: 12 + Math.floor(random() * 30),
      ...(isOnLedger && { sharedScopes: (_state, amount) => amountsOf(amount.tokens, amount.calls) }),
    },
    signalValue: (name) => `go ${name}`,
    prepare: async (store) => {
      if (isOnLedger) await setCaps(store);
    },
    check: async (end) => {
      if (broken[0] !== undefined) throw new Error(broken[0]);
      checkAnswers(end);
      checkEffects(end);
      checkMessages(end);
      if (isOnLedger) await checkLedger(end, TENANT, { tokens, calls });
    },
  };
}

function startsOf(random: () => number): readonly SimulatedStart[] {
  const runs = 1 + Math.floor(random() * 2.5);
  const threads = random() < 0.25 ? 1 : 0;
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

async function setCaps(store: Store): Promise<void> {
  await store.setCap(TENANT, tokens, 100_000_000);
  await store.setCap(TENANT, calls, 1_000_000);
}
