import type { Store } from "../core/store-contract.ts";
import { limits } from "../core/limits.ts";
import type { ToolRate } from "../core/tool-contract.ts";
import type { EngineHooks, SharedAmount } from "./deps.ts";
import { LedgerCaps } from "./ledger-caps.ts";
import type { Registry } from "./registry.ts";

/**
 * Counts each call of a tool that has a `rate` in the store's ledger, for its tenant, over all processes. A call too many waits
 * for the next window, as for any shared budget.
 */
export function rateHooks(registry: Registry): Pick<EngineHooks, "sharedScopes"> {
  const rated = (): boolean => registry.sources.length > 0 || registry.runnables.some(hasRate);
  if (!rated()) return {};
  const countersOf = new WeakMap<Store, RateCounter>();
  return {
    sharedScopes: async ({ started }, amount, { store, clock, tool: name }) => {
      const version = name === undefined ? undefined : started.pins.tools?.[name];
      const rate = name === undefined || version === undefined ? undefined : registry.tool(name, version)?.rate;
      if (rate === undefined || amount.calls === 0) return [];
      const counter = countersOf.get(store) ?? new RateCounter(store);
      countersOf.set(store, counter);
      const scope = `tool-rate:${name}`;
      return [
        await counter.amountOf({ tenant: started.tenant, scope, rate, calls: amount.calls, nowMs: clock.nowMs() }),
      ];
    },
  };
}

/** Past windows that stay in the ledger until they are forgotten. */
const WINDOWS_KEPT = 64;

interface Counted {
  readonly tenant: string;
  readonly scope: string;
  readonly rate: ToolRate;
  readonly calls: number;
  readonly nowMs: number;
}

class RateCounter {
  readonly #store: Store;
  readonly #caps: LedgerCaps;
  /** By kind of window: the one in which past ones were last forgotten. */
  readonly #prunedAt = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
    this.#caps = new LedgerCaps(store);
  }

  async amountOf({ tenant, scope, rate, calls, nowMs }: Counted): Promise<SharedAmount> {
    const { perMs } = rate;
    const kind = `rate-${perMs}`;
    const start = Math.floor(nowMs / perMs) * perMs;
    await this.#caps.set(tenant, { scope, window: kind, unit: "calls" }, rate.calls);
    if (start - (this.#prunedAt.get(kind) ?? 0) >= WINDOWS_KEPT * perMs) {
      this.#prunedAt.set(kind, start);
      await this.#store.pruneLedger(`${kind}:${start - perMs}`, limits.toolRateWindows);
    }
    return { scope, window: `${kind}:${start}`, unit: "calls", amount: calls, endsAt: start + perMs };
  }
}

function hasRate({ tools }: Registry["runnables"][number]): boolean {
  return tools.some(({ rate }) => rate !== undefined);
}
