import { useQuery } from "@tanstack/react-query";
import { client as pawl } from "./client.ts";

const POLL_MS = 3_000;

/** The first page of the review queue, kept fresh: people wait for it. */
export function useReviews() {
  return useQuery({
    queryKey: ["reviews"],
    queryFn: ({ signal }) => pawl.listApprovals({}, { signal }),
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
    queryFn: ({ signal }) => pawl.getApproval(approvalId, { signal }),
    refetchInterval: POLL_MS * 2,
  });
}
