import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

const EVERY_MS = 400;

/** Asks for the run's figures again when its journal went on: what is spent and reserved ticks with the events. */
export function useRunFollowed(runId: string, seq: number): void {
  const client = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    if (seq === 0) return;
    timer.current ??= setTimeout(() => {
      timer.current = null;
      void client.invalidateQueries({ queryKey: ["run", runId], exact: true });
    }, EVERY_MS);
  }, [client, runId, seq]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
}
