import { fenceOf, type Fence } from "../core/fence.ts";
import { hashText } from "../core/hash.ts";
import type { RunRef } from "../core/id.ts";
import type { Batch, JournalEvent } from "../core/journal-event.ts";
import type { ModelCalled } from "../core/model-event.ts";
import type { Ref } from "../core/label.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { toolCallsOf, validTranscript, type Message, type ToolResultPart } from "../core/message.ts";
import { messagesFrom, promptHashOf } from "../core/prompt-hash.ts";
import { chainOf, digestOf, emptyContext, nextContext, resolveEntry, type ContextEntry } from "../core/run-context.ts";
import { spanIdOf } from "../core/trace-ids.ts";
import type { CallLink, CauseSource, PromptPiece, RebuiltRequest } from "../core/trace-contract.ts";

/** Reads a value that the journal names, a blob included; null where it is gone. */
export type ReadValue = (ref: Ref) => Promise<JsonValue | null>;

/** Who put a message into a context. */
export interface EntryOrigin {
  readonly kind: CauseSource["kind"];
  /** null: no call did. */
  readonly call: { readonly callId: string; readonly name: string } | null;
}

/** What the journal says of one attempt of a model call, without the values. */
export interface PromptFrame {
  readonly called: ModelCalled;
  readonly seq: number;
  readonly entries: readonly ContextEntry[];
  readonly systemRef: Ref | null;
  readonly toolsetRef: Ref | null;
  readonly params: JsonObject | null;
  /** What the run's untrusted results stand between. */
  readonly fence: Fence | null;
  originOf(entry: ContextEntry): EntryOrigin;
}

interface Fixed {
  readonly systemRef: Ref | null;
  readonly toolsetRef: Ref | null;
  readonly params: JsonObject | null;
}
const noFixed: Fixed = { systemRef: null, toolsetRef: null, params: null };

/**
 * Follows the contexts of a run's model calls through its journal: read every batch in order, then ask for a frame. What an
 * event says is core's `nextContext`; the conversation itself grows in place, so that a journal costs what it is long.
 */
export class PromptFold {
  readonly #wanted: string;
  readonly #attempt: number | null;
  #entries: ContextEntry[] = [];
  /** Recorded and not yet sent, by seq. */
  #pending = new Map<number, readonly ContextEntry[]>();
  #entriesMoved = 0;
  #main: Fixed = noFixed;
  #first: { readonly fixed: Fixed; readonly entries: readonly ContextEntry[] } | null = null;
  #frame: PromptFrame | null = null;
  readonly #origins = new Map<number, EntryOrigin>();
  /** Messages that a call added itself: several may stand at its seq. */
  readonly #added = new WeakMap<ContextEntry, EntryOrigin>();
  readonly #threadRefs = new Set<string>();
  #fence: Fence | null = null;
  #isGoalTold = false;

  /** @param attempt default the last one that the journal has */
  constructor(callId: string, attempt: number | null = null) {
    this.#wanted = callId;
    this.#attempt = attempt;
  }

  /** The wanted attempt, as far as the journal was read; null before it. */
  get frame(): PromptFrame | null {
    return this.#frame;
  }

  /** Entries that were put anywhere so far: what the reading cost. */
  get entriesMoved(): number {
    return this.#entriesMoved;
  }

  read(batch: Batch): void {
    let seq = batch.firstSeq;
    for (const event of batch.events) {
      this.#note(event, seq);
      if (event.type === "model.called") this.#called(event, seq);
      else this.#recorded(event, seq);
      seq++;
    }
  }

  #called(event: ModelCalled, seq: number): void {
    const isMain = event.context === "main";
    const said = { systemRef: event.systemRef, toolsetRef: event.toolsetRef, params: event.params };
    if (isMain && event.attempt === 1) {
      this.#main = fixedOf(this.#main, said);
      for (const entry of this.#sent(event, seq))
        if (entry.seq === seq) this.#added.set(entry, this.#addedOrigin(entry));
    }
    if (event.callId !== this.#wanted) return;
    if (event.attempt === 1) {
      const entries = isMain ? [...this.#entries] : event.add.flatMap((entry) => resolveEntry(entry, seq, []));
      this.#first = { entries, fixed: isMain ? this.#main : fixedOf(noFixed, said) };
    }
    if (this.#first === null || (this.#attempt !== null && this.#attempt !== event.attempt)) return;
    const [origins, added] = [this.#origins, this.#added];
    this.#frame = {
      called: event,
      seq,
      entries: this.#first.entries,
      ...fixedOf(this.#first.fixed, said),
      fence: this.#fence,
      originOf: (entry) => added.get(entry) ?? origins.get(entry.seq) ?? { kind: "message", call: null },
    };
  }

  /** What a request added; it is taken out of what is pending, and what the request dropped out of the conversation. */
  #sent(event: ModelCalled, seq: number): readonly ContextEntry[] {
    const named = new Set(event.add.flatMap((entry) => ("seq" in entry ? [entry.seq] : [])));
    const pending = [...named].flatMap((one) => this.#pending.get(one) ?? []);
    const { entries: added } = nextContext({ ...emptyContext, pending }, { ...event, drop: 0 }, seq);
    for (const one of named) this.#pending.delete(one);
    this.#entries.length = Math.max(0, this.#entries.length - event.drop);
    for (const entry of added) this.#entries.push(entry);
    this.#entriesMoved += added.length;
    return added;
  }

  #recorded(event: JournalEvent, seq: number): void {
    if (event.type === "context.compacted" || event.type === "tool.retracted") {
      const pending = [...this.#pending.values()].flat();
      const next = nextContext({ ...emptyContext, entries: this.#entries, pending }, event, seq);
      this.#entries = [...next.entries];
      this.#pending = Map.groupBy(next.pending, (entry) => entry.seq);
      this.#entriesMoved += this.#entries.length + pending.length;
      return;
    }
    const { pending } = nextContext(emptyContext, event, seq);
    if (pending.length === 0) return;
    this.#pending.set(seq, pending);
    this.#entriesMoved += pending.length;
  }

  /** The goal is the first message that the run's first call added and no earlier run of the thread left. */
  #addedOrigin(entry: ContextEntry): EntryOrigin {
    if (this.#threadRefs.has(digestOf(entry.source.ref))) return { kind: "thread", call: null };
    const kind = this.#isGoalTold ? "message" : "goal";
    this.#isGoalTold = true;
    return { kind, call: null };
  }

  /** Remembers who recorded what stands at a place of the conversation. */
  #note(event: JournalEvent, seq: number): void {
    if (event.type === "run.started") this.#fence = fenceOf(event);
    switch (event.type) {
      case "run.started":
      case "run.resumed":
        for (const ref of event.contextRefs ?? []) this.#threadRefs.add(digestOf(ref));
        return;
      case "model.answered":
        this.#origins.set(seq, { kind: "model", call: { callId: event.callId, name: event.model } });
        return;
      case "tool.returned":
      case "tool.failed":
      case "tool.refused":
        this.#origins.set(seq, { kind: "tool", call: { callId: event.callId, name: event.tool } });
        return;
      case "context.compacted": {
        const call = event.byCallId === undefined ? null : { callId: event.byCallId, name: "summary" };
        this.#origins.set(seq, { kind: "summary", call });
        return;
      }
      default:
    }
  }
}

function fixedOf(
  before: Fixed,
  said: {
    readonly systemRef?: Ref | undefined;
    readonly toolsetRef?: Ref | undefined;
    readonly params?: JsonObject | undefined;
  },
): Fixed {
  return {
    systemRef: said.systemRef ?? before.systemRef,
    toolsetRef: said.toolsetRef ?? before.toolsetRef,
    params: said.params ?? before.params,
  };
}

/**
 * The request of a frame with its messages, each with what put it there, proved against the recorded hash. The results of
 * one answer's calls are one message on the wire and a piece each here.
 */
export async function rebuiltRequest(ref: RunRef, frame: PromptFrame, read: ReadValue): Promise<RebuiltRequest> {
  const { called, entries, systemRef, toolsetRef, params } = frame;
  const values = new CheckedValues(read);
  const sources = new Map<Message, ContextEntry>();
  const list: Message[] = [];
  for (const entry of entries) {
    for (const message of messagesFrom(entry, await values.read(entry.source.ref), frame.fence)) {
      sources.set(message, entry);
      list.push(message);
    }
  }
  const results = new Map(
    entries.flatMap((entry) => (entry.source.kind === "tool" ? [[entry.source.callId, entry]] : [])),
  );
  const messages = validTranscript(list).flatMap((message): readonly PromptPiece[] => {
    if (message.role !== "tool")
      return [pieceOf(ref, frame, message, sources.get(message) ?? sameCalls(sources, message))];
    return message.content.map((part) => pieceOf(ref, frame, resultMessage(part), results.get(part.callId)));
  });
  const system = systemRef === null ? null : await values.read(systemRef);
  const tools = toolsetRef === null ? null : await values.read(toolsetRef);
  const isWhole = systemRef !== null && toolsetRef !== null && params !== null && values.areAsRecorded;
  return {
    system: typeof system === "string" ? system : "",
    tools,
    params: params ?? {},
    messages,
    promptHash: called.promptHash,
    isProved: isWhole && called.promptHash === hashOf(frame, systemRef, toolsetRef),
  };
}

/** Computed from what is shown, nothing of it taken over from the journal's own sums. */
function hashOf({ called, entries, params }: PromptFrame, systemRef: Ref, toolsetRef: Ref): string {
  const chain = chainOf("", entries);
  const digests = { systemDigest: digestOf(systemRef), toolsetDigest: digestOf(toolsetRef) };
  return promptHashOf({ route: called.route, ...digests, params, chain });
}

function resultMessage(part: ToolResultPart): Message {
  return { role: "tool", content: [part] };
}

/** An answer of which a repeated call was left out is another object with the same first call. */
function sameCalls(sources: ReadonlyMap<Message, ContextEntry>, message: Message): ContextEntry | undefined {
  const first = toolCallsOf(message)[0]?.callId;
  if (first === undefined) return undefined;
  for (const [known, entry] of sources) if (toolCallsOf(known).some(({ callId }) => callId === first)) return entry;
  return undefined;
}

function pieceOf(ref: RunRef, frame: PromptFrame, message: Message, entry: ContextEntry | undefined): PromptPiece {
  if (entry === undefined) return { message, seq: null, from: null };
  const { call } = frame.originOf(entry);
  return { message, seq: entry.seq === frame.seq ? null : entry.seq, from: call === null ? null : linkOf(ref, call) };
}

export function linkOf(ref: RunRef, call: { readonly callId: string; readonly name: string }): CallLink {
  return { runId: ref.runId, ...call, spanId: spanIdOf(ref, `call:${call.callId}`) };
}

/** Reads values and checks that a blob is what its name says. */
class CheckedValues {
  readonly #read: ReadValue;
  areAsRecorded = true;

  constructor(read: ReadValue) {
    this.#read = read;
  }

  async read(ref: Ref): Promise<JsonValue> {
    const value = await this.#read(ref);
    if ("inline" in ref) return ref.inline;
    if (value === null || hashText(JSON.stringify(value)) !== ref.blob) this.areAsRecorded = false;
    return value ?? "(gone)";
  }
}
