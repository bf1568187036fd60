import { useQuery } from "@tanstack/react-query";
import { api } from "./api.ts";

const POLL_MS = 3_000;

/** The first page of the review queue, kept fresh: people wait for it. */
export function useReviews() {
  return useQuery({
    queryKey: ["reviews"],
    queryFn: ({ signal }) => api.reviews(undefined, signal),
    refetchInterval: POLL_MS,
  });
}

/** How many are open, as far as the first page tells. */
export function useReviewCount(): number {
  return useReviews().data?.items.length ?? 0;
}

export function useApproval(approvalId: string) {
  return useQuery({
    queryKey: ["approval", approvalId],
    queryFn: ({ signal }) => api.approval(approvalId, signal),
    refetchInterval: POLL_MS * 2,
  });
}
