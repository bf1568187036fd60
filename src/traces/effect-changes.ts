import type { EffectStatus } from "../core/effect.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ToolCalled } from "../core/tool-event.ts";
import type { Ref } from "../core/label.ts";

/** What an event says about an outside action: a new one, or news of one that is found by its call or its approval. */
export type EffectChange =
  | { readonly type: "called"; readonly event: ToolCalled; readonly status: EffectStatus }
  | {
      readonly type: "news";
      readonly by: { readonly callId: string } | { readonly approvalId: string };
      readonly status?: EffectStatus;
      readonly attempts?: number;
      readonly approvalId?: string;
      readonly approver?: string;
      /** Arguments that a person put in place of the asked ones. */
      readonly inputRef?: Ref;
    };

/** Tools without an effect are no outside actions. */
export function effectChangeOf(event: JournalEvent): EffectChange | null {
  switch (event.type) {
    case "tool.called":
      if (event.effect === "pure") return null;
      return { type: "called", event, status: event.verdict.decision === "refuse" ? "refused" : "held" };
    case "approval.asked":
      return { type: "news", by: { callId: event.callId }, approvalId: event.approvalId };
    case "approval.voted":
      return event.editedArgsRef === undefined
        ? null
        : { type: "news", by: { approvalId: event.approvalId }, inputRef: event.editedArgsRef };
    case "approval.decided":
      return { type: "news", by: { approvalId: event.approvalId }, approver: event.by };
    default:
      return "callId" in event ? outcomeOf(event) : null;
  }
}

function outcomeOf(event: JournalEvent & { readonly callId: string }): EffectChange | null {
  const by = { callId: event.callId };
  switch (event.type) {
    case "tool.started":
      return { type: "news", by, status: "started", attempts: event.attempt };
    case "tool.returned":
      return { type: "news", by, status: "done" };
    case "tool.failed":
      return { type: "news", by, status: event.retry === true ? "started" : "failed" };
    case "tool.refused":
      return { type: "news", by, status: "refused" };
    case "effect.unknown":
      return { type: "news", by, status: "unknown" };
    case "effect.resolved":
      return { type: "news", by, status: event.resolution === "applied" ? "done" : "held" };
    default:
      return null;
  }
}
