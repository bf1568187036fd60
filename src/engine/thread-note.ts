import type { Message } from "../core/message.ts";
import { userText } from "../core/message.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RunEnded } from "../core/journal-event.ts";
import type { RunState } from "../core/run-state.ts";
import { ownLabel } from "../core/run-trust.ts";
import type { Values } from "./values.ts";

const CODE_CHARS = 64;

/**
 * What an agent's run that did not get done leaves in its thread: what it was asked, and how it ended, so that the next run
 * knows. The words of an error stay out: only its code is carried on. A cancelled run leaves nothing, as whoever cancelled
 * it took the question back; neither does a function, which has no conversation.
 */
export async function threadNote(
  state: RunState,
  end: Pick<RunEnded, "status" | "stopReason" | "error"> & { readonly value: JsonValue },
  values: Values,
): Promise<Pick<RunEnded, "threadRef">> {
  const { started } = state;
  const isDone = end.status === "completed" || end.status === "cancelled";
  if (isDone || started.threadId === undefined || started.parent !== undefined || started.pins.agent === undefined)
    return {};
  const input = await values.read(started.inputRef);
  const messages: readonly Message[] = [
    userText(typeof input === "string" ? input : JSON.stringify(input)),
    { role: "assistant", content: [{ type: "text", text: noteOf(end) }] },
  ];
  return {
    threadRef: await values.putMessages(
      messages as unknown as JsonValue,
      ownLabel(state.trust),
      limits.threadInlineBytes,
    ),
  };
}

function noteOf({ status, stopReason, error, value }: Parameters<typeof threadNote>[1]): string {
  if (status === "failed")
    return `(No answer: the run failed with ${(error?.code ?? "INTERNAL").slice(0, CODE_CHARS)}.)`;
  const text = typeof value === "string" ? value.trim() : "";
  const note = `(The run was stopped before it was done: ${stopReason ?? "refused"}.)`;
  return text === "" ? note : `${text}\n\n${note}`;
}
