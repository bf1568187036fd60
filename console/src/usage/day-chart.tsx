import { useEffect, useRef, useState } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface ChartDay {
  readonly day: string;
  readonly value: number;
}

const HEIGHT = 180;
const text = (at: string): string =>
  new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }).format(new Date(at));

/** A bar for each day. It is a picture of the table by day, which says the same in words. */
export function DayChart({
  days,
  format,
  label,
}: {
  readonly days: readonly ChartDay[];
  readonly format: (value: number) => string;
  readonly label: string;
}) {
  const place = useRef<HTMLDivElement>(null);
  const look = useLook();
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const chart = new UPlot(
      optionsOf({ days, format, width: element.clientWidth, styles: getComputedStyle(element), onPoint: setAt }),
      [days.map((_, i) => i), days.map(({ value }) => value)],
      element,
    );
    const watcher = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      chart.destroy();
    };
  }, [days, format, look]);
  const shown = at === null ? undefined : days[at];
  const most = days.toSorted((a, b) => b.value - a.value)[0];
  return (
    <figure>
      <figcaption className="label mb-1 flex justify-between tabular">
        <span>{label} by day</span>
        <span>
          {shown === undefined
            ? most !== undefined && most.value > 0
              ? `most: ${format(most.value)} on ${text(most.day)}`
              : ""
            : `${text(shown.day)}: ${format(shown.value)}`}
        </span>
      </figcaption>
      <div
        ref={place}
        aria-hidden="true"
        className="h-[180px] min-w-0 overflow-hidden fill-faint stroke-line text-accent"
      />
    </figure>
  );
}

interface Drawing {
  readonly days: readonly ChartDay[];
  readonly format: (value: number) => string;
  readonly width: number;
  readonly styles: CSSStyleDeclaration;
  readonly onPoint: (index: number | null) => void;
}

function optionsOf({ days, format, width, styles, onPoint }: Drawing): UPlot.Options {
  // a canvas takes colours, not variables: the element's own properties have them resolved
  const { color: bar, fill: faint, stroke: line } = styles;
  const font = `11px ${styles.fontFamily}`;
  const axis = { font, stroke: faint, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { setScale: false } },
    scales: {
      x: { time: false, range: [-0.6, Math.max(0.6, days.length - 0.4)] },
      y: { range: (_chart, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        splits: () => ticksOf(days.length, Math.max(2, Math.floor(width / 90))),
        values: (_chart, splits) => splits.map((i) => text(days[i]?.day ?? "1970-01-01")),
      },
      {
        ...axis,
        size: 62,
        grid: { stroke: line, width: 1 },
        // without a value there is no scale: one line, at zero
        ...(days.every(({ value }) => value === 0) && { splits: () => [0] }),
        values: (_chart, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      {},
      {
        fill: bar,
        width: 0,
        points: { show: false },
        ...(UPlot.paths.bars !== undefined && { paths: UPlot.paths.bars({ size: [0.7, 48], radius: 0.15 }) }),
      },
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
  };
}

/** Some of the days, evenly, always with the last. */
function ticksOf(length: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(length / most));
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => length - 1 - i * step).toReversed();
}

/** Changes with the theme, so that a chart is drawn anew. */
function useLook(): string {
  const [look, setLook] = useState("");
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const read = (): void => setLook(`${document.documentElement.dataset["theme"] ?? ""} ${scheme.matches}`);
    read();
    const watcher = new MutationObserver(read);
    watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    scheme.addEventListener("change", read);
    return () => {
      watcher.disconnect();
      scheme.removeEventListener("change", read);
    };
  }, []);
  return look;
}
