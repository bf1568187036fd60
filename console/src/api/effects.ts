import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { client as pawl } from "./client.ts";
import type { ListEffectsQuery } from "./types.ts";

export function useEffects(query: ListEffectsQuery) {
  return useInfiniteQuery({
    queryKey: ["effects", query],
    queryFn: ({ pageParam, signal }) =>
      pawl.listEffects({ ...query, limit: 50, ...(pageParam !== null && { cursor: pageParam }) }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
    refetchInterval: 4_000,
    placeholderData: keepPreviousData,
  });
}
