import type { JsonValue } from "../core/json.ts";
import { textOf, type Message } from "../core/message.ts";
import type { RunState } from "../core/run-state.ts";

/** The newest text that the model wrote, for a run that is stopped before its answer; null when there is none at hand. */
export function bestAnswer(state: RunState): JsonValue {
  const entries = [...state.context.entries, ...state.context.pending];
  for (const { source } of entries.toReversed()) {
    if (source.kind !== "assistant" || !("inline" in source.ref)) continue;
    const text = textOf(source.ref.inline as unknown as Message).trim();
    if (text !== "") return text;
  }
  return null;
}
