import type { Amount } from "../core/budget.ts";
import { strictest } from "../core/policy.ts";
import type { RunState } from "../core/run-state.ts";
import type { CountedAt, EngineHooks, SharedAmount } from "./deps.ts";

type SharedScopes = NonNullable<EngineHooks["sharedScopes"]>;
type BeforeTool = NonNullable<EngineHooks["beforeTool"]>;

/**
 * Two sets of rules as one: an amount counts against the shared scopes of both, and the stricter verdict wins. What only
 * one can say (`snapshotEveryEvents`, `streams`) is as the later one says, where it says something.
 */
export function combinedHooks(one: EngineHooks, other: EngineHooks): EngineHooks {
  const scopes = [one.sharedScopes, other.sharedScopes].filter((hook) => hook !== undefined);
  const rules = [one.beforeTool, other.beforeTool].filter((hook) => hook !== undefined);
  const budgets = [...(one.budgets ?? []), ...(other.budgets ?? [])];
  const counts = [...new Set([...(one.counts ?? []), ...(other.counts ?? [])])];
  return {
    ...one,
    ...other,
    ...(scopes.length > 0 && { sharedScopes: allScopes(scopes) }),
    ...(rules.length > 0 && { beforeTool: strictestRule(rules) }),
    ...(budgets.length > 0 && { budgets }),
    ...(counts.length > 0 && { counts }),
  };
}

/** A scope that several count against is counted once, by the largest of their amounts. */
function allScopes(hooks: readonly SharedScopes[]): SharedScopes {
  return async (state: RunState, amount: Amount, at: CountedAt) => {
    const largest = new Map<string, SharedAmount>();
    for (const hook of hooks) {
      for (const counted of await hook(state, amount, at)) {
        const key = JSON.stringify([counted.scope, counted.window, counted.unit]);
        const known = largest.get(key);
        if (known === undefined || known.amount < counted.amount) largest.set(key, counted);
      }
    }
    return [...largest.values()];
  };
}

function strictestRule(hooks: readonly BeforeTool[]): BeforeTool {
  return (call) => strictest(hooks.map((hook) => hook(call)));
}
