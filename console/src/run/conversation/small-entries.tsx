import { Link } from "wouter";
import { durationText, exactTime, usdText } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";
import { ReviewCard } from "../../reviews/review-card.tsx";
import { Button } from "../../ui/button.tsx";
import { Elapsed } from "../../ui/elapsed.tsx";
import { Icon } from "../../ui/icon.tsx";
import { RunStatusPill } from "../../ui/status.tsx";
import { LargeValue } from "../../value/large-value.tsx";
import { Prose } from "../../value/prose.tsx";
import { ValueView } from "../../value/value-view.tsx";
import { closedText } from "../closed-text.ts";
import { stopText } from "../stop-text.ts";
import { useConversation } from "./conversation-context.ts";
import type { AskEntry, ChildEntry, EndEntry, NoteEntry, SeamEntry, StepEntry, WaitEntry } from "./entries.ts";

/** A worker died and another went on: visible, and what came of it. */
export function Seam({ entry }: { readonly entry: SeamEntry }) {
  const what =
    entry.open.length > 0
      ? "looking at what was under way"
      : entry.outcomes.length === 0
        ? "nothing repeated"
        : entry.outcomes.join(" · ");
  return (
    <div
      data-seam="true"
      className="tone-odd my-3 flex items-center gap-3 text-xs text-tone"
      title={exactTime(entry.at)}
    >
      <span className="h-px flex-1 bg-[repeating-linear-gradient(90deg,var(--tone)_0_6px,transparent_6px_10px)]" />
      <span className="flex min-w-0 items-center gap-1.5 rounded-md bg-tone-wash px-2 py-1 text-center">
        <Icon name="takeover" className="size-3.5!" />
        <span className="min-w-0 wrap-anywhere">
          worker {oneLine(entry.from, 40)} died · {entry.from === entry.to ? "a new one" : oneLine(entry.to, 40)} took
          over after {durationText(entry.gapMs)} · {what}
        </span>
      </span>
      <span className="h-px flex-1 bg-[repeating-linear-gradient(90deg,var(--tone)_0_6px,transparent_6px_10px)]" />
    </div>
  );
}

export function Note({ entry }: { readonly entry: NoteEntry }) {
  const isSteering = entry.icon === "message";
  return (
    <div
      className={`tone-${entry.tone} flex items-start gap-2 text-xs ${isSteering ? "card bg-accent-wash! px-3 py-2 text-sm" : "text-soft"}`}
    >
      <span className={entry.tone === "none" ? "text-faint" : "text-tone"}>
        <Icon name={entry.icon} className="mt-0.5 size-3.5!" />
      </span>
      <div className="min-w-0 flex-1">
        <span className="font-medium text-ink">{oneLine(entry.title)}</span>
        {entry.text === "" ? null : (
          <div className="text-soft">
            <Prose text={entry.text} />
          </div>
        )}
        {entry.plan === undefined ? null : <PlanItems items={entry.plan} />}
      </div>
    </div>
  );
}

function PlanItems({ items }: { readonly items: NonNullable<NoteEntry["plan"]> }) {
  return (
    <ul className="mt-1">
      {items.map((item) => (
        <li key={item.id} className="flex items-start gap-1.5">
          <Icon
            name={item.status === "done" ? "check" : item.status === "active" ? "right" : "more"}
            className={`mt-0.5 size-3! ${item.status === "done" ? "text-ok" : item.status === "active" ? "text-run" : "text-faint"}`}
          />
          <span className={item.status === "dropped" ? "line-through" : ""}>{oneLine(item.text, 400)}</span>
        </li>
      ))}
    </ul>
  );
}

export function Child({ entry }: { readonly entry: ChildEntry }) {
  return (
    <div data-call={entry.callId} className="card flex h-9 items-center gap-2 px-2.5">
      <span className="kind-run text-tone">
        <Icon name="child" className="size-3.5!" />
      </span>
      <Link href={`/runs/${encodeURIComponent(entry.childRunId)}`} className="linkish min-w-0 truncate font-medium">
        {oneLine(entry.runnable)}
      </Link>
      <span className="flex-1" />
      {entry.error === null ? null : <code className="font-mono text-2xs text-bad">{entry.error.code}</code>}
      <RunStatusPill status={entry.status ?? "running"} />
      <span className="text-2xs text-faint tabular">
        {entry.costNanoUsd === null ? "" : `${usdText(entry.costNanoUsd)} · `}
        <Elapsed from={entry.at} to={entry.endedAt} />
      </span>
    </div>
  );
}

export function Step({ entry }: { readonly entry: StepEntry }) {
  return (
    <div data-call={entry.callId} className="flex h-6 items-center gap-2 text-xs text-soft">
      <span className="kind-step text-tone">
        <Icon name="step" className="size-3.5!" />
      </span>
      <span>{oneLine(entry.name)}</span>
      {entry.error === null ? null : <code className="font-mono text-2xs text-bad">{entry.error.code}</code>}
      <span className="text-2xs text-faint tabular">
        <Elapsed from={entry.at} to={entry.endedAt} />
      </span>
    </div>
  );
}

export function Wait({ entry }: { readonly entry: WaitEntry }) {
  const { wait } = entry;
  const text =
    wait.kind === "signal"
      ? `waited for the signal ${wait.name}`
      : wait.kind === "timer"
        ? `slept until ${exactTime(wait.dueAt)}`
        : `waited for budget (${wait.scope}): ${wait.needed} needed`;
  return (
    <div data-call={entry.callId} className="flex h-6 items-center gap-2 text-xs text-soft">
      <Icon name="wait" className={`size-3.5! text-faint ${entry.endedAt === null ? "pulse" : ""}`} />
      <span>{oneLine(text)}</span>
      <span className="text-2xs text-faint tabular">
        <Elapsed from={entry.at} to={entry.endedAt} />
      </span>
    </div>
  );
}

export function Ask({ entry }: { readonly entry: AskEntry }) {
  const { approval } = entry;
  if (approval.closedBy !== null)
    return (
      <p className="text-xs text-soft">
        {oneLine(approval.question, 600)}{" "}
        <strong className="font-medium text-ink">{closedText(approval.closedBy)}</strong>
      </p>
    );
  if (approval.decision === null)
    return (
      <div className="card overflow-clip">
        <ReviewCard approvalId={approval.approvalId} isInline />
      </div>
    );
  return (
    <div className="flex items-start gap-2 text-xs text-soft">
      <Icon name="person" className="mt-0.5 size-3.5! text-faint" />
      <span className="min-w-0 wrap-anywhere">
        {oneLine(approval.question, 600)} <strong className="font-medium text-ink">{approval.decision}</strong> by{" "}
        {oneLine(approval.by ?? "nobody")}
      </span>
    </div>
  );
}

/** Said above an answer that somebody else's text may have steered. */
function Basis({ restsOn, links }: { readonly restsOn: readonly string[]; readonly links: readonly string[] }) {
  return (
    <div className="mb-1 text-xs wrap-anywhere text-wait">
      rests on untrusted text{restsOn.length === 0 ? "" : `: ${oneLine(restsOn.join(", "), 400)}`}
      {links.length === 0 ? null : (
        <div>links to what nobody named: {links.map((link) => oneLine(link, 120)).join(", ")}</div>
      )}
    </div>
  );
}

export function End({ entry }: { readonly entry: EndEntry }) {
  const { runId, mayOperate, onFork } = useConversation();
  const { effects } = entry;
  const { status, stopReason } = entry;
  // the bar above says which limit it was, and raises it
  const isLimit = stopReason === "max_turns" || stopReason === "budget";
  const why = isLimit ? null : (entry.reason ?? (stopReason === null ? null : stopText(stopReason)));
  return (
    <div className="mt-2 scroll-mb-5" data-end>
      <div className="flex flex-wrap items-center gap-2">
        <RunStatusPill status={entry.status} />
        {why === null ? null : <span className="min-w-0 wrap-anywhere text-soft">{oneLine(why, 600)}</span>}
        {entry.rejected === 0 ? null : (
          <span className="text-xs text-wait">
            {entry.rejected === 1 ? "1 action was rejected" : `${entry.rejected} actions were rejected`}
          </span>
        )}
        {status === "completed" || isLimit || entry.turns === 0 || !mayOperate ? null : (
          <Button icon="fork" onClick={() => onFork(entry.turns)} title="Go on from its last turn">
            Fork, to go on
          </Button>
        )}
        {effects.done + effects.unknown === 0 ? null : (
          <span className="text-xs text-faint">
            {effects.done} outside {effects.done === 1 ? "action" : "actions"} done
            {effects.unknown === 0 ? "" : `, ${effects.unknown} unknown`}
          </span>
        )}
      </div>
      {entry.error === null ? null : (
        <div className="mt-2 rounded-md bg-bad-wash px-3 py-2 text-bad">
          <code className="font-mono text-xs font-semibold">{entry.error.code}</code>
          <Prose text={entry.error.message} />
        </div>
      )}
      {entry.largeOutput === null ? null : <LargeValue runId={runId} value={entry.largeOutput} label="answer" />}
      {entry.output === null ? null : (
        <div className="card mt-2 px-4 py-3">
          <div className="label mb-1">{entry.status === "completed" ? "Answer" : "Last message"}</div>
          {entry.restsOn === null ? null : <Basis restsOn={entry.restsOn} links={entry.strangeLinks} />}
          {typeof entry.output === "string" ? (
            <Prose text={entry.output} />
          ) : (
            <div className="-ml-3.5">
              <ValueView value={entry.output} label="answer" />
            </div>
          )}
        </div>
      )}
    </div>
  );
}
