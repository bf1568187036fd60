import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useReached } from "../api/reach.ts";
import { Icon } from "../ui/icon.tsx";

/** Across the page while the server does not answer: what stands below may be old. All of it is read again when it is back. */
export function ReachBanner() {
  const isReached = useReached();
  const client = useQueryClient();
  const wasLost = useRef(false);
  useEffect(() => {
    if (isReached && wasLost.current) void client.invalidateQueries();
    wasLost.current = !isReached;
  }, [isReached, client]);
  if (isReached) return null;
  return (
    <div
      role="alert"
      className="flex items-center gap-2 border-b border-bad/30 bg-bad-wash px-4 py-1.5 text-sm text-bad"
    >
      <Icon name="warn" className="pulse size-3.5!" />
      <span>
        <strong className="font-semibold">Server not reachable, retrying.</strong> What you see may be old. Runs are
        safe.
      </span>
    </div>
  );
}
