import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState, type CSSProperties } from "react";
import type { JsonValue } from "../api/types.ts";
import { countText } from "../format/figures.ts";
import { Icon } from "../ui/icon.tsx";
import { SafeText, type Mark } from "./safe-text.tsx";
import { linesOf, withoutClosed, type ValueLine } from "./value-lines.ts";

/** Above this many lines only those in view are in the page. */
const PLAIN_LINES_MAX = 120;

/** Marks by JSON pointer of the string that they are in. */
export type Marks = { readonly [path: string]: readonly Mark[] };
const noMarks: Marks = {};

interface Shown {
  readonly marks: Marks;
  readonly onMark?: ((id: string) => void) | undefined;
  readonly onOpen: (path: string) => void;
  readonly onClose: (path: string) => void;
  readonly closed: ReadonlySet<string>;
}

/** Any value, however large or hostile, as text. */
export function ValueView({
  value,
  marks = noMarks,
  onMark,
  label,
}: {
  readonly value: JsonValue;
  readonly marks?: Marks;
  readonly onMark?: ((id: string) => void) | undefined;
  /** Names the region for screen readers. */
  readonly label: string;
}) {
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const all = useMemo(() => linesOf(value, { opened }), [value, opened]);
  const lines = useMemo(() => withoutClosed(all, closed), [all, closed]);
  const shown: Shown = {
    marks,
    onMark,
    closed,
    onOpen: (path) => setOpened((before) => new Set([...before, path])),
    onClose: (path) => setClosed((before) => toggled(before, path)),
  };
  if (lines.length > PLAIN_LINES_MAX) return <WindowedLines lines={lines} shown={shown} label={label} />;
  return (
    <div className="value" role="group" aria-label={label}>
      {lines.map((line, i) => (
        // lines have no other identity than their place
        <Line key={i} line={line} shown={shown} />
      ))}
    </div>
  );
}

function toggled(set: ReadonlySet<string>, path: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(path)) next.add(path);
  return next;
}

function WindowedLines({
  lines,
  shown,
  label,
}: {
  readonly lines: readonly ValueLine[];
  readonly shown: Shown;
  readonly label: string;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 18,
    overscan: 12,
  });
  return (
    <div ref={scroller} className="value h-96 overflow-auto" role="group" aria-label={label} tabIndex={0}>
      <div className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map(({ index, start }) => {
          const line = lines[index];
          if (line === undefined) return null;
          return (
            <div
              key={index}
              ref={virtual.measureElement}
              data-index={index}
              className="absolute inset-x-0 top-0"
              style={{ transform: `translateY(${start}px)` }}
            >
              <Line line={line} shown={shown} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

const indent = (depth: number): CSSProperties => ({ paddingLeft: `${Math.min(depth, 24) * 14 + 14}px` });

function Line({ line, shown }: { readonly line: ValueLine; readonly shown: Shown }) {
  if (line.more > 0)
    return (
      <div style={indent(line.depth)}>
        <button type="button" className="linkish font-sans text-2xs" onClick={() => shown.onOpen(line.path)}>
          show {countText(line.more)} more characters
        </button>
      </div>
    );
  return (
    <div className="value-line relative" style={indent(line.depth)}>
      {line.inside > 0 ? <Fold line={line} shown={shown} /> : null}
      {line.label === "" ? null : (
        <span className="value-key">
          <SafeText text={line.label} />
        </span>
      )}
      <span className={`value-${line.kind}`}>
        <SafeText text={line.text} offset={line.offset} marks={shown.marks[line.path] ?? []} onMark={shown.onMark} />
      </span>
    </div>
  );
}

function Fold({ line, shown }: { readonly line: ValueLine; readonly shown: Shown }) {
  const isClosed = shown.closed.has(line.path);
  return (
    <button
      type="button"
      aria-expanded={!isClosed}
      aria-label={`${isClosed ? "open" : "close"} ${line.path === "" ? "the value" : line.path}`}
      className="absolute -ml-3.5 inline-flex size-[18px] items-center justify-center text-faint hover:text-ink"
      onClick={() => shown.onClose(line.path)}
    >
      <Icon name={isClosed ? "right" : "down"} className="size-3!" />
    </button>
  );
}
