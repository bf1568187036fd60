import type { SpanMark } from "../../api/types.ts";
import { countText, durationText, usdText } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";

interface Props {
  readonly costliest: SpanMark | null;
  readonly slowest: SpanMark | null;
  readonly waitedMs: number;
  readonly onShow: (mark: SpanMark) => void;
}

/** What most people look for in a timeline, and the way there. */
export function Marks({ costliest, slowest, waitedMs, onShow }: Props) {
  if (costliest === null && slowest === null) return null;
  return (
    <div className="flex shrink-0 flex-wrap gap-x-5 gap-y-1 border-b border-line px-4 py-1.5 text-xs text-soft md:px-5">
      {costliest?.costNanoUsd === 0 ? (
        <Mark
          label="Largest call"
          mark={costliest}
          text={({ tokens }) => `${countText(tokens)} tokens`}
          onShow={onShow}
        />
      ) : (
        <Mark label="Costliest call" mark={costliest} text={(mark) => usdText(mark.costNanoUsd)} onShow={onShow} />
      )}
      <Mark label="Slowest call" mark={slowest} text={({ ms }) => durationText(ms)} onShow={onShow} />
      {waitedMs < 1_000 ? null : <span>waited {durationText(waitedMs)}, which costs nothing</span>}
    </div>
  );
}

function Mark({
  label,
  mark,
  text,
  onShow,
}: {
  readonly label: string;
  readonly mark: SpanMark | null;
  readonly text: (mark: SpanMark) => string;
  readonly onShow: (mark: SpanMark) => void;
}) {
  if (mark === null) return null;
  return (
    <span className="min-w-0 truncate">
      {label}: <bdi className="text-ink">{oneLine(mark.name, 60)}</bdi>,{" "}
      <span className="font-semibold text-ink tabular">{text(mark)}</span> ·{" "}
      <button
        type="button"
        className="linkish"
        aria-label={`Go to the ${label.toLowerCase()}`}
        onClick={() => onShow(mark)}
      >
        go to
      </button>
    </span>
  );
}
