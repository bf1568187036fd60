import { memo, type CSSProperties } from "react";
import type { SpanRow } from "../../api/types.ts";
import { countText, durationText, usdText } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";
import { Icon } from "../../ui/icon.tsx";
import { toneOfSpan } from "../../ui/status.tsx";
import { kindLook } from "../kind-look.ts";
import { isIdle } from "./waited.ts";
import { barOf, heatOf, type Axis, type Heat } from "./axis.ts";

export interface RowProps {
  readonly row: SpanRow;
  readonly top: number;
  readonly axis: Axis;
  /** Time and money of the whole tree. */
  readonly wholeMs: number;
  readonly wholeCost: number;
  readonly now: number;
  /** Of its time, how long it waited: that is no work, and not hot. */
  readonly waitedMs: number;
  readonly isSelected: boolean;
  readonly isClosed: boolean;
  readonly onSelect: (row: SpanRow) => void;
  readonly onToggle: (row: SpanRow) => void;
  readonly onZoom: (row: SpanRow) => void;
}

const INDENT_PX = 14;
const DEPTH_SHOWN_MAX = 12;

export const SpanRowView = memo(function SpanRowView(props: RowProps) {
  const { row, top, wholeMs, wholeCost, now, isSelected, onSelect, waitedMs: waited } = props;
  const ms = (row.endedAt ?? now) - row.startedAt;
  const cost = row.subtree.costNanoUsd;
  const tokens = row.subtree.usage.inputTokens + row.subtree.usage.outputTokens;
  const isParent = row.subtree.spans > 1;
  const isPoint = kindLook(row.kind).isPoint === true;
  const timeHeat = isIdle(row) || row.endedAt === null ? "none" : heatOf(ms - waited, wholeMs, row.depth);
  const costHeat = heatOf(cost, wholeCost, row.depth);
  return (
    <div
      role="row"
      aria-level={row.depth + 1}
      aria-selected={isSelected}
      aria-rowindex={row.position + 1}
      data-position={row.position}
      data-selected={isSelected}
      className="wf-row cursor-pointer text-xs"
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onSelect(row)}
      onDoubleClick={() => props.onZoom(row)}
    >
      <NameCell {...props} />
      <span role="gridcell" className="hidden pr-3 text-right text-soft tabular @min-[38rem]:block">
        {tokens === 0 ? "" : `${isParent ? "∑ " : ""}${countText(tokens)}`}
      </span>
      <span
        role="gridcell"
        className={`hidden pr-3 text-right tabular @min-[38rem]:block ${heatClass(costHeat)}`}
        data-hot={costHeat === "hot"}
      >
        {costText(row, isParent)}
      </span>
      <span
        role="gridcell"
        className={`pr-3 text-right tabular ${heatClass(timeHeat)}`}
        data-hot={timeHeat === "hot"}
        title={waited === 0 ? undefined : `worked ${durationText(ms - waited)}, waited ${durationText(waited)}`}
      >
        {isPoint ? "" : durationText(ms)}
      </span>
      <Track {...props} />
    </div>
  );
});

function heatClass(heat: Heat): string {
  return heat === "none" ? "text-soft" : "wf-heat";
}

function costText(row: SpanRow, isParent: boolean): string {
  const { costNanoUsd, unpricedCalls } = row.subtree;
  if (costNanoUsd === 0) return unpricedCalls > 0 ? "unpriced" : "";
  return `${isParent ? "∑ " : ""}${usdText(costNanoUsd)}`;
}

function NameCell({ row, isClosed, onToggle, waitedMs }: RowProps) {
  const look = kindLook(row.kind);
  const indent: CSSProperties = { paddingLeft: `${Math.min(row.depth, DEPTH_SHOWN_MAX) * INDENT_PX + 8}px` };
  const isBad = row.status === "error" || row.status === "unknown" || row.status === "refused";
  return (
    <span role="gridcell" className="flex min-w-0 items-center gap-1.5 pr-2" style={indent}>
      {row.subtree.spans > 1 ? (
        <button
          type="button"
          tabIndex={-1}
          aria-label={`${isClosed ? "open" : "close"} ${oneLine(row.name, 60)}`}
          aria-expanded={!isClosed}
          className="-m-1 p-1 text-faint hover:text-ink"
          onClick={(event) => {
            event.stopPropagation();
            onToggle(row);
          }}
        >
          <Icon name={isClosed ? "right" : "down"} className="size-3!" />
        </button>
      ) : (
        <span className="w-3 shrink-0" />
      )}
      <span className={`${look.tone} text-tone`} title={look.text}>
        <Icon
          name={look.icon}
          className={`size-3.5! ${row.status === "open" && row.kind === "model" ? "pulse" : ""}`}
        />
      </span>
      <span className="min-w-0 truncate" title={oneLine(row.name, 200)}>
        <bdi>{oneLine(row.name, 80)}</bdi>
      </span>
      {isBad ? (
        <span className={`${toneOfSpan(row.status)} shrink-0 text-2xs text-tone`}>{row.error?.code ?? row.status}</span>
      ) : row.status === "waiting" ? (
        <span className="shrink-0 text-2xs text-wait">waiting</span>
      ) : null}
      {waitedMs < 1000 ? null : (
        <span className="shrink-0 text-2xs text-faint tabular">waited {durationText(waitedMs)}</span>
      )}
      {isClosed ? <span className="shrink-0 text-2xs text-faint">{countText(row.subtree.spans - 1)} below</span> : null}
    </span>
  );
}

function Track({ row, axis, now }: RowProps) {
  const look = kindLook(row.kind);
  const { left, width } = barOf(axis, row.startedAt, row.endedAt ?? now);
  const tone = row.status === "error" ? "kind-guard" : row.status === "unknown" ? "tone-odd" : look.tone;
  return (
    <span role="gridcell" className={`wf-track ${tone}`} aria-hidden="true">
      {look.isPoint === true ? (
        <span className="wf-point" style={{ left: `${left}%` }} />
      ) : (
        <span
          className="wf-bar"
          data-open={row.endedAt === null}
          data-idle={isIdle(row)}
          style={{ left: `${left}%`, width: `${width}%` }}
        />
      )}
      {axis.breaks.map((one) => {
        const place = barOf(axis, one.from, one.to);
        return (
          <span key={one.from} className="wf-break" style={{ left: `${place.left}%`, width: `${place.width}%` }} />
        );
      })}
    </span>
  );
}
