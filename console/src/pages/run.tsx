import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { ClientError } from "../api/client.ts";
import { useAgents, useRun } from "../api/runs.ts";
import { may, useSession } from "../api/session.ts";
import type { RunDetail } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { Attention } from "../run/attention.tsx";
import { ConversationContext, LiveContext, type ConversationView } from "../run/conversation/conversation-context.ts";
import { Conversation } from "../run/conversation/conversation.tsx";
import { Inspector, useSpan } from "../run/inspector/inspector.tsx";
import type { RunDialog } from "../run/run-actions.tsx";
import { RunHeader } from "../run/run-header.tsx";
import { callSpanId, useSelection } from "../run/selection.ts";
import { Timeline } from "../run/timeline/timeline.tsx";
import { useRunStream, type RunStream } from "../run/use-run-stream.ts";
import { useRunFollowed } from "../run/use-run-followed.ts";
import { whyOf } from "../run/why.ts";
import { loadPage } from "../shell/load-page.ts";
import { Empty } from "../ui/empty.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { Problem } from "../ui/problem.tsx";

const GraphView = lazy(async () => ({
  default: (await loadPage(() => import("../run/graph/graph-view.tsx"))).GraphView,
}));

/** A run: Conversation, Graph or Timeline, and beside it whatever is chosen. */
export function RunPage({ runId, tab }: { readonly runId: string; readonly tab: string }) {
  const run = useRun(runId);
  const [firstSeq, setFirstSeq] = useState<number | null>(null);
  useEffect(() => {
    if (run.data !== undefined) setFirstSeq((known) => known ?? run.data.seq);
  }, [run.data]);
  const stream = useRunStream(runId, firstSeq);
  useRunFollowed(runId, stream.seq);
  usePageTitle(run.data === undefined ? "Run" : oneLine(run.data.title, 60) || runId);
  if (run.data === undefined)
    return run.error === null ? (
      <RunSkeleton />
    ) : run.error instanceof ClientError && run.error.status === 404 ? (
      <NoRun />
    ) : (
      <Problem error={run.error} />
    );
  return <LoadedRun run={run.data} stream={stream} tab={tab} />;
}

/** Shown at once after Start: the run is there, its page is on its way. */
function RunSkeleton() {
  return (
    <div className="flex flex-col gap-4 p-5" aria-busy="true" aria-label="Loading the run">
      <div className="pulse h-12 rounded-lg bg-sunken" />
      <div className="pulse mx-auto h-24 w-full max-w-3xl rounded-lg bg-sunken" />
    </div>
  );
}

function NoRun() {
  return (
    <Empty isPage icon="search" title="No such run">
      <p>Its id may be mistyped, it may be another tenant's, or it was deleted.</p>
      <Link href="/runs" className="linkish">
        To the runs
      </Link>
    </Empty>
  );
}

interface Loaded {
  readonly run: RunDetail;
  readonly stream: RunStream;
  readonly tab: string;
}

function LoadedRun({ run, stream, tab }: Loaded) {
  const isTimeline = tab === "timeline";
  const isGraph = useAgents().data?.items.some(({ name, kind }) => name === run.agent && kind === "graph") === true;
  const showsGraph = tab === "graph" && isGraph;
  const selection = useSelection();
  const session = useSession().data ?? null;
  const tenant = session?.tenant ?? "";
  const [dialog, setDialog] = useState<RunDialog | null>(null);
  const base = `/runs/${encodeURIComponent(run.runId)}`;
  const detail = useSpan(run.runId, selection.spanId, stream.seq);
  const why = useMemo(
    () => (selection.isWhy && detail.data !== undefined ? whyOf(detail.data) : null),
    [selection.isWhy, detail.data],
  );
  const callIds = useMemo(
    () => stream.entries.flatMap((entry) => ("callId" in entry ? [entry.callId] : [])),
    [stream.entries],
  );
  const selectedCallId = useMemo(
    () =>
      selection.spanId === null
        ? null
        : (callIds.find((id) => callSpanId(tenant, run.runId, id) === selection.spanId) ?? null),
    [callIds, selection.spanId, tenant, run.runId],
  );
  const { select } = selection;
  const mayFork = may(session, "run");
  const view: ConversationView = useMemo(
    () => ({
      runId: run.runId,
      selectedCallId,
      why,
      mayOperate: mayFork,
      onSelect: (callId, isWhy = false) => select(callSpanId(tenant, run.runId, callId), { isWhy }),
      onFork: (turn) => setDialog({ type: "fork", turn }),
    }),
    [run.runId, selectedCallId, why, mayFork, select, tenant],
  );
  const failedCallId = useMemo(
    () => stream.entries.findLast((entry) => "callId" in entry && "error" in entry && entry.error !== null)?.id ?? null,
    [stream.entries],
  );
  const show = (callId: string): void => {
    if (isTimeline || callId === failedCallId) view.onSelect(callId);
    showCall(callId);
  };
  useConversationKeys({ isOn: !isTimeline && !showsGraph, callIds, selectedCallId, onSelect: view.onSelect });
  useTabKeys(base, isGraph);
  return (
    <div className="relative flex h-full">
      <section className="flex min-w-0 flex-1 flex-col">
        <RunHeader run={run} dialog={dialog} onDialog={setDialog} />
        <Attention run={run} onDialog={setDialog} onShow={show} failedCallId={failedCallId} />
        <Tabs base={base} here={showsGraph ? "/graph" : isTimeline ? "/timeline" : ""} isGraph={isGraph} />
        <div className="min-h-0 flex-1">
          {stream.error === null ? null : <Problem error={stream.error} />}
          {showsGraph ? (
            <Suspense fallback={null}>
              <GraphView
                run={run}
                seq={stream.seq}
                onFork={mayFork ? view.onFork : null}
                onTurn={(turn) => {
                  const callId = callIds.find((id) => id.startsWith(`t${turn}-`));
                  if (callId !== undefined) view.onSelect(callId);
                }}
              />
            </Suspense>
          ) : isTimeline ? (
            <Timeline run={run} seq={stream.seq} selection={selection} />
          ) : (
            <ConversationContext value={view}>
              <LiveContext value={stream.live}>
                <Conversation run={run} stream={stream} />
              </LiveContext>
            </ConversationContext>
          )}
        </div>
      </section>
      {selection.spanId === null ? null : (
        <Inspector
          key={selection.spanId}
          runId={run.runId}
          spanId={selection.spanId}
          seq={stream.seq}
          selection={selection}
        />
      )}
    </div>
  );
}

const tabClass = (isHere: boolean): string =>
  `inline-flex h-8 items-center border-b-2 text-sm ${isHere ? "border-accent font-medium" : "border-transparent text-soft hover:text-ink"}`;

const tabs = [
  { path: "", name: "Conversation" },
  { path: "/timeline", name: "Timeline" },
  { path: "/graph", name: "Graph" },
];
const tabsOf = (isGraph: boolean) => (isGraph ? tabs : tabs.slice(0, 2));

function Tabs({ base, here, isGraph }: { readonly base: string; readonly here: string; readonly isGraph: boolean }) {
  const search = useSearch();
  const query = search === "" ? "" : `?${search}`;
  return (
    <nav aria-label="Views of the run" className="flex shrink-0 gap-5 border-b border-line px-4 md:px-5">
      {tabsOf(isGraph).map(({ path, name }) => (
        <Link
          key={path}
          href={`${base}${path}${query}`}
          aria-current={path === here ? "page" : undefined}
          className={tabClass(path === here)}
        >
          {name}
        </Link>
      ))}
    </nav>
  );
}

function useTabKeys(base: string, isGraph: boolean): void {
  const [, navigate] = useLocation();
  const search = useSearch();
  const query = search === "" ? "" : `?${search}`;
  useKeys(
    "Run",
    tabsOf(isGraph).map(({ path, name }, place) => ({
      keys: String(place + 1),
      label: name,
      run: () => navigate(`${base}${path}${query}`),
    })),
  );
}

interface ConversationKeys {
  readonly isOn: boolean;
  readonly callIds: readonly string[];
  readonly selectedCallId: string | null;
  readonly onSelect: (callId: string) => void;
}

function useConversationKeys({ isOn, callIds, selectedCallId, onSelect }: ConversationKeys): void {
  const move = (by: number): void => {
    const at = selectedCallId === null ? -1 : callIds.indexOf(selectedCallId);
    const next = callIds[Math.max(0, Math.min(callIds.length - 1, at + by))];
    if (next === undefined) return;
    onSelect(next);
    showCall(next);
  };
  useKeys(
    "Conversation",
    [
      { keys: "j", label: "Next call", run: () => move(1) },
      { keys: "k", label: "Call before", run: () => move(-1) },
    ],
    { enabled: isOn },
  );
}

function showCall(callId: string): void {
  document.querySelector(`[data-call="${CSS.escape(callId)}"]`)?.scrollIntoView({ block: "center" });
}
