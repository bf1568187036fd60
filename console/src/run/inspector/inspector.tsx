import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { client as pawl, ClientError } from "../../api/client.ts";
import type { SpanDetail } from "../../api/types.ts";
import { durationText, usdExact } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";
import { useKeys } from "../../keys/keyboard.tsx";
import { Button } from "../../ui/button.tsx";
import { Elapsed } from "../../ui/elapsed.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Problem } from "../../ui/problem.tsx";
import { Pill, toneOfSpan } from "../../ui/status.tsx";
import { kindLook } from "../kind-look.ts";
import type { InspectorTab, Selection } from "../selection.ts";
import { CallTab } from "./call-tab.tsx";
import { EventsTab } from "./events-tab.tsx";
import { PromptTab } from "./prompt-tab.tsx";

interface Props {
  readonly runId: string;
  readonly spanId: string;
  /** Newest event that is known: a span under way is read again. */
  readonly seq: number;
  readonly selection: Selection;
}

const tabs: readonly { readonly tab: InspectorTab; readonly label: string }[] = [
  { tab: "call", label: "Call" },
  { tab: "prompt", label: "Prompt" },
  { tab: "events", label: "Raw events" },
];

/** One span, whole: what went in and out, what the model was sent, what it cost, what the journal has. */
export function Inspector({ runId, spanId, seq, selection }: Props) {
  const detail = useSpan(runId, spanId, seq);
  const hasPrompt = detail.data !== undefined && detail.data.request !== null;
  useKeys(
    "Inspector",
    [
      { keys: "Escape", label: "Close the inspector", run: () => selection.select(null) },
      {
        keys: "w",
        label: "Why? Mark where its words came from",
        run: () => selection.select(spanId, { isWhy: !selection.isWhy }),
      },
    ],
    { level: "panel" },
  );
  return (
    <aside
      aria-label="Inspector"
      className="absolute inset-0 z-20 flex flex-col border-l border-line bg-surface lg:static lg:w-[27rem] lg:shrink-0"
    >
      <header className="border-b border-line px-4 pt-2.5">
        <div className="flex items-start gap-2">
          {detail.data === undefined ? <div className="h-12 flex-1" /> : <Title detail={detail.data} />}
          <Button look="quiet" icon="close" aria-label="Close the inspector" onClick={() => selection.select(null)} />
        </div>
        <div role="tablist" aria-label="Inspector" className="-mb-px flex gap-4">
          {tabs
            .filter(({ tab }) => tab !== "prompt" || hasPrompt)
            .map(({ tab, label }) => (
              <button
                key={tab}
                type="button"
                role="tab"
                aria-selected={selection.tab === tab}
                className={`h-8 border-b-2 text-xs ${selection.tab === tab ? "border-accent text-ink" : "border-transparent text-soft hover:text-ink"}`}
                onClick={() => selection.setTab(tab)}
              >
                {label}
              </button>
            ))}
        </div>
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto" role="tabpanel" tabIndex={0}>
        {detail.error === null ? null : isNoSuchCall(detail.error) ? (
          <p role="alert" className="p-4 text-soft">
            There is no such call in this run.
          </p>
        ) : (
          <Problem error={detail.error} />
        )}
        {detail.data === undefined ? null : <Body detail={detail.data} selection={selection} />}
      </div>
    </aside>
  );
}

/** Its id is mistyped or another run's. */
function isNoSuchCall(error: unknown): boolean {
  return error instanceof ClientError && (error.status === 404 || error.status === 400);
}

/** Read again while it is open and the run has gone on. */
export function useSpan(runId: string, spanId: string | null, seq: number) {
  return useQuery({
    queryKey: ["span", runId, spanId],
    queryFn: ({ signal }) => pawl.getSpan(runId, spanId ?? "", { signal }),
    enabled: spanId !== null,
    staleTime: 30_000,
    refetchInterval: ({ state }) => (state.data?.span.endedAt === null && seq > 0 ? 2_000 : false),
  });
}

function Title({ detail }: { readonly detail: SpanDetail }) {
  const { span } = detail;
  const look = kindLook(span.kind);
  return (
    <div className="min-w-0 flex-1">
      <h2 className="flex items-center gap-1.5">
        <span className={`${look.tone} text-tone`}>
          <Icon name={look.icon} />
        </span>
        <span className="min-w-0 truncate text-base font-semibold">{oneLine(span.name, 120)}</span>
        <span className={toneOfSpan(span.status)}>
          <span className="inline-flex h-5 items-center rounded-sm bg-tone-wash px-1.5 text-2xs font-medium text-tone">
            {span.status}
          </span>
        </span>
      </h2>
      <p className="flex flex-wrap gap-x-3 text-xs text-soft tabular">
        <span>{look.text}</span>
        {look.isPoint === true ? null : (
          <span>
            <Elapsed from={span.startedAt} to={span.endedAt} />
          </span>
        )}
        {span.bill === null ? null : <span>{usdExact(span.bill.costNanoUsd)}</span>}
        {typeof span.detail["ttftMs"] === "number" ? (
          <span>first token {durationText(span.detail["ttftMs"])}</span>
        ) : null}
        {span.bill?.assumed === true ? <Pill tone="wait">assumed at its worst</Pill> : null}
        {span.bill?.inherited === true ? <Pill>the original paid</Pill> : null}
        {typeof span.detail["childRunId"] === "string" ? (
          <Link href={`/runs/${encodeURIComponent(span.detail["childRunId"])}`} className="linkish">
            open the child
          </Link>
        ) : null}
      </p>
    </div>
  );
}

function Body({ detail, selection }: { readonly detail: SpanDetail; readonly selection: Selection }) {
  if (selection.tab === "events") return <EventsTab events={detail.events} />;
  if (selection.tab === "prompt" && detail.request !== null)
    return <PromptTab request={detail.request} onSource={(spanId) => selection.select(spanId)} />;
  return <CallTab detail={detail} selection={selection} />;
}
