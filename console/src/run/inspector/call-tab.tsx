import type { JsonValue, SpanDetail } from "../../api/types.ts";
import { durationText, exactText, exactTime, usdExact } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";
import { Button } from "../../ui/button.tsx";
import { Fact, Facts, Section } from "../../ui/facts.tsx";
import { CopyButton } from "../../value/copy-button.tsx";
import { plainTextOf } from "../../value/value-lines.ts";
import { Prose } from "../../value/prose.tsx";
import { ValueView } from "../../value/value-view.tsx";
import { OriginList } from "../origin-list.tsx";
import type { Selection } from "../selection.ts";
import { marksOfCauses } from "../why.ts";
import { BillTable } from "./bill-table.tsx";

/** Input, where its words came from, output, cost, facts. */
export function CallTab({ detail, selection }: { readonly detail: SpanDetail; readonly selection: Selection }) {
  const { span, input, output, causes, restsOn } = detail;
  const canAskWhy = causes.length > 0 || span.kind === "tool" || span.kind === "child";
  return (
    <>
      {span.error === null ? null : (
        <Section title="Error">
          <code className="font-mono text-xs font-semibold text-bad">{span.error.code}</code>
          <Prose text={span.error.message} />
        </Section>
      )}
      {input === null ? null : (
        <Value
          title="Input"
          value={input}
          marks={selection.isWhy ? marksOfCauses(causes) : {}}
          side={
            canAskWhy ? (
              <Button
                aria-pressed={selection.isWhy}
                keyHint="w"
                onClick={() => selection.select(span.spanId, { isWhy: !selection.isWhy })}
              >
                Why?
              </Button>
            ) : null
          }
        />
      )}
      {selection.isWhy && canAskWhy ? (
        <Section title="Where its words came from">
          <OriginList causes={causes} onSource={(spanId) => selection.select(spanId)} />
        </Section>
      ) : null}
      {output === null ? null : <Value title="Output" value={output} marks={{}} side={null} />}
      {restsOn.length === 0 ? null : (
        <Section title="The outcome rests on">
          <ul className="flex flex-col gap-1">
            {restsOn.map((link) => (
              <li key={link.spanId}>
                <button type="button" className="linkish" onClick={() => selection.select(link.spanId)}>
                  {oneLine(link.name, 80)}
                </button>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {span.bill === null ? null : (
        <Section title="Cost">
          <BillTable bill={span.bill} />
        </Section>
      )}
      {detail.attempts.length < 2 ? null : <Attempts detail={detail} />}
      <Section title="Facts">
        <Facts>
          {Object.entries(span.detail).map(([name, value]) => (
            <Fact key={name} name={wordsOfName(name)}>
              {factText(name, value ?? null)}
            </Fact>
          ))}
          <Fact name="Began">{exactTime(span.startedAt)}</Fact>
          {span.endedAt === null ? null : <Fact name="Ended">{exactTime(span.endedAt)}</Fact>}
          <Fact name="Journal">
            {span.runId} {span.seq} to {span.endSeq ?? "now"}
          </Fact>
          {span.callId === null ? null : <Fact name="Call">{span.callId}</Fact>}
          <Fact name="Span">{span.spanId}</Fact>
          <Fact name="Trace">{span.traceId}</Fact>
        </Facts>
      </Section>
    </>
  );
}

function Value({
  title,
  value,
  marks,
  side,
}: {
  readonly title: string;
  readonly value: JsonValue;
  readonly marks: ReturnType<typeof marksOfCauses>;
  readonly side: React.ReactNode;
}) {
  return (
    <Section
      title={title}
      side={
        <span className="flex items-center gap-1">
          {side}
          <CopyButton text={() => plainTextOf(value)} label={`copy the ${title.toLowerCase()}`} />
        </span>
      }
    >
      {typeof value === "string" ? (
        <Prose text={value} marks={marks[""] ?? []} />
      ) : (
        <div className="-ml-3.5">
          <ValueView value={value} marks={marks} label={title.toLowerCase()} />
        </div>
      )}
    </Section>
  );
}

function Attempts({ detail }: { readonly detail: SpanDetail }) {
  return (
    <Section title="Attempts">
      <ol className="flex flex-col gap-1.5 text-xs">
        {detail.attempts.map((attempt, i) => (
          <li key={attempt.spanId} className="flex flex-wrap gap-x-3">
            <span className="text-faint">{i + 1}</span>
            <span>{attempt.status}</span>
            <span className="tabular">
              {attempt.endedAt === null ? "" : durationText(attempt.endedAt - attempt.startedAt)}
            </span>
            {attempt.bill === null ? null : (
              <span className="tabular">
                {usdExact(attempt.bill.costNanoUsd)}, {exactText(attempt.bill.usage.inputTokens)} in,{" "}
                {exactText(attempt.bill.usage.outputTokens)} out
              </span>
            )}
            {attempt.error === null ? null : (
              <span className="w-full text-bad wrap-anywhere">
                <code className="font-mono">{attempt.error.code}</code> {oneLine(attempt.error.message, 400)}
              </span>
            )}
          </li>
        ))}
      </ol>
    </Section>
  );
}

/** `reservedNanoUsd` and `ttftMs` say their unit in their name: people read it with the figure. */
function wordsOfName(name: string): string {
  return name
    .replace(/(NanoUsd|Ms)$/, "")
    .replace(/^ms$/, "took")
    .replace(/([A-Z])/g, " $1")
    .toLowerCase();
}

function factText(name: string, value: JsonValue): string {
  if (typeof value === "number" && name.endsWith("NanoUsd")) return usdExact(value);
  if (typeof value === "number" && /^ms$|Ms$/.test(name)) return durationText(value);
  return oneLine(wordsOf(value), 600);
}

/** Data without JSON's quotes: `decision ask · rules tool.approval`. */
function wordsOf(value: JsonValue): string {
  if (value === null || typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(wordsOf).join(", ");
  return Object.entries(value)
    .map(([key, one]) => `${key} ${wordsOf(one ?? null)}`)
    .join(" · ");
}
