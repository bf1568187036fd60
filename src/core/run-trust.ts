import type { JournalEvent, PromptEntry } from "./journal-event.ts";
import type { Label, Ref } from "./label.ts";
import type { RunState, RunTrust } from "./run-state.ts";
import type { TaskScope } from "./told-event.ts";

const SAID_MAX = 64;

export const noTrust: RunTrust = { tainted: null, confidential: null, said: [], tools: [] };

/** Tools that the run's task may use; null = nobody fixed a set. */
export function taskSetOf(task: TaskScope | undefined, trust: RunTrust): ReadonlySet<string> | null {
  return task?.tools === undefined ? null : new Set([...task.tools, ...trust.tools]);
}

/** The label of what a run makes itself, out of all that it has read: its answer, its children's input. */
export function ownLabel({ tainted, confidential }: RunTrust): Label {
  return {
    source: tainted === null ? "trusted" : "untrusted",
    origin: "model",
    ...(confidential !== null && { audience: "confidential" }),
  };
}

/** What a run knows after one more event. Pure. @param state before the event, whose calls name an approval's edits */
export function nextTrust(state: RunState, event: JournalEvent, seq: number): RunTrust {
  const { trust } = state;
  switch (event.type) {
    case "run.started":
      return [event.inputRef, ...(event.contextRefs ?? [])].reduce((now, ref) => read(now, ref, seq), trust);
    case "run.resumed":
      return (event.contextRefs ?? []).reduce((now, ref) => read(now, ref, seq), trust);
    case "tool.returned":
    case "tool.refused":
      return read(trust, event.shownRef, seq, event.callId);
    case "tool.failed":
      return event.shownRef === undefined ? trust : read(trust, event.shownRef, seq, event.callId);
    case "child.ended":
      return isNothing(event.valueRef) ? trust : read(trust, event.valueRef, seq, event.callId);
    case "signal.received":
      return read(trust, event.valueRef, seq);
    case "message.received":
      return event.valueRef.label?.source === "trusted"
        ? told(trust, [event.valueRef])
        : read(trust, event.valueRef, seq);
    case "model.called":
      return event.add.reduce((now, entry) => readEntry(now, entry, seq), trust);
    case "approval.decided": {
      const vote = event.expired === true || event.decision === "reject" ? null : voteOf(state, event.approvalId);
      return told(trust, [vote?.editedArgsRef, vote?.answerRef]);
    }
    case "task.extended":
      return { ...trust, tools: [...new Set([...trust.tools, ...event.tools])] };
    default:
      return trust;
  }
}

/** A message that code put into a prompt; what a model said is made of what the run had read. */
function readEntry(trust: RunTrust, entry: PromptEntry, seq: number): RunTrust {
  if (!("message" in entry) || entry.message.label?.origin === "model") return trust;
  return read(trust, entry.message, seq);
}

function read(trust: RunTrust, { label }: Ref, seq: number, callId: string | null = null): RunTrust {
  const isNew = label?.source !== "trusted" && trust.tainted === null;
  const isSecret = label?.audience === "confidential" && trust.confidential === null;
  if (!isNew && !isSecret) return trust;
  return { ...trust, ...(isNew && { tainted: { seq, callId } }), ...(isSecret && { confidential: { seq, callId } }) };
}

function told(trust: RunTrust, refs: readonly (Ref | undefined)[]): RunTrust {
  const given = refs.filter((ref) => ref?.label?.source === "trusted") as readonly Ref[];
  return given.length === 0 ? trust : { ...trust, said: [...trust.said, ...given].slice(-SAID_MAX) };
}

function isNothing(ref: Ref): boolean {
  return "inline" in ref && ref.inline === null;
}

function voteOf({ calls }: RunState, approvalId: string) {
  return Object.values(calls).find((call) => call.approval?.event.approvalId === approvalId)?.vote ?? null;
}
