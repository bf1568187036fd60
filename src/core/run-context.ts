import { hashLink, hashText } from "./hash.ts";
import type { JsonObject } from "./json.ts";
import type { JournalEvent } from "./journal-event.ts";
import type { PromptEntry } from "./model-event.ts";
import type { ToolFailed, ToolRefused, ToolRetracted, ToolReturned } from "./tool-event.ts";
import type { Ref } from "./label.ts";

export type EntrySource =
  | { readonly kind: "assistant"; readonly callId: string; readonly ref: Ref }
  | {
      readonly kind: "tool";
      readonly callId: string;
      readonly tool: string;
      readonly ref: Ref;
      readonly isError: boolean;
    }
  | { readonly kind: "message"; readonly ref: Ref };
/** A message of the main context with the event it came from. */
export interface ContextEntry {
  readonly seq: number;
  readonly source: EntrySource;
}
/** The main context: what the next prompt is made of. Not part of a snapshot: read again from `fromSeq`. */
export interface ContextState {
  /** The model.called, context.compacted or tool.retracted that the next request builds on; 0 = none. */
  readonly baseSeq: number;
  readonly entries: readonly ContextEntry[];
  /** Recorded since the last request and not yet sent. */
  readonly pending: readonly ContextEntry[];
  /** Hash chain over `entries`. */
  readonly chain: string;
  readonly systemHash: string;
  readonly toolsetHash: string;
  /** Of the params of the last request; "" where it is not known. */
  readonly paramsHash: string;
  /** Tokens of the last request and its answer, as the provider told them, else as counted; null = none since the last compaction. */
  readonly tokens: number | null;
}

export const emptyContext: ContextState = {
  baseSeq: 0,
  entries: [],
  pending: [],
  chain: "",
  systemHash: "",
  toolsetHash: "",
  paramsHash: "",
  tokens: null,
};

/** A person said something that no request of the main context has held yet, or answers the next one. */
export function hasUnread({ context, answer }: { readonly context: ContextState; readonly answer: unknown }): boolean {
  return answer !== null || context.pending.some(({ source }) => source.kind === "message");
}

/** Identity of a value: the blob's hash, or that of the inline JSON. */
export function digestOf(ref: Ref): string {
  return "blob" in ref ? ref.blob : hashText(JSON.stringify(ref.inline));
}

/** The main context after one event. Pure, and of this event alone: needs nothing of the calls. */
export function nextContext(context: ContextState, event: JournalEvent, seq: number): ContextState {
  switch (event.type) {
    case "model.called":
      return event.context === "main" && event.attempt === 1 ? sent(context, event, seq) : context;
    case "model.answered":
      return event.context === "main" ? answered(context, event, seq) : context;
    case "tool.returned":
    case "tool.refused":
      return pendingTool(context, seq, event, event.shownRef);
    case "tool.failed":
      return event.retry === true ? context : pendingTool(context, seq, event, event.shownRef);
    case "message.received":
      return pending(context, seq, { kind: "message", ref: event.valueRef });
    case "context.compacted":
      return compacted(context, event, seq);
    case "tool.retracted":
      return retracted(context, seq, event);
    default:
      return context;
  }
}

function pending(context: ContextState, seq: number, source: EntrySource): ContextState {
  return { ...context, pending: [...context.pending, { seq, source }] };
}

/** What the provider told corrects what was counted before the call. */
function answered(
  context: ContextState,
  { callId, messageRef, assumed, saved, person, ...billed }: JournalEvent & { readonly type: "model.answered" },
  seq: number,
): ContextState {
  const usage = saved?.usage ?? billed.usage;
  const prompt = assumed || person !== undefined ? (context.tokens ?? usage.inputTokens) : usage.inputTokens;
  const source = { kind: "assistant", callId, ref: messageRef } as const;
  return { ...pending(context, seq, source), tokens: prompt + usage.outputTokens };
}

function pendingTool(
  context: ContextState,
  seq: number,
  event: ToolReturned | ToolRefused | ToolFailed,
  ref: Ref | undefined,
): ContextState {
  if (event.part === undefined || ref === undefined) return context;
  return pending(context, seq, {
    kind: "tool",
    callId: event.part,
    tool: event.tool,
    ref,
    isError: event.type !== "tool.returned" || event.invalid !== undefined,
  });
}

/** Id of a tool call inside a model's message: unique in the run, and of a form every provider accepts. */
export function partIdOf(modelCallId: string, index: number): string {
  return `${modelCallId}-${index}`;
}

function sent(
  context: ContextState,
  event: JournalEvent & { readonly type: "model.called" },
  seq: number,
): ContextState {
  const kept =
    event.drop === 0 ? context.entries : context.entries.slice(0, Math.max(0, context.entries.length - event.drop));
  const added = event.add.flatMap((entry) => resolveEntry(entry, seq, context.pending));
  const chain = event.drop === 0 ? chainOf(context.chain, added) : chainOf("", [...kept, ...added]);
  const known = new Set(added.map((entry) => entry.seq));
  return {
    baseSeq: seq,
    entries: [...kept, ...added],
    pending: context.pending.filter((entry) => !known.has(entry.seq)),
    chain,
    systemHash: event.systemRef === undefined ? context.systemHash : digestOf(event.systemRef),
    toolsetHash: event.toolsetRef === undefined ? context.toolsetHash : digestOf(event.toolsetRef),
    paramsHash: event.params === undefined ? context.paramsHash : paramsHashOf(event.params),
    tokens: event.inputTokens,
  };
}

const paramsHashes = new WeakMap<JsonObject, string>();

/** Identity of a request's params: an agent's are one object, hashed once. */
export function paramsHashOf(params: JsonObject): string {
  const known = paramsHashes.get(params);
  if (known !== undefined) return known;
  const hash = hashText(JSON.stringify(params));
  paramsHashes.set(params, hash);
  return hash;
}

/** What a prompt entry stands for; an entry that names an event it cannot find is left out. */
export function resolveEntry(
  entry: PromptEntry,
  seq: number,
  recorded: readonly ContextEntry[],
): readonly ContextEntry[] {
  if ("message" in entry) return [{ seq, source: { kind: "message", ref: entry.message } }];
  return recorded.filter((candidate) => candidate.seq === entry.seq);
}

/** Hash chain over context entries, continued from `chain`. */
export function chainOf(chain: string, entries: readonly ContextEntry[]): string {
  return entries.reduce((hash, entry) => hashLink(hash, entryDigest(entry)), chain);
}

const digests = new WeakMap<ContextEntry, string>();

/** Hash of one entry, remembered: each is chained when it is asked, drafted and appended. Reading a journal keeps the order of keys. */
function entryDigest(entry: ContextEntry): string {
  const known = digests.get(entry);
  if (known !== undefined) return known;
  const digest = hashText(JSON.stringify(entry.source));
  digests.set(entry, digest);
  return digest;
}

function compacted(
  context: ContextState,
  event: JournalEvent & { readonly type: "context.compacted" },
  seq: number,
): ContextState {
  const kept = context.entries.filter(
    (entry) => entry.seq < event.fromSeq || entry.seq > event.toSeq || event.pinned.includes(entry.seq),
  );
  const before = kept.filter((entry) => entry.seq < event.fromSeq);
  const after = kept.filter((entry) => entry.seq >= event.fromSeq);
  const summary: ContextEntry = { seq, source: { kind: "message", ref: event.summaryRef } };
  const entries = [...before, summary, ...after];
  return { ...context, baseSeq: seq, entries, chain: chainOf("", entries), tokens: null };
}

function retracted(context: ContextState, seq: number, event: ToolRetracted): ContextState {
  const strike = (entry: ContextEntry): ContextEntry =>
    entry.source.kind === "tool" && entry.source.callId === event.part
      ? {
          seq: entry.seq,
          source: {
            ...entry.source,
            ref: { inline: `(retracted: ${event.reason})`, label: { source: "trusted" } },
            isError: true,
          },
        }
      : entry;
  const entries = context.entries.map(strike);
  return { ...context, baseSeq: seq, entries, pending: context.pending.map(strike), chain: chainOf("", entries) };
}
