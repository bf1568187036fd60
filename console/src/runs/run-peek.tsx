import { Link } from "wouter";
import { useReviews } from "../api/reviews.ts";
import { useRun } from "../api/runs.ts";
import type { JsonValue, RunDetail } from "../api/types.ts";
import { durationText, exactTime, usdExact } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button, buttonClass } from "../ui/button.tsx";
import { Fact, Facts, Section } from "../ui/facts.tsx";
import { Key } from "../ui/key.tsx";
import { Problem } from "../ui/problem.tsx";
import { RunStatusPill } from "../ui/status.tsx";
import { Prose } from "../value/prose.tsx";
import { ValueView } from "../value/value-view.tsx";
import { BudgetBars } from "./budget-bars.tsx";

/** A run beside the list: enough to decide whether to open it. */
export function RunPeek({
  runId,
  now,
  onClose,
}: {
  readonly runId: string;
  readonly now: number;
  readonly onClose: () => void;
}) {
  const run = useRun(runId, true);
  return (
    <aside
      aria-label="The chosen run"
      className="absolute inset-0 z-20 flex flex-col overflow-y-auto border-l border-line bg-surface md:static md:w-96 md:shrink-0"
    >
      <header className="sticky top-0 z-10 flex items-center gap-2 border-b border-line bg-surface px-4 py-2.5">
        {run.data === undefined ? <span className="flex-1" /> : <RunStatusPill status={run.data.status} />}
        <span className="flex-1" />
        <Link href={`/runs/${encodeURIComponent(runId)}`} className={buttonClass("plain")}>
          Open <Key name="Enter" />
        </Link>
        <Button look="quiet" icon="close" aria-label="Close the side view" onClick={onClose} />
      </header>
      {run.error === null ? null : <Problem error={run.error} />}
      {run.data === undefined ? null : <Peeked run={run.data} now={now} />}
    </aside>
  );
}

function Peeked({ run, now }: { readonly run: RunDetail; readonly now: number }) {
  const cost = run.totals.costNanoUsd + run.totals.childCostNanoUsd;
  return (
    <>
      <Asked runId={run.runId} />
      <Section title="Input">
        <Value value={run.input} label="input" />
      </Section>
      {run.error === null ? null : (
        <Section title="Error">
          <code className="font-mono text-xs font-semibold text-bad">{run.error.code}</code>
          <Prose text={run.error.message} />
        </Section>
      )}
      {run.output === null ? null : (
        <Section title="Output">
          <Value value={run.output} label="output" />
        </Section>
      )}
      <Section title="Budget">
        <BudgetBars budget={run.budget} />
      </Section>
      <Section title="Facts">
        <Facts>
          <Fact name="Run">
            <span className="font-mono text-xs">{run.runId}</span>
          </Fact>
          <Fact name="Agent">{oneLine(run.agent)}</Fact>
          <Fact name="Started" title={exactTime(run.startedAt)}>
            {exactTime(run.startedAt).slice(0, 19)} by {oneLine(run.principal, 60)}
          </Fact>
          <Fact name="Duration">{durationText((run.endedAt ?? now) - run.startedAt)}</Fact>
          <Fact name="Cost">{usdExact(cost)}</Fact>
          {run.totals.unpricedCalls === 0 ? null : <Fact name="Unpriced">{run.totals.unpricedCalls} model calls</Fact>}
          {run.threadId === null ? null : <Fact name="Thread">{run.threadId}</Fact>}
          {run.tags.length === 0 ? null : <Fact name="Tags">{run.tags.map((tag) => oneLine(tag)).join(", ")}</Fact>}
          {run.reason === null ? null : <Fact name="Reason">{oneLine(run.reason, 500)}</Fact>}
        </Facts>
      </Section>
    </>
  );
}

/** What it asks a person, and the way to the answer. */
function Asked({ runId }: { readonly runId: string }) {
  const item = useReviews().data?.items.find((one) => one.runId === runId && one.approvalId !== null);
  if (item === undefined) return null;
  return (
    <Section title="Waiting for your approval">
      <p className="wrap-anywhere">{oneLine(item.question, 400)}</p>
      {item.summary === "" ? null : (
        <p className="mt-1 font-mono text-xs wrap-anywhere text-soft">{oneLine(item.summary, 200)}</p>
      )}
      <Link href={`/reviews/${encodeURIComponent(item.approvalId ?? "")}`} className={buttonClass("main", "mt-2")}>
        Approve or reject
      </Link>
    </Section>
  );
}

function Value({ value, label }: { readonly value: JsonValue; readonly label: string }) {
  if (typeof value === "string") return <Prose text={value} />;
  return (
    <div className="-ml-3.5">
      <ValueView value={value} label={label} />
    </div>
  );
}
