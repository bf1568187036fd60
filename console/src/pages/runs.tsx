import { useMemo } from "react";
import { Link, useLocation } from "wouter";
import { useRuns } from "../api/runs.ts";
import { useNow } from "../format/use-now.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { FilterBar } from "../runs/filter-bar.tsx";
import { useRunFilters } from "../runs/run-filters.ts";
import { RunPeek } from "../runs/run-peek.tsx";
import { RunsTable } from "../runs/runs-table.tsx";
import { Button, buttonClass } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";
import { Problem } from "../ui/problem.tsx";
import { usePageTitle } from "../ui/page-title.ts";

export function RunsPage() {
  const { filters, search, change } = useRunFilters();
  const [, navigate] = useLocation();
  const list = useRuns(filters);
  const runs = useMemo(() => list.data?.pages.flatMap(({ items }) => items) ?? [], [list.data]);
  const now = useNow(true);
  const peek = search.get("peek");
  const setPeek = (runId: string | null): void => change({ peek: runId });
  const move = (by: number): void => {
    const at = runs.findIndex(({ runId }) => runId === peek);
    const next = runs[at < 0 ? 0 : Math.min(runs.length - 1, Math.max(0, at + by))];
    if (next !== undefined) setPeek(next.runId);
  };
  usePageTitle("Runs");
  useKeys("Runs", [
    { keys: "j", label: "Next run", run: () => move(1) },
    { keys: "k", label: "Previous run", run: () => move(-1) },
    { keys: "ArrowDown", label: "Next run", hidden: true, run: () => move(1) },
    { keys: "ArrowUp", label: "Previous run", hidden: true, run: () => move(-1) },
    {
      keys: "Enter",
      label: "Open",
      run: () => (peek === null ? undefined : navigate(`/runs/${encodeURIComponent(peek)}`)),
    },
    { keys: "Escape", label: "Close the side view", run: () => setPeek(null) },
  ]);
  return (
    <div className="flex h-full">
      <section className="flex min-w-0 flex-1 flex-col">
        <header className="flex flex-col gap-2 border-b border-line px-5 py-3">
          <div className="flex items-center justify-between">
            <h1 className="text-lg font-semibold tracking-tight">Runs</h1>
            <Link href="/start" className={buttonClass("main")}>
              Start a run
            </Link>
          </div>
          <FilterBar filters={filters} onChange={change} />
        </header>
        <div className="@container min-h-0 flex-1 overflow-auto" tabIndex={0} role="region" aria-label="List of runs">
          {list.error === null ? null : <Problem error={list.error} />}
          {list.data !== undefined && runs.length === 0 ? (
            <NoRuns isFiltered={[...search.keys()].some((name) => name !== "peek")} />
          ) : null}
          {runs.length === 0 ? null : <RunsTable runs={runs} selected={peek} now={now} onPeek={setPeek} />}
          {list.data?.pages.some(({ partial }) => partial === true) ? (
            <p className="px-5 py-3 text-sm text-faint">Some runs have more text than was searched.</p>
          ) : null}
          {list.hasNextPage ? (
            <div className="p-3 text-center">
              <Button onClick={() => void list.fetchNextPage()} isBusy={list.isFetchingNextPage}>
                Older runs
              </Button>
            </div>
          ) : null}
        </div>
      </section>
      {peek === null ? null : <RunPeek key={peek} runId={peek} now={now} onClose={() => setPeek(null)} />}
    </div>
  );
}

function NoRuns({ isFiltered }: { readonly isFiltered: boolean }) {
  if (isFiltered)
    return (
      <Empty icon="search" title="No run matches">
        <p>Take a filter away, or search for other words. Words are looked for in inputs, outputs and tool calls.</p>
        <Link href="/runs" className="linkish">
          Show all runs
        </Link>
      </Empty>
    );
  return (
    <Empty icon="run" title="No runs yet">
      <p>A run is one goal given to an agent. Everything it does is recorded and shown here, live.</p>
      <Link href="/start" className={buttonClass("main")}>
        Start the first run
      </Link>
    </Empty>
  );
}
