import type { JournalEvent } from "../core/journal-event.ts";
import type { Ref } from "../core/label.ts";
import type { SpanRecorded } from "../core/span-event.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";

/** A value of an event that is searched, and the span that it belongs to (a key of `spanIdOf`). */
export interface EventText {
  readonly spanKey: string;
  /** Where the event itself says which span it is of. */
  readonly spanId?: string;
  readonly field: "input" | "output" | "error" | "message" | "reason";
  readonly value: Ref | string;
}

/** Above this a blob is not read for the index; what the model was shown of it stands in. */
export const searchedBlobBytesMax = 1_048_576;

/** What can be searched of an event: inputs, outputs, payloads of tools, errors, and what people said. Each value once. */
export function textsOf(event: JournalEvent, seq: number): readonly EventText[] {
  switch (event.type) {
    case "run.started":
      return [{ spanKey: "run", field: "input", value: event.inputRef }];
    case "run.ended":
      return [
        { spanKey: "run", field: "output", value: event.valueRef },
        ...(event.error === undefined ? [] : [said("run", "error", event.error.message)]),
        ...(event.reason === undefined ? [] : [said("run", "reason", event.reason)]),
      ];
    case "message.received":
    case "answer.given":
    case "signal.received":
      return [{ spanKey: `seq:${seq}`, field: "message", value: event.valueRef }];
    case "cancel.requested":
    case "run.paused":
      return [said(`seq:${seq}`, "reason", event.reason)];
    case "context.compacted":
      return [{ spanKey: `seq:${seq}`, field: "output", value: event.summaryRef }];
    case "run.blocked":
      return [said(`seq:${seq}`, "error", `${event.code} ${event.detail}`)];
    default:
      return "callId" in event ? textsOfCall(event) : [];
  }
}

function textsOfCall(event: JournalEvent & { readonly callId: string }): readonly EventText[] {
  const spanKey = `call:${event.callId}`;
  switch (event.type) {
    case "model.answered":
      return [{ spanKey, field: "output", value: event.messageRef }];
    case "tool.called":
      return [{ spanKey, field: "input", value: event.argsRef }];
    case "tool.returned":
      return [{ spanKey, field: "output", value: wholeResult(event.rawRef, event.shownRef) }];
    case "tool.refused":
      return [{ spanKey, field: "output", value: event.shownRef }];
    case "step.returned":
      return [{ spanKey, field: "output", value: event.valueRef }];
    case "approval.asked":
      return [said(`ask:${event.callId}`, "input", event.question)];
    case "span.recorded":
      return textsOfCode(event);
    case "tool.failed":
    case "step.failed":
    case "model.failed":
    case "model.attempted":
      return [said(spanKey, "error", `${event.error.code} ${event.error.message}`)];
    default:
      return [];
  }
}

function textsOfCode({ spanId, inputRef, outputRef, error }: SpanRecorded): readonly EventText[] {
  const of = { spanKey: "", spanId };
  return [
    ...(inputRef === undefined ? [] : [{ ...of, field: "input", value: inputRef } as const]),
    ...(outputRef === undefined ? [] : [{ ...of, field: "output", value: outputRef } as const]),
    ...(error === undefined ? [] : [{ ...of, field: "error", value: `${error.code} ${error.message}` } as const]),
  ];
}

function wholeResult(raw: Ref | undefined, shown: Ref): Ref {
  return raw === undefined || ("blob" in raw && raw.bytes > searchedBlobBytesMax) ? shown : raw;
}

function said(spanKey: string, field: EventText["field"], text: string): EventText {
  return { spanKey, field, value: text };
}

/** Characters of one value that are searched; what comes after them is not found. */
export const searchedChars = 65_536;

/** The words of a value: its strings, numbers and member names, one after another. Of a message its text and reasoning. */
export function wordsOf(value: JsonValue, field: EventText["field"]): string {
  if (typeof value === "string") return value.slice(0, searchedChars).toWellFormed();
  const message = field === "output" ? messageText(value) : null;
  if (message !== null) return message.slice(0, searchedChars).toWellFormed();
  const words: string[] = [];
  collect(value, words, { left: searchedChars });
  return words.join(" ").slice(0, searchedChars).toWellFormed();
}

/** Arguments of tools stand in the calls themselves. */
function messageText(value: JsonValue): string | null {
  if (!isJsonObject(value) || typeof value["role"] !== "string" || !Array.isArray(value["content"])) return null;
  const parts: readonly JsonValue[] = value["content"];
  return parts
    .flatMap((part) => (isJsonObject(part) && typeof part["text"] === "string" ? [part["text"]] : []))
    .join("\n");
}

function collect(value: JsonValue, words: string[], room: { left: number }): void {
  if (room.left <= 0 || value === null || typeof value === "boolean") return;
  if (typeof value !== "object") return take(String(value), words, room);
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) collect(item, words, room);
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    take(name, words, room);
    collect(member as JsonValue, words, room);
  }
}

function take(text: string, words: string[], room: { left: number }): void {
  words.push(text.slice(0, room.left));
  room.left -= text.length + 1;
}
