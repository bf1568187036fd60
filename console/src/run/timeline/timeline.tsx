import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import type { RunDetail, SpanMark, SpanRow } from "../../api/types.ts";
import { countText, durationText } from "../../format/figures.ts";
import { useNow } from "../../format/use-now.ts";
import { useKeys } from "../../keys/keyboard.tsx";
import { Button } from "../../ui/button.tsx";
import { Problem } from "../../ui/problem.tsx";
import type { Selection } from "../selection.ts";
import { axisOf, barOf, ticksOf, type Axis, type Break } from "./axis.ts";
import { Marks } from "./marks.tsx";
import { rowPlaces, type ClosedRow } from "./row-places.ts";
import { SpanRowView } from "./span-row-view.tsx";
import { isIdle, waitedMs } from "./waited.ts";
import { useSpanWindows, WINDOW_ROWS } from "./use-span-windows.ts";

const ROW_PX = 28;

interface Props {
  readonly run: RunDetail;
  /** Newest event that is known. */
  readonly seq: number;
  readonly selection: Selection;
}

/** Every span of the run's tree on one time axis. Only the rows in view are in the page or asked of the server. */
export function Timeline({ run, seq, selection }: Props) {
  const [closed, setClosed] = useState<ReadonlyMap<string, ClosedRow>>(new Map());
  const [zoom, setZoom] = useState<Break | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [windows, setWindows] = useState<readonly number[]>([0]);
  const spans = useSpanWindows(run.runId, windows, seq);
  const places = useMemo(() => rowPlaces(spans.total, [...closed.values()]), [spans.total, closed]);
  const now = useNow(spans.endedAt === null && spans.total > 0);
  const virtual = useVirtualizer({
    count: places.count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    setWindows((before) => {
      const next = windowsOf(first, last, places.positionOf);
      return next.join() === before.join() ? before : next;
    });
  }, [first, last, places]);
  useClosedPlaces(spans.rows, setClosed);
  const idle = useMemo(() => spans.rows.filter(isIdle), [spans.rows]);
  const root = spans.rowAt(0);
  const endedAt = spans.endedAt ?? now;
  const [from, to] = [zoom?.from ?? spans.startedAt, zoom?.to ?? Math.max(endedAt, spans.startedAt + 1)];
  const { waits } = spans.marks;
  const axis = useMemo(() => axisOf({ from, to }, waits), [from, to, waits]);
  const idleMs = waits.reduce((sum, wait) => sum + (wait.endedAt ?? endedAt) - wait.startedAt, 0);
  const toggle = (row: SpanRow): void => setClosed((before) => toggledRow(before, row));
  const line = useSelectedLine(spans.rows, selection.spanId, places.lineOf);
  const move = (by: number): void => {
    const next = Math.max(0, Math.min(places.count - 1, (line ?? -1) + by));
    const row = spans.rowAt(places.positionOf(next));
    if (row === null) return;
    selection.select(row.spanId);
    virtual.scrollToIndex(next);
  };
  /** Opens what hides it, chooses it and brings it into view. */
  const show = ({ spanId, position }: SpanMark): void => {
    const open = [...closed].filter(([, row]) => position <= row.position || position > row.position + row.below);
    setClosed(new Map(open));
    selection.select(spanId);
    const line = rowPlaces(spans.total, [...new Map(open).values()]).lineOf(position);
    requestAnimationFrame(() => virtual.scrollToIndex(line, { align: "center" }));
  };
  useTimelineKeys({
    move,
    toggle,
    setZoom,
    row: spans.rows.find(({ spanId }) => spanId === selection.spanId) ?? null,
    now,
  });
  if (spans.error !== null) return <Problem error={spans.error} />;
  return (
    <div className="@container h-full">
      <div className="flex h-full flex-col [--wf-columns:minmax(0,1fr)_4.5rem_minmax(5rem,36%)] @min-[38rem]:[--wf-columns:minmax(9rem,1fr)_4rem_5rem_4.5rem_minmax(5rem,26%)] @min-[52rem]:[--wf-columns:minmax(14rem,22rem)_4.5rem_5rem_5rem_minmax(0,1fr)]">
        <Marks {...spans.marks} waitedMs={idleMs} onShow={show} />
        <Head axis={axis} total={spans.total} isZoomed={zoom !== null} onWhole={() => setZoom(null)} />
        <div
          ref={scroller}
          className="min-h-0 flex-1 overflow-y-auto"
          tabIndex={0}
          role="treegrid"
          aria-label="Spans"
          aria-rowcount={spans.total}
        >
          <div className="relative" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
            {items.map(({ index, start }) => {
              const row = spans.rowAt(places.positionOf(index));
              if (row === null) return null;
              return (
                <SpanRowView
                  key={row.spanId}
                  row={row}
                  top={start}
                  axis={axis}
                  wholeMs={endedAt - spans.startedAt - idleMs}
                  wholeCost={root?.subtree.costNanoUsd ?? 0}
                  waitedMs={isIdle(row) ? 0 : waitedMs(row, idle, now)}
                  now={row.endedAt === null ? now : 0}
                  isSelected={row.spanId === selection.spanId}
                  isClosed={closed.has(row.spanId)}
                  onSelect={selectRow}
                  onToggle={toggleRow}
                  onZoom={zoomRow}
                />
              );
            })}
          </div>
        </div>
      </div>
    </div>
  );

  // declared once per drawing; rows compare by what they show
  function selectRow(row: SpanRow): void {
    selection.select(row.spanId);
  }
  function toggleRow(row: SpanRow): void {
    toggle(row);
  }
  function zoomRow(row: SpanRow): void {
    setZoom({ from: row.startedAt, to: Math.max(row.endedAt ?? now, row.startedAt + 1) });
  }
}

function Head({
  axis,
  total,
  isZoomed,
  onWhole,
}: {
  readonly axis: Axis;
  readonly total: number;
  readonly isZoomed: boolean;
  readonly onWhole: () => void;
}) {
  return (
    <div className="grid h-8 shrink-0 grid-cols-(--wf-columns) items-center border-b border-line text-2xs text-faint">
      <span className="flex items-center gap-2 pl-5">
        {countText(total)} spans
        {isZoomed ? (
          <Button look="quiet" className="h-6! text-2xs!" onClick={onWhole}>
            Whole run
          </Button>
        ) : null}
      </span>
      <span className="hidden pr-3 text-right @min-[38rem]:block">Tokens</span>
      <span className="hidden pr-3 text-right @min-[38rem]:block">Cost</span>
      <span className="pr-3 text-right">Duration</span>
      <span className="relative h-full overflow-hidden" aria-hidden="true">
        {ticksOf(axis).map(({ left, ms }, i) => (
          <span
            key={left}
            className={`absolute top-2 pl-1 tabular ${i === 0 ? "" : "hidden @min-[52rem]:block"}`}
            style={{ left: `${left}%` }}
          >
            {durationText(ms)}
          </span>
        ))}
        {axis.breaks.map((one) => {
          const { left, width } = barOf(axis, one.from, one.to);
          return (
            <span
              key={one.from}
              className="wf-break-text absolute top-2 bg-canvas text-wait tabular"
              style={left > 80 ? { right: 0, transform: "none" } : { left: `${left + width / 2}%` }}
              title="Nothing worked meanwhile: drawn short"
            >
              {`// ${durationText(one.to - one.from)} //`}
            </span>
          );
        })}
      </span>
    </div>
  );
}

/** The windows that the lines in view are in. A closed row between them may leave some out. */
function windowsOf(first: number, last: number, positionOf: (line: number) => number): readonly number[] {
  const found = new Set<number>([0]);
  for (let line = first; line <= last; line++) found.add(Math.floor(positionOf(line) / WINDOW_ROWS));
  return [...found].toSorted((a, b) => a - b);
}

function toggledRow(before: ReadonlyMap<string, ClosedRow>, row: SpanRow): ReadonlyMap<string, ClosedRow> {
  const next = new Map(before);
  if (!next.delete(row.spanId)) next.set(row.spanId, { position: row.position, below: row.subtree.spans - 1 });
  return next;
}

/** While a run goes on, rows move: closed ones keep their place by their id. */
function useClosedPlaces(
  rows: readonly SpanRow[],
  setClosed: (change: (before: ReadonlyMap<string, ClosedRow>) => ReadonlyMap<string, ClosedRow>) => void,
): void {
  useEffect(() => {
    setClosed((before) => {
      let isChanged = false;
      const next = new Map(before);
      for (const row of rows) {
        const known = next.get(row.spanId);
        const below = row.subtree.spans - 1;
        if (known === undefined || (known.position === row.position && known.below === below)) continue;
        next.set(row.spanId, { position: row.position, below });
        isChanged = true;
      }
      return isChanged ? next : before;
    });
  }, [rows, setClosed]);
}

function useSelectedLine(
  rows: readonly SpanRow[],
  spanId: string | null,
  lineOf: (position: number) => number,
): number | null {
  const row = rows.find((one) => one.spanId === spanId);
  return row === undefined ? null : lineOf(row.position);
}

function useTimelineKeys({
  move,
  toggle,
  setZoom,
  row,
  now,
}: {
  readonly move: (by: number) => void;
  readonly toggle: (row: SpanRow) => void;
  readonly setZoom: (zoom: Break | null) => void;
  readonly row: SpanRow | null;
  readonly now: number;
}): void {
  useKeys("Timeline", [
    { keys: "j", label: "Next span", run: () => move(1) },
    { keys: "k", label: "Span before", run: () => move(-1) },
    { keys: "ArrowDown", label: "Next span", hidden: true, run: () => move(1) },
    { keys: "ArrowUp", label: "Span before", hidden: true, run: () => move(-1) },
    {
      keys: "h",
      label: "Close or open it",
      run: () => (row === null || row.subtree.spans < 2 ? undefined : toggle(row)),
    },
    {
      keys: "z",
      label: "Zoom to it",
      run: () =>
        row === null
          ? undefined
          : setZoom({ from: row.startedAt, to: Math.max(row.endedAt ?? now, row.startedAt + 1) }),
    },
    { keys: "Z", label: "Show the whole run", run: () => setZoom(null) },
  ]);
}
