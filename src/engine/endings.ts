import type { JournalEvent, RunEnded } from "../core/journal-event.ts";
import { PawlError, type ErrorRecord } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { EndStatus, StopReason } from "../core/run-outcome.ts";
import type { TurnResult } from "../core/runnable.ts";
import { limits } from "../core/limits.ts";
import { hasUnread } from "../core/run-context.ts";
import type { RunState } from "../core/run-state.ts";
import { ownLabel } from "../core/run-trust.ts";
import type { Draft } from "./draft.ts";
import { effectsOf } from "./ended-sums.ts";
import type { TaskGuard } from "./task-guard.ts";
import { lostAttempt } from "./run-model.ts";
import { threadNote } from "./thread-note.ts";
import { unknownEffect } from "./unknown-effect.ts";
import type { Values } from "./values.ts";

/** The events that end a turn, and with it perhaps the run. A result that is too large to be recorded is a failure. */
export async function turnEndEvents(
  result: TurnResult,
  state: RunState,
  { values, guard }: { readonly values: Values; readonly guard: TaskGuard },
): Promise<readonly JournalEvent[]> {
  try {
    const events = await eventsOf(result, state, values);
    const strangeLinks = "value" in result ? await guard.strangeLinks(result.value, state) : [];
    if (strangeLinks.length === 0) return events;
    return events.map((event) => (event.type === "run.ended" ? { ...event, strangeLinks } : event));
  } catch (error) {
    if (PawlError.is(error, "EVENT_TOO_LARGE")) return [await failedEnd(state, error, values)];
    throw error;
  }
}

async function eventsOf(result: TurnResult, state: RunState, values: Values): Promise<readonly JournalEvent[]> {
  switch (result.type) {
    case "next":
      return [await turnEnded(result.state, state, values)];
    case "end": {
      const { unlessTold } = result;
      if (unlessTold !== undefined && hasUnread(state)) return [await turnEnded(unlessTold.state, state, values)];
      const thread =
        result.thread === undefined
          ? {}
          : {
              threadRef: await values.putMessages(
                result.thread as unknown as JsonValue,
                ownLabel(state.trust),
                limits.threadInlineBytes,
              ),
            };
      return [await ending(state, { status: "completed", value: result.value, ...thread }, values)];
    }
    case "stop":
      return [await stopped(state, result.stopReason, result.value, result.detail, values)];
    case "fail":
      return [await ending(state, { status: "failed", value: null, error: result.error }, values)];
  }
}

async function turnEnded(next: JsonValue | undefined, state: RunState, values: Values): Promise<JournalEvent> {
  const stateRef = next === undefined ? {} : { stateRef: await values.put(next) };
  return { type: "turn.ended", turn: state.turn + 1, ...stateRef };
}

export function stopped(
  state: RunState,
  stopReason: StopReason,
  value: JsonValue,
  detail: string | undefined,
  values: Values,
): Promise<RunEnded> {
  return ending(
    state,
    { status: "stopped", value, stopReason, ...(detail !== undefined && { reason: detail }) },
    values,
  );
}

/** The end of a run whose code threw. */
export async function failedEnd(state: RunState, error: unknown, values: Values): Promise<RunEnded> {
  return ending(state, { status: "failed", value: null, error: values.error(error, "BODY_THREW") }, values);
}

/** The end of a cancelled run: what was started and not answered is charged, or unknown. */
export async function endCancelled(draft: Draft, values: Values): Promise<void> {
  draft.push(closingEvents(draft.state));
  const reason = draft.state.cancel ?? "cancelled";
  draft.push([await ending(draft.state, { status: "cancelled", value: null, reason }, values)]);
}

function closingEvents(state: RunState): readonly JournalEvent[] {
  return Object.values(state.calls).flatMap((call): readonly JournalEvent[] => {
    if (call.fact !== null || call.unknown || !call.started) return [];
    if (call.kind === "model") return [lostAttempt(call.callId, { state: () => state })];
    const reason = "cancelled while it was running";
    const { intent } = call;
    return intent.type === "tool.called" || ("effect" in intent && intent.effect !== "pure")
      ? [unknownEffect(call, reason)]
      : [];
  });
}

interface Ending {
  readonly status: EndStatus;
  readonly value: JsonValue;
  readonly stopReason?: StopReason;
  readonly error?: ErrorRecord;
  readonly reason?: string;
  readonly threadRef?: RunEnded["threadRef"];
}

async function ending(state: RunState, end: Ending, values: Values): Promise<RunEnded> {
  const { value, ...rest } = end;
  return {
    type: "run.ended",
    ...stripped(rest),
    ...(await threadNote(state, end, values)),
    valueRef: await values.put(value, ownLabel(state.trust)),
    ...(state.trust.sources.length > 0 && { sources: state.trust.sources }),
    effects: effectsOf(state),
    totals: state.totals,
  };
}

function stripped(rest: Omit<Ending, "value">) {
  const { threadRef, ...others } = rest;
  return threadRef === undefined ? others : { ...others, threadRef };
}
