import type { RunEvent } from "../../api/types.ts";
import type { NoteEntry } from "./entries.ts";
import { began, refText } from "./made-entries.ts";

type NoteParts = Pick<NoteEntry, "tone" | "icon" | "title" | "text" | "plan">;

/** What happened beside the calls, in one line; null where the conversation shows it otherwise or not at all. */
export function noteOf(event: RunEvent): NoteEntry | null {
  const parts = notePartsOf(event);
  return parts === null ? null : { ...began(event, `note-${event.seq}`), type: "note", ...parts };
}

function notePartsOf(event: RunEvent): NoteParts | null {
  switch (event.type) {
    case "message.received":
      return { tone: "none", icon: "message", title: "Message", text: refText(event.valueRef) };
    case "answer.given":
      return { tone: "none", icon: "person", title: `${event.by} answers in the agent's place`, text: "" };
    case "approval.commented":
      return { tone: "none", icon: "message", title: "Comment on the question", text: event.text };
    case "approval.refused":
      return { tone: "bad", icon: "guard", title: `${event.by} may not decide this`, text: `tried: ${event.vote}` };
    case "signal.received":
      return { tone: "none", icon: "link", title: `Signal ${event.name}`, text: refText(event.valueRef) };
    case "guard.flagged":
      return { tone: "bad", icon: "guard", title: `${event.rule}: ${event.action}`, text: event.detail ?? "" };
    case "task.planned":
      return { tone: "none", icon: "guard", title: "What this task may use", text: event.tools.join(", ") };
    case "context.compacted":
      return {
        tone: "none",
        icon: "fold",
        title: "Older turns were folded into a summary",
        text: refText(event.summaryRef),
      };
    case "plan.updated":
      return { tone: "none", icon: "plan", title: "Plan", text: "", plan: event.items };
    case "budget.refused":
      return {
        tone: "wait",
        icon: "coin",
        title: `Did not fit the budget (${event.scope})`,
        text: `needed ${event.needed}, left ${event.left}`,
      };
    case "budget.raised":
      return { tone: "ok", icon: "coin", title: `Budget raised (${event.scope})`, text: `by ${event.amount}` };
    case "run.paused":
      return { tone: "none", icon: "pause", title: "Paused", text: event.reason };
    case "run.resumed":
      return { tone: "none", icon: "play", title: "Resumed", text: "" };
    case "cancel.requested":
      return { tone: "bad", icon: "stop", title: "Cancel requested", text: event.reason };
    case "run.blocked":
      return { tone: "bad", icon: "warn", title: `Blocked: ${event.code}`, text: event.detail };
    case "run.unblocked":
      return { tone: "ok", icon: "play", title: `Unblocked: ${event.action}`, text: "" };
    default:
      return null;
  }
}
