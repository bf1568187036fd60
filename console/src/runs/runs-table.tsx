import { useEffect, useRef } from "react";
import { Link } from "wouter";
import type { RunListItem } from "../api/types.ts";
import { agoText, countText, durationText, exactTime, exactText, usdExact, usdText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { RunStatusText } from "../ui/status.tsx";
import { troubleText } from "../run/stop-text.ts";
import { turnsBegun } from "./turns-begun.ts";
import { SafeText } from "../value/safe-text.tsx";

interface Props {
  readonly runs: readonly RunListItem[];
  readonly selected: string | null;
  readonly now: number;
  readonly onPeek: (runId: string) => void;
}

const head = "h-8 px-2 text-left text-2xs font-medium text-faint whitespace-nowrap";
const figure = "px-2 text-right tabular whitespace-nowrap";

/** Fixed columns: nothing moves while figures tick. */
export function RunsTable({ runs, selected, now, onPeek }: Props) {
  return (
    <table className="w-full table-fixed border-separate border-spacing-0">
      <thead className="sticky top-0 z-10 bg-canvas">
        <tr className="[&>th]:border-b [&>th]:border-line">
          <th className={`${head} w-34 pl-5!`}>Status</th>
          <th className={`${head} hidden w-32 @min-[40rem]:table-cell`}>Agent</th>
          <th className={head}>Input</th>
          <th className={`${head} hidden w-14 text-right! @min-[56rem]:table-cell`}>Turns</th>
          <th className={`${head} hidden w-18 text-right! @min-[56rem]:table-cell`}>Tokens</th>
          <th className={`${head} w-20 text-right!`}>Cost</th>
          <th className={`${head} hidden w-20 text-right! @min-[40rem]:table-cell`}>Duration</th>
          <th className={`${head} w-20 pr-5! text-right!`}>Started</th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <Row key={run.runId} run={run} isSelected={run.runId === selected} now={now} onPeek={onPeek} />
        ))}
      </tbody>
    </table>
  );
}

function Row({
  run,
  isSelected,
  now,
  onPeek,
}: {
  readonly run: RunListItem;
  readonly isSelected: boolean;
  readonly now: number;
  readonly onPeek: (runId: string) => void;
}) {
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (isSelected) row.current?.scrollIntoView({ block: "nearest" });
  }, [isSelected]);
  const { totals } = run;
  const tokens = totals.usage.inputTokens + totals.usage.outputTokens + totals.childTokens;
  const cost = totals.costNanoUsd + totals.childCostNanoUsd;
  return (
    <tr
      ref={row}
      data-run={run.runId}
      aria-selected={isSelected}
      className={`h-9 cursor-pointer [&>td]:border-b [&>td]:border-line ${isSelected ? "bg-selected" : "hover:bg-hover"}`}
      onClick={() => onPeek(run.runId)}
    >
      <td className="truncate px-2 pl-5">
        <RunStatusText status={run.status} />
      </td>
      <td className="hidden truncate px-2 text-soft @min-[40rem]:table-cell">{oneLine(run.agent, 60)}</td>
      <td className="px-2">
        <Title run={run} />
      </td>
      <td className={`${figure} hidden @min-[56rem]:table-cell`}>{turnsBegun(run)}</td>
      <td className={`${figure} hidden @min-[56rem]:table-cell`} title={exactText(tokens)}>
        {countText(tokens)}
      </td>
      <td className={figure} title={usdExact(cost)}>
        {cost === 0 && totals.unpricedCalls > 0 ? <span className="text-faint">unpriced</span> : usdText(cost)}
      </td>
      <td className={`${figure} hidden @min-[40rem]:table-cell`}>
        {durationText((run.endedAt ?? now) - run.startedAt)}
      </td>
      <td className={`${figure} pr-5! text-soft`} title={exactTime(run.startedAt)}>
        {agoText(run.startedAt, now)}
      </td>
    </tr>
  );
}

/** The input, and beside it what went wrong or what the search found. */
function Title({ run }: { readonly run: RunListItem }) {
  const problem = troubleText(run);
  return (
    <span className="flex items-baseline gap-2">
      <Link
        href={`/runs/${encodeURIComponent(run.runId)}`}
        className="min-w-0 truncate hover:underline"
        onClick={(event) => event.stopPropagation()}
      >
        {run.title === "" ? (
          <span className="font-mono text-xs">{run.runId}</span>
        ) : (
          <bdi>{oneLine(run.title, 160)}</bdi>
        )}
      </Link>
      {problem === null ? null : (
        <span
          title={run.blocked?.detail ?? run.errorCode ?? undefined}
          className={`${run.status === "stopped" ? "tone-wait" : "tone-bad"} max-w-1/2 shrink-0 truncate rounded-sm bg-tone-wash px-1.5 text-2xs text-tone`}
        >
          {problem}
        </span>
      )}
      {run.snippet === null ? null : (
        <bdi className="min-w-0 truncate text-xs text-faint">
          <SafeText text={run.snippet.replace(/\s+/g, " ")} />
        </bdi>
      )}
    </span>
  );
}
