import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import type { ListRunsQuery, RunStatus } from "../api/types.ts";
import { runStatuses } from "../ui/status.tsx";

/** Filters as they stand in the URL: the same names as the API's. */
export type RunFilters = Omit<ListRunsQuery, "cursor" | "limit" | "status"> & {
  readonly status?: readonly RunStatus[];
};

const texts = ["agent", "text", "tool", "model", "user", "tag", "thread", "parent", "errorGroup"] as const;
const numbers = ["minCostNanoUsd", "minDurationMs", "minTokens", "startedFrom", "startedTo"] as const;
const sorts = ["started", "cost", "duration", "tokens"] as const;

/** What the URL asks for. Anything else in it is left out, so that an old link never breaks the page. */
export function filtersOf(search: URLSearchParams): RunFilters {
  const status = search.getAll("status").filter((one): one is RunStatus => runStatuses.some((known) => known === one));
  const sort = sorts.find((one) => one === search.get("sort"));
  const found: { [name: string]: string | number } = {};
  for (const name of texts) {
    const value = search.get(name);
    if (value !== null && value !== "") found[name] = value;
  }
  for (const name of numbers) {
    const value = Number(search.get(name) ?? "");
    if (Number.isSafeInteger(value) && value > 0) found[name] = value;
  }
  return {
    ...found,
    ...(status.length > 0 && { status }),
    ...(sort !== undefined && sort !== "started" && { sort }),
    ...(search.get("children") === "true" && { children: "true" as const }),
  };
}

export interface FilterChange {
  readonly [name: string]: string | number | readonly string[] | null;
}

export function useRunFilters() {
  const [search, setSearch] = useSearchParams();
  const filters = useMemo(() => filtersOf(search), [search]);
  const change = useCallback(
    (given: FilterChange) =>
      setSearch(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [name, value] of Object.entries(given)) {
            next.delete(name);
            if (value === null || value === "") continue;
            for (const one of Array.isArray(value) ? (value as readonly string[]) : [value])
              next.append(name, String(one));
          }
          return next;
        },
        { replace: true },
      ),
    [setSearch],
  );
  return { filters, search, change };
}
