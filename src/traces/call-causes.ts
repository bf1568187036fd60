import type { RunRef } from "../core/id.ts";
import type { Batch, JournalEvent } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import { toolCallsOf } from "../core/message.ts";
import { messagesFrom } from "../core/prompt-hash.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { CallLink, Cause, CauseSource } from "../core/trace-contract.ts";
import { causesOf, searchText, type SourceText } from "./causes.ts";
import { eachBatch, type Pause } from "./batch-walk.ts";
import { citedPlaces, ShownLines } from "./cited-lines.ts";
import { linkOf, PromptFold, type PromptFrame, type ReadValue } from "./rebuild-request.ts";
import { wordsOf } from "./word-match.ts";

/** How a journal is read: its values, and others have their turn meanwhile. */
export interface Reading {
  readonly read: ReadValue;
  readonly pause: Pause;
}

/** Values of a run that later ones may rest on, in order. */
interface Told {
  readonly source: CauseSource;
  readonly ref: Ref;
}
/** Of a run without a model, the newest values that are searched. */
const TOLD_MAX = 1_000;

/** The results, messages and summaries that entered a call's prompt, each call once. */
export function enteredPrompt(ref: RunRef, frame: PromptFrame): readonly CallLink[] {
  const links = new Map<string, CallLink>();
  for (const entry of frame.entries) {
    const { call } = frame.originOf(entry);
    if (call !== null && !links.has(call.callId)) links.set(call.callId, linkOf(ref, call));
  }
  return [...links.values()];
}

/**
 * Where the words of a tool's or child's input came from: for a call that a model asked for, in what that model had seen
 * and written; for one that code asked for, in what the run had been told before. Of edited arguments, in the edit too.
 * @param batches the run's journal from its beginning
 */
export async function causesOfCall(
  ref: RunRef,
  batches: readonly Batch[],
  callId: string,
  { read, pause }: Reading,
): Promise<readonly Cause[]> {
  const story = new CallStory(ref, callId);
  for await (const batch of eachBatch(batches, pause)) story.read(batch);
  const { inputRef, editedRef, modelCallId } = story;
  if (inputRef === null) return [];
  const told =
    modelCallId === null ? await textsOf(story.told, read) : await seenBy(ref, batches, modelCallId, { read, pause });
  if (editedRef !== null) {
    const link = { ...linkOf(ref, { callId, name: "edit" }), spanId: spanIdOf(ref, `ask:${callId}`) };
    const source = { kind: "person", link, seq: story.editedSeq, trusted: true } as const;
    told.push({ source, text: searchText((await read(editedRef)) ?? "") });
  }
  return causesOf((await read(editedRef ?? inputRef)) ?? null, told);
}

/** What one call was given, and what the run had been told before it. */
class CallStory {
  readonly told: Told[] = [];
  inputRef: Ref | null = null;
  editedRef: Ref | null = null;
  editedSeq = 0;
  modelCallId: string | null = null;
  readonly #ref: RunRef;
  readonly #callId: string;
  #approvalId = "";

  constructor(ref: RunRef, callId: string) {
    this.#ref = ref;
    this.#callId = callId;
  }

  read(batch: Batch): void {
    let seq = batch.firstSeq;
    for (const event of batch.events) {
      this.#readEvent(event, seq);
      seq++;
    }
  }

  #readEvent(event: JournalEvent, seq: number): void {
    if (event.type === "tool.called" && event.callId === this.#callId) {
      this.inputRef = event.argsRef;
      this.modelCallId = event.modelCallId ?? null;
    } else if (event.type === "child.called" && event.callId === this.#callId) this.inputRef = event.inputRef;
    else if (event.type === "approval.asked" && event.callId === this.#callId) this.#approvalId = event.approvalId;
    else if (event.type === "approval.voted" && event.approvalId === this.#approvalId && event.editedArgsRef) {
      this.editedRef = event.editedArgsRef;
      this.editedSeq = seq;
    } else if (this.inputRef === null) this.#tell(toldBy(this.#ref, event, seq));
  }

  #tell(told: Told | null): void {
    if (told === null) return;
    // the goal stays
    if (this.told.length >= TOLD_MAX) this.told.splice(1, 1);
    this.told.push(told);
  }
}

/** What an event brought into a run. */
function toldBy(ref: RunRef, event: JournalEvent, seq: number): Told | null {
  const told = (
    kind: CauseSource["kind"],
    value: Ref,
    call?: { readonly callId: string; readonly name: string },
  ): Told => {
    const link = call === undefined ? null : linkOf(ref, call);
    return { source: { kind, link, seq, trusted: value.label?.source === "trusted" }, ref: value };
  };
  switch (event.type) {
    case "run.started":
      return told("goal", event.inputRef);
    case "model.answered":
      return told("model", event.messageRef, { callId: event.callId, name: event.model });
    case "tool.returned":
      return told("tool", event.shownRef, { callId: event.callId, name: event.tool });
    case "step.returned":
      return told("tool", event.valueRef, { callId: event.callId, name: "step" });
    case "child.ended":
      return told("child", event.valueRef, { callId: event.callId, name: event.childRunId });
    case "signal.received":
    case "message.received":
    case "answer.given":
      return told("message", event.valueRef);
    case "approval.voted":
      return event.answerRef === undefined ? null : told("person", event.answerRef);
    default:
      return null;
  }
}

async function textsOf(told: readonly Told[], read: ReadValue): Promise<SourceText[]> {
  const texts: SourceText[] = [];
  let left: number = limits.causeSourceChars;
  for (const { source, ref } of told) {
    if (left <= 0) break;
    const text = searchText((await read(ref)) ?? "");
    texts.push({ source, text });
    left -= text.length;
  }
  return texts;
}

/** What a model call had in its prompt, and then wrote before it asked for the call. */
async function seenBy(
  ref: RunRef,
  batches: readonly Batch[],
  modelCallId: string,
  { read, pause }: Reading,
): Promise<SourceText[]> {
  const prompt = new PromptFold(modelCallId);
  let answer: Told | null = null;
  for await (const batch of eachBatch(batches, pause)) {
    prompt.read(batch);
    const at = batch.events.findIndex((event) => event.type === "model.answered" && event.callId === modelCallId);
    const event = batch.events[at];
    if (event !== undefined) answer = toldBy(ref, event, batch.firstSeq + at);
    if (answer !== null) break;
  }
  const { frame } = prompt;
  const texts: SourceText[] = [];
  for (const entry of frame?.entries ?? []) {
    const { kind, call } = frame?.originOf(entry) ?? { kind: "message", call: null };
    const source: CauseSource = {
      kind,
      link: call === null ? null : linkOf(ref, call),
      seq: entry.seq,
      trusted: entry.source.ref.label?.source === "trusted",
    };
    const value = (await read(entry.source.ref)) ?? "";
    texts.push({ source, text: entry.source.kind === "tool" ? searchText(value) : conversationText(entry, value) });
  }
  if (answer !== null) texts.push({ source: answer.source, text: writtenText((await read(answer.ref)) ?? "") });
  return texts;
}

/** Texts and calls of messages, as the model reads them. */
function conversationText(entry: PromptFrame["entries"][number], value: JsonValue): string {
  return messagesFrom(entry, value, null)
    .flatMap((message) => [
      writtenText(message as unknown as JsonValue),
      ...toolCallsOf(message).map(({ input }) => searchText(input)),
    ])
    .join("\n");
}

/** What a message says in words; its calls are what is being explained. */
function writtenText(message: JsonValue): string {
  const content = (message as { readonly content?: readonly { readonly type: string; readonly text?: string }[] })
    .content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { readonly text?: string }) => part.text ?? "").join("\n");
}

// ---- outcomes

/** Telling words of a result that an outcome must hold to rest on it. */
const RESTS_WEIGHT = 3;

/**
 * The calls that a run's outcome rests on: those that showed a place which it cites; where it cites none, those of whose
 * results it holds the words. In order of the journal.
 */
export async function outcomeRestsOn(
  ref: RunRef,
  batches: readonly Batch[],
  { read, pause }: Reading,
): Promise<readonly CallLink[]> {
  const told: Told[] = [];
  let valueRef: Ref | null = null;
  for await (const batch of eachBatch(batches, pause)) {
    let seq = batch.firstSeq;
    for (const event of batch.events) {
      const one = toldBy(ref, event, seq++);
      if (one !== null && (one.source.kind === "tool" || one.source.kind === "child")) told.push(one);
      if (told.length > TOLD_MAX) told.shift();
      if (event.type === "run.ended") valueRef = event.valueRef;
    }
  }
  const output = valueRef === null ? null : await read(valueRef);
  if (output === null) return [];
  const texts = await textsOf(told, read);
  const cited = citedCalls(searchText(output), texts);
  return cited.length > 0 ? cited : sharedCalls(output, texts);
}

function citedCalls(output: string, texts: readonly SourceText[]): readonly CallLink[] {
  const places = citedPlaces(output.slice(0, limits.causeLeafChars));
  if (places.length === 0) return [];
  return unique(
    texts.filter(({ text }) => {
      const shown = new ShownLines(text);
      return places.some((place) => shown.has(place));
    }),
  );
}

function sharedCalls(output: JsonValue, texts: readonly SourceText[]): readonly CallLink[] {
  const weights = new Map<SourceText["source"], number>();
  for (const { from, path, start, end } of causesOf(output, texts)) {
    const words = wordsOf(leafText(output, path).slice(start, end), limits.causeWords);
    const weight = words.reduce((sum, word) => sum + word.weight, 0);
    weights.set(from, (weights.get(from) ?? 0) + weight);
  }
  return unique(texts.filter(({ source }) => (weights.get(source) ?? 0) >= RESTS_WEIGHT));
}

function leafText(value: JsonValue, path: string): string {
  let at: unknown = value;
  for (const key of path.split("/").slice(1))
    at = (at as { readonly [key: string]: unknown })[key.replaceAll("~1", "/").replaceAll("~0", "~")];
  return typeof at === "string" || typeof at === "number" ? String(at) : "";
}

function unique(texts: readonly SourceText[]): readonly CallLink[] {
  const links = new Map<string, CallLink>();
  for (const { source } of texts) if (source.link !== null) links.set(source.link.callId, source.link);
  return [...links.values()];
}
