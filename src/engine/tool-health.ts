import type { Clock } from "../core/clock.ts";
import { nameAtVersion } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { Store } from "../core/store-contract.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { ToolHealth } from "../core/tool-line.ts";

interface Kept {
  calls: number;
  errors: number;
  times: number[];
  lastError: ToolHealth["lastError"];
  /** Failed tries since the last that did not fail. */
  failed: number;
  /** The first run among them; null once there are several. */
  failedRun: string | null;
  restsUntil: number;
}

const healthOf = new WeakMap<Store, Map<string, Kept>>();

type Place = {
  readonly store: Store;
  readonly clock: Clock;
  readonly tenant: string;
  readonly tool: Pick<ToolDefinition, "name" | "version">;
};

/**
 * May a call be tried? Not while the tool rests: limits.toolBreakerFailures tries in a row failed, in several runs. When it
 * has rested, one call tries it, and the others wait for what comes of it.
 */
export function mayTry(place: Place): boolean {
  const kept = keptOf(place);
  const now = place.clock.monotonicMs();
  if (!isBroken(kept)) return true;
  if (now < kept.restsUntil) return false;
  kept.restsUntil = now + limits.toolRestMs;
  return true;
}

export function tried(
  place: Place,
  { runId, ms, errorCode }: { readonly runId: string; readonly ms: number; readonly errorCode: string | null },
): void {
  const kept = keptOf(place);
  kept.calls++;
  if (errorCode === null) {
    kept.failed = 0;
    kept.times.push(ms);
    if (kept.times.length > limits.toolTimesKept) kept.times.shift();
    return;
  }
  kept.errors++;
  kept.lastError = { at: place.clock.nowMs(), code: errorCode };
  kept.failedRun = kept.failed === 0 || kept.failedRun === runId ? runId : null;
  kept.failed++;
  if (isBroken(kept)) kept.restsUntil = place.clock.monotonicMs() + limits.toolRestMs;
}

export function healthOfTool(place: Place): ToolHealth {
  const kept = keptOf(place);
  const { calls, errors, lastError } = kept;
  const times = kept.times.toSorted((a, b) => a - b);
  return {
    calls,
    errors,
    lastError,
    p50Ms: times[Math.floor(times.length / 2)] ?? null,
    isResting: isBroken(kept) && place.clock.monotonicMs() < kept.restsUntil,
  };
}

/** Failures of one run only are that run's: its own breaker sees to them. */
function isBroken({ failed, failedRun }: Kept): boolean {
  return failed >= limits.toolBreakerFailures && failedRun === null;
}

function keptOf({ store, tenant, tool }: Place): Kept {
  const all = healthOf.get(store) ?? new Map<string, Kept>();
  healthOf.set(store, all);
  const key = `${tenant} ${nameAtVersion(tool.name, tool.version)}`;
  const kept = all.get(key) ?? {
    calls: 0,
    errors: 0,
    times: [],
    lastError: null,
    failed: 0,
    failedRun: null,
    restsUntil: 0,
  };
  all.delete(key);
  all.set(key, kept);
  const oldest = all.keys().next();
  if (all.size > limits.toolHealthKept && oldest.done !== true) all.delete(oldest.value);
  return kept;
}
