import type { EffectUnknown } from "../core/tool-event.ts";
import type { CallState } from "../core/run-state.ts";

/** The event that says that nobody knows what became of a call's newest attempt. */
export function unknownEffect(call: CallState, reason: string): EffectUnknown {
  return { type: "effect.unknown", callId: call.callId, attempt: call.attempt, callSeq: call.seq, reason };
}
