import type { RunTotals } from "../core/run-outcome.ts";
import { tokensOf, usdOf } from "../core/usage.ts";

// How numbers are written for people: one way everywhere.

export function countText(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** Four digits that count: $0.0123, $1.50; null = unpriced. */
export function costText(nanoUsd: number | null): string {
  if (nanoUsd === null) return "unpriced";
  const usd = usdOf(nanoUsd);
  if (usd === 0) return "$0";
  return usd >= 1 ? `$${usd.toFixed(2)}` : `$${Number(usd.toPrecision(3))}`;
}

/** Tokens and cost of a run, its children included. */
export function totalsText(totals: RunTotals): string {
  const tokens = countText(tokensOf(totals.usage) + totals.childTokens, "token");
  const cost = costText(totals.costNanoUsd + totals.childCostNanoUsd);
  const unpriced = totals.unpricedCalls === 0 ? "" : ` + ${countText(totals.unpricedCalls, "unpriced call")}`;
  return `${tokens} · ${cost}${unpriced}`;
}

export function agoText(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs;
  return ms < 2_000
    ? "just now"
    : `${durationText(ms)
        .replace(/\.\d s$/, " s")
        .replace(/ min .*/, " min")} ago`;
}

/** Date and time of this machine, to the minute: 2026-11-29 14:36. */
export function dateText(atMs: number): string {
  return new Date(atMs).toLocaleString("sv-SE").slice(0, 16);
}

const units = ["B", "KB", "MB", "GB", "TB"] as const;

export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 1_024 ** power).toFixed(1)} ${units[power]}`;
}
