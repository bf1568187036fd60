import { lazy, Suspense, useMemo } from "react";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { useUsage } from "../api/usage.ts";
import type { CostRow, UsageQuery } from "../api/types.ts";
import { countText, exactText, usdText } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";
import { oneLine } from "../format/visible-text.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { Figure, Figures } from "../models/figure.tsx";
import { loadPage } from "../shell/load-page.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";
import { Menu } from "../ui/menu.tsx";
import { Problem } from "../ui/problem.tsx";
import {
  daysOf,
  filterNames,
  fromOf,
  groups,
  measures,
  measureTexts,
  useUsageView,
  windows,
  windowTexts,
  type Measure,
  type UsageView,
} from "./usage-query.ts";
import { tokensOf, UsageTable } from "./usage-table.tsx";

const DayChart = lazy(async () => ({ default: (await loadPage(() => import("./day-chart.tsx"))).DayChart }));

const ROWS_MAX = 50;
const reads: { readonly [measure in Measure]: (row: CostRow) => number } = {
  cost: ({ costNanoUsd }) => costNanoUsd,
  tokens: tokensOf,
  calls: ({ calls }) => calls,
};
const formats: { readonly [measure in Measure]: (value: number) => string } = {
  cost: usdText,
  tokens: countText,
  calls: countText,
};

/** What models and tools cost: in all, by day, and by whatever one asks for. */
export function Spending() {
  const { view, change } = useUsageView();
  const now = useNow(true, 60_000);
  const { measure, group, filters, window } = view;
  const from = fromOf(window, now);
  const scope = { ...filters, ...(from !== null && { from }) };
  const days = useUsage({ by: "day", limit: 1_000, ...scope });
  const rows = useUsage({ by: group.by, limit: ROWS_MAX, ...scope });
  const bars = useMemo(() => barsOf(days.data?.items ?? [], measure, from, now), [days.data, measure, from, now]);
  useUsageKeys(view, change);
  const error = days.error ?? rows.error;
  if (error !== null && days.data === undefined) return <Problem error={error} />;
  if (days.data === undefined) return null;
  const total = totalOf(days.data.items);
  return (
    <div className="flex flex-col gap-5">
      <Controls view={view} change={change} query={{ by: group.by, ...scope }} />
      {total.calls === 0 ? (
        <NothingUsed isFiltered={Object.keys(filters).length > 0 || window !== "all"} />
      ) : (
        <>
          <Totals total={total} />
          <section aria-label={`${measureTexts[measure]} by day`} className="card p-4">
            <Suspense fallback={<div className="h-[200px]" />}>
              <DayChart days={bars} format={formats[measure]} label={measureTexts[measure]} />
            </Suspense>
          </section>
          <section aria-label={`By ${group.word}`} className="card @container overflow-x-auto">
            {rows.data?.items.length === 0 ? (
              <p className="p-4 text-soft">Nothing here was of a {group.word}.</p>
            ) : (
              <UsageTable
                rows={rows.data?.items ?? []}
                group={group}
                share={reads[measure]}
                total={reads[measure](total)}
                onFilter={change}
              />
            )}
          </section>
        </>
      )}
    </div>
  );
}

function totalOf(rows: readonly CostRow[]): CostRow {
  const sum = (read: (row: CostRow) => number): number => rows.reduce((all, row) => all + read(row), 0);
  return {
    key: "",
    calls: sum(({ calls }) => calls),
    usage: {
      inputTokens: sum(({ usage }) => usage.inputTokens),
      cachedInputTokens: sum(({ usage }) => usage.cachedInputTokens),
      cacheWriteTokens: sum(({ usage }) => usage.cacheWriteTokens),
      outputTokens: sum(({ usage }) => usage.outputTokens),
      reasoningTokens: sum(({ usage }) => usage.reasoningTokens),
    },
    costNanoUsd: sum(({ costNanoUsd }) => costNanoUsd),
    unpricedCalls: sum(({ unpricedCalls }) => unpricedCalls),
    assumedCalls: sum(({ assumedCalls }) => assumedCalls),
  };
}

function barsOf(rows: readonly CostRow[], measure: Measure, from: number | null, now: number) {
  const found = new Map(rows.map((row) => [row.key, reads[measure](row)]));
  const first = rows.map(({ key }) => Date.parse(key)).filter((at) => !Number.isNaN(at));
  const start = from ?? (first.length === 0 ? now : Math.min(...first));
  return daysOf(start, now).map((day) => ({ day, value: found.get(day) ?? 0 }));
}

function Totals({ total }: { readonly total: CostRow }) {
  const { usage, costNanoUsd, unpricedCalls, assumedCalls, calls } = total;
  const cached = usage.inputTokens === 0 ? 0 : Math.round((usage.cachedInputTokens / usage.inputTokens) * 100);
  return (
    <Figures>
      <Figure name="Cost">
        <span className="text-lg font-semibold" data-testid="cost">
          {costNanoUsd === 0 && unpricedCalls > 0 ? "unpriced" : usdText(costNanoUsd)}
        </span>
      </Figure>
      <Figure name="Calls">{exactText(calls)}</Figure>
      <Figure name="Input tokens">
        {countText(usage.inputTokens)}
        <span className="text-faint"> {cached} % cached</span>
      </Figure>
      <Figure name="Output tokens">
        {countText(usage.outputTokens)}
        {usage.reasoningTokens === 0 ? null : (
          <span className="text-faint"> {countText(usage.reasoningTokens)} thinking</span>
        )}
      </Figure>
      <Figure name="Without a price" title="Their cost is not known, and not in the sum">
        {unpricedCalls === 0 ? "none" : <span className="text-wait">{exactText(unpricedCalls)} calls</span>}
      </Figure>
      <Figure name="At worst case" title="Nobody told what they used: they count as what they could have">
        {assumedCalls === 0 ? "none" : `${exactText(assumedCalls)} calls`}
      </Figure>
    </Figures>
  );
}

type Change = ReturnType<typeof useUsageView>["change"];

function Controls({
  view,
  change,
  query,
}: {
  readonly view: UsageView;
  readonly change: Change;
  readonly query: UsageQuery;
}) {
  const { window, group, measure, filters } = view;
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Choice
        label="Window"
        chosen={window}
        options={windows.map((one) => [one, windowTexts[one]])}
        onChoose={(one) => change("since", one)}
      />
      <Choice
        label="Measure"
        chosen={measure}
        options={measures.map((one) => [one, measureTexts[one]])}
        onChoose={(one) => change("show", one)}
      />
      <Menu
        heading="Group by"
        trigger={<Button opensMenu>By {group.label.toLowerCase()}</Button>}
        groups={[
          groups.map((one) => ({
            label: one.label,
            isChecked: one === group,
            run: () => change("by", one.word),
          })),
        ]}
      />
      {filterNames.map((name) =>
        filters[name] === undefined ? null : (
          <Button key={name} icon="close" aria-label={`remove filter ${name}`} onClick={() => change(name, null)}>
            {name} {oneLine(filters[name], 30)}
          </Button>
        ),
      )}
      <span className="flex-1" />
      <CopyAs what="usage" texts={() => textsOf(view, query)} />
    </div>
  );
}

function textsOf({ window, group, filters }: UsageView, query: UsageQuery): CopyTexts {
  const words = Object.entries(filters).flatMap(([name, value]) => [`--${name}`, value]);
  // the CLI's age counts from now, the page's window from the day's beginning
  const since = query.from === undefined ? [] : ["--since", new Date(query.from).toISOString().slice(0, 10)];
  const given = { ...query };
  const search = new URLSearchParams(Object.entries(given).map(([name, value]) => [name, String(value)]));
  return {
    curl: curlOf(`/usage?${search.toString()}`, null),
    typescript: typescriptOf(`listUsage(${argument(given)})`),
    cli: cliOf("usage", "--by", group.word, ...(window === "all" ? [] : since), ...words),
  };
}

function Choice<T extends string>({
  label,
  chosen,
  options,
  onChoose,
}: {
  readonly label: string;
  readonly chosen: T;
  readonly options: readonly (readonly [T, string])[];
  readonly onChoose: (one: T) => void;
}) {
  return (
    <div role="group" aria-label={label} className="flex rounded-md border border-line-strong bg-surface p-0.5">
      {options.map(([one, text]) => (
        <button
          key={one}
          type="button"
          aria-pressed={one === chosen}
          className={`h-5.5 rounded-sm px-2 text-xs whitespace-nowrap ${one === chosen ? "bg-selected font-medium text-ink" : "text-soft hover:text-ink"}`}
          onClick={() => onChoose(one)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

function useUsageKeys({ window, group, measure }: UsageView, change: Change): void {
  const after = <T,>(list: readonly T[], one: T): T | undefined => list[(list.indexOf(one) + 1) % list.length];
  useKeys("Usage", [
    { keys: "w", label: "Next window", run: () => change("since", after(windows, window) ?? null) },
    { keys: "m", label: "Next measure", run: () => change("show", after(measures, measure) ?? null) },
    { keys: "b", label: "Group by the next", run: () => change("by", after(groups, group)?.word ?? null) },
  ]);
}

function NothingUsed({ isFiltered }: { readonly isFiltered: boolean }) {
  return (
    <Empty icon="coin" title={isFiltered ? "Nothing was used in this window" : "Nothing was used yet"}>
      <p>
        {isFiltered
          ? "Take a longer window, a filter away, or start a run."
          : "Each attempt of a model that a run makes is counted here, once, with what it cost."}
      </p>
    </Empty>
  );
}
