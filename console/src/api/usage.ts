import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { client as pawl } from "./client.ts";
import type { UsageQuery } from "./types.ts";

const POLL_MS = 10_000;

export function useUsage(query: UsageQuery) {
  return useQuery({
    queryKey: ["usage", query],
    queryFn: ({ signal }) => pawl.listUsage(query, { signal }),
    refetchInterval: POLL_MS,
    placeholderData: keepPreviousData,
  });
}

/** Of the newest runs. */
export function useSavings(limit: number) {
  return useQuery({
    queryKey: ["savings", limit],
    queryFn: ({ signal }) => pawl.getSavings({ limit }, { signal }),
    staleTime: POLL_MS,
  });
}

export function useBudgets() {
  return useQuery({
    queryKey: ["budgets"],
    queryFn: ({ signal }) => pawl.listBudgets({ signal }),
    refetchInterval: POLL_MS / 5,
  });
}
