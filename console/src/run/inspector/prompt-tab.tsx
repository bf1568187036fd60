import type { Message, PromptPiece, RebuiltRequest } from "../../api/types.ts";
import { oneLine } from "../../format/visible-text.ts";
import { Section } from "../../ui/facts.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Pill } from "../../ui/status.tsx";
import { CopyButton } from "../../value/copy-button.tsx";
import { Prose } from "../../value/prose.tsx";
import { ValueView } from "../../value/value-view.tsx";

/** Exactly what the model was sent, and what put each piece there. */
export function PromptTab({
  request,
  onSource,
}: {
  readonly request: RebuiltRequest;
  readonly onSource: (spanId: string) => void;
}) {
  return (
    <>
      <Proof request={request} />
      <Section title="System" side={<CopyButton text={() => request.system} label="copy the system prompt" />}>
        <div className="text-sm">
          <Prose text={request.system} />
        </div>
      </Section>
      {request.messages.map((piece, i) => (
        // pieces have no other identity than their place in the prompt
        <Piece key={i} piece={piece} onSource={onSource} />
      ))}
      <Section title="Tools">
        <div className="-ml-3.5">
          <ValueView value={request.tools} label="tools" />
        </div>
      </Section>
      <Section title="Parameters">
        <div className="-ml-3.5">
          <ValueView value={request.params} label="parameters" />
        </div>
      </Section>
    </>
  );
}

function Proof({ request }: { readonly request: RebuiltRequest }) {
  return (
    <div
      className={`flex items-start gap-2 px-4 py-2.5 text-xs ${request.isProved ? "bg-ok-wash text-ok" : "bg-bad-wash text-bad"}`}
    >
      <Icon name={request.isProved ? "check" : "warn"} className="mt-px size-3.5!" />
      <span className="min-w-0 wrap-anywhere">
        <strong className="font-semibold">{request.isProved ? "Proved." : "Not proved."}</strong>{" "}
        {request.isProved
          ? "The hash of this request is the one that was recorded before it went out."
          : "The hash of what was rebuilt is not the recorded one."}{" "}
        <code className="font-mono text-2xs">{request.promptHash}</code>
      </span>
    </div>
  );
}

function Piece({ piece, onSource }: { readonly piece: PromptPiece; readonly onSource: (spanId: string) => void }) {
  const { message, from, seq } = piece;
  return (
    <Section
      title={message.role}
      side={
        from === null ? (
          <span className="text-2xs text-faint">{seq === null ? "added by this call" : `event ${seq}`}</span>
        ) : (
          <button type="button" className="linkish text-2xs" onClick={() => onSource(from.spanId)}>
            from {oneLine(from.name, 60)}
          </button>
        )
      }
    >
      <Parts message={message} />
    </Section>
  );
}

function Parts({ message }: { readonly message: Message }) {
  return (
    <div className="flex flex-col gap-2">
      {message.content.map((part, i) => {
        switch (part.type) {
          case "text":
            return <Prose key={i} text={part.text} />;
          case "reasoning":
            return (
              <div key={i} className="border-l-2 border-line pl-3 text-soft">
                <Prose text={part.text} />
              </div>
            );
          case "file":
            return <Pill key={i}>file {oneLine(part.filename ?? part.mediaType, 80)}</Pill>;
          case "tool-call":
            return (
              <div key={i}>
                <span className="label">calls {oneLine(part.tool, 60)}</span>
                <ValueView value={part.input} label={`arguments of ${part.tool}`} />
              </div>
            );
          case "tool-result":
            return (
              <div key={i}>
                <span className="label">
                  result of {oneLine(part.tool, 60)}
                  {part.isError === true ? " (an error)" : ""}
                </span>
                <ValueView value={part.output} label={`result of ${part.tool}`} />
              </div>
            );
        }
      })}
    </div>
  );
}
