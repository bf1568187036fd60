import { Popover } from "@base-ui/react/popover";
import { Link } from "wouter";
import type { RunDetail } from "../api/types.ts";
import { countText, exactTime, usdExact, usdText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { Elapsed } from "../ui/elapsed.tsx";
import { Icon } from "../ui/icon.tsx";
import { RunStatusPill } from "../ui/status.tsx";
import { BudgetBars } from "../runs/budget-bars.tsx";
import { turnsBegun } from "../runs/turns-begun.ts";
import { RunActions, type RunDialog } from "./run-actions.tsx";

interface Props {
  readonly run: RunDetail;
  readonly dialog: RunDialog | null;
  readonly onDialog: (dialog: RunDialog | null) => void;
}

/** Which run, how it stands, what it cost, and what can be done with it. */
export function RunHeader({ run, dialog, onDialog }: Props) {
  return (
    <header className="border-b border-line px-4 py-2.5 md:px-5">
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0 flex-1">
          <nav aria-label="Where this is" className="flex items-center gap-1 text-2xs text-faint">
            <Link href="/runs" className="hover:text-ink">
              Runs
            </Link>
            {run.parent === null ? null : (
              <>
                <Icon name="right" className="size-3!" />
                <Link
                  href={`/runs/${encodeURIComponent(run.parent.runId)}`}
                  className="max-w-40 truncate font-mono hover:text-ink"
                >
                  {run.parent.runId}
                </Link>
              </>
            )}
            <Icon name="right" className="size-3!" />
            <span className="min-w-0 truncate font-mono" title={run.runId}>
              {run.runId}
            </span>
          </nav>
          <h1 className="truncate text-base font-semibold tracking-tight">
            <bdi>{oneLine(run.title, 160) || run.runId}</bdi>
          </h1>
        </div>
        <RunActions run={run} dialog={dialog} onDialog={onDialog} />
      </div>
      <Figures run={run} />
    </header>
  );
}

function Figures({ run }: { readonly run: RunDetail }) {
  const { budget, totals } = run;
  const cost = totals.costNanoUsd + totals.childCostNanoUsd;
  return (
    <div className="mt-1.5 flex flex-wrap items-center gap-x-4 gap-y-1 text-xs text-soft tabular">
      <RunStatusPill status={run.status} />
      <Link
        href={`/runs?agent=${encodeURIComponent(run.agent)}`}
        className="hover:text-ink"
        title={`version ${run.version}`}
      >
        {oneLine(run.agent, 40)}
      </Link>
      <span title={exactTime(run.startedAt)}>
        <Elapsed from={run.startedAt} to={run.endedAt} />
      </span>
      <span>
        {turnsBegun(run)}
        {budget.turns.cap === null ? "" : ` of ${budget.turns.cap}`}{" "}
        {(budget.turns.cap ?? turnsBegun(run)) === 1 ? "turn" : "turns"}
      </span>
      <span>{countText(budget.tokens.spent)} tokens</span>
      <Popover.Root>
        <Popover.Trigger
          className="relative inline-flex items-center gap-1 rounded-sm hover:text-ink"
          title={usdExact(cost)}
        >
          <span data-testid="spent">{cost === 0 && totals.unpricedCalls > 0 ? "unpriced" : usdText(cost)}</span>
          {budget.costNanoUsd.cap === null ? null : (
            <span className="text-faint">of {usdText(budget.costNanoUsd.cap)}</span>
          )}
          <Reserved run={run} />
          <Icon name="down" className="size-3!" />
        </Popover.Trigger>
        <Popover.Portal>
          <Popover.Positioner sideOffset={6} align="start" className="z-50">
            <Popover.Popup
              aria-label="Usage and limits"
              className="w-80 max-w-[calc(100vw-2rem)] rounded-lg bg-raised p-3 shadow-pop"
            >
              <BudgetBars budget={budget} />
            </Popover.Popup>
          </Popover.Positioner>
        </Popover.Portal>
      </Popover.Root>
      {run.forkedFrom === null ? null : (
        <Link
          href={`/runs/${encodeURIComponent(run.forkedFrom.runId)}`}
          className="linkish inline-flex items-center gap-1"
        >
          <Icon name="fork" className="size-3!" /> forked
        </Link>
      )}
      {run.threadId === null ? null : (
        <Link href={`/runs?thread=${encodeURIComponent(run.threadId)}`} className="linkish">
          thread {oneLine(run.threadId, 30)}
        </Link>
      )}
    </div>
  );
}

/** Taken before a call, settled after it. Its place is kept, so that nothing moves when it comes and goes. */
function Reserved({ run }: { readonly run: RunDetail }) {
  const { costNanoUsd, tokens } = run.budget;
  if (costNanoUsd.reserved > 0) return <span className="text-run">+ {usdText(costNanoUsd.reserved)} reserved</span>;
  if (tokens.reserved > 0) return <span className="text-run">+ {countText(tokens.reserved)} tokens reserved</span>;
  return null;
}
