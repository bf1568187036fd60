import type { JournalEvent } from "./journal-event.ts";
import { routingSavings, type RoutingSavings } from "./routing-savings.ts";

/** What was not spent, as runs' events tell it. What a fork copied is in none of it. */
export interface Savings {
  readonly routing: RoutingSavings;
  /** Calls of tools and models that were answered by a kept result: what the first ones took. */
  readonly cache: { readonly hits: number; readonly savedMs: number; readonly savedNanoUsd: number };
  readonly compaction: {
    readonly compactions: number;
    /** Input tokens that later requests did not have, an estimate: what a compaction took out, for each request after it. */
    readonly savedTokens: number;
    /** What the summaries cost. */
    readonly paidNanoUsd: number;
  };
}

/** Savings of a tenant's newest runs together. */
export interface UsageSavings extends Savings {
  readonly runs: number;
  /** Runs of more events than are read for this: in none of the sums. */
  readonly notRead: number;
  /** False where there are older runs that were not looked at. */
  readonly isAll: boolean;
}

export const noSavings: Savings = {
  routing: { asked: 0, escalated: 0, savedNanoUsd: 0, unpriced: 0 },
  cache: { hits: 0, savedMs: 0, savedNanoUsd: 0 },
  compaction: { compactions: 0, savedTokens: 0, paidNanoUsd: 0 },
};

/** The savings that one run's events tell of. */
export function savings(events: readonly JournalEvent[]): Savings {
  const cache = { hits: 0, savedMs: 0, savedNanoUsd: 0 };
  const compaction = { compactions: 0, savedTokens: 0, paidNanoUsd: 0 };
  let gone = 0;
  let copiedSeq = 0;
  for (const [i, event] of events.entries()) {
    if (event.type === "run.started") copiedSeq = event.forkedFrom?.seq ?? 0;
    if (event.type === "tool.returned" && event.saved !== undefined && event.inherited !== true) {
      cache.hits++;
      cache.savedMs += event.saved.ms;
      cache.savedNanoUsd += event.saved.costNanoUsd;
    } else if (event.type === "context.compacted") {
      if (i >= copiedSeq) compaction.compactions++;
      gone += Math.max(0, (event.tokensBefore ?? 0) - (event.tokensAfter ?? 0));
    } else if (event.type === "model.answered" && event.inherited !== true) {
      if (event.saved !== undefined) {
        cache.hits++;
        cache.savedMs += event.saved.ms;
        cache.savedNanoUsd += event.saved.costNanoUsd;
      }
      if (event.context === "main") compaction.savedTokens += gone;
      if (event.context === "summary") compaction.paidNanoUsd += event.costNanoUsd ?? 0;
    }
  }
  return { routing: routingSavings(events), cache, compaction };
}

export function addSavings(a: Savings, b: Savings): Savings {
  return {
    routing: added(a.routing, b.routing),
    cache: added(a.cache, b.cache),
    compaction: added(a.compaction, b.compaction),
  };
}

function added<T extends { readonly [key in keyof T]: number }>(a: T, b: T): T {
  const sums = { ...a };
  for (const key in sums) sums[key] = (a[key] + b[key]) as T[typeof key];
  return sums;
}
