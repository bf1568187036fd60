import { useContext } from "react";
import { countText, durationText, exactText, usdExact, usdText } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";
import { Elapsed } from "../../ui/elapsed.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Pill } from "../../ui/status.tsx";
import { LargeValue } from "../../value/large-value.tsx";
import { Prose } from "../../value/prose.tsx";
import { LiveContext, useConversation } from "./conversation-context.ts";
import type { ModelEntry } from "./entries.ts";

/** What the model said: its thought folded, its words whole. Its tool calls stand below as cards of their own. */
export function ModelBlock({ entry }: { readonly entry: ModelEntry }) {
  const { runId, onSelect, selectedCallId } = useConversation();
  const text = entry.parts.flatMap((part) => (part.type === "text" ? part.text : [])).join("");
  const thought = entry.parts.flatMap((part) => (part.type === "reasoning" ? part.text : [])).join("\n");
  // what the call failed of is said below
  const attempts = entry.attempts.filter(
    ({ error }, i) => entry.error === null || i < entry.attempts.length - 1 || error?.code !== entry.error.code,
  );
  return (
    <div data-call={entry.callId} className="group">
      {attempts.map((attempt) => (
        <p key={attempt.attempt} className="mb-1 flex items-start gap-1.5 text-xs text-soft">
          <Icon name="warn" className="mt-0.5 size-3.5! text-wait" />
          <span className="min-w-0 wrap-anywhere">
            Attempt {attempt.attempt} gave no answer:{" "}
            <code className="font-mono">{attempt.error?.code ?? "unknown"}</code>
            {attempt.assumed ? ", charged at its worst" : ""}
          </span>
        </p>
      ))}
      {thought === "" ? null : <Thought text={thought} isLive={false} />}
      {text === "" ? null : <Prose text={text} />}
      {entry.largeMessage === null ? null : (
        <LargeValue runId={runId} value={entry.largeMessage} label="what the model wrote" />
      )}
      {entry.endedAt === null ? <Partial callId={entry.callId} /> : null}
      {entry.error === null ? null : (
        <p className="text-bad">
          <code className="font-mono text-xs font-semibold">{entry.error.code}</code>{" "}
          {oneLine(entry.error.message, 600)}
        </p>
      )}
      <button
        type="button"
        onClick={() => onSelect(entry.callId)}
        className={`mt-0.5 -ml-1.5 inline-flex max-w-full flex-wrap items-center gap-x-2 rounded-sm px-1.5 text-2xs text-faint tabular hover:bg-hover hover:text-soft ${selectedCallId === entry.callId ? "bg-selected" : ""}`}
      >
        <ModelFigures entry={entry} />
      </button>
    </div>
  );
}

/** What came so far of an answer under way. */
function Partial({ callId }: { readonly callId: string }) {
  const partial = useContext(LiveContext).get(callId);
  if (partial === undefined) return null;
  return (
    <div aria-live="off">
      {partial.reasoning === "" ? null : <Thought text={partial.reasoning} isLive={partial.text === ""} />}
      {partial.isCut ? (
        <p className="text-2xs text-faint">You came in the middle: the beginning is here with the whole answer.</p>
      ) : null}
      {partial.text === "" ? null : <Prose text={partial.isCut ? `… ${partial.text}` : partial.text} isLive />}
    </div>
  );
}

function Thought({ text, isLive }: { readonly text: string; readonly isLive: boolean }) {
  return (
    <details className="mb-1.5" open={isLive}>
      <summary className="text-xs text-faint hover:text-soft">Thought</summary>
      <div className="mt-1 border-l-2 border-line pl-3 text-soft">
        <Prose text={text} isLive={isLive} />
      </div>
    </details>
  );
}

function ModelFigures({ entry }: { readonly entry: ModelEntry }) {
  const { usage } = entry;
  if (entry.person !== null)
    return (
      <span className="inline-flex items-center gap-1">
        <Icon name="person" className="size-3!" />
        {oneLine(entry.person, 60)}, in the agent's place
      </span>
    );
  return (
    <>
      <span className="inline-flex items-center gap-1">
        <Icon name="model" className={`size-3! ${entry.endedAt === null ? "pulse" : ""}`} />
        {oneLine(entry.model ?? entry.route, 60)}
      </span>
      {usage === null ? null : (
        <span
          title={`${exactText(usage.inputTokens)} in (${exactText(usage.cachedInputTokens)} cached), ${exactText(usage.outputTokens)} out`}
        >
          {countText(usage.inputTokens)} → {countText(usage.outputTokens)}
        </span>
      )}
      {usage === null ? null : (
        <span title={usdExact(entry.costNanoUsd)}>
          {usdText(entry.costNanoUsd)}
          {entry.inherited ? " (the original paid)" : ""}
        </span>
      )}
      {entry.reserved === null ? null : (
        <span className="text-run">
          {countText(entry.reserved.tokens)} tokens
          {entry.reserved.costNanoUsd === null ? "" : `, ${usdText(entry.reserved.costNanoUsd)}`} reserved
        </span>
      )}
      <span>
        <Elapsed from={entry.at} to={entry.endedAt} />
      </span>
      {entry.ttftMs === null ? null : <span>first token {durationText(entry.ttftMs)}</span>}
      {entry.finish === null || entry.finish === "stop" || entry.finish === "tool-calls" ? null : (
        <Pill tone="wait">{entry.finish}</Pill>
      )}
    </>
  );
}
