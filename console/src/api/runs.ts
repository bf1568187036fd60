import { useInfiniteQuery, useQuery, useQueryClient, keepPreviousData } from "@tanstack/react-query";
import { useCallback } from "react";
import { client as pawl } from "./client.ts";
import type { ListRunsQuery } from "./types.ts";

const POLL_MS = 2_000;

/** The list from its live end; further pages are added below. */
export function useRuns(query: ListRunsQuery) {
  return useInfiniteQuery({
    queryKey: ["runs", query],
    queryFn: ({ pageParam, signal }) =>
      pawl.listRuns({ ...query, limit: 50, ...(pageParam !== null && { cursor: pageParam }) }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
    refetchInterval: (current) => ((current.state.data?.pages.length ?? 1) > 1 ? POLL_MS * 4 : POLL_MS),
    placeholderData: keepPreviousData,
  });
}

export function useRun(runId: string, isPolled = false) {
  return useQuery({
    queryKey: ["run", runId],
    queryFn: ({ signal }) => pawl.getRun(runId, { signal }),
    ...(isPolled && { refetchInterval: POLL_MS }),
  });
}

/** Asks again for what an action changed. */
export function useRefreshRun(runId: string): () => void {
  const client = useQueryClient();
  return useCallback(() => {
    void client.invalidateQueries({ queryKey: ["run", runId] });
    void client.invalidateQueries({ queryKey: ["runs"] });
    void client.invalidateQueries({ queryKey: ["reviews"] });
  }, [client, runId]);
}

export function useAgents() {
  return useQuery({ queryKey: ["agents"], queryFn: ({ signal }) => pawl.listAgents({ signal }), staleTime: 60_000 });
}

export function useAgent(name: string | null) {
  return useQuery({
    queryKey: ["agent", name],
    queryFn: ({ signal }) => pawl.getAgent(name ?? "", { signal }),
    enabled: name !== null,
    staleTime: 60_000,
  });
}
