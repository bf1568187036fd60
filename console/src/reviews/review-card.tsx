import { Link } from "wouter";
import { ClientError } from "../api/client.ts";
import { useApproval } from "../api/reviews.ts";
import { useRun } from "../api/runs.ts";
import type { ApprovalDetail, EndStatus } from "../api/types.ts";
import { agoText, exactTime, inWords } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";
import { oneLine } from "../format/visible-text.ts";
import { OriginList } from "../run/origin-list.tsx";
import { marksOfCauses } from "../run/why.ts";
import { effectText } from "../run/effect-text.ts";
import { Icon } from "../ui/icon.tsx";
import { Claimed } from "./claimed.tsx";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";
import { ValueView } from "../value/value-view.tsx";
import { closedText, isEnd } from "../run/closed-text.ts";
import { ArgumentOrigins } from "./argument-origins.tsx";
import { Block } from "./block.tsx";
import { Comments } from "./comments.tsx";
import { Consequences } from "./consequences.tsx";
import { DecisionForm } from "./decision-form.tsx";

interface Props {
  readonly approvalId: string;
  /** Within the run, which needs no link to itself. */
  readonly isInline?: boolean;
  readonly onDone?: () => void;
}

/** One question to a person, with all that is needed to answer it: the exact call, where its words came from, what follows. */
export function ReviewCard({ approvalId, isInline = false, onDone }: Props) {
  const approval = useApproval(approvalId);
  if (approval.data !== undefined)
    return <Review approval={approval.data} isInline={isInline} onDone={onDone ?? (() => undefined)} />;
  if (approval.error !== null) {
    const isGone = approval.error instanceof ClientError && approval.error.status === 404;
    return isGone ? (
      <p className="p-4 text-soft">This question is not open any more.</p>
    ) : (
      <Problem error={approval.error} />
    );
  }
  return <div className="min-h-64" aria-busy="true" />;
}

function Review({
  approval,
  isInline,
  onDone,
}: {
  readonly approval: ApprovalDetail;
  readonly isInline: boolean;
  readonly onDone: () => void;
}) {
  const closedBy = useClosedBy(approval);
  const isOpen = closedBy === null && approval.decision === null;
  return (
    <article className="tone-wait" aria-label={`Review of ${approval.tool ?? "a question"}`}>
      <Head approval={approval} isInline={isInline} />
      {approval.tool === null ? null : <ExactCall approval={approval} />}
      <Origins approval={approval} />
      {isOpen && approval.answerSchema === null ? <Consequences approval={approval} /> : null}
      <Comments approval={approval} />
      {closedBy !== null ? (
        <p className="border-t border-line px-4 py-3">{closedText(closedBy)}</p>
      ) : isOpen ? (
        <DecisionForm key={approval.actionHash} approval={approval} onDone={onDone} />
      ) : (
        <Decided approval={approval} />
      )}
    </article>
  );
}

/** What the guard recorded of the arguments that steer; without that, where their words stood before. */
function Origins({ approval: { origins, provenance, tool } }: { readonly approval: ApprovalDetail }) {
  if (origins.length > 0)
    return (
      <Block title="Who named its values">
        <ArgumentOrigins origins={origins} />
      </Block>
    );
  if (provenance === null || tool === null) return null;
  return (
    <Block title="Where its words came from">
      <OriginList causes={provenance} />
    </Block>
  );
}

/** Set where the run was over before anybody decided: then there is nothing left to decide. */
function useClosedBy({ runId, decision }: ApprovalDetail): EndStatus | null {
  const status = useRun(runId, true).data?.status;
  return decision === null && status !== undefined && isEnd(status) ? status : null;
}

function Head({ approval, isInline }: { readonly approval: ApprovalDetail; readonly isInline: boolean }) {
  const now = useNow(true);
  const { claim } = approval;
  const reasons = approval.reasons.filter((reason) => !approval.question.includes(reason));
  return (
    <header className="flex flex-col gap-1.5 border-t border-line bg-wait-wash/50 px-4 py-3 first:border-t-0">
      <h2 className="text-base font-semibold wrap-anywhere">
        <bdi>{oneLine(approval.question, 600)}</bdi>
      </h2>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-soft">
        <span title={exactTime(approval.askedAt)}>asked {agoText(approval.askedAt, now)}</span>
        {approval.expiresAt === null ? null : (
          <span className="text-wait" title={exactTime(approval.expiresAt)}>
            expires {inWords(approval.expiresAt, now)}, then it is{" "}
            {approval.default === "approve" ? "approved" : "rejected"}
          </span>
        )}
        {approval.quorum > 1 ? <span>{approval.quorum} people must approve</span> : null}
        {approval.escalation === null || approval.decision !== null ? null : (
          <span title={exactTime(approval.escalation.at)}>
            {approval.escalation.at <= now ? "escalated to" : `escalates ${inWords(approval.escalation.at, now)} to`}{" "}
            the role {oneLine(approval.escalation.role, 40)}
          </span>
        )}
        {approval.gate === null ? null : (
          <span title={oneLine(approval.gate.reason, 300)}>
            confidence {approval.gate.score?.toFixed(2) ?? "not measured"}, threshold{" "}
            {approval.gate.threshold.toFixed(2)}: {approval.gate.decision.replace("_", "-")}
          </span>
        )}
        {approval.effect === null ? null : <span>{effectText(approval.effect)}</span>}
        {isInline ? null : (
          <Link href={`/runs/${encodeURIComponent(approval.runId)}`} className="linkish min-w-0 truncate">
            {oneLine(approval.agent, 40)}: {oneLine(approval.title, 80) || approval.runId}
          </Link>
        )}
      </div>
      {reasons.length === 0 ? null : (
        <p className="text-sm wrap-anywhere">{reasons.map((reason) => oneLine(reason, 400)).join("; ")}</p>
      )}
      {approval.votes.length === 0 || approval.quorum < 2 ? null : (
        <p className="text-xs text-soft">
          {approval.votes.length} of {approval.quorum} said:{" "}
          {approval.votes.map(({ by, vote }) => `${oneLine(by, 40)} ${vote}`).join(", ")}
        </p>
      )}
      {claim === null ? null : <Claimed approvalId={approval.approvalId} claim={claim} />}
    </header>
  );
}

function ExactCall({ approval }: { readonly approval: ApprovalDetail }) {
  return (
    <Block
      title={
        <span className="inline-flex items-center gap-1.5">
          <Icon name="effects" className="size-3.5! text-wait" />
          <span className="text-sm font-semibold text-ink">{oneLine(approval.tool ?? "", 60)}</span>
          <span className="font-mono">@{oneLine(approval.toolVersion ?? "", 20)}</span>
        </span>
      }
    >
      <div className="-ml-3.5">
        <ValueView
          value={approval.input}
          label="the exact arguments"
          marks={marksOfCauses(approval.provenance ?? [])}
        />
      </div>
    </Block>
  );
}

function Decided({ approval }: { readonly approval: ApprovalDetail }) {
  const { decision } = approval;
  if (decision === null) return null;
  return (
    <p className="flex flex-wrap items-center gap-2 border-t border-line px-4 py-3">
      <Pill tone={decision.decision === "reject" ? "bad" : "ok"}>{decision.decision}</Pill>
      <span className="wrap-anywhere">
        by {oneLine(decision.by, 80)}
        {decision.expired ? ", because nobody decided in time" : ""}
        {decision.reason === null ? "" : `: ${oneLine(decision.reason, 400)}`}
      </span>
    </p>
  );
}
