import { useState } from "react";
import { argumentsLine } from "../../format/arguments-line.ts";
import { oneLine } from "../../format/visible-text.ts";
import { DiffView } from "../../reviews/diff-view.tsx";
import { ReviewCard } from "../../reviews/review-card.tsx";
import { Button } from "../../ui/button.tsx";
import { Elapsed } from "../../ui/elapsed.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Pill } from "../../ui/status.tsx";
import { LargeValue } from "../../value/large-value.tsx";
import { ValueView } from "../../value/value-view.tsx";
import { effectLook, effectText } from "../effect-text.ts";
import { ResolveEffect } from "../../effects/resolve-effect.tsx";
import { marksOfWords } from "../why.ts";
import { closedText } from "../closed-text.ts";
import { useConversation } from "./conversation-context.ts";
import type { ToolEntry } from "./entries.ts";

/** One call: a line, and everything about it when opened. What needs a person is open. */
export function ToolCard({ entry }: { readonly entry: ToolEntry }) {
  const { selectedCallId, why, onSelect } = useConversation();
  const words = why?.wordsOf.get(entry.callId);
  const needsPerson = entry.status === "held" || entry.status === "unknown";
  const [isOpened, setIsOpened] = useState<boolean | null>(null);
  const isOpen = isOpened ?? (needsPerson || words !== undefined);
  const look = effectLook(entry.status);
  const isRejected = entry.approval?.decision === "reject";
  const isSelected = selectedCallId === entry.callId;
  return (
    <div
      data-call={entry.callId}
      className={`card overflow-clip ${isSelected ? "border-accent!" : ""} ${words === undefined ? "" : "border-wait! shadow-[0_0_0_1px_var(--wait)]"}`}
    >
      <div className="flex items-center">
        <button
          type="button"
          aria-expanded={isOpen}
          className="flex h-8 min-w-0 flex-1 items-center gap-2 pr-2 pl-2.5 text-left hover:bg-hover"
          onClick={() => setIsOpened(!isOpen)}
        >
          <Icon name={isOpen ? "down" : "right"} className="size-3! text-faint" />
          <span className="kind-tool text-tone">
            <Icon name={entry.effect === "pure" || entry.effect === null ? "tool" : "effects"} className="size-3.5!" />
          </span>
          <span className="shrink-0 font-medium">{oneLine(entry.tool, 60)}</span>
          <span className="min-w-0 flex-1 truncate font-mono text-xs text-soft">{argumentsLine(entry.input)}</span>
          {isRejected ? (
            <span className="min-w-0 max-w-1/2 shrink-0 truncate text-2xs text-soft">
              rejected by {oneLine(entry.approval?.by ?? "nobody", 40)}
              {entry.approval?.reason === null ? "" : `: ${oneLine(entry.approval?.reason ?? "", 120)}`}
            </span>
          ) : null}
          {entry.attempt > 1 ? <span className="text-2xs text-faint">attempt {entry.attempt}</span> : null}
          {entry.error === null || isRejected ? null : (
            <code className="hidden font-mono text-2xs text-bad md:inline">{entry.error.code}</code>
          )}
          {entry.status === "done" && entry.error === null ? null : (
            <Pill tone={look.tone} title={look.about}>
              {isRejected ? "rejected" : look.text}
            </Pill>
          )}
          <span className="w-14 text-right text-2xs text-faint tabular">
            {entry.status === "held" ? null : <Elapsed from={entry.at} to={entry.endedAt} />}
          </span>
        </button>
        <Button
          look="quiet"
          className="mr-1 h-6! text-xs! text-faint!"
          onClick={() => onSelect(entry.callId, true)}
          title="Where its arguments came from"
        >
          Why?
        </Button>
      </div>
      {isOpen ? <Opened entry={entry} words={words ?? []} /> : null}
    </div>
  );
}

function Opened({ entry, words }: { readonly entry: ToolEntry; readonly words: readonly string[] }) {
  const { runId, onSelect } = useConversation();
  const isAsked = entry.status === "held" && entry.approval !== null && entry.approval.decision === null;
  if (isAsked && entry.approval !== null) return <ReviewCard approvalId={entry.approval.approvalId} isInline />;
  return (
    <div className="border-t border-line">
      {entry.approval === null || entry.approval.closedBy === null ? null : (
        <p className="px-3 py-2 text-sm">{closedText(entry.approval.closedBy)}</p>
      )}
      {entry.asked === null ? null : (
        <div className="border-t border-line px-3 py-2 first:border-t-0">
          <div className="label mb-0.5">
            Changed by {oneLine(entry.approval?.by ?? "a person", 40)} before it was approved
          </div>
          <DiffView before={JSON.stringify(entry.asked, null, 2)} after={JSON.stringify(entry.input, null, 2)} />
        </div>
      )}
      <Part title="Arguments">
        {entry.largeInput === null ? (
          <ValueView value={entry.input} label={`arguments of ${entry.tool}`} />
        ) : (
          <LargeValue runId={runId} value={entry.largeInput} label={`arguments of ${entry.tool}`} />
        )}
      </Part>
      {entry.hasOutput ? (
        <Part title="Result">
          {entry.largeOutput === null ? (
            <ValueView
              value={entry.output}
              label={`result of ${entry.tool}`}
              marks={words.length === 0 ? {} : marksOfWords(entry.output, words)}
            />
          ) : (
            <LargeValue runId={runId} value={entry.largeOutput} label={`result of ${entry.tool}`} />
          )}
        </Part>
      ) : null}
      {entry.error === null || entry.error.message === "" ? null : (
        <Part title="Error">
          <ValueView value={entry.error.message} label="error" />
        </Part>
      )}
      {entry.status === "unknown" ? (
        <div className="border-t border-line p-3">
          <ResolveEffect runId={runId} callId={entry.callId} tool={entry.tool} why={entry.why} />
        </div>
      ) : null}
      <footer className="flex flex-wrap items-center gap-x-3 gap-y-1 border-t border-line px-3 py-1.5 text-2xs text-faint">
        {entry.effect === null ? null : <span>{effectText(entry.effect)}</span>}
        {entry.via === null ? null : <span>{oneLine(entry.via)}</span>}
        {entry.approval === null || entry.approval.decision === null ? null : (
          <span>
            {entry.approval.decision === "approve" ? "approved" : "rejected"} by{" "}
            {oneLine(entry.approval.by ?? "nobody")}
            {entry.approval.isEdited ? " with other arguments" : ""}
            {entry.approval.reason === null ? "" : `: ${oneLine(entry.approval.reason)}`}
          </span>
        )}
        {entry.retracted === null ? null : (
          <span className="text-bad">taken out of the context: {oneLine(entry.retracted)}</span>
        )}
        <span className="flex-1" />
        <button type="button" className="linkish" onClick={() => onSelect(entry.callId)}>
          Inspect
        </button>
      </footer>
    </div>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: React.ReactNode }) {
  return (
    <div className="border-t border-line px-3 py-2 first:border-t-0">
      <div className="label mb-0.5">{title}</div>
      <div className="-ml-3.5">{children}</div>
    </div>
  );
}
