import type { JsonValue, Message, Ref, RunEvent } from "../../api/types.ts";
import type { ApprovalState, LargeRef, ModelEntry, StepEntry, ToolEntry } from "./entries.ts";

// Entries as the event that begins them makes them.

export type EventOf<T extends RunEvent["type"]> = Extract<RunEvent, { readonly type: T }>;

export function began(event: RunEvent, id: string): { readonly id: string; readonly seq: number; readonly at: number } {
  return { id, seq: event.seq, at: event.at };
}

export function toolEntry(event: EventOf<"tool.called">): ToolEntry {
  return {
    ...began(event, event.callId),
    type: "tool",
    callId: event.callId,
    endedAt: null,
    tool: event.tool,
    version: event.version,
    effect: event.effect,
    key: event.key,
    status: "called",
    input: event.input,
    largeInput: largeOf(event.argsRef, event.input),
    asked: null,
    output: null,
    largeOutput: null,
    hasOutput: false,
    error: null,
    attempt: 0,
    rules: event.verdict.rules,
    why: event.verdict.reason ?? null,
    approval: null,
    via: event.cacheHit === true ? "cache" : null,
    retracted: null,
    inherited: event.inherited === true,
  };
}

/** A call that was refused before it was one: unknown tool, arguments that do not fit. */
export function refusedEntry(event: EventOf<"tool.refused">): ToolEntry {
  return {
    ...began(event, event.callId),
    type: "tool",
    callId: event.callId,
    endedAt: event.at,
    tool: event.tool,
    version: "",
    effect: null,
    key: null,
    status: "refused",
    input: null,
    largeInput: null,
    asked: null,
    output: event.output,
    largeOutput: largeOf(event.shownRef, event.output),
    hasOutput: true,
    error: null,
    attempt: 0,
    rules: [],
    why: null,
    approval: null,
    via: null,
    retracted: null,
    inherited: false,
  };
}

export function stepEntry(event: EventOf<"step.started">): StepEntry {
  const { callId, name } = event;
  return { ...began(event, callId), type: "step", callId, endedAt: null, name, error: null };
}

export function askedState(event: EventOf<"approval.asked">): ApprovalState {
  return {
    approvalId: event.approvalId,
    question: event.question,
    askedAt: event.at,
    expiresAt: event.expiresAt,
    hasSchema: event.schema !== undefined,
    decision: null,
    by: null,
    reason: null,
    isEdited: false,
    closedBy: null,
  };
}

/** What stands in the journal itself; of a value kept beside it nothing. */
export function inlineOf(ref: Ref): JsonValue | undefined {
  return "inline" in ref ? ref.inline : undefined;
}

/** Set where the event came without the value. */
export function largeOf(ref: Ref, value: JsonValue): LargeRef | null {
  return "blob" in ref && value === null ? { hash: ref.blob, bytes: ref.bytes } : null;
}

export function partsOf(message: JsonValue): ModelEntry["parts"] {
  if (message === null) return [];
  const given = message as unknown as Message;
  return given.role === "assistant" ? given.content : [];
}

export function refText(ref: Ref): string {
  const value = inlineOf(ref);
  if (value === undefined) return "a large value, see the raw events";
  return typeof value === "string" ? value : JSON.stringify(value);
}
