import { Link } from "wouter";
import type { CostRow } from "../api/types.ts";
import { countText, exactText, usdExact, usdText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import type { FilterName, UsageGroup } from "./usage-query.ts";

export const tokensOf = ({ usage }: CostRow): number => usage.inputTokens + usage.outputTokens;

const head = "h-8 px-2 text-left text-2xs font-medium text-faint whitespace-nowrap";
const figure = "px-2 text-right tabular whitespace-nowrap";

/** What each of them cost, with its share of all that the filters leave. */
export function UsageTable({
  rows,
  group,
  share,
  total,
  onFilter,
}: {
  readonly rows: readonly CostRow[];
  readonly group: UsageGroup;
  /** What shares are of. */
  readonly share: (row: CostRow) => number;
  readonly total: number;
  readonly onFilter: (name: FilterName, value: string) => void;
}) {
  return (
    <table className="w-full table-fixed border-separate border-spacing-0">
      <thead>
        <tr className="[&>th]:border-b [&>th]:border-line">
          <th className={`${head} pl-4!`}>{group.label}</th>
          <th className={`${head} hidden w-20 text-right! @min-[40rem]:table-cell`}>Calls</th>
          <th className={`${head} hidden w-24 text-right! @min-[40rem]:table-cell`}>Input</th>
          <th className={`${head} hidden w-24 text-right! @min-[56rem]:table-cell`}>Cached</th>
          <th className={`${head} hidden w-24 text-right! @min-[40rem]:table-cell`}>Output</th>
          <th className={`${head} w-24 text-right!`}>Cost</th>
          <th className={`${head} w-28 pr-4!`}>Share</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key} className="h-9 hover:bg-hover [&>td]:border-b [&>td]:border-line">
            <td className="truncate pr-2 pl-4">
              <KeyCell row={row} group={group} onFilter={onFilter} />
            </td>
            <td className={`${figure} hidden @min-[40rem]:table-cell`} title={exactText(row.calls)}>
              {countText(row.calls)}
            </td>
            <td className={`${figure} hidden @min-[40rem]:table-cell`} title={exactText(row.usage.inputTokens)}>
              {countText(row.usage.inputTokens)}
            </td>
            <td className={`${figure} hidden text-soft @min-[56rem]:table-cell`}>
              {countText(row.usage.cachedInputTokens)}
            </td>
            <td className={`${figure} hidden @min-[40rem]:table-cell`} title={exactText(row.usage.outputTokens)}>
              {countText(row.usage.outputTokens)}
            </td>
            <td className={figure}>
              <Cost row={row} />
            </td>
            <td className="pr-4 pl-2">
              <Share of={total === 0 ? 0 : share(row) / total} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function KeyCell({
  row: { key },
  group,
  onFilter,
}: {
  readonly row: CostRow;
  readonly group: UsageGroup;
  readonly onFilter: (name: FilterName, value: string) => void;
}) {
  const text = oneLine(key, 80);
  if (key === "(others)") return <span className="text-faint">all others</span>;
  if (group.word === "request")
    return (
      <Link href={`/runs/${encodeURIComponent(key)}`} className="linkish font-mono text-xs" title={key}>
        {text}
      </Link>
    );
  const { filter } = group;
  if (filter === null) return text;
  return (
    <button
      type="button"
      className="linkish max-w-full truncate align-bottom"
      title={`Only ${key}`}
      onClick={() => onFilter(filter, key)}
    >
      {text}
    </button>
  );
}

/** Calls without a known price are said, never hidden in a sum. */
function Cost({ row: { costNanoUsd, unpricedCalls, assumedCalls } }: { readonly row: CostRow }) {
  const isUnpriced = unpricedCalls > 0;
  const notes = [
    usdExact(costNanoUsd),
    ...(isUnpriced ? [`${exactText(unpricedCalls)} calls have no known price`] : []),
    ...(assumedCalls > 0 ? [`${exactText(assumedCalls)} calls count at their worst case`] : []),
  ];
  return (
    <span title={notes.join("; ")}>
      {costNanoUsd === 0 && isUnpriced ? "unpriced" : usdText(costNanoUsd)}
      {costNanoUsd > 0 && isUnpriced ? <span className="text-wait">+?</span> : null}
    </span>
  );
}

function Share({ of }: { readonly of: number }) {
  const percent = Math.min(100, of * 100);
  return (
    <span className="flex items-center gap-2 text-xs tabular">
      <span className="h-1.5 flex-1 overflow-hidden rounded-full bg-line" aria-hidden="true">
        <span className="block h-full bg-accent" style={{ width: `${percent}%` }} />
      </span>
      <span className="w-8 text-right text-soft">{percent > 0 && percent < 1 ? "<1" : Math.round(percent)} %</span>
    </span>
  );
}
