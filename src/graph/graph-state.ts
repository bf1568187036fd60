import { PawlError } from "../core/errors.ts";
import { utf8Bytes, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import type { StoredRef, ValueShelf } from "../core/runnable.ts";
import type { Channels, Folded } from "./channel.ts";

/**
 * What a turn's end records of a graph: bounded, whatever its channels hold. A large value stands in a blob of its own, which
 * the next turns name until it changes. A list is a chain of blobs, each naming the one before, and the items that came since
 * the newest: a turn writes what it added, and a list of any length costs the state one ref.
 */
export interface StoredState {
  readonly channels: { readonly [name: string]: StoredChannel };
  /** Nodes of the next superstep. */
  readonly next: readonly string[];
  /** Joins that wait, by their place among the graph's edges: sources that are done. */
  readonly joins: { readonly [edge: string]: readonly string[] };
  /** What the graph's conversation with the model was when it was last sent; null = never. */
  readonly sent: Sent | null;
  readonly reachedEnd: boolean;
}
export interface Sent {
  readonly count: number;
  /** Of all messages, and of the first alone. */
  readonly digest: string;
  readonly first: string;
}
type StoredChannel =
  | { readonly value: JsonValue }
  | { readonly ref: Ref }
  | { readonly list: Ref | null; readonly tail: readonly JsonValue[] };
interface Chunk {
  readonly before: Ref | null;
  readonly items: readonly JsonValue[];
}

/** Blobs that the state of a claim's last turn named: the next turn reads what is new. */
export type Shelf = Map<string, JsonValue>;

/** The values of all channels. What was read is frozen: the same objects serve the turns to come. */
export async function readChannels(
  stored: StoredState,
  read: ValueShelf["read"],
  shelf: Shelf = new Map(),
): Promise<JsonObject> {
  const used: [string, JsonValue][] = [];
  const get = async (ref: StoredRef): Promise<JsonValue> => {
    if ("inline" in ref) return ref.inline;
    const value = shelf.get(ref.blob) ?? frozen(await read(ref));
    used.push([ref.blob, value]);
    return value;
  };
  const values: [string, JsonValue][] = [];
  for (const [name, channel] of Object.entries(stored.channels)) {
    if ("value" in channel) values.push([name, frozen(channel.value)]);
    else if ("ref" in channel) values.push([name, await get(channel.ref)]);
    else values.push([name, Object.freeze([...(await itemsOf(channel.list, get)), ...frozen(channel.tail)])]);
  }
  shelf.clear();
  for (const [hash, value] of used) shelf.set(hash, value);
  return Object.freeze(Object.fromEntries(values));
}

async function itemsOf(newest: Ref | null, get: (ref: StoredRef) => Promise<JsonValue>): Promise<readonly JsonValue[]> {
  const chunks: (readonly JsonValue[])[] = [];
  for (let ref = newest; ref !== null;) {
    const chunk = (await get(ref)) as unknown as Chunk;
    chunks.push(chunk.items);
    ref = chunk.before;
  }
  return chunks.toReversed().flat(1) as readonly JsonValue[];
}

/** The stored form of the channels after a superstep: what did not change is named as it was. */
export async function writeChannels(
  channels: Channels,
  before: { readonly stored: StoredState["channels"]; readonly state: JsonObject },
  { state, appended }: Folded,
  put: ValueShelf["put"],
): Promise<StoredState["channels"]> {
  const inlineBytes = Math.min(
    limits.graphChunkBytes,
    Math.floor(limits.graphStateBytes / Object.keys(channels).length),
  );
  const written: [string, StoredChannel][] = [];
  for (const [name, { kind }] of Object.entries(channels)) {
    const known = before.stored[name];
    if (kind === "append") {
      const list = known !== undefined && "list" in known ? known : { list: null, tail: [] };
      const items = known === undefined ? (state[name] as readonly JsonValue[]) : (appended[name] ?? []);
      written.push([name, items.length === 0 ? list : await grown(list, items, inlineBytes, put)]);
    } else if (known !== undefined && state[name] === before.state[name]) written.push([name, known]);
    else written.push([name, await stored(state[name] ?? null, inlineBytes, put)]);
  }
  return Object.fromEntries(written);
}

type StoredList = Extract<StoredChannel, { readonly list: Ref | null }>;

async function grown(
  { list, tail }: StoredList,
  items: readonly JsonValue[],
  inlineBytes: number,
  put: ValueShelf["put"],
): Promise<StoredList> {
  const all = [...tail, ...items];
  if (bytesOf(all) <= inlineBytes) return { list, tail: all };
  const chunk = { before: list, items: all } as unknown as JsonValue;
  return { list: await put(chunk), tail: [] };
}

async function stored(value: JsonValue, inlineBytes: number, put: ValueShelf["put"]): Promise<StoredChannel> {
  return bytesOf(value) <= inlineBytes ? { value } : { ref: await put(value) };
}

/**
 * A stored state with channels set by a person.
 * @throws OPTION_INVALID  a name is no channel, or its value no list where it must be
 */
export async function patchedState(
  graph: string,
  channels: Channels,
  { channels: known, ...rest }: StoredState,
  patch: JsonObject,
  put: ValueShelf["put"],
): Promise<StoredState> {
  for (const [name, value] of Object.entries(patch)) {
    const kind = Object.hasOwn(channels, name) ? channels[name]?.kind : undefined;
    if (kind === undefined)
      throw new PawlError(
        "OPTION_INVALID",
        `graph "${graph}" has no channel "${name}" to set. It has: ${Object.keys(channels).join(", ")}.`,
      );
    if (kind === "append" && !Array.isArray(value))
      throw new PawlError("OPTION_INVALID", `channel "${name}" of graph "${graph}" is a list. Give all of its items.`);
  }
  const set = Object.fromEntries(Object.entries(channels).filter(([name]) => Object.hasOwn(patch, name)));
  const written = await writeChannels(set, { stored: {}, state: {} }, { state: patch, appended: {} }, put);
  return { ...rest, channels: { ...known, ...written } };
}

function bytesOf(value: JsonValue): number {
  return utf8Bytes(JSON.stringify(value));
}

function frozen<T extends JsonValue>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) frozen(member as JsonValue);
  return Object.freeze(value);
}
