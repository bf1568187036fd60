import type { JournalEvent } from "./journal-event.ts";
import type { PromptEntry } from "./model-event.ts";
import type { Label, ReadSource, Ref } from "./label.ts";
import type { RunState, RunTrust } from "./run-state.ts";
import type { TaskScope } from "./told-event.ts";

const SAID_MAX = 64;
const SOURCES_MAX = 32;

export const noTrust: RunTrust = { tainted: null, confidential: null, sources: [], said: [], planned: null, tools: [] };

/** Tools that the run's task may use: what its start states and what was planned, and what a person added; null = nobody fixed a set. */
export function taskSetOf(task: TaskScope | undefined, trust: RunTrust): ReadonlySet<string> | null {
  const { planned } = trust;
  const stated = task?.tools;
  if (stated === undefined && planned === null) return null;
  const both = planned === null ? stated : planned.filter((name) => stated?.includes(name) !== false);
  return new Set([...(both ?? []), ...trust.tools]);
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
    case "run.started": {
      const given = read(trust, event.inputRef, seq, { from: "input" });
      return threads(given, event.contextRefs, seq);
    }
    case "run.resumed":
      return threads(trust, event.contextRefs, seq);
    case "tool.refused":
      // the runtime's own words are nothing that was read
      if (event.shownRef.label?.source === "trusted") return trust;
      return read(trust, event.shownRef, seq, { from: `tool:${event.tool}`, callId: event.callId });
    case "tool.returned":
      return read(trust, event.shownRef, seq, { from: `tool:${event.tool}`, callId: event.callId });
    case "tool.failed":
      return event.shownRef === undefined
        ? trust
        : read(trust, event.shownRef, seq, { from: `tool:${event.tool}`, callId: event.callId });
    case "child.ended":
      return isNothing(event.valueRef) ? trust : read(trust, event.valueRef, seq, childAt(state, event.callId));
    case "signal.received":
      return read(trust, event.valueRef, seq, { from: `signal:${event.name}` });
    case "message.received":
      return event.valueRef.label?.source === "trusted"
        ? told(trust, [event.valueRef])
        : read(trust, event.valueRef, seq, { from: "message" });
    case "answer.given":
      return told(trust, [event.valueRef]);
    case "model.called":
      return event.add.reduce((now, entry) => readEntry(now, entry, seq), trust);
    case "approval.decided": {
      const vote = event.expired === true || event.decision === "reject" ? null : voteOf(state, event.approvalId);
      return told(trust, [vote?.editedArgsRef, vote?.answerRef]);
    }
    case "task.planned":
      return { ...trust, planned: [...new Set([...(trust.planned ?? []), ...event.tools])] };
    case "task.extended":
      return { ...trust, tools: [...new Set([...trust.tools, ...event.tools])] };
    default:
      return trust;
  }
}

/** A message that code put into a prompt; what a model said is made of what the run had read. */
function readEntry(trust: RunTrust, entry: PromptEntry, seq: number): RunTrust {
  if (!("message" in entry) || entry.message.label?.origin === "model") return trust;
  return read(trust, entry.message, seq, { from: "message" });
}

interface From {
  readonly from: string;
  readonly callId?: string | null;
}

function threads(trust: RunTrust, refs: readonly Ref[] | undefined, seq: number): RunTrust {
  return (refs ?? []).reduce((now, ref) => read(now, ref, seq, { from: "thread" }), trust);
}

function read(trust: RunTrust, { label }: Ref, seq: number, { from, callId = null }: From): RunTrust {
  const isUntrusted = label?.source !== "trusted";
  const isNew = isUntrusted && trust.tainted === null;
  const isSecret = label?.audience === "confidential" && trust.confidential === null;
  const isAsked = !isUntrusted && callId === null && !from.startsWith("signal:");
  return {
    ...trust,
    ...(!isAsked && { sources: withSource(trust.sources, { from, callId, times: 1, isUntrusted }) }),
    ...(isNew && { tainted: { seq, callId } }),
    ...(isSecret && { confidential: { seq, callId } }),
  };
}

function withSource(known: readonly ReadSource[], source: ReadSource): readonly ReadSource[] {
  const at = known.findIndex(({ from, isUntrusted }) => from === source.from && isUntrusted === source.isUntrusted);
  const found = known[at];
  if (found !== undefined) return known.with(at, { ...found, times: found.times + 1 });
  return known.length < SOURCES_MAX ? [...known, source] : known;
}

function childAt({ calls }: RunState, callId: string): From {
  const intent = calls[callId]?.intent;
  return { from: `run:${intent?.type === "child.called" ? intent.runnable : callId}`, callId };
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
