import { fenceOf, type Fence } from "../core/fence.ts";
import type { PromptEntry } from "../core/model-event.ts";
import type { JsonValue } from "../core/json.ts";
import { validTranscript, type Message } from "../core/message.ts";
import { messagesFrom } from "../core/prompt-hash.ts";
import type { ModelRequest } from "../core/model-contract.ts";
import type { ModelCallSpec, PromptDraft } from "../core/runnable.ts";
import { chainOf, resolveEntry, type ContextEntry } from "../core/run-context.ts";
import type { CallState, RunState } from "../core/run-state.ts";
import type { FixedRef, Values } from "./values.ts";

/** A prompt in both forms: as the journal records it, and as the model gets it. */
export interface Prompt {
  readonly baseSeq: number;
  readonly add: readonly PromptEntry[];
  readonly request: ModelRequest;
  /** Hash chain over its messages. */
  readonly chain: string;
}

/** What a prompt has beside its messages, as it is recorded. */
export interface FixedParts {
  readonly system: FixedRef;
  readonly toolset: FixedRef;
}

const messages = new WeakMap<ContextEntry, readonly Message[]>();

/** Builds the next prompt of a context from the state and what the body adds. */
export async function promptOf(state: RunState, spec: ModelCallSpec, values: Values): Promise<Prompt> {
  const isMain = spec.context === "main";
  const add = await Promise.all(spec.add.map((entry) => recordedEntry(entry, values)));
  const drop = spec.drop ?? 0;
  const before = isMain ? state.context.entries : [];
  const kept = drop === 0 ? before : before.slice(0, Math.max(0, before.length - drop));
  const added = add.flatMap((entry) => resolveEntry(entry, 0, state.context.pending));
  const base = isMain && drop === 0 ? state.context.chain : chainOf("", kept);
  return {
    baseSeq: isMain ? state.context.baseSeq : 0,
    add,
    request: await requestOf(spec, [...kept, ...added], { values, fence: fenceOf(state.started) }),
    chain: chainOf(base, added),
  };
}

/** The prompt of a call that the journal already holds: its messages are those that its first attempt sent. */
export async function recordedPromptOf(
  { sent, add }: Pick<CallState, "sent"> & { readonly add: readonly PromptEntry[] },
  spec: ModelCallSpec,
  on: Rendering,
): Promise<Pick<Prompt, "request" | "chain">> {
  const entries = sent?.entries ?? add.flatMap((entry) => resolveEntry(entry, 0, []));
  const chain = sent?.chain ?? chainOf("", entries);
  return { request: await requestOf(spec, entries, on), chain };
}

export async function fixedParts(spec: ModelCallSpec, values: Values): Promise<FixedParts> {
  const label = { source: "trusted", origin: "developer" } as const;
  return {
    system: await values.putFixed(spec.system, label),
    toolset: await values.putFixed(spec.tools as unknown as JsonValue, label),
  };
}

async function recordedEntry(entry: PromptDraft, values: Values): Promise<PromptEntry> {
  if ("seq" in entry) return entry;
  if ("ref" in entry) return { message: entry.ref };
  return { message: await values.putMessages(entry.message as unknown as JsonValue, entry.label) };
}

/** Where the values of a run are, and what its untrusted results stand between. */
interface Rendering {
  readonly values: Values;
  readonly fence: Fence | null;
}

async function requestOf(
  spec: ModelCallSpec,
  entries: readonly ContextEntry[],
  { values, fence }: Rendering,
): Promise<ModelRequest> {
  const list: Message[] = [];
  for (const entry of entries) list.push(...(messages.get(entry) ?? (await messagesOf(entry, { values, fence }))));
  const { params } = spec;
  const all = validTranscript(list);
  if (values.cleaner === null) return { system: spec.system, tools: spec.tools, params, messages: all };
  const { system, toolset } = await fixedParts(spec, values);
  return {
    system: system.value as string,
    tools: toolset.value as unknown as ModelRequest["tools"],
    params,
    messages: all,
  };
}

/** The messages that a context entry stands for; remembered, so that a growing conversation is decoded once. */
async function messagesOf(entry: ContextEntry, { values, fence }: Rendering): Promise<readonly Message[]> {
  const found = messagesFrom(entry, await values.read(entry.source.ref), fence);
  messages.set(entry, found);
  return found;
}
