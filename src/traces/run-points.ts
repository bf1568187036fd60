import type { JournalEvent } from "../core/journal-event.ts";
import type { SpanDraft } from "./span-board.ts";

type Point = Pick<SpanDraft, "kind" | "name" | "detail" | "callId">;

/**
 * The span of an event that has no length: what came from outside, and what the run noted.
 * @param by who sent it; null where the run's owner wrote it
 */
export function pointOf(event: JournalEvent, by: string | null): Point | null {
  switch (event.type) {
    case "message.received":
      return { kind: "message", name: "message", detail: { by } };
    case "approval.commented":
      return { kind: "message", name: "comment", detail: { by, text: event.text.slice(0, 200).toWellFormed() } };
    case "approval.refused":
      return { kind: "message", name: "decision refused", detail: { by, vote: event.vote, from: event.from } };
    case "answer.given":
      return { kind: "message", name: "answer in the agent's place", detail: { by: event.by } };
    case "signal.received":
      return { kind: "message", name: `signal ${event.name}`, detail: { by } };
    case "run.paused":
      return { kind: "message", name: "pause", detail: { by, reason: event.reason } };
    case "run.resumed":
      return event.contextRefs === undefined ? { kind: "message", name: "resume", detail: { by } } : null;
    case "cancel.requested":
      return { kind: "message", name: "cancel", detail: { by, reason: event.reason } };
    case "budget.raised":
      return { kind: "message", name: "budget raised", detail: { by, scope: event.scope, amount: event.amount } };
    default:
      return noteOf(event);
  }
}

function noteOf(event: JournalEvent): Point | null {
  switch (event.type) {
    case "guard.flagged": {
      const { rule, action, detail, callId } = event;
      // a fork's marks stand for events of the original that it did not take over
      if (rule === "fork") return null;
      return { kind: "guard", name: rule, callId, detail: { action, ...(detail !== undefined && { detail }) } };
    }
    case "tool.late": {
      const { callId, tool, attempt, ms, error } = event;
      const came = error === undefined ? "an answer, not used" : `an error: ${error.message}`;
      return { kind: "guard", name: "late", callId, detail: { tool, attempt, ms, came } };
    }
    case "tool.retracted": {
      const { callId, reason, tool } = event;
      return { kind: "guard", name: "retracted", callId, detail: { reason, tool } };
    }
    case "context.compacted": {
      const { callId, fromSeq, toSeq, byCallId, pinned, tokensBefore, tokensAfter } = event;
      const detail = {
        fromSeq,
        toSeq,
        pinned: pinned.length,
        ...(byCallId !== undefined && { byCallId }),
        ...(tokensBefore !== undefined && tokensAfter !== undefined && { tokensBefore, tokensAfter }),
      };
      return { kind: "compaction", name: "context compacted", callId, detail };
    }
    case "task.planned": {
      const { callId, by, tools } = event;
      return { kind: "guard", name: "tools of the task", callId, detail: { by, tools: [...tools] } };
    }
    case "plan.updated": {
      const done = event.items.filter(({ status }) => status === "done").length;
      return {
        kind: "plan",
        name: "plan updated",
        callId: event.callId,
        detail: { items: event.items.length, done },
      };
    }
    default:
      return null;
  }
}
