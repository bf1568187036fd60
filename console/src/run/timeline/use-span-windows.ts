import { keepPreviousData, useQueries, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef } from "react";
import { client as pawl } from "../../api/client.ts";
import type { SpanRow, SpanWindow } from "../../api/types.ts";

/** Rows of one request. Windows are asked for by their place, so that scrolling back finds them again. */
export const WINDOW_ROWS = 200;
const FRESH_MS = 900;
const OPEN_MS = 4_000;
/** Windows that stay in memory: a tree of a million rows is never held whole. */
const KEPT_MS = 60_000;

export interface SpanWindows {
  readonly total: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** null while its window is on the way. */
  readonly rowAt: (position: number) => SpanRow | null;
  readonly rows: readonly SpanRow[];
  /** Of the whole tree. */
  readonly marks: Pick<SpanWindow, "costliest" | "slowest" | "waits">;
  readonly error: unknown;
}

const noMarks: SpanWindows["marks"] = { costliest: null, slowest: null, waits: [] };

/**
 * The windows of a run's tree that are looked at, from the server; asked again while the run goes on.
 * @param windows their numbers: window n has the rows from n × WINDOW_ROWS
 * @param seq of the newest event that is known: when it rises, the windows are out of date
 */
export function useSpanWindows(runId: string, windows: readonly number[], seq: number): SpanWindows {
  const client = useQueryClient();
  const results = useQueries({
    queries: windows.map((n) => ({
      queryKey: ["spans", runId, n],
      queryFn: ({ signal }: { readonly signal: AbortSignal }) =>
        pawl.listSpans(runId, { from: n * WINDOW_ROWS, limit: WINDOW_ROWS }, { signal }),
      gcTime: KEPT_MS,
      staleTime: Number.POSITIVE_INFINITY,
      // children go on without an event of this run
      refetchInterval: ({ state }: { readonly state: { readonly data: SpanWindow | undefined } }) =>
        state.data?.endedAt === null ? OPEN_MS : false,
      placeholderData: keepPreviousData<SpanWindow>,
    })),
  });
  useRefreshedOn(
    seq,
    useCallback(() => void client.invalidateQueries({ queryKey: ["spans", runId] }), [client, runId]),
  );
  const found = results.flatMap(({ data, isPlaceholderData }) =>
    data === undefined || isPlaceholderData ? [] : [data],
  );
  const seen = found[0] ?? results.find(({ data }) => data !== undefined)?.data ?? null;
  const key = results.map(({ dataUpdatedAt }) => dataUpdatedAt).join();
  // the key says whether any window changed
  const rows = useMemo(() => found.flatMap((window) => window.rows), [key, windows]);
  const byPosition = useMemo(() => new Map(rows.map((row) => [row.position, row])), [rows]);
  return {
    total: seen?.total ?? 0,
    startedAt: seen?.startedAt ?? 0,
    endedAt: seen?.endedAt ?? null,
    rowAt: (position) => byPosition.get(position) ?? null,
    rows,
    marks: seen ?? noMarks,
    error: results.find(({ error }) => error !== null)?.error ?? null,
  };
}

/** At most once in FRESH_MS, and once after the last change. */
function useRefreshedOn(seq: number, refresh: () => void): void {
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const seen = useRef(seq);
  useEffect(() => {
    if (seq === seen.current) return;
    seen.current = seq;
    timer.current ??= setTimeout(() => {
      timer.current = null;
      refresh();
    }, FRESH_MS);
  }, [seq, refresh]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
    },
    [],
  );
}
