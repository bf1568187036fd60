import { Link } from "wouter";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf } from "../actions/copy-texts.ts";
import { client as pawl } from "../api/client.ts";
import { may, useSession } from "../api/session.ts";
import type { RunDetail } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button, buttonClass } from "../ui/button.tsx";
import { Icon, type IconName } from "../ui/icon.tsx";
import type { RunDialog } from "./run-actions.tsx";
import { textsOf } from "./run-dialogs.tsx";
import { reachedLimit, stopText } from "./stop-text.ts";
import { useRunAction } from "./use-run-action.ts";

/** What a run cannot get past alone, and what to do about it. */
export function Attention({
  run,
  onDialog,
  onShow,
  failedCallId,
}: {
  readonly run: RunDetail;
  readonly onDialog: (dialog: RunDialog) => void;
  readonly onShow: (callId: string) => void;
  /** The last call that failed. */
  readonly failedCallId: string | null;
}) {
  const mayRun = may(useSession().data, "run");
  const { isBusy, run: act } = useRunAction(run.runId);
  if (run.blocked !== null)
    return (
      <Bar tone="bad" icon="warn" text={`Blocked (${run.blocked.code}): ${oneLine(run.blocked.detail, 300)}`}>
        <Button
          needsServer
          isBusy={isBusy}
          onClick={() => void act("Unblocked: it is tried again", (id) => pawl.unblockRun(id, { action: "retry" }))}
        >
          Try again
        </Button>
        <Button
          needsServer
          isBusy={isBusy}
          look="bad"
          onClick={() => void act("Ended as failed", (id) => pawl.unblockRun(id, { action: "fail" }))}
        >
          End as failed
        </Button>
        <CopyAs
          what="try again"
          texts={() => textsOf(run, "unblock", { action: "retry" }, "unblockRun", ["unblock", run.runId, "retry"])}
        />
      </Bar>
    );
  const shared = run.waits.find(({ kind, name }) => kind === "budget" && name !== undefined)?.name?.split(" ", 1)[0];
  if (run.status === "awaiting_budget" && shared !== undefined)
    return (
      <Bar
        tone="wait"
        icon="coin"
        text={`Its next call does not fit the budget ${shared}, which other runs use too. It goes on as there is room.`}
      >
        <Link href="/usage/budgets" className={buttonClass()}>
          To the budget
        </Link>
      </Bar>
    );
  if (run.status === "awaiting_budget")
    return (
      <Bar tone="wait" icon="coin" text="Its next call does not fit the budget. It waits, and costs nothing meanwhile.">
        <Button needsServer onClick={() => onDialog({ type: "budget" })}>
          Add budget
        </Button>
      </Bar>
    );
  const asked = run.waits.filter(({ kind }) => kind === "approval" || kind === "unknown");
  const first = asked[0];
  if (first !== undefined) {
    const callId = first.key.slice(first.key.lastIndexOf(":") + 1);
    const text =
      first.kind === "unknown"
        ? "Nobody knows whether a call happened."
        : asked.length === 1
          ? "Waiting for your approval"
          : `Waiting for your approval of ${asked.length} actions`;
    return (
      <Bar tone={first.kind === "unknown" ? "odd" : "wait"} icon="person" text={text}>
        <Button onClick={() => onShow(callId)}>Show</Button>
      </Bar>
    );
  }
  if (run.paused)
    return (
      <Bar tone="none" icon="pause" text="Paused. Nothing new starts.">
        <Button needsServer isBusy={isBusy} onClick={() => void act("Resumed", (id) => pawl.resumeRun(id))}>
          Resume
        </Button>
        <CopyAs
          what="resume"
          texts={() => ({
            curl: curlOf(`/runs/${encodeURIComponent(run.runId)}/resume`, {}),
            typescript: typescriptOf(`resumeRun(${argument(run.runId)})`),
            cli: cliOf("resume", run.runId),
          })}
        />
      </Bar>
    );
  if (run.status === "failed")
    return (
      <Bar
        tone="bad"
        icon="warn"
        text={`Why it failed: ${oneLine(run.error?.message ?? run.reason ?? "no reason was recorded", 240)}`}
      >
        {failedCallId === null ? null : <Button onClick={() => onShow(failedCallId)}>Show the call that failed</Button>}
      </Bar>
    );
  if (run.status === "stopped" && run.stopReason !== null) {
    const limit = reachedLimit(run);
    const figures =
      limit === null || limit.cap === null
        ? ""
        : limit.name === "turns"
          ? ` (${limit.text(limit.cap)})`
          : ` (${limit.text(limit.spent)} of ${limit.text(limit.cap)} ${limit.label})`;
    return (
      <Bar tone="wait" icon="stop" text={`Stopped: ${stopText(run.stopReason)}${figures}.`}>
        {mayRun ? (
          <Button needsServer onClick={() => onDialog({ type: "fork", turn: run.totals.turns })}>
            {limit === null ? "Go on in a fork" : "Raise the limit and go on"}
          </Button>
        ) : null}
      </Bar>
    );
  }
  return null;
}

function Bar({
  tone,
  icon,
  text,
  children,
}: {
  readonly tone: string;
  readonly icon: IconName;
  readonly text: string;
  readonly children: React.ReactNode;
}) {
  return (
    <div
      role="status"
      className={`tone-${tone} flex flex-wrap items-center gap-2 border-b border-line bg-tone-wash px-4 py-1.5 text-sm md:px-5`}
    >
      <span className="text-tone">
        <Icon name={icon} />
      </span>
      <span className="min-w-0 flex-1 wrap-anywhere">{text}</span>
      {children}
    </div>
  );
}
