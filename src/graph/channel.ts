import { PawlError } from "../core/errors.ts";
import { isJsonObject, toJson, type JsonObject, type JsonValue } from "../core/json.ts";

/** One member of a graph's state: what it begins as, and how what nodes return is put into it. */
export interface Channel<T, Update = T> {
  readonly kind: "replace" | "append" | "merge" | "reduce";
  readonly initial: JsonValue;
  /** Pure. null = `replace`: the value that was returned is the new one. */
  readonly reduce: ((value: T, update: Update) => T) | null;
  readonly "~types"?: { readonly value: T; readonly update: Update };
}

export interface Channels {
  readonly [name: string]: Pick<Channel<unknown>, "kind" | "initial" | "~types"> & {
    readonly reduce: ((value: never, update: never) => unknown) | null;
  };
}
type TypesOf<C> = C extends { readonly "~types"?: (infer T) | undefined } ? NonNullable<T> : never;
/** What nodes are given. */
export type StateOf<C> = { readonly [K in keyof C]: TypesOf<C[K]> extends { readonly value: infer T } ? T : never };
/** What nodes return: any part of it. */
export type UpdateOf<C> = {
  readonly [K in keyof C]?: TypesOf<C[K]> extends { readonly update: infer U } ? U : never;
};

/** The kinds of channels. Only `replace` cannot take what two nodes write in the same superstep. */
export const channel = {
  /** The newest value. `initial` is JSON. */
  replace: <T>(initial: T): Channel<T> => ({ kind: "replace", initial: initial as JsonValue, reduce: null }),
  /** A list that grows: a node returns the new items. Stored once each, however long the list gets. */
  append: <T>(initial: readonly T[] = []): Channel<readonly T[]> => ({
    kind: "append",
    initial: initial as readonly JsonValue[],
    reduce: (list, items) => [...list, ...items],
  }),
  /** An object: members that a node returns replace those of the same name. */
  merge: <T extends object>(initial: T): Channel<T, Partial<T>> => ({
    kind: "merge",
    initial: initial as JsonObject,
    reduce: (value, part) => ({ ...value, ...part }),
  }),
  /** `reduce` is pure: the same value and update give the same value. */
  reduce: <T, Update = T>(initial: T, reduce: (value: T, update: Update) => T): Channel<T, Update> => ({
    kind: "reduce",
    initial: initial as JsonValue,
    reduce,
  }),
};

/** What one node (or one item of a map) returned, as JSON. */
export interface NodeUpdate {
  readonly node: string;
  readonly update: JsonObject;
}
/** A state after updates, and what came to append channels. */
export interface Folded {
  readonly state: JsonObject;
  readonly appended: { readonly [channel: string]: readonly JsonValue[] };
}

/**
 * What a node returned, as an update of the graph's channels. `undefined` updates nothing.
 * @throws GRAPH_UPDATE_INVALID
 */
export function updateOf(graph: string, channels: Channels, node: string, returned: unknown): JsonObject {
  const what = `node "${node}" of graph "${graph}"`;
  const names = Object.keys(channels);
  if (returned === undefined || returned === null) return {};
  const json = toJson(returned);
  if (!json.ok) throw invalid(`${what} returned ${json.found} at ${json.path}, which is not JSON. Return plain data.`);
  if (!isJsonObject(json.value))
    throw invalid(`${what} returned ${kindOf(json.value)}. Return an object with some of: ${names.join(", ")}.`);
  for (const [name, value] of Object.entries(json.value)) {
    const { kind } = channels[name] ?? {};
    if (kind === undefined)
      throw invalid(`${what} returned "${name}", which is no channel. There is: ${names.join(", ")}.`);
    if (kind === "append" && !Array.isArray(value))
      throw invalid(`${what} returned ${kindOf(value)} for "${name}". It grows by items: return a list of them.`);
    if (kind === "merge" && !isJsonObject(value))
      throw invalid(`${what} returned ${kindOf(value)} for "${name}". Return an object with the members to set.`);
  }
  return json.value;
}

/**
 * The state after the updates of one superstep, in their order. Pure.
 * @throws GRAPH_UPDATE_INVALID, GRAPH_REDUCER_FAILED
 */
export function fold(graph: string, channels: Channels, before: JsonObject, updates: readonly NodeUpdate[]): Folded {
  const state: Record<string, JsonValue> = { ...before };
  const appended: Record<string, JsonValue[]> = {};
  const writers = new Map<string, string>();
  for (const { node, update } of updates) {
    for (const [name, value] of Object.entries(update)) {
      const { kind, reduce } = channels[name] as unknown as Channel<JsonValue, JsonValue>;
      const earlier = writers.get(name);
      if (kind === "replace" && earlier !== undefined)
        throw invalid(
          `${earlier === node ? `two items of node "${node}"` : `nodes "${earlier}" and "${node}"`} of graph "${graph}" wrote channel "${name}" in one superstep, and it has no reducer. Make it append, merge or reduce.`,
        );
      writers.set(name, node);
      if (kind === "append") (appended[name] ??= []).push(...(value as readonly JsonValue[]));
      else
        state[name] =
          reduce === null ? value : reduced(`graph "${graph}"`, name, node, () => reduce(state[name] ?? null, value));
    }
  }
  for (const [name, items] of Object.entries(appended))
    state[name] = [...(state[name] as readonly JsonValue[]), ...items];
  return { state, appended };
}

function reduced(graph: string, name: string, node: string, reduce: () => unknown): JsonValue {
  const what = `the reducer of channel "${name}" of ${graph}`;
  let result: unknown;
  try {
    result = reduce();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PawlError("GRAPH_REDUCER_FAILED", `${what} threw at what node "${node}" returned: ${why}`, {
      cause: error,
    });
  }
  const json = toJson(result);
  if (json.ok) return json.value;
  const message = `${what} gave ${json.found} at ${json.path}, which is not JSON, from what node "${node}" returned.`;
  throw new PawlError("GRAPH_REDUCER_FAILED", message);
}

function invalid(message: string): PawlError {
  return new PawlError("GRAPH_UPDATE_INVALID", message);
}

function kindOf(value: JsonValue): string {
  if (Array.isArray(value)) return "a list";
  return isJsonObject(value) ? "an object" : JSON.stringify(value).slice(0, 60);
}
