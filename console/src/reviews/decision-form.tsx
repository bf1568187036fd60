import { useMemo, useRef, useState } from "react";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { may, useSession } from "../api/session.ts";
import type { ApprovalDetail, DecideRequest, JsonValue } from "../api/types.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { InputForm, WHOLE, type Texts } from "../start/input-form.tsx";
import { formShapeOf, readFields, readJson, type Read } from "../start/schema-fields.ts";
import { Button } from "../ui/button.tsx";
import { useToast } from "../ui/toast.tsx";
import { isPaused, useIsSettled } from "./decision-pause.ts";
import { EditForm, useEdit } from "./edit-form.tsx";
import { useDecision } from "./use-decision.ts";

type Mode = "choose" | "edit" | "reject";

interface Props {
  readonly approval: ApprovalDetail;
  readonly onDone: () => void;
}

export function DecisionForm({ approval, onDone }: Props) {
  const mayReview = may(useSession().data, "review");
  if (!mayReview)
    return (
      <p className="border-t border-line bg-sunken px-4 py-3 text-soft">
        You may look at this, not decide it: that takes a key with the role review.
      </p>
    );
  return approval.answerSchema === null ? (
    <Decide approval={approval} onDone={onDone} />
  ) : (
    <Answer approval={approval} onDone={onDone} />
  );
}

/** Approve, change then approve, or reject with a reason. */
function Decide({ approval, onDone }: Props) {
  const { decide, isBusy, problem } = useDecision(approval, onDone);
  const [mode, setMode] = useState<Mode>("choose");
  const edit = useEdit(approval.input, approval.inputSchema);
  const { read } = edit;
  const [reason, setReason] = useState("");
  const reasonField = useRef<HTMLInputElement>(null);
  const canEdit = approval.tool !== null;
  const send = (request: DecideRequest): void => void decide(request);
  const form = useRef<HTMLDivElement>(null);
  const say = useToast();
  const isSettled = useIsSettled();
  /** A key decides only what is in sight and has been for a moment: else it is brought there first. */
  const ifSeen = (act: () => void): void => {
    if (!isSettled || isPaused()) return;
    if (isInSight(form.current)) return act();
    form.current?.scrollIntoView({ block: "end" });
    say("Look at it, then press the key again");
  };
  const approve = (): void => send(requestOf("approve", mode, read, reason));
  const rejecting = (): void => {
    setMode("reject");
    requestAnimationFrame(() => reasonField.current?.focus());
  };
  useKeys(
    "Review",
    [
      { keys: "a", label: "Approve", isOnce: true, run: () => (mode === "choose" ? ifSeen(approve) : undefined) },
      {
        keys: "e",
        label: "Edit, then approve",
        isOnce: true,
        run: () => (canEdit ? ifSeen(() => setMode("edit")) : undefined),
      },
      { keys: "r", label: "Reject with a reason", isOnce: true, run: () => ifSeen(rejecting) },
    ],
    { level: "panel" },
  );
  const back = (
    <Button look="quiet" onClick={() => setMode("choose")}>
      Back
    </Button>
  );
  return (
    <div
      ref={form}
      data-settled={isSettled}
      className="border-t border-line bg-sunken px-4 py-3 max-md:sticky max-md:bottom-0"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || mode === "choose") return;
        event.stopPropagation();
        setMode("choose");
      }}
    >
      {mode === "edit" ? <EditForm edit={edit} problem={problem} /> : null}
      {mode === "reject" ? (
        <div className="mb-3">
          <label htmlFor={`reason-${approval.callId}`} className="label">
            Why not? The agent reads it (optional)
          </label>
          <input
            id={`reason-${approval.callId}`}
            ref={reasonField}
            className="field mt-1"
            value={reason}
            maxLength={1000}
            onChange={(event) => setReason(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") send(requestOf("reject", mode, read, reason));
            }}
          />
        </div>
      ) : null}
      <div className="flex flex-wrap items-center gap-2">
        {mode === "choose" ? (
          <>
            <Button look="good" className="max-md:h-10 max-md:flex-1" onClick={approve} isBusy={isBusy} keyHint="a">
              Approve
            </Button>
            {canEdit ? (
              <Button
                className="max-md:h-10 max-md:flex-1"
                onClick={() => setMode("edit")}
                disabled={isBusy}
                keyHint="e"
              >
                Edit
              </Button>
            ) : null}
            <Button look="bad" className="max-md:h-10 max-md:flex-1" onClick={rejecting} disabled={isBusy} keyHint="r">
              Reject
            </Button>
          </>
        ) : mode === "edit" ? (
          <>
            <Button look="good" onClick={approve} isBusy={isBusy} disabled={!read.ok}>
              Approve as edited
            </Button>
            {back}
          </>
        ) : (
          <>
            <Button
              look="bad"
              onClick={() => send(requestOf("reject", mode, read, reason))}
              isBusy={isBusy}
              keyHint="Enter"
            >
              Reject
            </Button>
            {back}
          </>
        )}
        <span className="flex-1" />
        <CopyAs
          what={mode === "reject" ? "reject" : "approve"}
          texts={() => decisionTexts(approval, requestOf(mode === "reject" ? "reject" : "approve", mode, read, reason))}
        />
      </div>
    </div>
  );
}

/** Less than this of the form may be below the edge: its buttons are in sight. */
const EDGE_PX = 40;

function isInSight(element: HTMLElement | null): boolean {
  if (element === null) return false;
  const { top, bottom } = element.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight + EDGE_PX;
}

function requestOf(decision: "approve" | "reject", mode: Mode, read: Read, reason: string): DecideRequest {
  if (decision === "reject") return { decision, ...(reason.trim() !== "" && { reason: reason.trim() }) };
  return { decision, ...(mode === "edit" && read.ok && { edit: read.value }) };
}

/** A question with an answer of its own shape. */
function Answer({ approval, onDone }: Props) {
  const { decide, isBusy } = useDecision(approval, onDone);
  const shape = useMemo(() => formShapeOf(approval.answerSchema), [approval.answerSchema]);
  const [texts, setTexts] = useState<Texts>({});
  const read: Read =
    shape.type === "fields"
      ? readFields(shape.fields, texts)
      : shape.type === "json"
        ? readJson(texts[WHOLE] ?? "")
        : { ok: true, value: texts[WHOLE] ?? "" };
  return (
    <form
      className="border-t border-line bg-sunken px-4 py-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (read.ok) void decide({ decision: "answer", answer: read.value });
      }}
    >
      <InputForm shape={shape} texts={texts} onChange={setTexts} />
      <div className="mt-3 flex items-center justify-between">
        <Button type="submit" look="main" isBusy={isBusy} disabled={!read.ok}>
          Answer
        </Button>
        <CopyAs
          what="answer"
          texts={() => decisionTexts(approval, { decision: "answer", answer: read.ok ? read.value : null })}
        />
      </div>
    </form>
  );
}

function decisionTexts(approval: ApprovalDetail, request: DecideRequest): CopyTexts {
  const body = { ...request, shownHash: approval.actionHash } as unknown as { [name: string]: JsonValue };
  const reason = request.reason === undefined ? [] : ["--reason", request.reason];
  const edit = request.edit === undefined ? [] : ["--edit", JSON.stringify(request.edit)];
  const answer = request.answer === undefined ? [] : ["--answer", JSON.stringify(request.answer)];
  return {
    curl: curlOf(`/approvals/${encodeURIComponent(approval.approvalId)}/decision`, body),
    typescript: typescriptOf(`decideApproval(${argument(approval.approvalId)}, ${argument(body)})`),
    cli: cliOf(
      request.decision === "reject" ? "reject" : "approve",
      approval.approvalId,
      ...edit,
      ...answer,
      ...reason,
    ),
  };
}
