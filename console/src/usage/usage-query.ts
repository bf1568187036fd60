import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import type { UsageQuery } from "../api/types.ts";

const DAY_MS = 86_400_000;

export const windows = ["1d", "7d", "30d", "90d", "all"] as const;
export type UsageWindow = (typeof windows)[number];
export const windowTexts: { readonly [window in UsageWindow]: string } = {
  "1d": "Today",
  "7d": "7 days",
  "30d": "30 days",
  "90d": "90 days",
  all: "All",
};

/** What the table is grouped by: the API's key, its word here and in the CLI, and the filter that a row becomes. */
export const groups = [
  { by: "runnable", word: "agent", label: "Agent", filter: "agent" },
  { by: "model", word: "model", label: "Model", filter: "model" },
  { by: "principal", word: "user", label: "User", filter: "user" },
  { by: "tool", word: "tool", label: "Tool", filter: "tool" },
  { by: "threadId", word: "thread", label: "Thread", filter: "thread" },
  { by: "rootRunId", word: "request", label: "Run", filter: null },
  { by: "day", word: "day", label: "Day", filter: null },
] as const satisfies readonly {
  readonly by: UsageQuery["by"];
  readonly word: string;
  readonly label: string;
  readonly filter: FilterName | null;
}[];
export type UsageGroup = (typeof groups)[number];

export const measures = ["cost", "tokens", "calls"] as const;
export type Measure = (typeof measures)[number];
export const measureTexts: { readonly [measure in Measure]: string } = {
  cost: "Cost",
  tokens: "Tokens",
  calls: "Calls",
};

export const filterNames = ["agent", "model", "user", "tool", "thread"] as const;
export type FilterName = (typeof filterNames)[number];

export interface UsageView {
  readonly window: UsageWindow;
  readonly group: UsageGroup;
  readonly measure: Measure;
  readonly filters: { readonly [name in FilterName]?: string };
}

/** What the URL asks for; anything else in it is left out. */
export function viewOf(search: URLSearchParams): UsageView {
  const filters: { [name in FilterName]?: string } = {};
  for (const name of filterNames) {
    const value = search.get(name);
    if (value !== null && value !== "") filters[name] = value;
  }
  return {
    window: windows.find((one) => one === search.get("since")) ?? "7d",
    group: groups.find(({ word }) => word === search.get("by")) ?? groups[0],
    measure: measures.find((one) => one === search.get("show")) ?? "cost",
    filters,
  };
}

/** Bills are summed by UTC days, so a window begins with one; null = with the first bill. */
export function fromOf(window: UsageWindow, nowMs: number): number | null {
  if (window === "all") return null;
  return Math.floor(nowMs / DAY_MS) * DAY_MS - (Number.parseInt(window, 10) - 1) * DAY_MS;
}

/** Each day from the first to today, as the API names them. */
export function daysOf(fromMs: number, nowMs: number): readonly string[] {
  const days: string[] = [];
  for (let at = fromMs; at <= nowMs; at += DAY_MS) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

export function useUsageView() {
  const [search, setSearch] = useSearchParams();
  const view = useMemo(() => viewOf(search), [search]);
  const change = useCallback(
    (name: FilterName | "since" | "by" | "show", value: string | null) =>
      setSearch(
        (before) => {
          const next = new URLSearchParams(before);
          if (value === null) next.delete(name);
          else next.set(name, value);
          return next;
        },
        { replace: true },
      ),
    [setSearch],
  );
  return { view, change };
}
